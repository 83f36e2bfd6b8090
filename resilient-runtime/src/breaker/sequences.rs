//! Sequences of operations on the machine alone and on the whole breaker, each in step with the reference.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::{self, Machine, Transition};
use super::window::{Results, Sample, Totals};
use super::{Breaker, BreakerConfig, BreakerSnapshot, State, Ticket, Window};
use crate::clock::{Clock, Moment, TestClock};
use crate::context::Context;
use crate::error::ResilienceError;
use crate::event::{EventKind, Subscription};
use crate::outcome::Outcome;
use crate::reason::TripReason;
use crate::reference::breaker::{self as reference, Figures, Refusal, Told};
use crate::reference::{Draw, Operations, Passing, window as reference_window};
use crate::sync::{Mutex, Whole};

const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    config: BreakerConfig,
    begins: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    passing: Passing,
    what: What,
    luck: f64,
}

#[derive(Clone, Debug)]
enum What {
    Admit,
    /// One of the calls under way ends, counted from the latest.
    Record {
        which: usize,
        outcome: Outcome,
        took: Option<Duration>,
    },
    Look,
    Set {
        to: State,
        span: Option<Duration>,
    },
    HalfOpen,
    Reset(Option<Box<BreakerConfig>>),
    Reconfigure(Box<BreakerConfig>),
    AllowProbes(Duration),
}

fn config(draw: &mut Draw) -> BreakerConfig {
    const SPANS: [Duration; 5] =
        [MS.saturating_mul(100), MS, Duration::from_nanos(1), MS.saturating_mul(3_600_000), Duration::MAX];
    let windows = [
        Window::Count(4),
        Window::Count(1),
        Window::Count(2),
        Window::Count(9),
        Window::Count(u32::MAX),
        Window::Time(100 * MS),
        Window::Time(200 * MS),
        Window::Time(1_000 * MS),
        Window::Time(Duration::from_nanos(1)),
        Window::Time(Duration::MAX),
    ];
    let failure_threshold = draw.one_of(&[2, 1, 3, 5, u32::MAX]);
    let success_threshold = draw.one_of(&[1, 2, 3, u32::MAX]);
    let recovery_timeout = draw.one_of(&SPANS);
    let failure_rate = draw.some_of(&[0.5, 0.01, 0.34, 1.0]);
    let slow = draw.some_of(&[(0.5, 10 * MS), (1.0, MS), (0.07, Duration::from_nanos(1))]);
    let config = BreakerConfig {
        failure_threshold,
        success_threshold,
        recovery_timeout,
        failure_rate,
        window: draw.one_of(&windows),
        min_calls: draw.one_of(&[2, 1, 3, 6]),
        slow_call_rate: slow.map(|(rate, _)| rate),
        slow_call_duration: slow.map(|(_, limit)| limit),
        half_open_max_calls: draw.some_of(&[1, 2, 3]),
        recovery_backoff: draw.one_of(&[1.0, 2.0, 1.5, 1e300]),
        max_recovery_timeout: draw.some_of(&[MS, 350 * MS, Duration::MAX]),
        recovery_jitter: draw.one_of(&[0.0, 0.25, 1.0]),
        probe_lease: draw.some_of(&[30 * MS, Duration::from_nanos(1), Duration::MAX]),
        initial_state: if draw.below(4) == 3 { draw.one_of(&STATES) } else { State::Closed },
        critical: false,
    };
    assert_eq!(config.problems(), [""; 0], "the references know legal configurations only");
    config
}

fn operation(draw: &mut Draw) -> Operation {
    let kind = draw.below(64);
    let passing = Passing::drawn(draw);
    let luck = draw.one_of(&[0.0, 0.999_999, 0.5]);
    let what = match kind {
        0..=24 => What::Admit,
        25..=50 => What::Record {
            outcome: draw.one_of(&[
                Outcome::Failure,
                Outcome::Success,
                Outcome::Failure,
                Outcome::Success,
                Outcome::Abandoned,
                Outcome::Ignored,
            ]),
            took: draw.some_of(&[Duration::ZERO, MS, 10 * MS, 11 * MS, Duration::MAX]),
            which: draw.index(12),
        },
        51..=53 => What::Look,
        54..=56 => What::Set {
            to: draw.one_of(&STATES),
            span: draw.some_of(&[Duration::ZERO, 70 * MS, Duration::MAX]),
        },
        57 | 58 => What::HalfOpen,
        59 => What::Reset(None),
        60 => What::Reset(Some(Box::new(config(draw)))),
        61 | 62 => What::Reconfigure(Box::new(config(draw))),
        _ => What::AllowProbes(draw.one_of(&[50 * MS, Duration::from_nanos(2), Duration::MAX])),
    };
    Operation { passing, what, luck }
}

