use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use super::*;
use crate::bulkhead::{BulkheadConfig, BulkheadCore, Place};

fn made(config: BulkheadConfig) -> Arc<BulkheadCore> {
    Arc::new(BulkheadCore::new("db", config, context().0))
}

/// One call at a time, and who waits.
fn one() -> BulkheadConfig {
    BulkheadConfig::new().max_concurrent(1).max_queue(10)
}

#[derive(Default)]
struct Heard(AtomicU32);

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// A caller that waits, and how often it was woken.
#[derive(Default)]
struct Caller {
    place: Place,
    heard: Arc<Heard>,
}

impl Caller {
    fn poll(&mut self, bulkhead: &BulkheadCore) -> Option<bool> {
        let waker = Waker::from(Arc::clone(&self.heard));
        match bulkhead.poll_enter(&mut self.place, &mut TaskContext::from_waker(&waker)) {
            Poll::Ready(entered) => Some(entered.is_ok()),
            Poll::Pending => None,
        }
    }

    fn queued(bulkhead: &BulkheadCore) -> Self {
        let mut caller = Self::default();
        assert_eq!(caller.poll(bulkhead), None);
        caller
    }

    fn woken(&self) -> u32 {
        self.heard.0.load(Ordering::Acquire)
    }
}

#[track_caller]
fn is_at_rest(bulkhead: &BulkheadCore) {
    assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
    bulkhead.try_enter().expect("no slot was lost");
    assert!(bulkhead.try_enter().is_err(), "no slot was made");
}

#[test]
fn of_three_callers_never_more_run_than_may() {
    explore_within_bound(|| {
        let bulkhead = made(BulkheadConfig::new().max_concurrent(2));
        let running = Arc::new(AtomicU32::new(0));
        let call = |bulkhead: &BulkheadCore, running: &AtomicU32| {
            let entered = bulkhead.try_enter().is_ok();
            if entered {
                assert!(running.fetch_add(1, Ordering::Relaxed) < 2);
                running.fetch_sub(1, Ordering::Relaxed);
                bulkhead.leave();
            }
            entered
        };
        let others = [(); 2].map(|()| {
            let running = Arc::clone(&running);
            beside(&bulkhead, move |bulkhead| call(bulkhead, &running))
        });
        call(&bulkhead, &running);
        answers(others);
        let now = bulkhead.snapshot();
        assert_eq!((now.active_count, now.accepted_calls + now.rejected_calls), (0, 3));
        assert!((1..=2).contains(&now.max_active_count));
    });
}

#[test]
fn of_three_callers_that_stay_as_many_enter_as_may() {
    explore(|| {
        let bulkhead = made(BulkheadConfig::new().max_concurrent(2));
        let others = [(); 2].map(|()| beside(&bulkhead, |bulkhead| bulkhead.try_enter().is_ok()));
        let entered =
            u32::from(bulkhead.try_enter().is_ok()) + answers(others).into_iter().map(u32::from).sum::<u32>();
        assert_eq!((entered, bulkhead.active_count()), (2, 2));
    });
}

#[test]
fn f15_a_slot_granted_to_a_caller_that_cancels_meanwhile_is_not_lost() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let gone = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, BulkheadCore::leave);
        bulkhead.cancel(gone.place);
        answer(other);
        is_at_rest(&bulkhead);
    });
}

#[test]
fn a_slot_granted_to_a_caller_whose_time_is_over_is_kept_or_goes_on() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let mut late = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, BulkheadCore::leave);
        let entered = bulkhead.timed_out(&mut late.place, SECOND).is_ok();
        assert_eq!(late.place.is_entered(), entered);
        answer(other);
        bulkhead.cancel(late.place);
        is_at_rest(&bulkhead);
    });
}

#[test]
fn whoever_is_next_gets_the_slot_of_one_that_cancels_while_it_is_granted() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let gone = Caller::queued(&bulkhead);
        let mut next = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, BulkheadCore::leave);
        bulkhead.cancel(gone.place);
        answer(other);
        assert_eq!(next.woken(), 1);
        assert_eq!(next.poll(&bulkhead), Some(true));
        bulkhead.cancel(next.place);
        is_at_rest(&bulkhead);
    });
}

