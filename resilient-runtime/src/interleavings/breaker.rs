use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use loom::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::breaker::{Breaker, BreakerConfig, State, Ticket, Window};
use crate::error::ResilienceError;
use crate::event::{EventKind, Subscription};
use crate::outcome::Outcome;
use crate::reason::TripReason;

const RECOVERY: Duration = Duration::from_secs(10);

/// One failure opens it.
fn touchy() -> BreakerConfig {
    BreakerConfig::new().failure_threshold(1).success_threshold(2).recovery_timeout(RECOVERY)
}

fn made(config: BreakerConfig) -> (Arc<Breaker>, TestClock, Arc<Context>) {
    let (context, clock) = context();
    (Arc::new(Breaker::new("db", config, Arc::clone(&context))), clock, context)
}

fn closed(config: BreakerConfig) -> Arc<Breaker> {
    made(config).0
}

/// Open, and its time is over.
fn due(config: BreakerConfig) -> (Arc<Breaker>, TestClock) {
    let (breaker, clock, _) = made(config);
    breaker.set(State::Open, None);
    clock.advance(RECOVERY);
    (breaker, clock)
}

fn fails(breaker: &Breaker, ticket: Ticket) {
    breaker.record(ticket, Outcome::Failure, None);
}

fn succeeds(breaker: &Breaker, ticket: Ticket) {
    breaker.record(ticket, Outcome::Success, None);
}

/// The changes of state that a listener hears, in the order it hears them.
fn hear(context: &Arc<Context>) -> (Arc<Mutex<Vec<(State, State)>>>, Subscription) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let listening = context.events.subscribe(move |event| {
        if let EventKind::Transition { from, to, .. } = event.kind {
            hears.lock().unwrap().push((from, to));
        }
    });
    (heard, listening)
}

#[track_caller]
fn is_a_chain(heard: &[(State, State)], from: State, to: State) {
    let mut at = from;
    for (left, entered) in heard {
        assert_eq!(*left, at, "{heard:?}");
        at = *entered;
    }
    assert_eq!(at, to, "{heard:?}");
}

#[test]
fn of_three_callers_that_come_when_open_is_over_one_is_the_probe() {
    explore(|| {
        let (breaker, _) = due(touchy().half_open_max_calls(1));
        let others = [(); 2].map(|()| beside(&breaker, |breaker| breaker.acquire().is_ok()));
        let admitted =
            u32::from(breaker.acquire().is_ok()) + answers(others).into_iter().map(u32::from).sum::<u32>();
        assert_eq!(admitted, 1);
        assert_eq!(breaker.state(), State::HalfOpen);
    });
}

#[test]
fn of_three_callers_two_are_probes_where_two_may_be() {
    explore(|| {
        let (breaker, _) = due(touchy().half_open_max_calls(2));
        let others = [(); 2].map(|()| beside(&breaker, |breaker| breaker.acquire().is_ok()));
        let admitted =
            u32::from(breaker.acquire().is_ok()) + answers(others).into_iter().map(u32::from).sum::<u32>();
        assert_eq!(admitted, 2);
    });
}

#[test]
fn a_probes_slot_is_used_again_and_never_by_two_at_once() {
    explore_within_bound(|| {
        let (breaker, _) = due(touchy().half_open_max_calls(1));
        let probes = Arc::new(AtomicU32::new(0));
        let call = |breaker: &Breaker, probes: &AtomicU32, outcome| {
            if let Ok(ticket) = breaker.acquire() {
                assert_eq!(probes.fetch_add(1, Ordering::Relaxed), 0);
                probes.fetch_sub(1, Ordering::Relaxed);
                breaker.record(ticket, outcome, None);
            }
        };
        let others = [Outcome::Ignored, Outcome::Abandoned].map(|outcome| {
            let probes = Arc::clone(&probes);
            beside(&breaker, move |breaker| call(breaker, &probes, outcome))
        });
        call(&breaker, &probes, Outcome::Ignored);
        answers(others);
        assert!(breaker.acquire().is_ok(), "every slot was given back");
    });
}

