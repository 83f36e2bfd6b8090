//! How a service is doing, judged from its latest calls: their share of failures and how long they took.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Moment, nanos};
use crate::profile::{IntoDuration, Problem, Refused};
use crate::sync::{Mutex, MutexGuard, Whole};

/// What the latest calls say about a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum HealthStatus {
    /// Below every threshold.
    Healthy,
    /// Failing or slow enough to look at.
    Degraded,
    /// Failing or slow enough to act on.
    Unhealthy,
    /// Too few recent calls to tell.
    #[default]
    Unknown,
}

impl HealthStatus {
    /// The status as logs, JSON and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }

    /// The status as a gauge: healthy 0, degraded 1, unhealthy 2.
    ///
    /// Unknown is 3, so an alert on `>= 2` also fires for a service nobody calls; write `== 2`.
    pub const fn as_gauge(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::Unhealthy => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a service counts as degraded or unhealthy, and from how many calls that is read.
///
/// Defaults: the newest 100 calls of the last 300 s, from 10 calls on; degraded from an error rate of 0.05 or a
/// mean response time of 1 s, unhealthy from an error rate of 0.2 or a 95th percentile of 3 s. A threshold is
/// reached at its own value.
///
/// A value that makes no sense does not panic and is not lost: the former one stays in force, and `validate()` and
/// `init()` report it.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::HealthConfig;
///
/// let strict = HealthConfig::new()
///     .unhealthy_error_rate(0.1)
///     .degraded_response_time("200ms")
///     .unhealthy_response_time(0.8);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct HealthConfig {
    degraded_error_rate: f64,
    unhealthy_error_rate: f64,
    degraded_response_time: Duration,
    unhealthy_response_time: Duration,
    window: u32,
    max_age: Duration,
    /// `None`: 10, or the whole window where that is smaller.
    min_samples: Option<u32>,
    rejected: Vec<(&'static str, Refused)>,
}

impl HealthConfig {
    const LARGEST_WINDOW: u32 = 100_000;
    const MIN_SAMPLES: u32 = 10;

    /// The defaults.
    pub const fn new() -> Self {
        Self {
            degraded_error_rate: 0.05,
            unhealthy_error_rate: 0.2,
            degraded_response_time: Duration::from_secs(1),
            unhealthy_response_time: Duration::from_secs(3),
            window: 100,
            max_age: Duration::from_secs(300),
            min_samples: None,
            rejected: Vec::new(),
        }
    }

    /// From which share of failed calls on the service is degraded; above 0, up to 1. Default: 0.05.
    pub fn degraded_error_rate(self, rate: f64) -> Self {
        self.take("degraded_error_rate", share(rate), |config, rate| config.degraded_error_rate = rate)
    }

    /// From which share of failed calls on the service is unhealthy; above 0, up to 1. Default: 0.2.
    pub fn unhealthy_error_rate(self, rate: f64) -> Self {
        self.take("unhealthy_error_rate", share(rate), |config, rate| config.unhealthy_error_rate = rate)
    }

    /// From which mean response time on the service is degraded; above 0. Default: 1 s.
    pub fn degraded_response_time(self, mean: impl IntoDuration) -> Self {
        self.take("degraded_response_time", span(mean), |config, mean| config.degraded_response_time = mean)
    }

    /// From which 95th percentile of the response time on the service is unhealthy; above 0. Default: 3 s.
    pub fn unhealthy_response_time(self, p95: impl IntoDuration) -> Self {
        self.take("unhealthy_response_time", span(p95), |config, p95| config.unhealthy_response_time = p95)
    }

    /// How many of the newest calls are looked at, 1 to 100,000. Default: 100.
    pub fn window(self, calls: u32) -> Self {
        self.take("window", count(calls), |config, calls| config.window = calls)
    }

    /// How old a call may be and still count; above 0. Default: 300 s.
    pub fn max_age(self, age: impl IntoDuration) -> Self {
        self.take("max_age", span(age), |config, age| config.max_age = age)
    }

    /// How many calls it takes to tell, 1 to `window`; with fewer the service is [`HealthStatus::Unknown`].
    /// Default: 10, or `window` where that is smaller.
    pub fn min_samples(self, calls: u32) -> Self {
        self.take("min_samples", count(calls), |config, calls| config.min_samples = Some(calls))
    }

    /// Everything that is wrong with what was written for `service`; empty when nothing is.
    #[inline]
    pub(crate) fn problems(&self, service: &str) -> Vec<Problem> {
        let source = |key: &str| format!("service health '{service}' {key}");
        let mut problems: Vec<Problem> = self
            .rejected
            .iter()
            .map(|(key, refused)| {
                Problem::refused(source(key), refused).used(format!("using {}", self.shown(key)))
            })
            .collect();
        let above = |key: &str, limit: &str, used: &str| {
            let what = format!("{} is above {limit}", self.shown(key));
            Problem::new(source(key), what).allowed(format!("at most {}", self.shown(limit))).used(used)
        };
        if self.min_samples.is_some_and(|calls| calls > self.window) {
            problems.push(above("min_samples", "window", "using the whole window"));
        }
        if self.degraded_error_rate > self.unhealthy_error_rate {
            problems.push(above("degraded_error_rate", "unhealthy_error_rate", NO_USE));
        }
        if self.degraded_response_time > self.unhealthy_response_time {
            problems.push(above("degraded_response_time", "unhealthy_response_time", NO_USE));
        }
        problems
    }

    fn take<V>(
        mut self,
        key: &'static str,
        value: Result<V, Refused>,
        keep: impl FnOnce(&mut Self, V),
    ) -> Self {
        self.rejected.retain(|(other, _)| *other != key);
        match value {
            Ok(value) => keep(&mut self, value),
            Err(refused) => self.rejected.push((key, refused)),
        }
        self
    }

    /// The value in force under `key`.
    fn shown(&self, key: &str) -> String {
        let span = |span: Duration| humantime::format_duration(span).to_string();
        match key {
            "degraded_error_rate" => self.degraded_error_rate.to_string(),
            "unhealthy_error_rate" => self.unhealthy_error_rate.to_string(),
            "degraded_response_time" => span(self.degraded_response_time),
            "unhealthy_response_time" => span(self.unhealthy_response_time),
            "max_age" => span(self.max_age),
            "window" => self.window.to_string(),
            _ => self.min_samples.unwrap_or_else(|| self.enough()).to_string(),
        }
    }

    fn enough(&self) -> u32 {
        self.min_samples.unwrap_or(Self::MIN_SAMPLES).min(self.window)
    }
}

const NO_USE: &str = "a service that reaches it is unhealthy already";

fn share(rate: f64) -> Result<f64, Refused> {
    let fits = rate > 0.0 && rate <= 1.0;
    let refused = || Refused::new("is not a rate", "a share above 0 and at most 1 (0.2)", &rate.to_string());
    fits.then_some(rate).ok_or_else(refused)
}

fn span(value: impl IntoDuration) -> Result<Duration, Refused> {
    let span = value.into_duration()?;
    let refused = || Refused::new("is too short", "a time above 0 (2.5, 250ms)", "0");
    (!span.is_zero()).then_some(span).ok_or_else(refused)
}

fn count(calls: u32) -> Result<u32, Refused> {
    let fits = (1..=HealthConfig::LARGEST_WINDOW).contains(&calls);
    let refused = || Refused::new("is out of range", "1 to 100000 calls", &calls.to_string());
    fits.then_some(calls).ok_or_else(refused)
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The latest calls of one service and what follows from them. Owns no clock: the caller says what time it is.
#[derive(Debug)]
struct Samples {
    config: HealthConfig,
    /// Oldest first. The three sums below always cover exactly these.
    recent: VecDeque<Sample>,
    failures: u32,
    /// Those that took `unhealthy_response_time` or longer.
    slow: u32,
    total_nanos: u128,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Moment,
    took: u64,
    ok: bool,
}

impl Samples {
    fn new(config: HealthConfig) -> Self {
        Self { config, recent: VecDeque::new(), failures: 0, slow: 0, total_nanos: 0 }
    }

    fn push(&mut self, now: Moment, took: Duration, ok: bool) {
        let sample = Sample { at: now, took: nanos(took), ok };
        if self.count() >= self.config.window {
            self.forget_oldest();
        }
        self.recent.push_back(sample);
        self.failures += u32::from(!sample.ok);
        self.slow += u32::from(self.is_slow(sample));
        self.total_nanos += u128::from(sample.took);
    }

    /// Drops what is older than `max_age` and judges the rest, without sorting: the 95th percentile reaches a
    /// threshold exactly when enough samples do.
    fn status(&mut self, now: Moment) -> HealthStatus {
        while self.recent.front().is_some_and(|oldest| now.since(oldest.at) > self.config.max_age) {
            self.forget_oldest();
        }
        let count = self.count();
        if count < self.config.enough() {
            return HealthStatus::Unknown;
        }
        let error_rate = f64::from(self.failures) / f64::from(count);
        let from_p95_up = self.recent.len() - p95_place(self.recent.len());
        if error_rate >= self.config.unhealthy_error_rate || self.slow as usize >= from_p95_up {
            HealthStatus::Unhealthy
        } else if error_rate >= self.config.degraded_error_rate
            || self.total_nanos >= u128::from(count) * self.config.degraded_response_time.as_nanos()
        {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        }
    }

    /// The figures behind the last [`Samples::status`].
    fn statistics(&self) -> ServiceStatistics {
        let count = self.count();
        let successes = count - self.failures;
        let share = |part: u32| (count > 0).then(|| f64::from(part) / f64::from(count));
        ServiceStatistics {
            average_response_time: (count > 0).then(|| self.total_nanos as f64 / f64::from(count) / 1e9),
            p95_response_time: (count >= self.config.enough()).then(|| self.p95()),
            error_rate: share(self.failures),
            success_rate: share(successes),
            success_count: successes,
            failure_count: self.failures,
            total_count: count,
        }
    }

    fn p95(&self) -> f64 {
        let mut took: Vec<u64> = self.recent.iter().map(|sample| sample.took).collect();
        let place = p95_place(took.len());
        let (_, p95, _) = took.select_nth_unstable(place);
        Duration::from_nanos(*p95).as_secs_f64()
    }

    fn clear(&mut self) {
        *self = Self::new(self.config.clone());
    }

    fn forget_oldest(&mut self) {
        if let Some(sample) = self.recent.pop_front() {
            self.failures -= u32::from(!sample.ok);
            self.slow -= u32::from(self.is_slow(sample));
            self.total_nanos -= u128::from(sample.took);
        }
    }

    fn is_slow(&self, sample: Sample) -> bool {
        sample.took >= nanos(self.config.unhealthy_response_time)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.recent.len()).unwrap_or(u32::MAX)
    }
}

/// Where the 95th percentile of `count` sorted values stands.
const fn p95_place(count: usize) -> usize {
    count * 95 / 100
}

/// The health of one service, under the name that `#[track_service_health("name")]` gave it.
///
/// A cheap handle: clones share their samples. Every reading is judged anew, so a service that nobody calls any
/// more turns [`HealthStatus::Unknown`] by itself once its calls are too old.
///
/// Rejections (an open breaker, an empty budget) are no samples, timed-out attempts are failed ones.
#[derive(Clone)]
pub struct ServiceHealth {
    service: Arc<Service>,
}

struct Service {
    name: &'static str,
    clock: Clock,
    book: Mutex<Book>,
}

struct Book {
    samples: Samples,
    status: HealthStatus,
    changed: Option<Moment>,
    /// What the last event said; a reading may see a change before the next call reports it.
    told: HealthStatus,
}

impl Book {
    fn judge(&mut self, now: Moment) -> HealthStatus {
        let status = self.samples.status(now);
        if status != self.status {
            self.status = status;
            self.changed = Some(now);
        }
        status
    }
}

impl ServiceHealth {
    pub(crate) fn new(name: &'static str, config: HealthConfig, clock: Clock) -> Self {
        let samples = Samples::new(config);
        let book =
            Book { samples, status: HealthStatus::Unknown, changed: None, told: HealthStatus::Unknown };
        Self { service: Arc::new(Service { name, clock, book: Mutex::new(book) }) }
    }

    /// Adds one real execution. `Some((from, to))` is a change of status that nobody has been told of yet.
    pub(crate) fn record(&self, took: Duration, ok: bool) -> Option<(HealthStatus, HealthStatus)> {
        let (mut book, now) = self.open();
        book.samples.push(now, took, ok);
        let status = book.judge(now);
        let told = std::mem::replace(&mut book.told, status);
        (told != status).then_some((told, status))
    }

    /// Whether both are handles on one service.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.service, &other.service)
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.service.name
    }

    /// What its latest calls say now.
    pub fn status(&self) -> HealthStatus {
        let (mut book, now) = self.open();
        book.judge(now)
    }

    /// Whether it is [`HealthStatus::Healthy`]; false while there are too few calls to tell.
    pub fn is_healthy(&self) -> bool {
        self.status() == HealthStatus::Healthy
    }

    /// Whether it is [`HealthStatus::Degraded`].
    pub fn is_degraded(&self) -> bool {
        self.status() == HealthStatus::Degraded
    }

    /// Whether it is [`HealthStatus::Unhealthy`].
    pub fn is_unhealthy(&self) -> bool {
        self.status() == HealthStatus::Unhealthy
    }

    /// The status with the figures it follows from.
    pub fn metrics(&self) -> ServiceMetrics {
        let (mut book, now) = self.open();
        let status = book.judge(now);
        let config = &book.samples.config;
        ServiceMetrics {
            name: self.service.name,
            status,
            last_status_change: book.changed.map(|changed| now.since(changed).as_secs_f64()),
            statistics: book.samples.statistics(),
            thresholds: ServiceThresholds {
                degraded_response_time: config.degraded_response_time.as_secs_f64(),
                unhealthy_response_time: config.unhealthy_response_time.as_secs_f64(),
                degraded_error_rate: config.degraded_error_rate,
                unhealthy_error_rate: config.unhealthy_error_rate,
            },
        }
    }

    /// Forgets every call; the status is [`HealthStatus::Unknown`] again.
    pub fn reset(&self) {
        let (mut book, _) = self.open();
        book.samples.clear();
        book.status = HealthStatus::Unknown;
        book.changed = None;
        book.told = HealthStatus::Unknown;
    }

    /// The time is read under the lock, so that samples are in order.
    fn open(&self) -> (MutexGuard<'_, Book>, Moment) {
        let book = self.service.book.lock().whole();
        let now = self.service.clock.now();
        (book, now)
    }
}

impl fmt::Debug for ServiceHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceHealth")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A service's status and the figures behind it; `None` (JSON `null`) where there is no data.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServiceMetrics {
    /// The service.
    pub name: &'static str,
    /// What its latest calls say.
    pub status: HealthStatus,
    /// How many seconds ago the status changed, or was first seen to have changed; `None` if never.
    pub last_status_change: Option<f64>,
    /// The figures, over the window.
    pub statistics: ServiceStatistics,
    /// What they are measured against.
    pub thresholds: ServiceThresholds,
}