#[test]
fn two_slots_that_come_back_at_once_go_to_the_two_who_wait() {
    explore(|| {
        let bulkhead = made(one().max_concurrent(2));
        bulkhead.try_enter().unwrap();
        bulkhead.try_enter().unwrap();
        let mut callers = [(); 2].map(|()| Caller::queued(&bulkhead));
        let other = beside(&bulkhead, BulkheadCore::leave);
        bulkhead.leave();
        answer(other);
        for caller in &mut callers {
            assert_eq!((caller.woken(), caller.poll(&bulkhead)), (1, Some(true)));
        }
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (2, 0));
    });
}

#[test]
fn nobody_overtakes_who_waits() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let mut first = Caller::queued(&bulkhead);
        let others = [
            beside(&bulkhead, |bulkhead| {
                bulkhead.leave();
                false
            }),
            beside(&bulkhead, |bulkhead| bulkhead.try_enter().is_ok()),
        ];
        assert!(!answers(others).contains(&true));
        assert_eq!(first.poll(&bulkhead), Some(true));
    });
}

#[test]
fn who_begins_to_wait_while_the_slot_comes_back_gets_it() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let other = beside(&bulkhead, BulkheadCore::leave);
        let mut caller = Caller::default();
        let entered = caller.poll(&bulkhead);
        answer(other);
        if entered.is_none() {
            assert_eq!((caller.woken(), caller.poll(&bulkhead)), (1, Some(true)));
        } else {
            assert_eq!(entered, Some(true));
        }
        bulkhead.cancel(caller.place);
        is_at_rest(&bulkhead);
    });
}

#[test]
fn two_who_begin_to_wait_while_the_slot_comes_back_get_it_one_after_the_other() {
    explore_within_bound(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let waits = |bulkhead: &BulkheadCore| {
            let mut caller = Caller::default();
            let _ = caller.poll(bulkhead);
            caller
        };
        let others = [beside(&bulkhead, waits), beside(&bulkhead, waits)];
        bulkhead.leave();
        let [mut first, mut second] = answers(others);
        if first.poll(&bulkhead).is_none() {
            std::mem::swap(&mut first, &mut second);
        }
        assert_eq!((first.poll(&bulkhead), second.poll(&bulkhead)), (Some(true), None));
        bulkhead.cancel(first.place);
        assert_eq!(second.poll(&bulkhead), Some(true));
        bulkhead.cancel(second.place);
        is_at_rest(&bulkhead);
    });
}

#[test]
fn who_waits_leaves_no_closed_queue_behind_when_it_cancels_while_another_joins() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let gone = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, |bulkhead| {
            let mut caller = Caller::default();
            assert_eq!(caller.poll(bulkhead), None);
            caller
        });
        bulkhead.cancel(gone.place);
        let mut next = answer(other);
        bulkhead.leave();
        assert_eq!((next.woken(), next.poll(&bulkhead)), (1, Some(true)));
    });
}

#[test]
fn who_waits_is_sent_away_or_served_when_it_closes_while_a_slot_comes_back() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let mut caller = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, |bulkhead| bulkhead.reconfigure(one().max_concurrent(0)));
        bulkhead.leave();
        answer(other);
        assert_eq!(caller.woken(), 1);
        let entered = caller.poll(&bulkhead);
        assert!(entered.is_some());
        bulkhead.cancel(caller.place);
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
    });
}

#[test]
fn who_waits_is_served_when_it_grows_while_another_cancels() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let gone = Caller::queued(&bulkhead);
        let mut stays = Caller::queued(&bulkhead);
        let other = beside(&bulkhead, |bulkhead| bulkhead.reconfigure(one().max_concurrent(2)));
        bulkhead.cancel(gone.place);
        answer(other);
        assert_eq!((stays.woken(), stays.poll(&bulkhead)), (1, Some(true)));
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (2, 0));
    });
}

#[test]
fn all_who_wait_are_served_when_it_grows_while_a_slot_comes_back() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let mut callers = [(); 3].map(|()| Caller::queued(&bulkhead));
        let other = beside(&bulkhead, BulkheadCore::leave);
        bulkhead.reconfigure(one().max_concurrent(3));
        answer(other);
        for caller in &mut callers {
            assert_eq!((caller.woken(), caller.poll(&bulkhead)), (1, Some(true)));
        }
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (3, 0));
    });
}

#[test]
fn a_thread_that_waits_hears_of_the_slot_however_late_it_falls_asleep() {
    explore(|| {
        let bulkhead = made(one());
        bulkhead.try_enter().unwrap();
        let other = beside(&bulkhead, BulkheadCore::leave);
        bulkhead.enter_blocking(None).unwrap();
        answer(other);
        bulkhead.leave();
        is_at_rest(&bulkhead);
    });
}
