//! Sequences of operations on the algorithms alone and on the whole limiter, each in step with the reference.

use std::sync::Arc;
use std::time::Duration;

use super::gcra::Pace;
use super::window::Log;
use super::{Algorithm, Decision, RateLimitConfig, RateLimiterCore};
use crate::clock::{Clock, Moment, TestClock};
use crate::context::Context;
use crate::error::ResilienceError;
use crate::reference::rate_limit::{self as reference, Answer};
use crate::reference::{Draw, Operations, Passing};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    config: RateLimitConfig,
    begins: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A caller that has so much time left.
    Reserve(Option<Duration>),
    TakeNow(u32),
    BeginToWait,
    EndToWait,
    Reconfigure(RateLimitConfig),
    Reset(Option<RateLimitConfig>),
}

fn config(draw: &mut Draw) -> RateLimitConfig {
    let algorithm = draw.one_of(&[Algorithm::Gcra, Algorithm::SlidingWindow]);
    let config = RateLimitConfig {
        rate: draw.one_of(&[2, 1, 3, 7, 100]),
        per: draw.one_of(&[100 * MS, MS, Duration::from_nanos(101), 3_600_000 * MS, Duration::MAX]),
        burst: draw.some_of(&[1, 3, 10]).filter(|_| algorithm == Algorithm::Gcra),
        max_wait: draw.one_of(&[Duration::ZERO, 40 * MS, Duration::from_nanos(60), Duration::MAX]),
        algorithm,
    };
    assert_eq!(config.problems(), [""; 0], "the references know legal configurations only");
    config
}

/// What is judged.
trait Subject {
    fn take(&mut self, permits: u32, left: Option<Duration>) -> Result<Duration, Duration>;
    fn pass_to(&mut self, now: u64);
}

/// F24: in no span are there more permits than were saved up and came in it. `granted` are the instants so far.
fn within_the_limit(config: &RateLimitConfig, interval: u128, granted: &[u64]) {
    let Some((latest, _)) = granted.split_last() else { return };
    assert!(granted.is_sorted(), "who comes first goes first");
    for (older, at) in granted.iter().enumerate() {
        let (permits, span) = ((granted.len() - older) as u128, latest - at);
        let allowed = match config.algorithm {
            Algorithm::Gcra => u128::from(config.capacity()) + u128::from(span) / interval,
            Algorithm::SlidingWindow if Duration::from_nanos(span) < config.per => u128::from(config.rate),
            Algorithm::SlidingWindow => continue,
        };
        assert!(permits <= allowed, "F24: {permits} permits in {span} ns, {allowed} are allowed");
    }
}

fn same(is: Result<Duration, Duration>, expected: Answer) -> bool {
    match (is, expected) {
        (Ok(is), Answer::Granted { wait }) => is == wait,
        (Err(is), Answer::Refused { retry_after }) => is == retry_after,
        (Err(_), Answer::Never) => true,
        _ => false,
    }
}

/// What the two levels have in common: a call takes permits, or is refused.
fn take(
    subject: &mut impl Subject,
    model: &mut reference::RateLimit,
    granted: &mut Vec<u64>,
    now: u64,
    permits: u32,
    left: Option<Duration>,
) {
    let longest_wait = left.unwrap_or(Duration::MAX).min(model.config.max_wait);
    let answer = subject.take(permits, left);
    let expected = model.take(permits, now, longest_wait);
    assert!(same(answer, expected), "{answer:?}, expected {expected:?}");
    if let Answer::Granted { wait } = expected {
        assert!(wait <= longest_wait);
        let at = Moment::from_nanos(now).saturating_add(wait).as_nanos();
        granted.extend((0..permits).map(|_| at));
        within_the_limit(&model.config, model.interval(), granted);
    }
}