/// The figures of a service over its window; older calls are forgotten in every one of them. Times in seconds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServiceStatistics {
    /// The mean over successes and failures.
    pub average_response_time: Option<f64>,
    /// The 95th percentile over successes and failures; `None` below `min_samples`.
    pub p95_response_time: Option<f64>,
    /// The share of failures, 0 to 1.
    pub error_rate: Option<f64>,
    /// The share of successes, 0 to 1.
    pub success_rate: Option<f64>,
    /// How many calls succeeded.
    pub success_count: u32,
    /// How many calls failed.
    pub failure_count: u32,
    /// How many calls there were.
    pub total_count: u32,
}

/// What a service's figures are measured against; see [`HealthConfig`]. Times in seconds.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServiceThresholds {
    /// Degraded from this mean on.
    pub degraded_response_time: f64,
    /// Unhealthy from this 95th percentile on.
    pub unhealthy_response_time: f64,
    /// Degraded from this share of failures on.
    pub degraded_error_rate: f64,
    /// Unhealthy from this share of failures on.
    pub unhealthy_error_rate: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

    const QUICK: Duration = Duration::from_millis(10);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn samples(config: HealthConfig) -> Samples {
        assert_eq!(config.problems("db"), []);
        Samples::new(config)
    }

    impl Samples {
        fn calls(&mut self, count: u32, took: Duration, ok: bool) -> &mut Self {
            for _ in 0..count {
                self.push(at(0), took, ok);
            }
            self
        }
    }

    #[test]
    fn nothing_is_known_before_ten_calls() {
        let mut s = samples(HealthConfig::new());
        assert_eq!(s.status(at(0)), Unknown);
        assert_eq!(s.calls(1, QUICK, false).status(at(0)), Unknown);
        assert_eq!(s.calls(8, QUICK, true).status(at(0)), Unknown);
        assert_ne!(s.calls(1, QUICK, true).status(at(0)), Unknown);
    }

    #[test]
    fn one_bad_call_in_twenty_is_degraded_and_one_in_twenty_one_is_not() {
        let mut s = samples(HealthConfig::new());
        assert_eq!(s.calls(1, QUICK, false).calls(19, QUICK, true).status(at(0)), Degraded);
        assert_eq!(s.calls(1, QUICK, true).status(at(0)), Healthy);
    }

    #[test]
    fn one_bad_call_in_five_is_unhealthy() {
        let mut s = samples(HealthConfig::new());
        assert_eq!(s.calls(4, QUICK, false).calls(16, QUICK, true).status(at(0)), Unhealthy);
        assert_eq!(s.calls(1, QUICK, true).status(at(0)), Degraded);
    }

    #[test]
    fn forty_per_cent_of_twenty_calls_failing_is_unhealthy() {
        let mut s = samples(HealthConfig::new());
        assert_eq!(s.calls(8, QUICK, false).calls(12, QUICK, true).status(at(0)), Unhealthy);
    }

    #[test]
    fn ten_calls_of_three_and_a_half_seconds_are_unhealthy_and_nine_say_nothing() {
        let mut s = samples(HealthConfig::new());
        let slow = Duration::from_millis(3500);
        assert_eq!(s.calls(9, slow, true).status(at(0)), Unknown);
        assert_eq!(s.calls(1, slow, true).status(at(0)), Unhealthy);
    }

    #[test]
    fn a_threshold_is_reached_at_its_own_value_and_not_a_nanosecond_below() {
        let one_less = |span: Duration| span.saturating_sub(Duration::from_nanos(1));
        let (mean, p95) = (Duration::from_secs(1), Duration::from_secs(3));
        for (took, status) in
            [(one_less(mean), Healthy), (mean, Degraded), (one_less(p95), Degraded), (p95, Unhealthy)]
        {
            assert_eq!(samples(HealthConfig::new()).calls(10, took, true).status(at(0)), status, "{took:?}");
        }
    }

    #[test]
    fn the_quick_judgement_agrees_with_the_sorted_percentile() {
        let slow = Duration::from_secs(3);
        let config = || HealthConfig::new().degraded_response_time(slow);
        for count in 10..=100 {
            for bad in 0..=count.min(12) {
                let mut s = samples(config());
                s.calls(bad, slow, true).calls(count - bad, QUICK, true);
                let by_sorting = if s.p95() >= 3.0 { Unhealthy } else { Healthy };
                assert_eq!(s.status(at(0)), by_sorting, "{bad} slow of {count}");
            }
        }
    }

    #[test]
    fn a_failure_has_a_response_time_too() {
        let mut s = samples(HealthConfig::new().unhealthy_error_rate(1.0));
        s.calls(1, Duration::from_secs(4), false).calls(9, QUICK, true);
        assert_eq!(s.status(at(0)), Unhealthy);
        assert_eq!(s.statistics().p95_response_time, Some(4.0));
    }

    #[test]
    fn failures_age_out_like_successes() {
        let mut s = samples(HealthConfig::new());
        s.calls(10, QUICK, false);
        assert_eq!(s.status(at(300)), Unhealthy, "as old as allowed");
        for _ in 0..10 {
            s.push(at(300), QUICK, true);
        }
        assert_eq!(s.status(at(301)), Healthy);
        assert_eq!(s.status(at(601)), Unknown);
        assert_eq!(s.statistics().total_count, 0);
    }

    #[test]
    fn the_window_keeps_the_newest_hundred() {
        let mut s = samples(HealthConfig::new());
        s.calls(1000, Duration::from_secs(9), false).calls(95, QUICK, true);
        assert_eq!(s.status(at(0)), Unhealthy, "the five slow ones left are the 95th percentile");
        s.calls(1, QUICK, true);
        assert_eq!(s.status(at(0)), Healthy, "four per cent failures");
        assert_eq!(s.statistics().total_count, 100);
        assert_eq!((s.statistics().failure_count, s.statistics().success_count), (4, 96));
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let mut s =
            samples(HealthConfig::new().max_age(Duration::MAX).unhealthy_response_time(Duration::MAX));
        s.calls(100, Duration::MAX, true);
        assert_eq!(s.status(Moment::from_nanos(u64::MAX)), Unhealthy);
    }

    #[test]
    fn a_small_window_lowers_the_number_of_calls_it_takes() {
        let mut s = samples(HealthConfig::new().window(4));
        assert_eq!(s.calls(3, QUICK, true).status(at(0)), Unknown);
        assert_eq!(s.calls(1, QUICK, true).status(at(0)), Healthy);
    }

    fn wrong(config: &HealthConfig) -> Vec<String> {
        config.problems("db").iter().map(Problem::to_string).collect()
    }

    #[test]
    fn senseless_values_are_reported_all_at_once_and_not_used() {
        let config = HealthConfig::new()
            .degraded_error_rate(0.0)
            .unhealthy_error_rate(f64::NAN)
            .max_age(Duration::ZERO)
            .degraded_response_time("soon")
            .window(0)
            .min_samples(0);
        assert_eq!(
            wrong(&config),
            [
                "service health 'db' degraded_error_rate: `0` is not a rate; write a share above 0 and at most 1 \
                 (0.2); using 0.05",
                "service health 'db' unhealthy_error_rate: `NaN` is not a rate; write a share above 0 and at most \
                 1 (0.2); using 0.2",
                "service health 'db' max_age: `0` is too short; write a time above 0 (2.5, 250ms); using 5m",
                "service health 'db' degraded_response_time: `soon` is not a duration; write seconds (30, 0.5) or \
                 a unit (250ms, 1m30s); using 1s",
                "service health 'db' window: `0` is out of range; write 1 to 100000 calls; using 100",
                "service health 'db' min_samples: `0` is out of range; write 1 to 100000 calls; using 10",
            ]
        );
        let mended = config.degraded_error_rate(0.05).window(100).unhealthy_error_rate(0.2).min_samples(10);
        assert_eq!(wrong(&mended.degraded_response_time(1).max_age(300)), [""; 0]);
    }

    #[test]
    fn values_that_contradict_each_other_are_reported_whatever_their_order() {
        let config = HealthConfig::new()
            .min_samples(30)
            .window(20)
            .unhealthy_error_rate(0.04)
            .degraded_response_time(Duration::from_secs(5));
        assert_eq!(
            wrong(&config),
            [
                "service health 'db' min_samples: 30 is above window; write at most 20; using the whole window",
                "service health 'db' degraded_error_rate: 0.05 is above unhealthy_error_rate; write at most 0.04; \
                 a service that reaches it is unhealthy already",
                "service health 'db' degraded_response_time: 5s is above unhealthy_response_time; write at most \
                 3s; a service that reaches it is unhealthy already",
            ]
        );
    }

    #[test]
    fn values_that_are_as_large_as_their_limits_contradict_nothing() {
        let config = HealthConfig::new()
            .min_samples(20)
            .window(20)
            .unhealthy_error_rate(0.05)
            .degraded_response_time(Duration::from_secs(3));
        assert_eq!(wrong(&config), [""; 0]);
    }

    #[test]
    fn of_no_calls_nothing_is_a_number() {
        let nothing = samples(HealthConfig::new()).statistics();
        assert_eq!((nothing.average_response_time, nothing.p95_response_time), (None, None));
        assert_eq!((nothing.error_rate, nothing.success_rate), (None, None));
    }

    #[test]
    fn in_a_debugger_a_service_shows_its_name_and_how_it_is() {
        assert_eq!(format!("{:?}", service().0), "ServiceHealth { name: \"db\", status: Unknown, .. }");
    }

    fn service() -> (ServiceHealth, crate::clock::TestClock) {
        let clock = crate::clock::TestClock::new();
        (ServiceHealth::new("db", HealthConfig::new(), Clock::Test(clock.clone())), clock)
    }

    #[test]
    fn a_change_of_status_is_told_once() {
        let (health, _) = service();
        for _ in 0..9 {
            assert_eq!(health.record(QUICK, true), None);
        }
        assert_eq!(health.record(QUICK, true), Some((Unknown, Healthy)));
        assert_eq!(health.record(QUICK, true), None);
        assert_eq!(health.record(QUICK, false), Some((Healthy, Degraded)));
        assert!(health.is_degraded() && !health.is_healthy() && !health.is_unhealthy());
    }

    #[test]
    fn a_reading_sees_samples_age_and_the_next_call_still_tells() {
        let (health, clock) = service();
        for _ in 0..10 {
            health.record(QUICK, true);
        }
        assert!(health.is_healthy());
        clock.advance(Duration::from_secs(301));
        assert_eq!(health.status(), Unknown);
        clock.advance(Duration::from_secs(7));
        assert_eq!(health.metrics().last_status_change, Some(7.0));
        assert_eq!(health.record(QUICK, true), Some((Healthy, Unknown)));
    }

    #[test]
    fn a_reset_forgets_every_call() {
        let (health, _) = service();
        for _ in 0..10 {
            health.record(QUICK, false);
        }
        assert!(health.is_unhealthy());
        health.clone().reset();
        assert_eq!(health.status(), Unknown);
        let metrics = health.metrics();
        assert_eq!((metrics.last_status_change, metrics.statistics.total_count), (None, 0));
    }

    #[test]
    fn metrics_have_the_known_keys_and_null_where_there_is_no_data() {
        let (health, clock) = service();
        let thresholds = serde_json::json!({
            "degraded_response_time": 1.0, "unhealthy_response_time": 3.0,
            "degraded_error_rate": 0.05, "unhealthy_error_rate": 0.2,
        });
        assert_eq!(
            serde_json::to_value(health.metrics()).unwrap(),
            serde_json::json!({
                "name": "db", "status": "unknown", "last_status_change": null,
                "statistics": {
                    "average_response_time": null, "p95_response_time": null,
                    "error_rate": null, "success_rate": null,
                    "success_count": 0, "failure_count": 0, "total_count": 0,
                },
                "thresholds": thresholds,
            })
        );
        for n in 0..20 {
            health.record(Duration::from_millis(500), n > 0);
        }
        clock.advance(Duration::from_secs(2));
        assert_eq!(
            serde_json::to_value(health.metrics()).unwrap(),
            serde_json::json!({
                "name": "db", "status": "degraded", "last_status_change": 2.0,
                "statistics": {
                    "average_response_time": 0.5, "p95_response_time": 0.5,
                    "error_rate": 0.05, "success_rate": 0.95,
                    "success_count": 19, "failure_count": 1, "total_count": 20,
                },
                "thresholds": thresholds,
            })
        );
    }

    #[test]
    fn a_status_spells_itself_alike_everywhere() {
        for (status, word, gauge) in [
            (Healthy, "healthy", 0),
            (Degraded, "degraded", 1),
            (Unhealthy, "unhealthy", 2),
            (Unknown, "unknown", 3),
        ] {
            assert_eq!(status.to_string(), word);
            assert_eq!(serde_json::to_value(status).unwrap(), word);
            assert_eq!(status.as_gauge(), gauge);
        }
    }
}
