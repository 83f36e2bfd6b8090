//! Whether what a program depends on answers: each asked now, all at once.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::HealthStatus;
use crate::caught::Caught;
use crate::runtime::Runtime;
use crate::sync::{Mutex, Whole};

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(5);

type Asked = Pin<Box<dyn Future<Output = CheckReport> + Send>>;
type Waiting = Pin<Box<Caught<Asked>>>;
type Check = Arc<dyn Fn() -> Asked + Send + Sync>;

/// What a health check found.
///
/// The trap: whoever may see the program's health sees the message and the details too. No address with a password, no
/// text of a foreign error belongs there.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{CheckReport, HealthStatus};
///
/// let report = CheckReport::degraded("the replica is away; the primary answers").detail("replicas", "0 of 1");
/// assert_eq!(report.status, HealthStatus::Degraded);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CheckReport {
    /// `healthy`: it answers. `degraded`: something stands in for it. `unhealthy`: it does not answer.
    pub status: HealthStatus,
    /// What is wrong, for a person.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub message: Option<String>,
    /// How long the answer took.
    #[cfg_attr(feature = "serde", serde(rename = "response_time_ms", serialize_with = "milliseconds"))]
    pub response_time: Duration,
    /// What else there is to know, by name.
    #[cfg_attr(feature = "serde", serde(flatten, serialize_with = "besides"))]
    pub details: BTreeMap<&'static str, String>,
}

#[cfg(feature = "serde")]
fn milliseconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((span.as_secs_f64() * 1e6).round() / 1e3)
}

/// A reader that finds a key twice takes either.
#[cfg(feature = "serde")]
fn besides<S: serde::Serializer>(
    details: &BTreeMap<&'static str, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let own = |name: &str| matches!(name, "status" | "message" | "response_time_ms");
    serializer.collect_map(details.iter().filter(|(name, _)| !own(name)))
}

impl CheckReport {
    fn new(status: HealthStatus, message: Option<String>) -> Self {
        Self { status, message, response_time: Duration::ZERO, details: BTreeMap::new() }
    }

    /// It answers.
    pub fn healthy() -> Self {
        Self::new(HealthStatus::Healthy, None)
    }

    /// It does not, and something stands in for it; or it answers badly.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Degraded, Some(message.into()))
    }

    /// It does not answer.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Unhealthy, Some(message.into()))
    }

    /// One thing more that is worth knowing.
    ///
    /// The trap: as JSON it stands beside `status`, `message` and `response_time_ms`; one of these names is left out there.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.insert(name, value.into());
        self
    }
}

/// The checks of one runtime.
#[derive(Default)]
pub(crate) struct Checks(Mutex<Registered>);

#[derive(Default)]
struct Registered {
    next: u64,
    all: Vec<(u64, Arc<str>, Check)>,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checks").field(&self.0.lock().whole().all.len()).finish()
    }
}

impl Checks {
    fn add(&self, name: Arc<str>, check: Check) -> u64 {
        let mut registered = self.0.lock().whole();
        let id = registered.next;
        registered.next += 1;
        registered.all.push((id, name, check));
        id
    }

    fn remove(&self, id: u64) {
        let mut registered = self.0.lock().whole();
        let at = registered.all.iter().position(|(known, ..)| *known == id);
        let removed = at.map(|at| registered.all.remove(at));
        drop(registered);
        // What it captured is the user's.
        drop(removed);
    }

    /// One for each name: of two, the one that came later.
    fn by_name(&self) -> BTreeMap<String, Check> {
        self.0
            .lock()
            .whole()
            .all
            .iter()
            .map(|(_, name, check)| (name.to_string(), Arc::clone(check)))
            .collect()
    }
}

/// Keeps a check registered until it is dropped.
#[derive(Debug)]
#[must_use = "the check ends when this is dropped; `keep` leaves it for as long as the program runs"]
pub struct HealthCheck {
    runtime: Runtime,
    id: u64,
}

impl HealthCheck {
    /// Leaves the check for as long as the program runs.
    pub fn keep(self) {
        mem::forget(self);
    }
}

impl Drop for HealthCheck {
    fn drop(&mut self) {
        self.runtime.checks().remove(self.id);
    }
}

/// Makes `check` part of [`check_health`], under `name`, until what is returned is dropped.
///
/// The clients of this crate do so by themselves. Of two checks of one name the later one is asked.
///
/// ```
/// # use resilient_runtime as resilient;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use resilient::{CheckReport, HealthStatus};
///
/// let check = resilient::register_health_check("spool", async || match std::fs::metadata("/no/such/spool") {
///     Ok(_) => CheckReport::healthy(),
///     Err(_) => CheckReport::unhealthy("the spool directory is away"),
/// });
/// assert_eq!(resilient::check_health().await["spool"].status, HealthStatus::Unhealthy);
/// drop(check);
/// assert!(resilient::check_health().await.is_empty());
/// # }
/// ```
pub fn register_health_check<F>(
    name: impl Into<String>,
    check: impl Fn() -> F + Send + Sync + 'static,
) -> HealthCheck
where
    F: Future<Output = CheckReport> + Send + 'static,
{
    let runtime = Runtime::current();
    let id = runtime.checks().add(name.into().into(), Arc::new(move || Box::pin(check())));
    HealthCheck { runtime, id }
}