#[test]
fn a_dropped_probe_gives_its_place_to_whoever_asks() {
    explore(|| {
        let (breaker, _) = due(touchy().half_open_max_calls(1));
        let probe = breaker.acquire().unwrap();
        let other = beside(&breaker, |breaker| breaker.acquire().is_ok());
        breaker.record(probe, Outcome::Abandoned, None);
        let admitted = answer(other);
        assert_eq!(breaker.acquire().is_err(), admitted);
    });
}

#[test]
fn a_probe_whose_lease_is_over_counts_no_more_once_its_place_is_taken() {
    explore(|| {
        let (breaker, clock) = due(touchy().half_open_max_calls(1).success_threshold(1).probe_lease(SECOND));
        let hung = breaker.acquire().unwrap();
        let other = beside(&breaker, move |breaker| {
            clock.advance(SECOND);
            breaker.acquire().is_ok_and(|ticket| {
                breaker.record(ticket, Outcome::Ignored, None);
                breaker.state() == State::HalfOpen
            })
        });
        succeeds(&breaker, hung);
        let replaced = answer(other);
        let now = breaker.snapshot();
        // Either it closed the circuit, or it was replaced and changed nothing.
        match now.state {
            State::Closed => assert_eq!((now.stale_results, now.successful_calls), (0, 1)),
            state => assert_eq!(
                (state, replaced, now.stale_results, now.lost_probes),
                (State::HalfOpen, true, 1, 1)
            ),
        }
        assert_eq!(now.probes_under_way, 0);
    });
}

#[test]
fn the_successes_of_two_probes_close_it_once() {
    explore(|| {
        let (breaker, clock, context) = made(touchy());
        breaker.set(State::Open, None);
        clock.advance(RECOVERY);
        let probes = [(); 2].map(|()| breaker.acquire().unwrap());
        let (heard, _listening) = hear(&context);
        let other = beside(&breaker, move |breaker| succeeds(breaker, probes[0]));
        succeeds(&breaker, probes[1]);
        answer(other);
        assert_eq!(*heard.lock().unwrap(), [(State::HalfOpen, State::Closed)]);
        assert_eq!(breaker.snapshot().successful_calls, 2);
    });
}

#[test]
fn a_probe_that_fails_beside_one_that_succeeds_opens_it() {
    explore(|| {
        let (breaker, _) = due(touchy());
        let probes = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| succeeds(breaker, probes[0]));
        fails(&breaker, probes[1]);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!((now.state, now.times_opened, now.failed_calls), (State::Open, 2, 1));
        assert_eq!(now.successful_calls + now.stale_results, 1);
    });
}

#[test]
fn whoever_is_admitted_while_it_opens_is_counted_or_stale_and_whoever_is_not_is_told_why() {
    explore(|| {
        let breaker = closed(touchy());
        let failing = breaker.acquire().unwrap();
        let other = beside(&breaker, |breaker| match breaker.acquire() {
            Ok(ticket) => {
                succeeds(breaker, ticket);
                1
            }
            Err(ResilienceError::CircuitOpen { retry_after, reason, .. }) => {
                assert_eq!((retry_after, reason), (RECOVERY, TripReason::ConsecutiveFailures(1)));
                0
            }
            Err(other) => panic!("{other}"),
        });
        fails(&breaker, failing);
        let admitted = answer(other);
        let now = breaker.snapshot();
        assert_eq!((now.state, now.times_opened), (State::Open, 1));
        assert_eq!(now.successful_calls + now.stale_results, admitted);
        assert_eq!(now.rejected_calls, 1 - admitted);
    });
}

