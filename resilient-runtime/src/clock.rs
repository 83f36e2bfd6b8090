//! Time as the library sees it: one monotonic clock that tests can move. Nothing else reads a clock.
#![allow(clippy::disallowed_methods, reason = "this is the one file that reads the clocks")]
#![deny(clippy::arithmetic_side_effects, reason = "time saturates")]

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::tick::{LONGEST_TICK, TickOrigin};

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, Whole};

/// A point on a [`Clock`], in nanoseconds since the clock began. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Where every clock begins.
    pub(crate) const ZERO: Self = Self(0);
    /// Later than every reading; an instant that never comes.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the clock began.
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock began.
    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment moved by `span`, at most [`Moment::NEVER`].
    #[must_use]
    pub(crate) const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// [`Moment::since`] in nanoseconds.
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// When something happens, for those whom that may not matter to.
pub(crate) trait When {
    /// The moment.
    fn exactly(&self) -> Moment;

    /// The moment, or one that is past by a tick at most. Cheaper.
    fn lately(&self) -> Moment;
}

impl When for Moment {
    fn exactly(&self) -> Moment {
        *self
    }

    fn lately(&self) -> Moment {
        *self
    }
}

/// For tests: a moment when the last tick was so many nanoseconds ago.
#[cfg(test)]
pub(crate) struct Late {
    pub(crate) exactly: Moment,
    pub(crate) by: u64,
}

#[cfg(test)]
impl When for Late {
    fn exactly(&self) -> Moment {
        self.exactly
    }

    fn lately(&self) -> Moment {
        Moment(self.exactly.0.saturating_sub(self.by))
    }
}

/// One event's time; see [`Clock::reading`].
pub(crate) struct Reading<'c> {
    clock: &'c Clock,
    exactly: Cell<Option<Moment>>,
    lately: Cell<Option<Moment>>,
}

impl When for Reading<'_> {
    fn exactly(&self) -> Moment {
        self.exactly.get().unwrap_or_else(|| {
            let now = self.clock.now();
            self.exactly.set(Some(now));
            now
        })
    }

    fn lately(&self) -> Moment {
        self.exactly.get().or_else(|| self.lately.get()).unwrap_or_else(|| match self.clock.last_tick() {
            Some(tick) => {
                self.lately.set(Some(tick));
                tick
            }
            None => self.exactly(),
        })
    }
}