fn operation(draw: &mut Draw) -> (Passing, Operation) {
    let kind = draw.below(32);
    let passing = Passing::drawn(draw);
    let operation = match kind {
        0..=15 => Operation::Reserve(draw.some_of(&[Duration::ZERO, 25 * MS, Duration::MAX])),
        16..=22 => Operation::TakeNow(u32::try_from(draw.below(5)).unwrap_or_default()),
        23 => Operation::TakeNow(u32::MAX),
        24 => Operation::BeginToWait,
        25 => Operation::EndToWait,
        26..=29 => Operation::Reconfigure(config(draw)),
        30 => Operation::Reset(None),
        _ => Operation::Reset(Some(config(draw))),
    };
    (passing, operation)
}

fn setup(draw: &mut Draw) -> Setup {
    let config = config(draw);
    Setup { config, begins: draw.one_of(&[1_000_000_000, u64::MAX - 2_000_000_000]) }
}

/// An algorithm, and `now` handed to it.
struct Alone {
    config: RateLimitConfig,
    now: Moment,
    full_at: Moment,
    log: Log,
}

impl Subject for Alone {
    fn take(&mut self, permits: u32, left: Option<Duration>) -> Result<Duration, Duration> {
        let RateLimitConfig { rate, per, max_wait, algorithm, .. } = self.config;
        let longest_wait = left.unwrap_or(Duration::MAX).min(max_wait);
        match algorithm {
            Algorithm::Gcra => {
                let pace = Pace::new(rate, per, self.config.capacity());
                match pace.decide(self.full_at, self.now, permits, longest_wait) {
                    Decision::Granted { state, wait } => {
                        self.full_at = state;
                        Ok(wait)
                    }
                    Decision::Refused { retry_after } => Err(retry_after),
                }
            }
            Algorithm::SlidingWindow => match self.log.decide(rate, per, self.now, permits, longest_wait) {
                Decision::Granted { wait, .. } => Ok(wait),
                Decision::Refused { retry_after } => Err(retry_after),
            },
        }
    }

    fn pass_to(&mut self, now: u64) {
        self.now = Moment::from_nanos(now);
    }
}

/// The algorithms alone: no reconfiguration, which is the limiter's.
pub(crate) enum OfTheAlgorithms {}

impl Operations for OfTheAlgorithms {
    type Setup = Setup;
    type Operation = (Passing, Operation);

    fn setup(draw: &mut Draw) -> Setup {
        setup(draw)
    }

    fn operation(draw: &mut Draw) -> (Passing, Operation) {
        operation(draw)
    }

    fn play(Setup { config, begins }: &Setup, operations: &[(Passing, Operation)]) {
        let mut now = *begins;
        let mut alone = Alone {
            config: config.clone(),
            now: Moment::from_nanos(now),
            full_at: Moment::ZERO,
            log: Log::default(),
        };
        let (mut model, mut granted) = (reference::RateLimit::new(config.clone()), Vec::new());
        for (passing, operation) in operations {
            now = passing.from(now, model.edges(now));
            alone.pass_to(now);
            match operation {
                Operation::Reserve(left) => take(&mut alone, &mut model, &mut granted, now, 1, *left),
                Operation::TakeNow(permits) if *permits > 0 => {
                    take(&mut alone, &mut model, &mut granted, now, *permits, Some(Duration::ZERO));
                }
                _ => {}
            }
            let available = match config.algorithm {
                Algorithm::Gcra => {
                    Pace::new(config.rate, config.per, config.capacity()).available(alone.full_at, alone.now)
                }
                Algorithm::SlidingWindow => {
                    let taken = alone.log.taken(config.per, alone.now);
                    config.rate - u32::try_from(taken).unwrap_or(u32::MAX)
                }
            };
            assert_eq!(available, model.available(now), "available");
        }
    }
}

struct InFull<'l> {
    core: &'l RateLimiterCore,
    clock: &'l TestClock,
    now: u64,
}

