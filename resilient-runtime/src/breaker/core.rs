//! The machine behind its lock, and the word beside the lock that the healthy path reads instead.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::config::BreakerConfig;
use super::machine::{Machine, Recorded, Refusal, Transition};
use super::snapshot::{self, BreakerSnapshot, Marks};
use super::{Count, Counters, Generation, State, Ticket};
use crate::clock::{Moment, Reading, When, nanos};
use crate::context::Context;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::outcome::Outcome;
use crate::reason::TripReason;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Whole, plain};
use crate::tick::LONGEST_TICK;

/// Calls pass without asking the machine.
const ADMITS: u64 = 1;
/// A success has nothing to tell the machine.
const CLEAN: u64 = 2;
/// Nothing is recorded.
const SILENT: u64 = 4;
/// OPEN: refused by `open_until` alone.
const OPEN: u64 = 8;
/// The slow-call rule is on.
const TIMED: u64 = 16;
const GENERATION_SHIFT: u32 = 32;
/// The part of its word that says how many successes are lent.
const LENT: u64 = (1 << GENERATION_SHIFT) - 1;

fn gate_of(generation: Generation) -> u64 {
    u64::from(generation.get()) << GENERATION_SHIFT
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half is all that is left")]
fn generation_of(gate: u64) -> u32 {
    (gate >> GENERATION_SHIFT) as u32
}

#[derive(Debug)]
pub(crate) struct Breaker {
    front: Front,
    guarded: Mutex<Guarded>,
}

/// What the healthy path reads. In lines of its own, since the lock and the handles' count are written beside it.
#[derive(Debug)]
#[repr(align(128))]
struct Front {
    /// The machine's generation and what it allows without the lock. Written under the lock only.
    word: AtomicU64,
    open_until: AtomicU64,
    open_span: AtomicU64,
    open_reason: AtomicU64,
    /// The generation, and how many successes may be counted without the lock although they have something to tell:
    /// whoever takes the lock next tells it for them.
    lent: AtomicU64,
    name: &'static str,
    context: Arc<Context>,
    counters: Counters,
}

#[derive(Debug)]
struct Guarded {
    machine: Machine,
    marks: Marks,
    /// How many were lent.
    lent: u32,
    /// There while somebody tells what is in it, and will go on until it is empty.
    outbox: Option<Box<Outbox>>,
}

/// What happened and was not told yet, in order.
#[derive(Debug, Default)]
struct Outbox(VecDeque<EventKind>);

/// Configurations that were asked for lately. Of a hundred thousand breakers most are told the same: they share it.
#[derive(Debug)]
struct Latest(VecDeque<Arc<BreakerConfig>>);

impl Latest {
    const KEPT: usize = 16;

    fn share(&mut self, config: BreakerConfig) -> Arc<BreakerConfig> {
        if let Some(known) = self.0.iter().find(|known| ***known == config) {
            return Arc::clone(known);
        }
        self.0.truncate(Self::KEPT - 1);
        let config = Arc::new(config);
        self.0.push_front(Arc::clone(&config));
        config
    }
}

/// The process's copy of it.
fn shared(config: BreakerConfig) -> Arc<BreakerConfig> {
    static LATEST: plain::Mutex<Latest> = plain::Mutex::new(Latest(VecDeque::new()));
    LATEST.lock().whole().share(config)
}

impl Breaker {
    pub(crate) fn new(name: &'static str, config: BreakerConfig, context: Arc<Context>) -> Self {
        let machine = Machine::new(shared(config), context.clock.now());
        let breaker = Self {
            front: Front {
                word: AtomicU64::default(),
                open_until: AtomicU64::default(),
                open_span: AtomicU64::default(),
                open_reason: AtomicU64::default(),
                lent: AtomicU64::default(),
                name,
                context,
                counters: Counters::default(),
            },
            guarded: Mutex::new(Guarded { machine, marks: Marks::default(), lent: 0, outbox: None }),
        };
        breaker.publish(&breaker.lock().machine);
        breaker
    }

    pub(crate) fn name(&self) -> &'static str {
        self.front.name
    }

    pub(crate) fn context(&self) -> &Context {
        &self.front.context
    }

    /// Admits a call or refuses it. The caller owes a `record` for every ticket.
    #[inline]
    pub(crate) fn acquire(&self) -> Result<Ticket, ResilienceError> {
        self.acquire_quickly().map_or_else(|| self.acquire_slowly(|ticket| ticket), Ok)
    }

    /// Admits a call where that takes no more than a look.
    #[inline]
    pub(crate) fn acquire_quickly(&self) -> Option<Ticket> {
        let gate = self.front.word.load(Ordering::Acquire);
        let generation = NonZeroU32::new(generation_of(gate)).filter(|_| gate & ADMITS != 0)?;
        Some(Ticket { generation: Generation(generation), probe: 0 })
    }

    /// [`Breaker::acquire`] where a look did not admit the call; `keep` puts the ticket where the caller wants it, so that
    /// a refusal is made in its place at once.
    #[cold]
    pub(crate) fn acquire_slowly<T>(&self, keep: impl FnOnce(Ticket) -> T) -> Result<T, ResilienceError> {
        match self.refuse_at_a_look() {
            Some(refused) => Err(refused),
            None => self.ask_the_machine(keep),
        }
    }

    /// [`Breaker::acquire_slowly`] where a look did not refuse it either.
    #[cold]
    pub(crate) fn ask_the_machine<T>(&self, keep: impl FnOnce(Ticket) -> T) -> Result<T, ResilienceError> {
        self.change(|machine, when| machine.admit(when)).map(keep).map_err(|refusal| self.refused(refusal))
    }

    /// Refuses a call where that takes no more than a look.
    #[inline]
    pub(crate) fn refuse_at_a_look(&self) -> Option<ResilienceError> {
        self.seen_open().map(|refusal| self.refused(refusal))
    }

    /// The refusal of an OPEN whose end is not near.
    #[inline]
    fn seen_open(&self) -> Option<Refusal> {
        let gate = self.front.word.load(Ordering::Acquire);
        if gate & OPEN == 0 {
            return None;
        }
        let until = Moment::from_nanos(self.front.open_until.load(Ordering::Acquire));
        let span = self.front.open_span.load(Ordering::Acquire);
        let reason = self.front.open_reason.load(Ordering::Acquire);
        let left = until.nanos_since(self.front.context.clock.before(until));
        // A clock that was turned back is the machine's business.
        let credible = left <= span.saturating_add(const { nanos(LONGEST_TICK) });
        // The words belong together only if the gate has not moved meanwhile.
        if left == 0 || !credible || self.front.word.load(Ordering::Acquire) != gate {
            return None;
        }
        let retry_after = Duration::from_nanos(left.min(span));
        Some(Refusal::Open { retry_after, reason: unpack(reason) })
    }

    #[inline]
    fn refused(&self, refusal: Refusal) -> ResilienceError {
        self.front.counters.add(Count::Rejected);
        let name = self.front.name;
        match refusal {
            Refusal::Open { retry_after, reason } => {
                ResilienceError::CircuitOpen { name, retry_after, reason }
            }
            Refusal::Isolated => ResilienceError::Isolated { name },
        }
    }

    /// Records how an admitted call ended.
    #[inline]
    pub(crate) fn record(&self, ticket: Ticket, outcome: Outcome, took: Option<Duration>) {
        let gate = self.front.word.load(Ordering::Acquire);
        if generation_of(gate) == ticket.generation.get() && gate & ADMITS != 0 && ticket.probe == 0 {
            if gate & SILENT != 0 {
                return;
            }
            match outcome {
                Outcome::Success if gate & CLEAN != 0 || self.borrows(gate) => {
                    return self.front.counters.add(Count::Success);
                }
                Outcome::Ignored => return self.front.counters.add(Count::Ignored),
                _ => {}
            }
        }
        self.record_slowly(ticket, outcome, took);
    }

    /// Takes one of the successes that were lent in this generation, if there is one.
    #[inline]
    fn borrows(&self, gate: u64) -> bool {
        let mut lent = self.front.lent.load(Ordering::Acquire);
        while generation_of(lent) == generation_of(gate) && lent & LENT != 0 {
            let (one, acquire) = (lent - 1, Ordering::Acquire);
            match self.front.lent.compare_exchange_weak(lent, one, Ordering::AcqRel, acquire) {
                Ok(_) => return true,
                Err(other) => lent = other,
            }
        }
        false
    }

    /// Counts the success of a call that was let through by a look, if nothing more than counting is to be done.
    #[cfg_attr(not(debug_assertions), inline(always))]
    #[allow(clippy::inline_always, reason = "measured: a call costs as much as what is in it")]
    pub(crate) fn counts_success_of(&self, ticket: Option<Ticket>) -> bool {
        // No generation is 0, so no gate looks like that of a call without a ticket.
        let generation = ticket.map_or(0, |ticket| ticket.generation.get());
        let clean = u64::from(generation) << GENERATION_SHIFT | ADMITS | CLEAN;
        let counts = self.front.word.load(Ordering::Acquire) == clean;
        if counts {
            self.front.counters.add(Count::Success);
        }
        counts
    }

    #[cold]
    fn record_slowly(&self, ticket: Ticket, outcome: Outcome, took: Option<Duration>) {
        let luck = || self.front.context.luck();
        let exceeded = self.change(|machine, when| {
            let Recorded { counted, transition, exceeded } =
                machine.record(when, ticket, outcome, took, luck);
            if counted {
                match outcome {
                    Outcome::Success => self.front.counters.add(Count::Success),
                    Outcome::Ignored => self.front.counters.add(Count::Ignored),
                    Outcome::Failure | Outcome::Abandoned => {}
                }
            }
            (exceeded, transition)
        });
        for reason in exceeded.into_iter().flatten() {
            self.front
                .context
                .events
                .tell(self.front.name, EventKind::ThresholdExceeded { breaker: self.front.name, reason });
        }
    }

    /// Changes the state by hand.
    pub(crate) fn set(&self, to: State, span: Option<Duration>) {
        let luck = self.front.context.luck();
        self.change(|machine, when| ((), machine.set(when.exactly(), to, span, luck)));
    }

    /// Lets probes through now, unless it is closed.
    pub(crate) fn half_open(&self) -> Result<(), State> {
        self.change(|machine, when| match machine.state() {
            State::Closed => (Err(State::Closed), None),
            _ => (Ok(()), machine.set(when.exactly(), State::HalfOpen, None, 0.0)),
        })
    }

    /// Begins again as if just made; with `config`, as if made with that.
    pub(crate) fn reset(&self, config: Option<BreakerConfig>) {
        let mut guarded = self.lock_whole();
        let now = self.front.context.clock.now();
        let config = config.map_or_else(|| Arc::clone(guarded.machine.config()), shared);
        let transition = guarded.machine.reset(config, now);
        guarded.marks = Marks::reset(&self.front.counters);
        self.publish(&guarded.machine);
        if let Some(transition) = transition {
            self.tell(guarded, transition, now);
        }
    }

    /// Goes on with other numbers.
    pub(crate) fn reconfigure(&self, config: BreakerConfig) {
        let config = shared(config);
        self.change(|machine, _| (machine.reconfigure(config), None));
    }

    /// Lets probes take as long as the slowest of its functions may.
    pub(crate) fn allow_probes(&self, lease: Duration) {
        self.change(|machine, _| (machine.allow_probes(lease), None));
    }

    pub(crate) fn state(&self) -> State {
        self.lock().machine.state()
    }

    /// Whether the slow-call rule is on.
    pub(crate) fn times_calls(&self) -> bool {
        self.front.word.load(Ordering::Relaxed) & TIMED != 0
    }

    /// How long a caller would have to wait now; zero when a call would be admitted or nobody knows.
    pub(crate) fn retry_after(&self) -> Duration {
        if self.front.word.load(Ordering::Acquire) & ADMITS != 0 {
            return Duration::ZERO;
        }
        let mut guarded = self.lock();
        let now = self.front.context.clock.now();
        guarded.machine.blocked_until(now).map_or(Duration::ZERO, |until| until.since(now))
    }

    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        let mut guarded = self.lock_whole();
        let snapshot = self.snapshot_of(&mut guarded, self.front.context.clock.now());
        self.lend(&mut guarded);
        snapshot
    }

    fn snapshot_of(&self, guarded: &mut Guarded, now: Moment) -> BreakerSnapshot {
        let Guarded { machine, marks, .. } = guarded;
        snapshot::take(self.front.name, machine, marks, &self.front.counters, &self.front.context.clock, now)
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().whole()
    }

    /// With every success told that was borrowed.
    fn lock_whole(&self) -> MutexGuard<'_, Guarded> {
        let mut guarded = self.lock();
        if guarded.lent > 0 {
            let left = self.front.lent.swap(0, Ordering::AcqRel) & LENT;
            let borrowed = u64::from(std::mem::take(&mut guarded.lent)).saturating_sub(left);
            guarded.machine.succeed(borrowed);
        }
        guarded
    }

    /// What the machine can spare may be borrowed until somebody needs the whole of it.
    fn lend(&self, guarded: &mut Guarded) {
        let Guarded { machine, lent, .. } = guarded;
        *lent = machine.spare_successes();
        if *lent > 0 {
            self.front.lent.store(gate_of(machine.generation()) | u64::from(*lent), Ordering::Release);
        }
    }

    /// The time is read under the lock: a thread that is put to sleep between the two must not go on with an old one.
    fn change<T>(&self, change: impl FnOnce(&mut Machine, &Reading<'_>) -> (T, Option<Transition>)) -> T {
        let mut guarded = self.lock_whole();
        let when = self.front.context.clock.reading();
        let failures = guarded.machine.failures();
        let (answer, transition) = change(&mut guarded.machine, &when);
        if transition.is_some() {
            guarded.marks.begin_episode(&self.front.counters);
        } else if guarded.machine.failures() != failures {
            guarded.marks.break_streak(&self.front.counters);
        }
        self.publish(&guarded.machine);
        self.lend(&mut guarded);
        if let Some(transition) = transition {
            self.tell(guarded, transition, when.exactly());
        }
        answer
    }

    /// Lets the lock go and tells the transition, with the snapshot it caused. Transitions are told one after the
    /// other in the order they happened, so a listener sees a chain; one that itself changes the breaker hears of
    /// that change after it returns.
    #[cold]
    fn tell<'g>(&'g self, mut guarded: MutexGuard<'g, Guarded>, transition: Transition, now: Moment) {
        let Transition { from, to, reason } = transition;
        let snapshot = Box::new(self.snapshot_of(&mut guarded, now));
        let breaker = self.front.name;
        let mut next = Some(EventKind::Transition { breaker, from, to, reason, snapshot });
        if let Some(outbox) = &mut guarded.outbox {
            return outbox.0.extend(next);
        }
        guarded.outbox = Some(Box::default());
        while let Some(kind) = next {
            drop(guarded);
            self.front.context.events.tell(breaker, kind);
            guarded = self.lock();
            next = guarded.outbox.as_mut().and_then(|outbox| outbox.0.pop_front());
        }
        guarded.outbox = None;
    }

    fn publish(&self, machine: &Machine) {
        let state = match machine.state() {
            State::Closed | State::MetricsOnly => ADMITS,
            State::Disabled => ADMITS | SILENT,
            State::Open => OPEN,
            State::HalfOpen | State::ForcedOpen => 0,
        };
        let clean = if machine.is_clean() { CLEAN } else { 0 };
        let timed = if machine.config().slow_call_duration.is_some() { TIMED } else { 0 };
        let gate = gate_of(machine.generation()) | state | clean | timed;
        let open = machine.open_until();
        let is_known =
            |(until, _): (Moment, _)| self.front.open_until.load(Ordering::Relaxed) == until.as_nanos();
        if self.front.word.load(Ordering::Relaxed) == gate && open.is_none_or(is_known) {
            return;
        }
        if let Some((until, reason)) = open {
            let span = machine.open_span().map_or(0, nanos);
            // An OPEN that begins anew: who has read one of these while they change must find the word moved.
            self.front.word.store(gate & !OPEN, Ordering::Relaxed);
            self.front.open_until.store(until.as_nanos(), Ordering::Release);
            self.front.open_span.store(span, Ordering::Release);
            self.front.open_reason.store(pack(reason), Ordering::Release);
        }
        self.front.word.store(gate, Ordering::Release);
    }
}