#[test]
fn three_failures_at_once_open_it_once_where_two_are_enough() {
    explore_within_bound(|| {
        let breaker = closed(touchy().failure_threshold(2));
        let tickets = [(); 3].map(|()| breaker.acquire().unwrap());
        let others =
            [tickets[0], tickets[1]].map(|ticket| beside(&breaker, move |breaker| fails(breaker, ticket)));
        fails(&breaker, tickets[2]);
        answers(others);
        let now = breaker.snapshot();
        assert_eq!(
            (now.state, now.times_opened, now.failed_calls, now.stale_results),
            (State::Open, 1, 2, 1)
        );
    });
}

#[test]
fn a_success_beside_a_failure_breaks_its_streak_or_comes_before_it() {
    explore(|| {
        let breaker = closed(touchy().failure_threshold(2));
        let tickets = [(); 3].map(|()| breaker.acquire().unwrap());
        fails(&breaker, tickets[0]);
        // There is a streak, so that the success takes the lock.
        let other = beside(&breaker, move |breaker| succeeds(breaker, tickets[1]));
        fails(&breaker, tickets[2]);
        answer(other);
        let now = breaker.snapshot();
        match now.state {
            State::Open => assert_eq!((now.successful_calls, now.stale_results), (0, 1)),
            state => assert_eq!((state, now.successful_calls, now.failure_count), (State::Closed, 1, 1)),
        }
    });
}

#[test]
fn a_result_from_before_the_circuit_was_opened_and_closed_by_hand_changes_nothing() {
    explore(|| {
        let breaker = closed(touchy());
        let late = breaker.acquire().unwrap();
        let other = beside(&breaker, move |breaker| fails(breaker, late));
        breaker.set(State::ForcedOpen, None);
        breaker.set(State::Closed, None);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!(now.state, State::Closed);
        assert_eq!(now.failed_calls + now.stale_results, 1);
        assert!(breaker.acquire().is_ok());
    });
}

#[test]
fn a_success_from_before_the_circuit_was_opened_and_closed_by_hand_is_not_counted_after_it() {
    explore(|| {
        let breaker = closed(touchy());
        let late = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| succeeds(breaker, late[0]));
        breaker.set(State::ForcedOpen, None);
        breaker.set(State::Closed, None);
        succeeds(&breaker, late[1]);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!(now.successful_calls + now.stale_results, 2);
        assert!(now.stale_results >= 1);
    });
}

#[test]
fn a_reset_forgets_a_failure_that_comes_before_it_and_does_not_count_one_that_comes_after() {
    explore(|| {
        let breaker = closed(touchy());
        let late = breaker.acquire().unwrap();
        let other = beside(&breaker, move |breaker| fails(breaker, late));
        breaker.reset(None);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!((now.state, now.failed_calls, now.failure_count), (State::Closed, 0, 0));
        assert!(breaker.acquire().is_ok());
    });
}

#[test]
fn a_success_beside_a_reset_is_counted_once_at_most() {
    explore(|| {
        let breaker = closed(touchy());
        let late = breaker.acquire().unwrap();
        let other = beside(&breaker, move |breaker| succeeds(breaker, late));
        breaker.reset(None);
        answer(other);
        let now = breaker.snapshot();
        assert!(now.successful_calls + now.stale_results <= 1, "{now:?}");
    });
}

#[test]
fn opened_by_hand_it_stays_so_whatever_ends_meanwhile() {
    explore_within_bound(|| {
        let breaker = closed(touchy());
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let fails_beside = beside(&breaker, move |breaker| fails(breaker, tickets[0]));
        let succeeds_beside = beside(&breaker, move |breaker| succeeds(breaker, tickets[1]));
        breaker.set(State::ForcedOpen, None);
        answer(fails_beside);
        answer(succeeds_beside);
        assert_eq!(breaker.state(), State::ForcedOpen);
        assert!(matches!(breaker.acquire(), Err(ResilienceError::Isolated { .. })));
    });
}

