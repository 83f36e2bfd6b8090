//! The algorithms behind their one word and their lock.

use std::sync::Arc;
use std::time::Duration;

use super::config::RateLimitConfig;
use super::gcra::Pace;
use super::recent::{Periods, Recent};
use super::snapshot::RateLimiterSnapshot;
use super::window::Log;
use super::{Algorithm, Count, Counters, Decision};
use crate::clock::{Moment, nanos};
use crate::context::Context;
use crate::error::ResilienceError;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Whole};

#[derive(Debug)]
pub(crate) struct RateLimiterCore {
    state: State,
    published: Published,
    name: &'static str,
    context: Arc<Context>,
    counters: Counters,
    waiting: AtomicU32,
    guarded: Mutex<Guarded>,
}

/// What every granted call writes. In lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct State {
    full_at: AtomicU64,
}

/// The configuration as calls read it without the lock. One that is changed may be seen half changed, by the calls of
/// that instant; never half a pace.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Published {
    /// 0: what counts is behind the lock, as the sliding window is.
    interval: AtomicU64,
    filling: AtomicU64,
    max_wait: AtomicU64,
    per: AtomicU64,
    first_period: AtomicU64,
    /// How far any reservation may lead.
    farthest: AtomicU64,
}

impl Published {
    fn set(&self, config: &RateLimitConfig, farthest: Duration) {
        let pace = match config.algorithm {
            Algorithm::Gcra => pace_of(config),
            Algorithm::SlidingWindow => Pace { interval: 0, filling: 0 },
        };
        // Whoever reads one of a pace's two words while they change must find this one moved.
        self.interval.store(0, Ordering::Relaxed);
        for (word, value) in [
            (&self.farthest, nanos(farthest.max(config.max_wait))),
            (&self.max_wait, nanos(config.max_wait)),
            (&self.filling, pace.filling),
            (&self.interval, pace.interval),
        ] {
            word.store(value, Ordering::Release);
        }
    }

    #[inline]
    fn periods(&self) -> Periods {
        let [per, first] = [&self.per, &self.first_period].map(|word| word.load(Ordering::Relaxed));
        Periods { per, first }
    }