/// What is judged.
trait Subject {
    fn new(config: BreakerConfig, now: u64) -> Self;
    fn pass_to(&mut self, now: u64, luck: f64);
    fn admit(&mut self) -> Result<Ticket, Refusal>;
    /// Whether it counted, where that is to be seen.
    fn record(&mut self, ticket: Ticket, outcome: Outcome, took: Option<Duration>) -> Option<bool>;
    fn set(&mut self, to: State, span: Option<Duration>);
    fn half_open(&mut self) -> Result<(), State>;
    fn reset(&mut self, config: Option<BreakerConfig>);
    fn reconfigure(&mut self, config: BreakerConfig);
    fn allow_probes(&mut self, lease: Duration);
    fn told(&mut self) -> Vec<Told>;
    /// How long OPEN lasts that has just begun.
    fn open_for(&mut self) -> Duration;
    fn agrees(&mut self, expected: &Figures, config: &BreakerConfig);
}

fn play<S: Subject>(setup: &Setup, operations: &[Operation]) {
    let mut now = setup.begins;
    let mut subject = S::new(setup.config.clone(), now);
    let mut model = reference::Breaker::new(setup.config.clone(), now, || subject.open_for());
    let mut under_way: Vec<(Ticket, reference::Ticket)> = Vec::new();
    subject.agrees(&model.figures(now), model.config());
    for Operation { passing, what, luck } in operations {
        now = passing.from(now, model.edges());
        subject.pass_to(now, *luck);
        match what {
            What::Admit => match (subject.admit(), model.admit(now)) {
                (Ok(ticket), Ok(expected)) => {
                    under_way.push((ticket, expected));
                    let (under_way, slots) = (model.probes_under_way(now), model.config().probes());
                    assert!(under_way as u64 <= u64::from(slots), "F06: {under_way} probes");
                }
                (answer, expected) => {
                    let (answer, expected) = (answer.map(drop), expected.map(drop));
                    assert!(same_answer(answer, expected), "{answer:?}, expected {expected:?}");
                }
            },
            What::Record { which, outcome, took } if !under_way.is_empty() => {
                let latest = under_way.len() - 1;
                let (ticket, expected) = under_way.remove(latest.saturating_sub(*which));
                let before = model.figures(now);
                let counted = subject.record(ticket, *outcome, *took);
                let expected = model.record(now, expected, *outcome, *took, || subject.open_for());
                assert!(counted.is_none_or(|counted| counted == expected), "counted, expected {expected}");
                let after = model.figures(now);
                if after.stale > before.stale {
                    assert_eq!(after, Figures { stale: before.stale + 1, ..before }, "F05: a late result");
                } else if before.state == State::HalfOpen && *outcome == Outcome::Failure {
                    assert_eq!(after.state, State::Open, "F08: a failed probe");
                } else if after.state == State::Closed && before.state == State::HalfOpen {
                    assert_eq!((after.streak, after.window.unwrap_or_default()), (0, [0; 5]), "F11");
                }
            }
            What::Record { .. } | What::Look => {}
            What::Set { to, span } => {
                subject.set(*to, *span);
                model.set(now, *to, *span, || subject.open_for());
            }
            What::HalfOpen => {
                let refused = model.state() == State::Closed;
                assert_eq!(subject.half_open().is_err(), refused);
                if !refused {
                    model.set(now, State::HalfOpen, None, || subject.open_for());
                }
            }
            What::Reset(config) => {
                let config = config.as_deref().cloned();
                subject.reset(config.clone());
                let config = config.unwrap_or_else(|| model.config().clone());
                model.reset(now, config, || subject.open_for());
            }
            What::Reconfigure(config) => {
                subject.reconfigure(config.as_ref().clone());
                model.reconfigure(now, config.as_ref().clone());
            }
            What::AllowProbes(lease) => {
                subject.allow_probes(*lease);
                model.allow_probes(*lease);
            }
        }
        let (told, expected) = (subject.told(), model.told());
        let same = told.len() == expected.len() && told.iter().zip(&expected).all(|(a, b)| same_news(a, b));
        assert!(same, "after {what:?} told {told:?}, expected {expected:?}");
        subject.agrees(&model.figures(now), model.config());
    }
}