#[test]
fn whoever_knows_that_it_was_opened_is_refused() {
    explore(|| {
        let breaker = closed(touchy());
        let opened = Arc::new(AtomicBool::new(false));
        let knows = Arc::clone(&opened);
        let other = beside(&breaker, move |breaker| {
            let before = knows.load(Ordering::Acquire);
            (before, breaker.acquire().is_ok())
        });
        breaker.set(State::ForcedOpen, None);
        opened.store(true, Ordering::Release);
        assert_ne!(answer(other), (true, true));
    });
}

#[test]
fn whoever_knows_that_it_was_closed_is_admitted() {
    explore(|| {
        let breaker = closed(touchy());
        breaker.set(State::Open, None);
        let closed = Arc::new(AtomicBool::new(false));
        let knows = Arc::clone(&closed);
        let other = beside(&breaker, move |breaker| {
            let before = knows.load(Ordering::Acquire);
            (before, breaker.acquire().is_err())
        });
        breaker.set(State::Closed, None);
        closed.store(true, Ordering::Release);
        assert_ne!(answer(other), (true, true));
    });
}

#[test]
fn a_refusal_names_the_reason_and_the_wait_of_one_opening() {
    explore(|| {
        let breaker = closed(touchy());
        fails(&breaker, breaker.acquire().unwrap());
        let other = beside(&breaker, |breaker| match breaker.acquire() {
            Err(ResilienceError::CircuitOpen { retry_after, reason, .. }) => (retry_after, reason),
            other => panic!("{other:?}"),
        });
        breaker.set(State::Open, Some(7 * SECOND));
        let told = answer(other);
        let openings = [(RECOVERY, TripReason::ConsecutiveFailures(1)), (7 * SECOND, TripReason::Manual)];
        assert!(openings.contains(&told), "{told:?}");
    });
}

#[test]
fn transitions_are_told_in_order_and_once_by_three_at_once() {
    explore_within_bound(|| {
        let (breaker, _, context) = made(touchy());
        let (heard, _listening) = hear(&context);
        let others = [State::ForcedOpen, State::Disabled]
            .map(|to| beside(&breaker, move |breaker| breaker.set(to, None)));
        breaker.set(State::MetricsOnly, None);
        answers(others);
        let heard = heard.lock().unwrap();
        is_a_chain(&heard, State::Closed, breaker.state());
        assert_eq!(heard.len(), 3);
    });
}

#[test]
fn a_listener_that_changes_the_breaker_itself_hears_of_it_next() {
    explore(|| {
        let (breaker, _, context) = made(touchy());
        let (heard, _listening) = hear(&context);
        let changed = Arc::downgrade(&breaker);
        let _closing = context.events.subscribe(move |event| {
            if let EventKind::Transition { to: State::ForcedOpen, .. } = event.kind {
                changed.upgrade().unwrap().set(State::Closed, None);
            }
        });
        let other = beside(&breaker, |breaker| breaker.set(State::Disabled, None));
        breaker.set(State::ForcedOpen, None);
        answer(other);
        let heard = heard.lock().unwrap();
        is_a_chain(&heard, State::Closed, breaker.state());
        assert_eq!(heard.iter().filter(|(_, to)| *to == State::ForcedOpen).count(), 1);
        assert_eq!(heard.iter().filter(|(_, to)| *to == State::Closed).count(), 1);
    });
}

#[test]
fn a_breaker_that_only_measures_tells_once_that_it_would_have_opened() {
    explore(|| {
        let (breaker, _, context) = made(touchy().initial_state(State::MetricsOnly));
        let told = Arc::new(Mutex::new(0));
        let tells = Arc::clone(&told);
        let _listening = context.events.subscribe(move |event| {
            *tells.lock().unwrap() += u32::from(matches!(event.kind, EventKind::ThresholdExceeded { .. }));
        });
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| fails(breaker, tickets[0]));
        fails(&breaker, tickets[1]);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!((*told.lock().unwrap(), now.would_have_opened, now.failed_calls), (1, 1, 2));
    });
}