/// Asks every registered check now, all at once, and waits for each at most 5 s.
///
/// One that takes longer, or panics, is `unhealthy`. Nothing here goes through a breaker: a check neither opens one nor
/// is refused by one.
pub async fn check_health() -> BTreeMap<String, CheckReport> {
    let runtime = Runtime::current();
    let checks = runtime.checks().by_name();
    let clock = runtime.context().clock.clone();
    let began = clock.now();
    let ask = |check: &Check| -> Asked {
        catch_unwind(AssertUnwindSafe(|| check())).unwrap_or_else(|_| Box::pin(ready(panicked())))
    };
    let mut waiting: Vec<(String, Waiting)> =
        checks.into_iter().map(|(name, check)| (name, Box::pin(Caught::new(ask(&check))))).collect();
    let mut reports = BTreeMap::new();
    let mut limit = pin!(clock.sleep(LIMIT));
    poll_fn(|cx| {
        waiting.retain_mut(|(name, asked)| {
            let Poll::Ready(answer) = asked.as_mut().poll(cx) else { return true };
            let mut report = answer.unwrap_or_else(|_| panicked());
            report.response_time = clock.now().since(began);
            reports.insert(mem::take(name), report);
            false
        });
        if waiting.is_empty() { Poll::Ready(()) } else { limit.as_mut().poll(cx) }
    })
    .await;
    for (name, _) in waiting {
        let mut late = CheckReport::unhealthy(format!("no answer within {} s", LIMIT.as_secs()));
        late.response_time = clock.now().since(began);
        reports.insert(name, late);
    }
    reports
}

fn panicked() -> CheckReport {
    CheckReport::unhealthy("the check panicked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scope;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_or_panics_is_unhealthy_and_keeps_no_other_from_answering() {
        let scope = Scope::new();
        scope
            .run(async {
                let _answers = register_health_check("answers", async || {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    CheckReport::healthy().detail("version", "7")
                });
                let _hangs = register_health_check("hangs", std::future::pending);
                let _panics = register_health_check("panics", async || panic!("on purpose"));
                let _panics_at_once =
                    register_health_check("panics at once", || -> std::future::Ready<CheckReport> {
                        panic!("on purpose")
                    });
                let reports = check_health().await;
                let told: Vec<_> = reports
                    .iter()
                    .map(|(name, it)| (name.as_str(), it.status, it.message.as_deref()))
                    .collect();
                assert_eq!(
                    told,
                    [
                        ("answers", HealthStatus::Healthy, None),
                        ("hangs", HealthStatus::Unhealthy, Some("no answer within 5 s")),
                        ("panics", HealthStatus::Unhealthy, Some("the check panicked")),
                        ("panics at once", HealthStatus::Unhealthy, Some("the check panicked")),
                    ]
                );
                assert_eq!(reports["answers"].response_time, Duration::from_secs(1));
                assert_eq!(reports["hangs"].response_time, LIMIT);
            })
            .await;
    }

    #[tokio::test]
    async fn of_two_checks_of_one_name_the_later_is_asked_until_it_leaves() {
        let scope = Scope::new();
        scope
            .run(async {
                let first = register_health_check("db", async || CheckReport::degraded("first"));
                let second = register_health_check("db", async || CheckReport::degraded("second"));
                let message = async || check_health().await.remove("db").and_then(|report| report.message);
                assert_eq!(message().await.as_deref(), Some("second"));
                drop(second);
                assert_eq!(message().await.as_deref(), Some("first"));
                drop(first);
                assert_eq!(message().await, None);
            })
            .await;
        assert!(check_health().await.is_empty(), "a scope's checks are its own");
    }

    #[test]
    fn a_report_serialises_with_its_details_beside_its_status() {
        let mut report = CheckReport::healthy().detail("version", "7");
        report.response_time = Duration::from_nanos(1_234_567);
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"status":"healthy","response_time_ms":1.235,"version":"7"}"#
        );
    }

    #[test]
    fn no_detail_takes_the_place_of_what_every_report_tells() {
        let report = CheckReport::degraded("slow")
            .detail("status", "404")
            .detail("message", "x")
            .detail("code", "404");
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"status":"degraded","message":"slow","response_time_ms":0.0,"code":"404"}"#
        );
    }
}