fn same_answer(one: Result<(), Refusal>, other: Result<(), Refusal>) -> bool {
    match (one, other) {
        (Err(Refusal::Until(wait, reason)), Err(Refusal::Until(expected, why))) => {
            wait == expected && same_reason(reason, why)
        }
        _ => one == other,
    }
}

fn same_news(one: &Told, other: &Told) -> bool {
    match (*one, *other) {
        (Told::Exceeded(one), Told::Exceeded(other)) => same_reason(one, other),
        (
            Told::Changed { from, to, reason },
            Told::Changed { from: expected_from, to: expected_to, reason: expected },
        ) => (from, to) == (expected_from, expected_to) && same_reason(reason, expected),
        _ => false,
    }
}

/// The same but for a rounding of the percentage.
fn same_reason(one: TripReason, other: TripReason) -> bool {
    use TripReason::{FailureRate, SlowCallRate};
    match (one, other) {
        (FailureRate { percent, calls }, FailureRate { percent: expected, calls: of })
        | (SlowCallRate { percent, calls }, SlowCallRate { percent: expected, calls: of }) => {
            calls == of && (percent - expected).abs() < 1e-3
        }
        _ => one == other,
    }
}

fn same<T: PartialEq + fmt::Debug + ?Sized>(figure: &str, is: &T, expected: &T) {
    assert_eq!(is, expected, "{figure}");
}

/// The machine, and `now` handed to it.
struct Alone {
    machine: Machine,
    now: Moment,
    luck: f64,
    told: Vec<Told>,
}

impl Alone {
    fn tell(&mut self, transition: Option<Transition>) {
        let changed = |Transition { from, to, reason }| Told::Changed { from, to, reason };
        self.told.extend(transition.map(changed));
    }
}

impl Subject for Alone {
    fn new(config: BreakerConfig, now: u64) -> Self {
        let now = Moment::from_nanos(now);
        Self { machine: Machine::new(config.into(), now), now, luck: 0.0, told: Vec::new() }
    }

    fn pass_to(&mut self, now: u64, luck: f64) {
        (self.now, self.luck) = (Moment::from_nanos(now), luck);
    }

    fn admit(&mut self) -> Result<Ticket, Refusal> {
        let (answer, transition) = self.machine.admit(&self.now);
        self.tell(transition);
        answer.map_err(|refusal| match refusal {
            machine::Refusal::Open { retry_after, reason } => Refusal::Until(retry_after, reason),
            machine::Refusal::Isolated => Refusal::Isolated,
        })
    }

    fn record(&mut self, ticket: Ticket, outcome: Outcome, took: Option<Duration>) -> Option<bool> {
        let recorded = self.machine.record(&self.now, ticket, outcome, took, || self.luck);
        self.tell(recorded.transition);
        self.told.extend(recorded.exceeded.into_iter().flatten().map(Told::Exceeded));
        Some(recorded.counted)
    }

    fn set(&mut self, to: State, span: Option<Duration>) {
        let transition = self.machine.set(self.now, to, span, self.luck);
        self.tell(transition);
    }

    fn half_open(&mut self) -> Result<(), State> {
        if self.machine.state() == State::Closed {
            return Err(State::Closed);
        }
        self.set(State::HalfOpen, None);
        Ok(())
    }

    fn reset(&mut self, config: Option<BreakerConfig>) {
        let config = config.map_or_else(|| Arc::clone(self.machine.config()), Arc::new);
        let transition = self.machine.reset(config, self.now);
        self.tell(transition);
    }

    fn reconfigure(&mut self, config: BreakerConfig) {
        self.machine.reconfigure(config.into());
    }

    fn allow_probes(&mut self, lease: Duration) {
        self.machine.allow_probes(lease);
    }

    fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    fn open_for(&mut self) -> Duration {
        self.machine.open_span().expect("it is open")
    }