    /// What was granted lately is forgotten. A call that sees half of it counts by numbers that nobody asks for.
    fn begin_periods(&self, per: Duration) {
        let Periods { per, first } = self.periods().anew(per);
        self.first_period.store(first, Ordering::Relaxed);
        self.per.store(per, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Guarded {
    config: RateLimitConfig,
    log: Log,
    /// What was allowed and refused before the last reset.
    before: [u64; 2],
}

impl RateLimiterCore {
    pub(crate) fn new(name: &'static str, config: RateLimitConfig, context: Arc<Context>) -> Self {
        let published = Published::default();
        published.set(&config, Duration::ZERO);
        published.begin_periods(config.per);
        Self {
            state: State::default(),
            published,
            name,
            context,
            counters: Counters::default(),
            waiting: AtomicU32::new(0),
            guarded: Mutex::new(Guarded { config, log: Log::default(), before: [0; 2] }),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Takes a permit, and says how long to wait for it: at most `max_wait`, and what the caller has left besides.
    /// Nobody gives it back, not even a caller that is dropped while it waits.
    #[inline]
    pub(crate) fn reserve_within(&self, left: Option<Duration>) -> Result<Duration, ResilienceError> {
        self.take(1, left)
    }

    /// Takes so many permits at once, or none.
    pub(crate) fn take_now(&self, permits: u32) -> Result<(), ResilienceError> {
        if permits == 0 {
            return Ok(());
        }
        self.take(permits, Some(Duration::ZERO)).map(drop)
    }

    fn take(&self, permits: u32, left: Option<Duration>) -> Result<Duration, ResilienceError> {
        let max_wait = Duration::from_nanos(self.published.max_wait.load(Ordering::Relaxed));
        let longest_wait = left.map_or(max_wait, |left| left.min(max_wait));
        let (decided, now) = match self.pace() {
            Some(pace) => self.take_evenly(pace, permits, longest_wait),
            None => self.take_under_lock(permits, longest_wait),
        };
        match decided {
            Ok(wait) => {
                let periods = self.published.periods();
                let lately = |word| Recent::of(word).granted(permits, periods, now).word();
                self.counters.add_and_change(Count::Allowed, Count::Lately, lately);
                Ok(wait)
            }
            Err(retry_after) => {
                self.counters.add(Count::Rejected);
                Err(ResilienceError::RateLimited { name: self.name, retry_after })
            }
        }
    }

    #[inline]
    fn take_evenly(
        &self,
        pace: Pace,
        permits: u32,
        longest_wait: Duration,
    ) -> (Result<Duration, Duration>, Moment) {
        let word = &self.state.full_at;
        let mut seen = word.load(Ordering::Acquire);
        loop {
            // The clock is read after the word: a thread that is put to sleep between the two must not take the others'
            // permits for a clock turned back.
            let now = self.context.clock.now();
            let full_at = pace.credible(Moment::from_nanos(seen), now, self.farthest());
            let (next, decided) = match pace.decide(full_at, now, permits, longest_wait) {
                Decision::Granted { state, wait } => (state, Ok(wait)),
                // A clock turned back is noted, or the limiter would stay empty until the clock is where it was.
                Decision::Refused { retry_after } => (full_at, Err(retry_after)),
            };
            let next = next.as_nanos();
            if next == seen {
                return (decided, now);
            }
            match word.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (decided, now),
                Err(other) => seen = other,
            }
        }
    }

    fn take_under_lock(&self, permits: u32, longest_wait: Duration) -> (Result<Duration, Duration>, Moment) {
        let mut guarded = self.lock();
        if guarded.config.algorithm == Algorithm::Gcra {
            // The pace was changed while this call looked.
            let pace = pace_of(&guarded.config);
            drop(guarded);
            return self.take_evenly(pace, permits, longest_wait);
        }
        let now = self.context.clock.now();
        let Guarded { config, log, .. } = &mut *guarded;
        log.make_credible(now, self.farthest());
        let decided = match log.decide(config.rate, config.per, now, permits, longest_wait) {
            Decision::Granted { wait, .. } => Ok(wait),
            Decision::Refused { retry_after } => Err(retry_after),
        };
        (decided, now)
    }

    /// Goes on with other numbers: the permits that are taken stay taken, and who waits waits as long as it was told.
    pub(crate) fn reconfigure(&self, config: RateLimitConfig) {
        let mut guarded = self.lock();
        let now = self.context.clock.now();
        let window = usize::try_from(config.rate).unwrap_or(usize::MAX);
        let Guarded { config: before, log, .. } = &mut *guarded;
        let (pace, pace_before) = (pace_of(&config), pace_of(before));
        let taken_evenly = |full_at| pace_before.taken(Moment::from_nanos(full_at), now);
        let mut farthest = self.farthest().max(config.max_wait);
        // Until that is known, nothing is taken for a clock turned back.
        self.published.farthest.store(u64::MAX, Ordering::Relaxed);
        match (before.algorithm, config.algorithm) {
            (Algorithm::SlidingWindow, Algorithm::SlidingWindow) => log.keep(window),
            (Algorithm::Gcra, Algorithm::SlidingWindow) => {
                let taken = taken_evenly(self.state.full_at.load(Ordering::Acquire));
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
                let taken = taken.ceil() as usize;
                *log = Log::taken_at(taken.min(window), now);
            }
            (_, Algorithm::Gcra) => {
                let from_window =
                    (before.algorithm == Algorithm::SlidingWindow).then(|| log.taken(before.per, now) as f64);
                let at_new_pace =
                    |full_at| pace.full_at(from_window.unwrap_or_else(|| taken_evenly(full_at)), now);
                // In one step, or a permit that is taken meanwhile would be given back.
                let convert = |full_at| Some(at_new_pace(full_at).as_nanos());
                let (Ok(was) | Err(was)) =
                    self.state.full_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, convert);
                let full_at = at_new_pace(was);
                // Calls under way may have the pace there was.
                let filling = Duration::from_nanos(pace.filling.min(pace_before.filling));
                farthest = farthest.max(full_at.since(now).saturating_sub(filling));
            }
        }
        if before.per != config.per {
            self.published.begin_periods(config.per);
        }
        self.published.set(&config, farthest);
        *before = config;
    }

    /// Begins again as if just made; with `config`, as if made with that.
    pub(crate) fn reset(&self, config: Option<RateLimitConfig>) {
        let mut guarded = self.lock();
        let config = config.unwrap_or_else(|| guarded.config.clone());
        let before = [Count::Allowed, Count::Rejected].map(|count| self.counters.sum(count));
        self.state.full_at.store(0, Ordering::Release);
        self.published.set(&config, Duration::ZERO);
        self.published.begin_periods(config.per);
        *guarded = Guarded { config, log: Log::default(), before };
    }

    /// Whether no permit is taken.
    pub(crate) fn is_full(&self) -> bool {
        let guarded = self.lock();
        let now = self.context.clock.now();
        match guarded.config.algorithm {
            Algorithm::Gcra => Moment::from_nanos(self.state.full_at.load(Ordering::Acquire)) <= now,
            Algorithm::SlidingWindow => guarded.log.taken(guarded.config.per, now) == 0,
        }
    }

    /// Says until dropped that a caller waits for the permit it has reserved.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    #[inline]
    pub(crate) fn snapshot(&self) -> RateLimiterSnapshot {
        let guarded = self.lock();
        let Guarded { config, log, before } = &*guarded;
        let full_at = Moment::from_nanos(self.state.full_at.load(Ordering::Acquire));
        // Before the clock, or a period might have begun that this look knows nothing of.
        let lately: Vec<_> = self.counters.each(Count::Lately).collect();
        let now = self.context.clock.now();
        let (available, retry_after, full_at) = match config.algorithm {
            Algorithm::Gcra => {
                let pace = pace_of(config);
                let full_at = pace.credible(full_at, now, self.farthest());
                let wait = match pace.decide(full_at, now, 1, Duration::MAX) {
                    Decision::Granted { wait, .. } => wait,
                    Decision::Refused { retry_after } => retry_after,
                };
                (pace.available(full_at, now), wait, full_at.max(now))
            }
            Algorithm::SlidingWindow => {
                let mut log = log.clone();
                log.make_credible(now, self.farthest());
                let taken = u32::try_from(log.taken(config.per, now)).unwrap_or(u32::MAX);
                let free_at = log.free_at(config.rate, config.per, now);
                (config.rate.saturating_sub(taken), free_at.since(now), log.full_at(config.per, now))
            }
        };
        let [allowed, rejected] = [(Count::Allowed, before[0]), (Count::Rejected, before[1])]
            .map(|(count, before)| self.counters.sum(count).saturating_sub(before));
        RateLimiterSnapshot {
            name: self.name,
            rate: config.rate,
            per: config.per.as_secs_f64(),
            burst: config.capacity(),
            max_wait: config.max_wait.as_secs_f64(),
            algorithm: config.algorithm,
            available,
            waiting_count: self.waiting.load(Ordering::Relaxed),
            total_requests: allowed + rejected,
            allowed_requests: allowed,
            rejected_requests: rejected,
            current_rate: Recent::permits(&lately, self.published.periods(), now) / config.per.as_secs_f64(),
            retry_after: Some(retry_after).filter(|wait| !wait.is_zero()).map(|wait| wait.as_secs_f64()),
            reset_time: self.context.clock.unix_seconds(full_at),
        }
    }

    #[inline]
    fn pace(&self) -> Option<Pace> {
        let Published { interval, filling, .. } = &self.published;
        let pace =
            Pace { interval: interval.load(Ordering::Acquire), filling: filling.load(Ordering::Acquire) };
        (pace.interval != 0 && interval.load(Ordering::Relaxed) == pace.interval).then_some(pace)
    }

    fn farthest(&self) -> Duration {
        Duration::from_nanos(self.published.farthest.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().whole()
    }
}

fn pace_of(config: &RateLimitConfig) -> Pace {
    Pace::new(config.rate, config.per, config.capacity())
}

/// See [`RateLimiterCore::wait`].
#[derive(Debug)]
pub(crate) struct Waiting<'l>(&'l RateLimiterCore);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