/// A reason in one word: kind, count, and percent. Counts over 24 bits are cut to that.
fn pack(reason: TripReason) -> u64 {
    let word = |kind: u64, count: u32, percent: f32| {
        kind | u64::from(count.min(0xff_ffff)) << 8 | u64::from(percent.to_bits()) << 32
    };
    match reason {
        TripReason::ConsecutiveFailures(failures) => word(1, failures, 0.0),
        TripReason::FailureRate { percent, calls } => word(2, calls, percent),
        TripReason::SlowCallRate { percent, calls } => word(3, calls, percent),
        TripReason::Abandoned(calls) => word(4, calls, 0.0),
        TripReason::ProbeFailed => word(5, 0, 0.0),
        _ => word(0, 0, 0.0),
    }
}

fn unpack(word: u64) -> TripReason {
    let [_, a, b, c, percent @ ..] = word.to_le_bytes();
    let (calls, percent) = (u32::from_le_bytes([a, b, c, 0]), f32::from_le_bytes(percent));
    match word & 0xff {
        1 => TripReason::ConsecutiveFailures(calls),
        2 => TripReason::FailureRate { percent, calls },
        3 => TripReason::SlowCallRate { percent, calls },
        4 => TripReason::Abandoned(calls),
        5 => TripReason::ProbeFailed,
        _ => TripReason::Manual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_pointer_width = "64", not(any(resilient_loom, resilient_shuttle))))]
    #[test]
    fn a_breaker_is_small() {
        assert_eq!([size_of::<Front>(), size_of::<Breaker>()], [128, 256]);
    }

    /// Most of these successes are borrowed: they take no lock, and are told later.
    #[cfg(not(any(resilient_loom, resilient_shuttle)))]
    #[test]
    fn a_count_window_holds_the_last_results_whoever_tells_of_them() {
        use super::super::config::Window;

        let context = Arc::new(Context::system());
        let mut rng = fastrand::Rng::with_seed(3);
        for size in [2_u32, 7, 100] {
            let config =
                BreakerConfig::new().failure_threshold(1_000).failure_rate(1.0).window(Window::Count(size));
            let breaker = Breaker::new("borrows", config.min_calls(2), Arc::clone(&context));
            let (mut all, mut streak, mut borrowed) = (VecDeque::from([true, false]), 0, 0);
            let lent = || breaker.front.lent.load(Ordering::Relaxed) & LENT;
            for failed in all.clone() {
                let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                breaker.record(breaker.acquire().unwrap(), outcome, None);
            }
            for _ in 0..5_000 {
                // Never all of a window fails.
                let failed = rng.u8(..10) == 0 && !all.iter().rev().take(size as usize - 1).all(|it| *it);
                let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                let before = lent();
                breaker.record(breaker.acquire().unwrap(), outcome, None);
                borrowed += u32::from(lent() + 1 == before);
                all.push_back(failed);
                streak = if failed { streak + 1 } else { 0 };
                if rng.u8(..50) == 0 {
                    let (last, now) = (all.iter().rev().take(size as usize), breaker.snapshot());
                    let (window, calls) = (now.window.unwrap(), last.clone().count());
                    let failures = last.filter(|failed| **failed).count();
                    assert_eq!((window.calls as usize, window.failures as usize), (calls, failures));
                    assert_eq!((now.failure_count, now.state), (streak, State::Closed));
                    assert_eq!(now.total_calls, all.len() as u64);
                }
            }
            assert!(borrowed > 100, "{borrowed} were borrowed");
        }
    }

    #[test]
    fn breakers_that_are_told_the_same_share_it_and_few_are_remembered() {
        let mut latest = Latest(VecDeque::new());
        let mut share = |failures| latest.share(BreakerConfig::new().failure_threshold(failures));
        let [one, same, other] = [1, 1, 2].map(&mut share);
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        assert_eq!([one.failure_threshold, other.failure_threshold], [1, 2]);
        (3..1_000).for_each(|failures| drop(share(failures)));
        assert_eq!(latest.0.len(), Latest::KEPT);
    }

    #[test]
    fn a_reason_fits_one_word() {
        for reason in [
            TripReason::ConsecutiveFailures(3),
            TripReason::FailureRate { percent: 62.5, calls: 100 },
            TripReason::SlowCallRate { percent: 100.0, calls: 7 },
            TripReason::Abandoned(20),
            TripReason::ProbeFailed,
            TripReason::Manual,
        ] {
            assert_eq!(unpack(pack(reason)), reason);
        }
    }
}