    fn agrees(&mut self, expected: &Figures, config: &BreakerConfig) {
        let (now, machine) = (self.now, &mut self.machine);
        let totals = machine.totals(now);
        let totals =
            totals.map(|it| [it.successes, it.failures, it.slow_successes, it.slow_failures, it.abandoned]);
        let (under_way, first_lease_ends) = machine.probes_under_way(now);
        let tally = machine.tally();
        same("state", &machine.state(), &expected.state);
        same("streak", &machine.streak(), &expected.streak);
        same("failures", &tally.failures, &expected.failures);
        same("failures here", &(tally.failures - tally.failures_before), &expected.current[1]);
        same("abandoned", &tally.abandoned, &expected.abandoned);
        same("abandoned here", &(tally.abandoned - tally.abandoned_before), &expected.current[3]);
        same("stale", &tally.stale, &expected.stale);
        same("lost probes", &tally.lost_probes, &expected.lost_probes);
        same("probes under way", &under_way, &expected.probes_under_way);
        same("lease left", &first_lease_ends.map(|ends| ends.since(now)), &expected.lease_left);
        same("times opened", &tally.times_opened, &expected.times_opened);
        same("reopenings", &machine.reopenings(), &expected.reopenings);
        same("would have opened", &tally.would_have_opened, &expected.would_have_opened);
        same("open for", &machine.open_span(), &expected.open_for);
        same("times", &machine.times(now), &expected.times);
        same("retry after", &machine.blocked_until(now).map(|until| until.since(now)), &expected.retry_after);
        same("last failure", &tally.last_failure.map(Moment::as_nanos), &expected.last_failure);
        same("window", &totals, &expected.window);
        same("config", &**machine.config(), config);
        let because = machine.open_until().map(|(_, reason)| reason);
        assert!(same_cause(because, expected.opened_because), "opened because {because:?}");
        // A success may be passed by only where it would change nothing.
        assert!(!machine.is_clean() || expected.streak == 0, "clean in spite of failures");
    }
}

fn same_cause(is: Option<TripReason>, expected: Option<TripReason>) -> bool {
    is.is_some() == expected.is_some() && is.zip(expected).is_none_or(|(one, other)| same_reason(one, other))
}

/// The breaker behind its lock, on a clock that the script moves.
struct InFull {
    breaker: Breaker,
    clock: TestClock,
    now: u64,
    news: Arc<Mutex<Vec<Told>>>,
    _listening: Subscription,
}

