//! What came of a run, for a log and for a dashboard.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::__private::Harmless;
use serde::{Serialize, Serializer};

use super::component::Status;
use super::error::StartError;

/// What came of one component that was asked for.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InitResult {
    /// The component. Serialised as `exchange_name`.
    #[serde(rename = "exchange_name", serialize_with = "text")]
    pub name: Arc<str>,
    /// Whether it is up.
    pub success: bool,
    /// The attempts that were made; 0 where there was nothing to attempt.
    pub attempts: u32,
    /// From when it was asked for until it was up, or given up, with failed attempts and waits. Serialised in seconds.
    #[serde(serialize_with = "seconds")]
    pub initialization_time: Duration,
    /// Why it is not up. Serialised as its text.
    #[serde(serialize_with = "optional_text")]
    pub error: Option<StartError>,
}

impl InitResult {
    /// Whether it is not up.
    pub fn failed(&self) -> bool {
        !self.success
    }
}

/// What came of the run that was begun last, and of what was created by itself since.
///
/// It counts components: one that needed three attempts is one. As JSON it has the keys `total_requested`, `successful`,
/// `failed`, `success_rate` (percent), `average_init_time` (seconds, of those that succeeded), `active_exchanges`,
/// `failed_exchanges`, `retry_attempts` and `initialization_results`. As text it is a table of a line for each component:
///
/// ```text
/// Exchange Initialization Summary:
///   Requested: 2
///   Successful: 1
///   Failed: 1
///   Success Rate: 50.0%
///   Average Init Time: 2.41s
///   ✅ MEXC: ACTIVE (2 symbols, Private) in 2.41s (attempts: 2)
///   ❌ GATEIO: Failed after 3 attempts - GATEIO initialization timeout (10.0s)
/// ```
///
/// The trap: the errors' texts are those of the components. A component that puts a secret into an error puts it here.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// How many components were asked for, each counted once.
    pub total_requested: usize,
    /// How many of them came up.
    pub successful: usize,
    /// How many did not. While a run is under way, some have neither come up nor failed yet.
    pub failed: usize,
    /// The share that came up, in percent; 0 when none was asked for.
    pub success_rate: f64,
    /// The mean time of those that came up. Serialised in seconds.
    #[serde(serialize_with = "seconds")]
    pub average_init_time: Duration,
    /// Who is active now, of all components that are held. Serialised as `active_exchanges`.
    #[serde(rename = "active_exchanges")]
    pub active: Vec<String>,
    /// Who did not come up, in the order they were asked for. Serialised as `failed_exchanges`.
    #[serde(rename = "failed_exchanges")]
    pub failed_names: Vec<String>,
    /// Who needed more than one attempt, and how many.
    pub retry_attempts: BTreeMap<String, u32>,
    /// Each component that was asked for, in that order.
    pub initialization_results: Vec<InitResult>,
    #[serde(skip)]
    noun: Arc<str>,
    #[serde(skip)]
    held: Vec<Held>,
}

/// A component as it stands when the summary is made.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) name: Arc<str>,
    pub(super) status: Status,
    pub(super) has_private: bool,
    pub(super) details: Option<String>,
}

impl Summary {
    /// Of `total_requested` components those that have come to an end have a result.
    pub(super) fn of(
        noun: &Arc<str>,
        total_requested: usize,
        results: Vec<InitResult>,
        held: Vec<Held>,
    ) -> Self {
        let up = || results.iter().filter(|result| result.success);
        let successful = up().count();
        let rate = if total_requested == 0 { 0.0 } else { successful as f64 / total_requested as f64 };
        let spent: Duration = up().map(|result| result.initialization_time).sum();
        let retried = results.iter().filter(|result| result.attempts > 1);
        let active = held.iter().filter(|held| held.status == Status::Active);
        Self {
            total_requested,
            successful,
            failed: results.len() - successful,
            success_rate: rate * 100.0,
            average_init_time: u32::try_from(successful)
                .ok()
                .and_then(|count| spent.checked_div(count))
                .unwrap_or_default(),
            active: active.map(|held| held.name.to_string()).collect(),
            failed_names: results
                .iter()
                .filter(|result| result.failed())
                .map(|it| it.name.to_string())
                .collect(),
            retry_attempts: retried.map(|result| (result.name.to_string(), result.attempts)).collect(),
            initialization_results: results,
            noun: Arc::clone(noun),
            held,
        }
    }

    /// Who is held, with what is known of how it came up.
    fn lines(&self) -> impl Iterator<Item = (&Held, Option<&InitResult>)> {
        let result =
            |held: &Held| self.initialization_results.iter().find(|it| it.success && it.name == held.name);
        self.held.iter().map(move |held| (held, result(held)))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut noun = self.noun.chars();
        let initial = noun.next().map(char::to_uppercase).into_iter().flatten();
        writeln!(f, "{}{} Initialization Summary:", initial.collect::<String>(), noun.as_str())?;
        writeln!(f, "  Requested: {}", self.total_requested)?;
        writeln!(f, "  Successful: {}", self.successful)?;
        writeln!(f, "  Failed: {}", self.failed)?;
        writeln!(f, "  Success Rate: {:.1}%", self.success_rate)?;
        write!(f, "  Average Init Time: {:.2}s", self.average_init_time.as_secs_f64())?;
        for (Held { name, status, has_private, details }, result) in self.lines() {
            let sign = if *status == Status::Active { '✅' } else { '⚠' };
            write!(f, "\n  {sign} {}: {status} (", Harmless(name))?;
            if let Some(details) = details {
                write!(f, "{}, ", Harmless(details))?;
            }
            write!(f, "{})", if *has_private { "Private" } else { "Public Only" })?;
            let Some(result) = result else { continue };
            write!(f, " in {:.2}s", result.initialization_time.as_secs_f64())?;
            if result.attempts > 1 {
                write!(f, " (attempts: {})", result.attempts)?;
            }
        }
        for result in self.initialization_results.iter().filter(|result| result.failed()) {
            let plural = if result.attempts == 1 { "" } else { "s" };
            write!(f, "\n  ❌ {}: Failed after {} attempt{plural}", Harmless(&result.name), result.attempts)?;
            if let Some(error) = &result.error {
                write!(f, " - {}", error.last())?;
            }
        }
        Ok(())
    }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde gives the field as it is")]
fn optional_text<S: Serializer>(error: &Option<StartError>, serializer: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => serializer.collect_str(error),
        None => serializer.serialize_none(),
    }
}