/// The nanoseconds of a duration, at most `u64::MAX` (584 years).
#[allow(clippy::cast_possible_truncation, reason = "cut off just before")]
pub(crate) const fn nanos(span: Duration) -> u64 {
    let nanos = span.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

/// `span * factor`; too long a span is cut to 584 years, too short or no number at all to zero.
pub(crate) fn scaled(span: Duration, factor: f64) -> Duration {
    from_nanos_f64(nanos(span) as f64 * factor)
}

/// That many nanoseconds, within what a `u64` holds; no number is zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
pub(crate) fn from_nanos_f64(nanos: f64) -> Duration {
    Duration::from_nanos(nanos as u64)
}

/// The instant `span` from now on tokio's clock; an unreachable one is put 30 years away, as tokio does.
pub(crate) fn tokio_after(span: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    let now = Instant::now();
    now.checked_add(span).or_else(|| now.checked_add(FAR)).unwrap_or(now)
}

/// The source of time of one runtime.
#[derive(Clone)]
pub(crate) enum Clock {
    /// The system's monotonic clock; inside a tokio runtime whose time is paused, that paused time.
    System {
        /// The reading that counts as zero.
        origin: Instant,
        /// Not before it.
        ticks: Option<TickOrigin>,
    },
    /// A clock that a test moves.
    Test(TestClock),
}

impl Clock {
    /// The system's clock, beginning now.
    pub(crate) fn system() -> Self {
        let origin = Instant::now();
        Self::System { origin, ticks: TickOrigin::now() }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        match self {
            Self::System { origin, ticks } => {
                let exactly = ticks.and_then(TickOrigin::elapsed_exactly);
                let by_tokio = || nanos(Instant::now().saturating_duration_since(*origin));
                Moment(exactly.unwrap_or_else(by_tokio))
            }
            Self::Test(clock) => clock.moment(),
        }
    }

    /// The present moment, if it may be `until` or later. Else the kernel's last tick will do.
    #[inline]
    pub(crate) fn before(&self, until: Moment) -> Moment {
        match self.last_tick() {
            Some(tick) if tick.saturating_add(LONGEST_TICK) < until => tick,
            _ => self.now(),
        }
    }

    /// The present moment, or the kernel's last tick: past by a few milliseconds at most, at a fourth of the price.
    pub(crate) fn lately(&self) -> Moment {
        self.last_tick().unwrap_or_else(|| self.now())
    }

    #[inline]
    fn last_tick(&self) -> Option<Moment> {
        match self {
            Self::System { ticks: Some(ticks), .. } => ticks.elapsed().map(Moment),
            _ => None,
        }
    }

    /// The time of what happens now, read when it is first asked for.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { clock: self, exactly: Cell::new(None), lately: Cell::new(None) }
    }

    /// Whether both say the same moment at any time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System { origin, .. }, Self::System { origin: other, .. }) => origin == other,
            (Self::Test(clock), Self::Test(other)) => Arc::ptr_eq(&clock.offset, &other.offset),
            _ => false,
        }
    }

    /// `moment` as seconds since 1970, for people; never used to decide anything.
    pub(crate) fn unix_seconds(&self, moment: Moment) -> f64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (now, moment) = (self.now().0 as f64, moment.0 as f64);
        wall.as_secs_f64() + (moment - now) / 1e9
    }

    /// Waits without blocking the thread.
    pub(crate) async fn sleep(&self, span: Duration) {
        if self.skip(span) {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(span).await;
        }
    }

    /// Passes `span` at once where time stands still but for those who wait.
    pub(crate) fn skip(&self, span: Duration) -> bool {
        let Self::Test(clock @ TestClock { base: Base::Frozen, .. }) = self else { return false };
        clock.advance(span);
        true
    }

    /// Waits on the calling thread. On a worker of a multi-threaded tokio runtime the worker's other tasks are
    /// handed over first.
    pub(crate) fn sleep_blocking(&self, span: Duration) {
        match self {
            Self::Test(clock) => clock.advance(span),
            Self::System { .. } => beside_other_tasks(|| std::thread::sleep(span)),
        }
    }

    /// Waits on the calling thread until `bell` is rung, or the time is `over`; answers whether it was rung. On a
    /// tokio worker the other tasks are handed over first, as for a sleep.
    ///
    /// Whoever rings is another thread, so it is waited for in real time on a clock that a test moves, too; that
    /// clock may pass the end before, and has passed it afterwards.
    pub(crate) fn wait_blocking(&self, bell: &Bell, over: Moment) -> bool {
        let rung = Cell::new(false);
        beside_other_tasks(|| rung.set(self.wait_here(bell, over)));
        rung.get()
    }

    fn wait_here(&self, bell: &Bell, over: Moment) -> bool {
        /// How soon a clock that was moved by hand is noticed.
        const GLANCE: Duration = Duration::from_millis(1);
        let limit = (over != Moment::NEVER).then(|| over.since(self.now()));
        let began = std::time::Instant::now();
        loop {
            let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let glance = matches!(self, Self::Test(_)).then_some(GLANCE);
            if bell.wait(left.into_iter().chain(glance).min()) {
                return true;
            }
            match self {
                Self::Test(_) if limit.is_some() && self.now() >= over => return false,
                Self::Test(clock) if left == Some(Duration::ZERO) => {
                    clock.advance(over.since(clock.moment()));
                    return false;
                }
                Self::System { .. } if left == Some(Duration::ZERO) => return false,
                _ => {}
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System { .. } => "Clock::System",
            Self::Test(_) => "Clock::Test",
        })
    }
}

/// Whether this thread is a worker of a multi-threaded tokio runtime, by the name tokio gives its workers unless
/// the builder says another. `block_in_place` would panic on a current-thread runtime and inside a `LocalSet`.
fn on_tokio_worker() -> bool {
    let multi_threaded = tokio::runtime::Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread);
    multi_threaded && std::thread::current().name().is_some_and(|name| TOKIO_WORKERS.contains(&name))
}