impl Subject for InFull {
    fn new(config: BreakerConfig, now: u64) -> Self {
        let clock = TestClock::new();
        let begins = Clock::Test(clock.clone()).now().as_nanos();
        clock.advance(Duration::from_nanos(now - begins));
        let context = Arc::new(Context::seeded(Clock::Test(clock.clone()), 0));
        let news = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&news);
        let listening = context.events.subscribe(move |event| {
            let told = match &event.kind {
                EventKind::Transition { from, to, reason, snapshot, .. } => {
                    assert_eq!(snapshot.state, *to, "a transition is told with the snapshot it caused");
                    Told::Changed { from: *from, to: *to, reason: *reason }
                }
                EventKind::ThresholdExceeded { reason, .. } => Told::Exceeded(*reason),
                other => panic!("nothing of the kind happened: {other}"),
            };
            heard.lock().whole().push(told);
        });
        let breaker = Breaker::new("sequences", config, context);
        Self { breaker, clock, now, news, _listening: listening }
    }

    fn pass_to(&mut self, now: u64, _: f64) {
        self.clock.advance(Duration::from_nanos(now - self.now));
        self.now = now;
    }

    fn admit(&mut self) -> Result<Ticket, Refusal> {
        self.breaker.acquire().map_err(|refused| match refused {
            ResilienceError::CircuitOpen { retry_after, reason, .. } => Refusal::Until(retry_after, reason),
            ResilienceError::Isolated { .. } => Refusal::Isolated,
            other => panic!("a breaker does not say {other}"),
        })
    }

    fn record(&mut self, ticket: Ticket, outcome: Outcome, took: Option<Duration>) -> Option<bool> {
        self.breaker.record(ticket, outcome, took);
        None
    }

    fn set(&mut self, to: State, span: Option<Duration>) {
        self.breaker.set(to, span);
    }

    fn half_open(&mut self) -> Result<(), State> {
        self.breaker.half_open()
    }

    fn reset(&mut self, config: Option<BreakerConfig>) {
        self.breaker.reset(config);
    }

    fn reconfigure(&mut self, config: BreakerConfig) {
        self.breaker.reconfigure(config);
    }

    fn allow_probes(&mut self, lease: Duration) {
        self.breaker.allow_probes(lease);
    }

    fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut *self.news.lock().whole())
    }

    fn open_for(&mut self) -> Duration {
        let seconds = self.breaker.snapshot().open_for.expect("it is open");
        let left = self.breaker.retry_after();
        // To the nanosecond, unless its end is beyond time.
        if same_seconds(Some(seconds), Some(left)) {
            left
        } else {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        }
    }

    fn agrees(&mut self, expected: &Figures, config: &BreakerConfig) {
        let it = self.breaker.snapshot();
        let secs = |name: &str, is, expected| {
            assert!(same_seconds(is, expected), "{name} {is:?}, expected {expected:?}");
        };
        let counts = [it.current.successes, it.current.failures, it.current.ignored, it.current.abandoned];
        same("state", &(it.state, self.breaker.state()), &(expected.state, expected.state));
        same("streak", &it.failure_count, &expected.streak);
        same("consecutive successes", &it.consecutive_successes, &expected.consecutive_successes);
        same("calls", &it.total_calls, &(expected.successes + expected.failures));
        same("successes", &it.successful_calls, &expected.successes);
        same("failures", &it.failed_calls, &expected.failures);
        same("ignored", &it.ignored_calls, &expected.ignored);
        same("abandoned", &it.abandoned_calls, &expected.abandoned);
        same("rejected", &[it.rejected_calls, it.blocked_calls], &[expected.rejected; 2]);
        same("stale", &it.stale_results, &expected.stale);
        same("lost probes", &it.lost_probes, &expected.lost_probes);
        same("here", &counts[..], &expected.current[..4]);
        same("rejected here", &it.current.rejected, &expected.current[4]);
        same("calls here", &it.current.calls, &(counts[0] + counts[1]));
        same("probes under way", &it.probes_under_way, &expected.probes_under_way);
        same("times opened", &it.times_opened, &expected.times_opened);
        same("reopenings", &it.reopenings, &expected.reopenings);
        same("would have opened", &it.would_have_opened, &expected.would_have_opened);
        same("failing", &it.failing, &expected.failing);
        same("config", &told_of(&it), &(config.failure_threshold, config.success_threshold, config.probes()));
        secs("lease left", it.probe_lease_left, expected.lease_left);
        secs("open for", it.open_for, expected.open_for);
        secs("retry after", it.retry_after, expected.retry_after);
        same("time to wait", &self.breaker.retry_after(), &expected.retry_after.unwrap_or_default());
        let times = [it.time_in_states.closed, it.time_in_states.open, it.time_in_states.half_open];
        times.into_iter().zip(expected.times).for_each(|(is, of)| secs("times", Some(is), Some(of)));
        same("last failure", &it.last_failure_time.is_some(), &expected.last_failure.is_some());
        same("next attempt", &it.next_attempt_time.is_some(), &expected.retry_after.is_some());
        assert!(same_cause(it.opened_because, expected.opened_because), "opened because {it:?}");
        let share = expected.failures as f64 / (expected.successes + expected.failures).max(1) as f64;
        assert!((it.failure_rate - share).abs() < 1e-9, "failure rate");
        let window = it.window.map(|it| {
            assert_eq!(it.calls, it.successes + it.failures);
            assert_eq!(it.slow, it.slow_successes + it.slow_failures);
            [it.successes, it.failures, it.slow_successes, it.slow_failures, it.abandoned]
        });
        same("window", &window, &expected.window);
        let rates = it.window.and_then(|it| Some([it.failure_rate?, it.slow_call_rate?]));
        same("rates", &rates, &expected.rates);
    }
}

fn same_seconds(is: Option<f64>, expected: Option<Duration>) -> bool {
    is == expected.map(|expected| expected.as_secs_f64())
}

fn told_of(it: &BreakerSnapshot) -> (u32, u32, u32) {
    (it.failure_threshold, it.success_threshold, it.half_open_max_calls)
}

/// The machine alone.
pub(crate) enum OfTheMachine {}

impl Operations for OfTheMachine {
    type Setup = Setup;
    type Operation = Operation;

    fn setup(draw: &mut Draw) -> Setup {
        let config = config(draw);
        Setup { config, begins: draw.one_of(&[1_000_000_000, 0, u64::MAX - 2_000_000_000]) }
    }

