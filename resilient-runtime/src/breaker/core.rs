//! The machine behind its lock, and the word beside the lock that the healthy path reads instead.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::config::BreakerConfig;
use super::machine::{Machine, Recorded, Refusal, Transition};
use super::snapshot::{self, BreakerSnapshot, Marks};
use super::{Count, Counters, Generation, State, Ticket};
use crate::clock::{Moment, nanos};
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
    name: &'static str,
    context: Arc<Context>,
    counters: Counters,
}

#[derive(Debug)]
struct Guarded {
    machine: Machine,
    marks: Marks,
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
                name,
                context,
                counters: Counters::default(),
            },
            guarded: Mutex::new(Guarded { machine, marks: Marks::default(), outbox: None }),
        };
        breaker.publish(&breaker.lock().machine);
        breaker
    }

    pub(crate) fn name(&self) -> &'static str {
        self.front.name
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

    /// [`Breaker::acquire`] where the look was not enough; `keep` puts the ticket where the caller wants it, so that a
    /// refusal is made in its place at once.
    #[cold]
    pub(crate) fn acquire_slowly<T>(&self, keep: impl FnOnce(Ticket) -> T) -> Result<T, ResilienceError> {
        let refusal = match self.seen_open() {
            Some(refusal) => refusal,
            None => match self.change(Machine::admit) {
                Ok(ticket) => return Ok(keep(ticket)),
                Err(refusal) => refusal,
            },
        };
        self.front.counters.add(Count::Rejected);
        Err(self.refused(refusal))
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

    fn refused(&self, refusal: Refusal) -> ResilienceError {
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
                Outcome::Success if gate & CLEAN != 0 => return self.front.counters.add(Count::Success),
                Outcome::Ignored => return self.front.counters.add(Count::Ignored),
                _ => {}
            }
        }
        self.record_slowly(ticket, outcome, took);
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
        let exceeded = self.change(|machine, now| {
            let Recorded { counted, transition, exceeded } = machine.record(now, ticket, outcome, took, luck);
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
        self.change(|machine, now| ((), machine.set(now, to, span, luck)));
    }

    /// Lets probes through now, unless it is closed.
    pub(crate) fn half_open(&self) -> Result<(), State> {
        self.change(|machine, now| match machine.state() {
            State::Closed => (Err(State::Closed), None),
            _ => (Ok(()), machine.set(now, State::HalfOpen, None, 0.0)),
        })
    }

    /// Begins again as if just made; with `config`, as if made with that.
    pub(crate) fn reset(&self, config: Option<BreakerConfig>) {
        let (mut guarded, now) = self.lock_now();
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
        let (mut guarded, now) = self.lock_now();
        guarded.machine.blocked_until(now).map_or(Duration::ZERO, |until| until.since(now))
    }

    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        let (mut guarded, now) = self.lock_now();
        self.snapshot_of(&mut guarded, now)
    }

    fn snapshot_of(&self, guarded: &mut Guarded, now: Moment) -> BreakerSnapshot {
        let Guarded { machine, marks, .. } = guarded;
        snapshot::take(self.front.name, machine, marks, &self.front.counters, &self.front.context.clock, now)
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().whole()
    }

    /// The time is read under the lock: a thread that is put to sleep between the two must not go on with an old one.
    fn lock_now(&self) -> (MutexGuard<'_, Guarded>, Moment) {
        let guarded = self.lock();
        (guarded, self.front.context.clock.now())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Machine, Moment) -> (T, Option<Transition>)) -> T {
        let (mut guarded, now) = self.lock_now();
        let failures = guarded.machine.failures();
        let (answer, transition) = change(&mut guarded.machine, now);
        if transition.is_some() {
            guarded.marks.begin_episode(&self.front.counters);
        } else if guarded.machine.failures() != failures {
            guarded.marks.break_streak(&self.front.counters);
        }
        self.publish(&guarded.machine);
        if let Some(transition) = transition {
            self.tell(guarded, transition, now);
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
