//! Sequences of operations on the slots alone and on the whole bulkhead, each in step with the reference.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use super::slots::Slots;
use super::{BulkheadConfig, BulkheadCore, Place};
use crate::clock::{Clock, TestClock};
use crate::context::Context;
use crate::error::ResilienceError;
use crate::reference::bulkhead::{self as reference, Refused, Standing};
use crate::reference::{Draw, Operations, Passing};
use crate::sync::atomic::{AtomicU32, Ordering};

const MS: Duration = Duration::from_millis(1);
const LIMITS: [u32; 5] = [1, 2, 3, 0, u32::MAX];

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    TryEnter,
    Arrive,
    /// One of the callers, counted from the latest.
    Look(usize),
    GiveUp(usize),
    Go(usize),
    Reconfigure(BulkheadConfig),
    Reset,
}

fn config(draw: &mut Draw) -> BulkheadConfig {
    BulkheadConfig {
        max_concurrent: draw.one_of(&LIMITS),
        max_queue: draw.some_of(&[5, 2, 1, 0, u32::MAX]),
        max_wait: draw.some_of(&[MS, Duration::ZERO, Duration::MAX]),
    }
}

#[derive(Default)]
struct Heard(AtomicU32);

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Caller {
    number: u64,
    place: Place,
    heard: Arc<Heard>,
}

impl Caller {
    fn new() -> Self {
        Self { number: 0, place: Place::NONE, heard: Arc::default() }
    }

    /// With another waker each time: the latest is the one that counts.
    fn poll(&mut self, core: &BulkheadCore) -> Poll<Result<(), ResilienceError>> {
        self.heard = Arc::default();
        let waker = Waker::from(Arc::clone(&self.heard));
        core.poll_enter(&mut self.place, &mut TaskContext::from_waker(&waker))
    }
}

fn refused(error: &ResilienceError) -> Refused {
    match error {
        ResilienceError::BulkheadFull { max_concurrent, waiting, waited, .. } => {
            Refused { limit: *max_concurrent, waiting: *waiting, waited: *waited }
        }
        other => panic!("a bulkhead does not say {other}"),
    }
}

/// The bulkhead with its queue and its counters.
pub(crate) enum OfTheBulkhead {}

impl Operations for OfTheBulkhead {
    type Setup = BulkheadConfig;
    type Operation = (Passing, Operation);

    fn setup(draw: &mut Draw) -> BulkheadConfig {
        config(draw)
    }

    fn operation(draw: &mut Draw) -> (Passing, Operation) {
        let kind = draw.below(32);
        let passing = Passing::drawn(draw);
        let operation = match kind {
            0..=9 => Operation::Arrive,
            10..=12 => Operation::TryEnter,
            13..=18 => Operation::Look(draw.index(8)),
            19..=21 => Operation::GiveUp(draw.index(8)),
            22..=28 => Operation::Go(draw.index(8)),
            29 | 30 => Operation::Reconfigure(config(draw)),
            _ => Operation::Reset,
        };
        (passing, operation)
    }

    fn play(config: &BulkheadConfig, operations: &[(Passing, Operation)]) {
        let clock = TestClock::new();
        let mut now = Clock::Test(clock.clone()).now().as_nanos();
        let context = Context::seeded(Clock::Test(clock.clone()), 0);
        let core = BulkheadCore::new("sequences", config.clone(), Arc::new(context));
        let mut model = reference::Bulkhead::new(config.clone());
        let mut callers = Vec::new();
        for (passing, operation) in operations {
            let then = passing.from(now, []);
            clock.advance(Duration::from_nanos(then - now));
            now = then;
            step(&core, &mut model, &mut callers, now, operation);
            agree(&core, &model, &callers);
        }
        for caller in callers.drain(..) {
            core.cancel(caller.place);
            model.go(caller.number, now);
        }
        agree(&core, &model, &callers);
        assert_eq!((core.active_count(), core.waiting_count()), (0, 0), "every slot is back");
        for _ in 0..model.config.max_concurrent.min(4) {
            core.try_enter().expect("a slot is free");
        }
        assert!(model.config.max_concurrent > 4 || core.try_enter().is_err(), "F17: more than there are");
    }
}