    fn operation(draw: &mut Draw) -> Operation {
        operation(draw)
    }

    fn play(setup: &Setup, operations: &[Operation]) {
        play::<Alone>(setup, operations);
    }
}

/// The breaker with its lock, its counters, its listeners.
pub(crate) enum OfTheBreaker {}

impl Operations for OfTheBreaker {
    type Setup = Setup;
    type Operation = Operation;

    fn setup(draw: &mut Draw) -> Setup {
        let config = config(draw);
        Setup { config, begins: draw.one_of(&[1_000_000_000, u64::MAX - 2_000_000_000]) }
    }

    fn operation(draw: &mut Draw) -> Operation {
        operation(draw)
    }

    fn play(setup: &Setup, operations: &[Operation]) {
        play::<InFull>(setup, operations);
    }
}

/// The window alone.
pub(crate) enum OfTheWindow {}

impl Operations for OfTheWindow {
    type Setup = Window;
    /// A result (failed, slow, abandoned), or a look.
    type Operation = (Passing, Option<[bool; 3]>);

    fn setup(draw: &mut Draw) -> Window {
        let nanos = draw.one_of(&[1_000_000_000, 200_000_000, 199_999_999, 7, 3_600_000_000_007, u64::MAX]);
        let count = draw.one_of(&[1, 2, 7, 100, u32::MAX]);
        if draw.below(2) == 0 { Window::Time(Duration::from_nanos(nanos)) } else { Window::Count(count) }
    }

    fn operation(draw: &mut Draw) -> Self::Operation {
        let [t, f] = [true, false];
        let sample = draw.some_of(&[[f, f, f], [t, f, f], [f, t, f], [t, t, f], [f, f, t]]);
        (Passing::drawn(draw), sample)
    }

    fn play(window: &Window, operations: &[Self::Operation]) {
        let (mut results, mut all, mut now) = (Results::new(*window), Vec::<(u64, Sample)>::new(), 0);
        for (passing, sample) in operations {
            let latest = all.iter().rev().take(5);
            now = passing.from(now, latest.filter_map(|(at, _)| reference_window::forgotten(*window, *at)));
            if let Some([failed, slow, abandoned]) = *sample {
                let sample = Sample { failed, slow, abandoned };
                results.push(&Moment::from_nanos(now), sample);
                all.push((now, sample));
            }
            let mut inside = all.clone();
            reference_window::forget(*window, &mut inside, now);
            let count = |wanted: &dyn Fn(&Sample) -> bool| {
                let counted = inside.iter().filter(|(_, sample)| wanted(sample)).count();
                u32::try_from(counted).unwrap_or(u32::MAX)
            };
            let expected = Totals {
                successes: count(&|it| !it.failed && !it.abandoned),
                failures: count(&|it| it.failed),
                slow_successes: count(&|it| it.slow && !it.failed),
                slow_failures: count(&|it| it.slow && it.failed),
                abandoned: count(&|it| it.abandoned),
            };
            assert_eq!(results.totals(&Moment::from_nanos(now)), expected);
            let quick = |it: &Sample| !it.failed && !it.slow && !it.abandoned;
            let full = matches!(window, Window::Count(size) if *size == count(&quick));
            assert_eq!(results.is_saturated(), full, "saturated");
            assert!(sample.is_none() || !inside.is_empty(), "F35: the latest result is missing");
            if let Window::Time(span) = *window {
                let bounds = |at: &u64| reference_window::seen(span, *at, now);
                let may = inside.iter().all(|(at, _)| bounds(at)[0]);
                let must = all.iter().filter(|(at, _)| bounds(at)[1]).count();
                assert!(may, "F34: a result older than the window");
                assert!(must <= inside.len(), "F37: results were forgotten too soon");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::hold;

    #[test]
    fn f34_f35_f37_the_window_holds_what_the_rules_say_in_any_order() {
        hold::<OfTheWindow>("breaker window", 600, 80);
    }

    #[test]
    fn f05_f06_f08_f11_the_machine_does_what_the_rules_say_in_any_order() {
        hold::<OfTheMachine>("breaker machine", 600, 80);
    }

    #[test]
    fn f05_f06_f08_f11_the_breaker_does_what_the_rules_say_in_any_order() {
        hold::<OfTheBreaker>("breaker", 400, 80);
    }
}