#[test]
fn a_count_window_misses_no_result_beside_the_quick_path() {
    explore(|| {
        let window = BreakerConfig::new()
            .failure_threshold(100)
            .failure_rate(0.9)
            .window(Window::Count(2))
            .min_calls(2);
        let breaker = closed(window);
        let tickets = [(); 4].map(|()| breaker.acquire().unwrap());
        // Full of successes: one more changes nothing and takes no lock, until the failure comes.
        succeeds(&breaker, tickets[0]);
        succeeds(&breaker, tickets[1]);
        let other = beside(&breaker, move |breaker| succeeds(breaker, tickets[2]));
        fails(&breaker, tickets[3]);
        answer(other);
        let now = breaker.snapshot();
        let window = now.window.unwrap();
        assert_eq!((window.calls, window.failures, now.successful_calls, now.failed_calls), (2, 1, 3, 1));
    });
}

/// A window that holds a failure, so that successes are borrowed.
fn lending(size: u32) -> Arc<Breaker> {
    let window = BreakerConfig::new()
        .failure_threshold(100)
        .failure_rate(1.0)
        .window(Window::Count(size))
        .min_calls(2);
    let breaker = closed(window);
    fails(&breaker, breaker.acquire().unwrap());
    succeeds(&breaker, breaker.acquire().unwrap());
    breaker
}

#[test]
fn a_borrowed_success_is_in_the_window_before_or_after_the_failure_beside_it() {
    explore(|| {
        let breaker = lending(3);
        let tickets = [(); 3].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| {
            succeeds(breaker, tickets[0]);
            succeeds(breaker, tickets[1]);
        });
        fails(&breaker, tickets[2]);
        answer(other);
        let now = breaker.snapshot();
        let window = now.window.unwrap();
        assert_eq!((window.calls, window.failures, now.successful_calls, now.failed_calls), (3, 1, 3, 2));
        assert!(now.failure_count <= 1, "{now:?}");
    });
}

#[test]
fn nothing_is_borrowed_from_an_era_that_is_over() {
    explore(|| {
        let breaker = lending(3);
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| succeeds(breaker, tickets[0]));
        breaker.set(State::ForcedOpen, None);
        breaker.set(State::Closed, None);
        succeeds(&breaker, tickets[1]);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!(now.successful_calls + now.stale_results, 3);
        assert_eq!(now.window.unwrap().calls, 0);
    });
}

#[test]
fn a_snapshot_beside_a_borrowed_success_holds_it_in_whole_or_not_at_all() {
    explore(|| {
        let breaker = lending(2);
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| succeeds(breaker, tickets[0]));
        let seen = breaker.snapshot().window.unwrap();
        assert!([(2, 1), (2, 0)].contains(&(seen.calls, seen.failures)), "{seen:?}");
        succeeds(&breaker, tickets[1]);
        answer(other);
        let now = breaker.snapshot();
        let window = now.window.unwrap();
        assert_eq!((window.calls, window.failures, now.successful_calls, now.failure_count), (2, 0, 3, 0));
    });
}

#[test]
fn a_window_in_which_every_call_was_abandoned_opens_it_once() {
    explore(|| {
        let breaker = closed(BreakerConfig::new().failure_rate(0.5).window(Window::Count(10)).min_calls(2));
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| breaker.record(tickets[0], Outcome::Abandoned, None));
        breaker.record(tickets[1], Outcome::Abandoned, None);
        answer(other);
        let now = breaker.snapshot();
        assert_eq!((now.state, now.opened_because), (State::Open, Some(TripReason::Abandoned(2))));
    });
}

#[test]
fn other_numbers_beside_a_failure_hold_from_then_on() {
    explore(|| {
        let breaker = closed(touchy().failure_threshold(3));
        let tickets = [(); 2].map(|()| breaker.acquire().unwrap());
        let other = beside(&breaker, move |breaker| fails(breaker, tickets[0]));
        breaker.reconfigure(touchy().failure_threshold(2));
        answer(other);
        assert_eq!(breaker.state(), State::Closed);
        fails(&breaker, tickets[1]);
        assert_eq!(breaker.state(), State::Open);
    });
}