impl Subject for InFull<'_> {
    fn take(&mut self, permits: u32, left: Option<Duration>) -> Result<Duration, Duration> {
        let answer = match (permits, left) {
            (1, left) => self.core.reserve_within(left),
            (permits, _) => self.core.take_now(permits).map(|()| Duration::ZERO),
        };
        answer.map_err(|error| match error {
            ResilienceError::RateLimited { retry_after, .. } => retry_after,
            other => panic!("a rate limiter does not say {other}"),
        })
    }

    fn pass_to(&mut self, now: u64) {
        self.clock.advance(Duration::from_nanos(now - self.now));
        self.now = now;
    }
}

/// The limiter with its words, its lock, its counters.
pub(crate) enum OfTheLimiter {}

impl Operations for OfTheLimiter {
    type Setup = Setup;
    type Operation = (Passing, Operation);

    fn setup(draw: &mut Draw) -> Setup {
        setup(draw)
    }

    fn operation(draw: &mut Draw) -> (Passing, Operation) {
        operation(draw)
    }

    fn play(Setup { config, begins }: &Setup, operations: &[(Passing, Operation)]) {
        let clock = TestClock::new();
        let mut now = Clock::Test(clock.clone()).now().as_nanos();
        let context = Context::seeded(Clock::Test(clock.clone()), 0);
        let core = RateLimiterCore::new("sequences", config.clone(), Arc::new(context));
        let mut subject = InFull { core: &core, clock: &clock, now };
        now = now.max(*begins);
        let (mut model, mut granted) = (reference::RateLimit::new(config.clone()), Vec::new());
        let mut waiting = Vec::new();
        for (passing, operation) in operations {
            now = passing.from(now, model.edges(now));
            subject.pass_to(now);
            match operation {
                Operation::Reserve(left) => take(&mut subject, &mut model, &mut granted, now, 1, *left),
                Operation::TakeNow(0) => core.take_now(0).expect("nothing is asked for"),
                Operation::TakeNow(permits) => {
                    take(&mut subject, &mut model, &mut granted, now, *permits, Some(Duration::ZERO));
                }
                Operation::BeginToWait => waiting.push(core.wait()),
                Operation::EndToWait => drop(waiting.pop()),
                Operation::Reconfigure(config) => {
                    core.reconfigure(config.clone());
                    model.reconfigure(config.clone(), now);
                    granted.clear();
                }
                Operation::Reset(config) => {
                    core.reset(config.clone());
                    model = reference::RateLimit::new(config.clone().unwrap_or(model.config));
                    granted.clear();
                }
            }
            agree(&core, &model, now, waiting.len());
        }
    }
}

fn agree(core: &RateLimiterCore, model: &reference::RateLimit, now: u64, waiting: usize) {
    let it = core.snapshot();
    let config = &model.config;
    assert_eq!(it.available, model.available(now), "available");
    assert_eq!(core.is_full(), model.is_full(now), "full");
    assert_eq!((it.allowed_requests, it.rejected_requests), (model.allowed, model.rejected), "counts");
    assert_eq!(it.total_requests, model.allowed + model.rejected, "all");
    assert_eq!(it.waiting_count as usize, waiting, "waiting");
    let told = (it.rate, it.burst, it.algorithm, it.per.to_bits(), it.max_wait.to_bits());
    let [per, max_wait] = [config.per, config.max_wait].map(|span| span.as_secs_f64().to_bits());
    assert_eq!(told, (config.rate, config.capacity(), config.algorithm, per, max_wait), "configuration");
    if let Answer::Granted { wait } = model.ask(1, now, Duration::MAX) {
        let expected = Some(wait.as_secs_f64()).filter(|_| !wait.is_zero());
        assert_eq!(it.retry_after, expected, "retry after");
    }
    let rate = model.current_rate(now);
    assert!((it.current_rate - rate).abs() <= rate * 1e-9, "{} a second, expected {rate}", it.current_rate);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::hold;

    #[test]
    fn f24_the_algorithms_admit_what_the_rules_say_in_any_order() {
        hold::<OfTheAlgorithms>("rate limit algorithms", 500, 80);
    }

    #[test]
    fn f24_the_limiter_admits_what_the_rules_say_in_any_order() {
        hold::<OfTheLimiter>("rate limiter", 500, 80);
    }
}