fn step(
    core: &BulkheadCore,
    model: &mut reference::Bulkhead,
    callers: &mut Vec<Caller>,
    now: u64,
    operation: &Operation,
) {
    let chosen =
        |which: usize, from: &Vec<Caller>| from.len().checked_sub(1).map(|last| last.saturating_sub(which));
    match operation {
        Operation::TryEnter => match (core.try_enter(), model.try_enter(now)) {
            (Ok(()), Ok(number)) => callers.push(Caller { number, place: Place::ENTERED, ..Caller::new() }),
            (answer, expected) => {
                assert_eq!(answer.map_err(|error| refused(&error)), expected.map(drop));
            }
        },
        Operation::Arrive => {
            let mut caller = Caller::new();
            let answer = caller.poll(core);
            match (model.arrive(now), answer) {
                (Ok(number), Poll::Ready(Ok(()))) => {
                    assert_eq!(model.numbered(number).standing, Standing::Inside);
                    callers.push(Caller { number, ..caller });
                }
                (Ok(number), Poll::Pending) => {
                    assert_eq!(model.numbered(number).standing, Standing::Waits);
                    callers.push(Caller { number, ..caller });
                }
                (Err(expected), Poll::Ready(Err(error))) => {
                    assert_eq!((refused(&error), caller.place), (expected, Place::NONE));
                }
                (expected, answer) => panic!("arrived {answer:?}, expected {expected:?}"),
            }
        }
        Operation::Look(which) | Operation::GiveUp(which) => {
            let Some(at) = chosen(*which, callers) else { return };
            let caller = &mut callers[at];
            let before = model.numbered(caller.number);
            let (answer, expected) = if matches!(operation, Operation::Look(_)) {
                (caller.poll(core), model.look(caller.number, now))
            } else {
                let waited = Duration::from_nanos(now - before.came);
                (Poll::Ready(core.timed_out(&mut caller.place, waited)), model.give_up(caller.number, now))
            };
            match (answer, expected) {
                (Poll::Ready(Ok(())), Ok(Standing::Inside)) => assert!(caller.place.is_entered()),
                (Poll::Pending, Ok(Standing::Waits)) => {}
                (Poll::Ready(Err(error)), Err(expected)) => {
                    assert_eq!((refused(&error), caller.place), (expected, Place::NONE));
                    callers.remove(at);
                }
                (answer, expected) => panic!("{answer:?}, expected {expected:?}"),
            }
        }
        Operation::Go(which) => {
            let Some(at) = chosen(*which, callers) else { return };
            let caller = callers.remove(at);
            match caller.place {
                Place::ENTERED => core.leave(),
                place => core.cancel(place),
            }
            model.go(caller.number, now);
        }
        Operation::Reconfigure(config) => {
            core.reconfigure(config.clone());
            model.reconfigure(config.clone(), now);
        }
        Operation::Reset => {
            core.reset();
            model.reset();
        }
    }
}

fn agree(core: &BulkheadCore, model: &reference::Bulkhead, callers: &[Caller]) {
    let it = core.snapshot();
    let config = &model.config;
    let longest = model.waits.iter().max().copied().unwrap_or_default();
    let total = model.waits.iter().fold(Duration::ZERO, |sum, wait| sum.saturating_add(*wait));
    assert_eq!((it.active_count, core.active_count()), (model.active(), model.active()), "active");
    assert_eq!((it.waiting_count, core.waiting_count()), (model.waiting(), model.waiting()), "waiting");
    assert_eq!(it.available, config.max_concurrent.saturating_sub(model.active()), "available");
    assert_eq!(it.max_active_count, model.most, "the most");
    assert_eq!((it.accepted_calls, it.rejected_calls), (model.accepted, model.rejected), "counts");
    assert_eq!(it.waited_calls, model.waits.len() as u64, "waited");
    let waits = [total, longest].map(|wait| wait.as_secs_f64().to_bits());
    assert_eq!([it.total_wait, it.longest_wait].map(f64::to_bits), waits, "waits");
    assert_eq!((it.max_concurrent, it.max_queue), (config.max_concurrent, config.max_queue));
    assert!(it.available <= it.max_concurrent, "F17");
    for caller in callers {
        let expected = model.numbered(caller.number);
        let woken = caller.heard.0.load(Ordering::Relaxed);
        assert_eq!(woken, u32::from(expected.woken), "F15: {expected:?} was woken so often");
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Take,
    TakeForFirst,
    GiveBack,
    OpenQueue,
    CloseQueue,
    Limit(u32),
    ForgetPeak,
}

/// The word that counts those inside.
pub(crate) enum OfTheSlots {}

impl Operations for OfTheSlots {
    type Setup = u32;
    type Operation = Change;

    fn setup(draw: &mut Draw) -> u32 {
        draw.one_of(&LIMITS)
    }

    fn operation(draw: &mut Draw) -> Change {
        match draw.below(16) {
            0..=4 => Change::Take,
            5 | 6 => Change::TakeForFirst,
            7..=10 => Change::GiveBack,
            11 => Change::OpenQueue,
            12 => Change::CloseQueue,
            13 => Change::ForgetPeak,
            _ => Change::Limit(draw.one_of(&LIMITS)),
        }
    }

    fn play(limit: &u32, operations: &[Change]) {
        let slots = Slots::new(*limit);
        let (mut limit, mut active, mut most, mut queued) = (*limit, 0, 0, false);
        for change in operations {
            match *change {
                Change::Take | Change::TakeForFirst => {
                    let first = matches!(change, Change::TakeForFirst);
                    let free = active < limit && (first || !queued);
                    assert_eq!(if first { slots.take_for_first() } else { slots.take() }, free);
                    active += u32::from(free);
                    most = most.max(active);
                }
                Change::GiveBack if active > 0 => {
                    assert_eq!(slots.give_back(), queued);
                    active -= 1;
                }
                Change::GiveBack => {}
                Change::OpenQueue => {
                    slots.open_queue();
                    queued = true;
                }
                Change::CloseQueue => {
                    slots.close_queue();
                    queued = false;
                }
                Change::Limit(to) => {
                    slots.set_limit(to);
                    limit = to;
                }
                Change::ForgetPeak => {
                    slots.forget_peak();
                    most = active;
                }
            }
            let is = (slots.limit(), slots.active(), slots.peak(), slots.is_queued());
            assert_eq!(is, (limit, active, most, queued));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::hold;

    #[test]
    fn f17_slots_are_what_they_are_counted_as_in_any_order() {
        hold::<OfTheSlots>("bulkhead slots", 500, 80);
    }

    #[test]
    fn f15_f16_f17_the_bulkhead_does_what_the_rules_say_in_any_order() {
        hold::<OfTheBulkhead>("bulkhead", 800, 80);
    }
}