/// Blocks with the worker's other tasks handed over, if this thread is a worker.
fn beside_other_tasks(block: impl Fn()) {
    thread_local! {
        static REFUSED: Cell<bool> = const { Cell::new(false) };
    }
    // Threads for blocking work bear the workers' name, and one of them may be driving a `LocalSet`. tokio has no
    // question for that but the panic, which comes before the closure is called.
    if cfg!(panic = "unwind") && !REFUSED.get() && on_tokio_worker() {
        let blocked = catch_unwind(AssertUnwindSafe(|| tokio::task::block_in_place(&block)));
        if blocked.is_ok() {
            return;
        }
        REFUSED.set(true);
    }
    block();
}

/// What one thread waits for and another rings.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    /// Whether it was rung since it was last waited for, at the latest after `limit`; may come back earlier for no
    /// reason.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let mut rung = self.rung.lock().whole();
        if !*rung {
            rung = match limit {
                Some(limit) => self.heard.wait_timeout(rung, limit).whole().0,
                None => self.heard.wait(rung).whole(),
            };
        }
        std::mem::take(&mut *rung)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().whole() = true;
        self.heard.notify_one();
    }
}

/// tokio's default thread names, past and present.
const TOKIO_WORKERS: [&str; 2] = ["tokio-rt-worker", "tokio-runtime-worker"];

/// A clock that stands still until a test moves it (or until a guarded sync function waits on it).
///
/// Made inside a tokio runtime it follows that runtime's clock instead, so that `start_paused = true` and
/// `tokio::time::advance` move it too; [`TestClock::advance`] then adds to it.
#[derive(Clone)]
pub struct TestClock {
    base: Base,
    offset: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
enum Base {
    Frozen,
    Tokio(Instant),
}

impl TestClock {
    pub(crate) fn new() -> Self {
        let base = match tokio::runtime::Handle::try_current() {
            Ok(_) => Base::Tokio(Instant::now()),
            Err(_) => Base::Frozen,
        };
        // Not zero: a breaker must not mistake the beginning for "never".
        Self { base, offset: Arc::new(AtomicU64::new(1_000_000_000)) }
    }

    /// Moves the clock forward. Timers that a pending async function waits on are tokio's: move those with
    /// `tokio::time::advance`.
    pub fn advance(&self, span: Duration) {
        let _ = self
            .offset
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(at.saturating_add(nanos(span))));
    }

    /// Moves the clock back, as no monotonic clock should: for tests of what happens then.
    pub fn turn_back(&self, span: Duration) {
        let _ = self
            .offset
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| Some(at.saturating_sub(nanos(span))));
    }

    /// How far the clock has moved since it was made.
    pub fn elapsed(&self) -> Duration {
        self.moment().since(Moment(1_000_000_000))
    }

    fn moment(&self) -> Moment {
        let base = match self.base {
            Base::Frozen => 0,
            Base::Tokio(origin) => nanos(Instant::now().saturating_duration_since(origin)),
        };
        Moment(self.offset.load(Ordering::Relaxed).saturating_add(base))
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock").field("elapsed", &self.elapsed()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn clocks_are_one_when_they_say_the_same_at_any_time() {
        let (system, test) = (Clock::system(), TestClock::new());
        assert!(system.is(&system.clone()));
        assert!(Clock::Test(test.clone()).is(&Clock::Test(test.clone())));
        assert!(!Clock::Test(test).is(&Clock::Test(TestClock::new())));
        assert!(!system.is(&Clock::Test(TestClock::new())));
        let earlier = Clock::System { origin: Instant::now().checked_sub(SECOND).unwrap(), ticks: None };
        assert!(!system.is(&earlier));
    }

    #[test]
    fn a_moment_that_may_have_come_is_read_exactly_and_no_other_is_long_past() {
        let clock = Clock::system();
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(clock.before(now) >= now);
            for near in [clock.before(Moment::NEVER), clock.lately()] {
                assert!(
                    near <= clock.now() && near.saturating_add(LONGEST_TICK) >= now,
                    "{near:?} at {now:?}"
                );
            }
        }
    }

    #[test]
    fn people_are_told_moments_as_far_from_now_as_they_are() {
        let clock = Clock::system();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let told = clock.unix_seconds(clock.now().saturating_add(3_600 * SECOND));
        assert!((told - wall - 3_600.0).abs() < 60.0, "{told} is an hour after {wall}");
    }
}
