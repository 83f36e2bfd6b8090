//! F38 to F46, F53 and F54: what is kept, who is told, and what the user's own code may do meanwhile.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{
    BreakerConfig, Bulkhead, BulkheadConfig, CircuitBreaker, Class, Classify, ErrorKind, Event, EventKind,
    Hedge, IntoDuration, RateLimitConfig, RateLimiter, ResilienceConfig, ResilienceError, ResilientOperation,
    RetryBudget, State, Subscription, breaker, breakers, bulkhead, explain, keyed_breaker, keyed_breakers,
    rate_limiter, reload, reset_resilience_state, resilience_health, resilient, resilient_context,
    service_health, subscribe, track_service_health, validate,
};

use crate::support::{
    Answer, Exit, Fault, Guarded, HOUR, SECOND, blow_up, end, made, now, one_probe, pair, panics,
    transitions, without_getting_stuck,
};

#[resilient(
    operation_name = "f38_sync", key = tenant, max_attempts = 1, enable_timeout = false, failure_threshold = 1,
    rate_limit(rate = 1_000), bulkhead(max_concurrent = 9)
)]
fn keyed(tenant: &str, exit: Exit) -> Answer {
    end(exit)
}

#[resilient(
    operation_name = "f38_async", key = tenant, max_attempts = 1, enable_timeout = false, failure_threshold = 1,
    rate_limit(rate = 1_000), bulkhead(max_concurrent = 9)
)]
async fn keyed_later(tenant: &str, exit: Exit) -> Answer {
    end(exit)
}

type Keyed = (&'static str, fn(&str, Exit) -> Answer);
const KEYED: [Keyed; 2] = [("f38_sync", keyed), ("f38_async", |tenant, exit| now(keyed_later(tenant, exit)))];
const MOST_KEYS: usize = 1_024;

#[test]
fn f38_the_keys_that_callers_bring_are_bounded_and_no_open_breaker_is_forgotten_for_them() {
    for (name, call) in KEYED {
        let scope = Scope::new();
        let _inside = scope.enter();
        assert_eq!(call("down", Exit::Failure), Err(Fault::Down));
        for tenant in 0..3 * MOST_KEYS {
            assert_eq!(call(&format!("{tenant:0500}"), Exit::Success), Ok(()));
            assert!(tenant % 500 != 0 || keyed_breakers(name).unwrap().len() <= MOST_KEYS);
        }
        assert_eq!(resilience_health().keyed_circuit_breakers[name].keys, MOST_KEYS);
        assert!(
            keyed_breakers(name).unwrap().iter().all(|(key, _)| key.len() <= 256),
            "long keys are not kept"
        );
        assert_eq!(call("down", Exit::Success), Err(Fault::Refused(ErrorKind::CircuitOpen)));
        // All of them open: even then there is a bound.
        for tenant in 0..2 * MOST_KEYS {
            assert_eq!(call(&format!("down {tenant}"), Exit::Failure), Err(Fault::Down));
        }
        assert_eq!(keyed_breakers(name).unwrap().len(), MOST_KEYS);
    }
}

/// A breaker holds its runtime, and that its listeners: as long as one listener is alive, something is.
#[test]
fn f39_breakers_and_scopes_that_are_gone_are_kept_by_nobody() {
    let witness = Arc::new(());
    let alive: Weak<()> = Arc::downgrade(&witness);
    let scope = Scope::new();
    let subscription = {
        let _inside = scope.enter();
        let subscription = subscribe(move |_| {
            let _ = &witness;
        });
        let mine: Vec<_> = (0..100).map(|_| made(BreakerConfig::new())).collect();
        let limiter = RateLimiter::new("f39", RateLimitConfig::new(1)).unwrap();
        let bulkhead = Bulkhead::new("f39", BulkheadConfig::new()).unwrap();
        let budget = RetryBudget::tokens("f39", 5, 5).unwrap();
        let _ = Hedge::new(SECOND).call(|| Ok::<_, Fault>(()));
        for (name, call) in KEYED {
            for tenant in ["a", "b"] {
                drop((call(tenant, Exit::Failure), keyed_breaker(name, tenant).unwrap()));
            }
        }
        let operation = ResilienceConfig::new("f39").build().unwrap();
        drop((operation.call(|| Ok::<_, Fault>(())), resilience_health(), breakers()));
        reset_resilience_state();
        drop((keyed("a", Exit::Success), mine, limiter, bulkhead, budget, operation));
        subscription
    };
    let last_handle = {
        let _inside = scope.enter();
        keyed_breaker("f38_sync", "a").unwrap()
    };
    drop(scope);
    assert!(alive.upgrade().is_some(), "by a handle");
    drop(last_handle);
    assert!(alive.upgrade().is_none(), "by nobody");
    drop(subscription);
}

#[test]
fn f39_a_subscription_that_is_dropped_lets_its_listener_go() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let witnesses: Vec<Arc<()>> = (0..100).map(|_| Arc::new(())).collect();
    let subscriptions: Vec<Subscription> = witnesses
        .iter()
        .map(|witness| {
            let witness = Arc::clone(witness);
            subscribe(move |_| {
                let _ = &witness;
            })
        })
        .collect();
    assert!(witnesses.iter().all(|witness| Arc::strong_count(witness) == 2));
    made(one_probe(1)).open();
    drop(subscriptions);
    assert!(witnesses.iter().all(|witness| Arc::strong_count(witness) == 1));
}

/// Whatever is told to monitoring carries the names in the code, however many paths a scanner tries.
#[test]
fn f40_as_many_names_are_told_as_the_code_has_however_many_keys_there_are() {
    for (name, call) in KEYED {
        let scope = Scope::new();
        let _inside = scope.enter();
        for path in 0..2_000 {
            let exit = if path % 3 == 0 { Exit::Failure } else { Exit::Success };
            let _ = call(&format!("/wp-admin/{path}.php"), exit);
        }
        let events = scope.events();
        assert!(events.len() > 4_000);
        let mut names = BTreeSet::new();
        for Event { operation, kind, .. } in &events {
            names.insert(*operation);
            if let EventKind::Transition { breaker, snapshot, .. } = kind {
                names.extend([*breaker, snapshot.name]);
            }
        }
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [name]);
        assert!(!events.iter().any(|event| format!("{event} {event:?}").contains("wp-admin")));
        assert!(!resilience_health().to_json().contains("wp-admin"));
    }
}

#[resilient(
    operation_name = "f41_called_back",
    max_attempts = 2,
    base_delay = 0,
    enable_timeout = false,
    failure_threshold = 1,
    bulkhead(max_concurrent = 9),
    rate_limit(rate = 1_000)
)]
#[track_service_health("f41_service")]
fn called_back(exit: Exit) -> Answer {
    end(exit)
}

/// Everything there is to ask for and to change, while an event is told.
fn everything() {
    thread_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
    }
    if DEPTH.get() > 0 {
        return;
    }
    DEPTH.set(1);
    let breaker = breaker("f41_called_back").unwrap();
    drop((
        breaker.state(),
        breaker.snapshot(),
        breaker.retry_after(),
        breaker.try_acquire(),
        resilience_health().to_json(),
    ));
    drop((
        explain("f41_called_back").unwrap().to_string(),
        validate(),
        breakers(),
        service_health("f41_service").unwrap(),
    ));
    drop((
        bulkhead("f41_called_back").unwrap().try_acquire(),
        rate_limiter("f41_called_back").unwrap().try_acquire(),
    ));
    drop(subscribe(|_| ()));
    let _ = (called_back(Exit::Success), called_back(Exit::Failure), keyed("f41", Exit::Failure), reload());
    drop(keyed_breakers("f38_sync"));
    breaker.force_open();
    breaker.close();
    breaker.reset();
    reset_resilience_state();
    DEPTH.set(0);
}

#[test]
fn f41_a_listener_may_call_back_into_everything() {
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let heard = Arc::new(AtomicU32::new(0));
        let held = Arc::new(Mutex::new(None::<Subscription>));
        let subscription = subscribe({
            let (heard, held) = (Arc::clone(&heard), Arc::clone(&held));
            move |_| {
                everything();
                // At the hundredth event it takes itself off the list that is being gone through.
                if heard.fetch_add(1, Ordering::Relaxed) == 100 {
                    let mine = held.lock().unwrap().take();
                    drop(mine);
                }
            }
        });
        *held.lock().unwrap() = Some(subscription);
        for exit in [Exit::Failure, Exit::Success, Exit::Ignored].into_iter().cycle().take(60) {
            let _ = called_back(exit);
            breaker("f41_called_back").unwrap().open();
        }
        assert!(heard.load(Ordering::Relaxed) > 100);
        assert!(held.lock().unwrap().is_none());
        reset_resilience_state();
        assert_eq!(called_back(Exit::Success), Ok(()));
    });
}

/// Each of two breakers is changed by those who listen to the other, on many threads at once.
#[test]
fn f42_listeners_that_change_two_breakers_in_opposite_order_end() {
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let pair = ["f42_a", "f42_b"].map(|name| CircuitBreaker::new(name, one_probe(1)).unwrap());
        let _subscription = subscribe({
            let pair = pair.clone();
            move |event| {
                let EventKind::Transition { breaker, to: State::Open, .. } = event.kind else { return };
                let other = &pair[usize::from(breaker == "f42_a")];
                drop((other.snapshot(), resilience_health()));
                other.close();
            }
        });
        thread::scope(|threads| {
            for thread in 0..4 {
                let (scope, pair) = (&scope, &pair);
                threads.spawn(move || {
                    let _inside = scope.enter();
                    for call in 0..500 {
                        if let Ok(permit) = pair[(thread + call) % 2].try_acquire() {
                            permit.failure();
                        }
                        pair[(thread + call + 1) % 2].close();
                    }
                });
            }
        });
    });
}

/// What comes out of a registry is a handle of one's own, good across awaits and threads; none of them holds a lock.
#[test]
fn f43_a_registry_hands_out_handles_and_no_guards() {
    fn is_ones_own<T: Send + Sync + 'static>(_: &T) {}
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        for (name, call) in KEYED {
            assert_eq!(call("a", Exit::Success), Ok(()));
            let (all, one) = (keyed_breakers(name).unwrap(), keyed_breaker(name, "a").unwrap());
            let (named, slots) = (breakers(), bulkhead("f41_called_back").unwrap());
            let (limiter, health) = (rate_limiter("f41_called_back").unwrap(), resilience_health());
            is_ones_own(&(all, one.clone()));
            is_ones_own(&(named, slots, limiter, health));
            let permit = one.try_acquire().unwrap();
            // The same shard, or whatever there is, from another thread while all of them are held.
            thread::scope(|threads| {
                let inside = || {
                    let _inside = scope.enter();
                    assert_eq!(call("a", Exit::Success), Ok(()));
                    assert_eq!(call("b", Exit::Success), Ok(()));
                    reset_resilience_state();
                };
                threads.spawn(inside);
            });
            drop(permit);
        }
    });
    // And the lints that find a guard held across an await, or longer than it looks, are errors in every crate.
    for lint in ["await_holding_lock", "significant_drop_in_scrutinee"] {
        assert!(include_str!("../../Cargo.toml").contains(&format!("{lint} = \"deny\"")), "{lint}");
    }
}

// F44. Every closure and every implementation that a user can hand over panics; afterwards everything works.

/// Where to panic.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Nowhere,
    Body,
    RetryIf,
    FailureIf,
    Classify,
    Fallback,
    KeyExpression,
    KeyDisplay,
    ErrorFrom,
    Backoff,
    ErrorDrop,
    AnswerDrop,
    ArgumentDrop,
    ArgumentClone,
}

const PLACES: [Place; 13] = [
    Place::Body,
    Place::RetryIf,
    Place::FailureIf,
    Place::Classify,
    Place::Fallback,
    Place::KeyExpression,
    Place::KeyDisplay,
    Place::ErrorFrom,
    Place::Backoff,
    Place::ErrorDrop,
    Place::AnswerDrop,
    Place::ArgumentDrop,
    Place::ArgumentClone,
];

thread_local! {
    static PANICS: Cell<Place> = const { Cell::new(Place::Nowhere) };
    static REACHED: Cell<bool> = const { Cell::new(false) };
}

fn reach(place: Place) {
    if PANICS.get() == place && !thread::panicking() {
        REACHED.set(true);
        blow_up();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("fragile")]
struct Fragile {
    refused: Option<ResilienceError>,
}

impl From<ResilienceError> for Fragile {
    fn from(refused: ResilienceError) -> Self {
        reach(Place::ErrorFrom);
        Self { refused: Some(refused) }
    }
}

impl Classify for Fragile {
    fn class(&self) -> Class {
        reach(Place::Classify);
        Class::Transient
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        reach(Place::ErrorDrop);
    }
}

#[derive(Debug)]
struct Worth;

impl Drop for Worth {
    fn drop(&mut self) {
        reach(Place::AnswerDrop);
    }
}

#[derive(Debug)]
struct Argument;

impl Clone for Argument {
    fn clone(&self) -> Self {
        reach(Place::ArgumentClone);
        Self
    }
}

impl Drop for Argument {
    fn drop(&mut self) {
        reach(Place::ArgumentDrop);
    }
}

struct Key;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        reach(Place::KeyDisplay);
        f.write_str("key")
    }
}

fn key() -> Key {
    reach(Place::KeyExpression);
    Key
}

fn retry_if(_: &Fragile) -> bool {
    reach(Place::RetryIf);
    true
}

fn failure_if(_: &Worth) -> bool {
    reach(Place::FailureIf);
    false
}

fn backoff(_: u32) -> Duration {
    reach(Place::Backoff);
    Duration::ZERO
}

#[expect(clippy::unnecessary_wraps, reason = "a fallback returns what its function returns")]
fn instead(_: Argument, _: bool) -> Result<Worth, Fragile> {
    reach(Place::Fallback);
    Ok(Worth)
}

async fn instead_later(argument: Argument, fails: bool) -> Result<Worth, Fragile> {
    instead(argument, fails)
}

fn body(fails: bool) -> Result<Worth, Fragile> {
    reach(Place::Body);
    if fails { Err(Fragile { refused: None }) } else { Ok(Worth) }
}

#[resilient(
    operation_name = "f44_sync", key = key(), max_attempts = 3, backoff = backoff, enable_timeout = false,
    failure_threshold = "off", budget = "none", retry_if = retry_if, failure_if = failure_if, bulkhead(max_concurrent = 1),
    rate_limit(rate = 1_000_000_000), clone(argument), fallback = instead
)]
fn fragile(argument: Argument, fails: bool) -> Result<Worth, Fragile> {
    drop(argument);
    body(fails)
}

#[resilient(
    operation_name = "f44_async", key = key(), max_attempts = 3, backoff = backoff, enable_timeout = false,
    failure_threshold = "off", budget = "none", retry_if = retry_if, failure_if = failure_if, bulkhead(max_concurrent = 1),
    rate_limit(rate = 1_000_000_000), clone(argument), fallback = instead_later
)]
async fn fragile_later(argument: Argument, fails: bool) -> Result<Worth, Fragile> {
    drop(argument);
    body(fails)
}

/// Without a fallback, so that a refusal is made into the user's error.
#[resilient(
    operation_name = "f44_plain", max_attempts = 3, backoff = backoff, enable_timeout = false, failure_threshold = "off",
    budget = "none", bulkhead(max_concurrent = 1)
)]
fn fragile_plain(_argument: Argument, fails: bool) -> Result<Worth, Fragile> {
    body(fails)
}

type FragileCall = fn(Argument, bool) -> Result<Worth, Fragile>;
const FRAGILE: [(&str, FragileCall); 3] = [
    ("f44_sync", fragile),
    ("f44_async", |argument, fails| now(fragile_later(argument, fails))),
    ("f44_plain", fragile_plain),
];

#[test]
fn f44_a_panic_in_any_code_of_the_user_leaves_everything_working() {
    without_getting_stuck(|| {
        let mut reached = BTreeSet::new();
        for (name, call) in FRAGILE {
            for (number, place) in PLACES.into_iter().enumerate() {
                let scope = Scope::new();
                let _inside = scope.enter();
                for fails in [false, true] {
                    for full in [false, true] {
                        let held =
                            (full && name == "f44_plain").then(|| bulkhead(name).unwrap().try_acquire());
                        REACHED.set(false);
                        PANICS.set(place);
                        let panicked = panics(|| drop(call(Argument, fails)));
                        PANICS.set(Place::Nowhere);
                        assert!(!panicked || REACHED.get(), "{name} {place:?}: a panic of the library's own");
                        if REACHED.get() {
                            reached.insert(number);
                        }
                        drop(held);
                    }
                }
                for call_number in 0..400 {
                    let answer = call(Argument, call_number % 2 == 0 && name != "f44_plain");
                    assert!(answer.is_ok(), "{name} after a panic in {place:?}: {answer:?}");
                }
                drop(resilience_health().to_json());
                let breaker = if name == "f44_plain" {
                    breaker(name).unwrap()
                } else {
                    keyed_breaker(name, "key").unwrap()
                };
                assert_eq!(breaker.state(), State::Closed);
            }
        }
        let missed: Vec<_> = (0..PLACES.len())
            .filter(|number| !reached.contains(number))
            .map(|number| PLACES[number])
            .collect();
        assert!(missed.is_empty(), "never reached: {missed:?}");
    });
}

/// The rules and fallbacks of an operation made in code, a listener, and whoever is told of a timeout.
#[test]
fn f44_a_panic_in_a_closure_of_an_operation_leaves_it_working() {
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let listening = subscribe(|_| reach(Place::Body));
        let operation = ResilienceConfig::new("f44_made")
            .max_attempts(2)
            .base_delay(0)
            .failure_threshold(3)
            .bulkhead_max_concurrent(1)
            .budget("none")
            .retry_if(|_: &Fault| {
                reach(Place::RetryIf);
                true
            })
            .ignore(|error: &Fault| {
                reach(Place::Classify);
                *error == Fault::NotFound
            })
            .failure_if(|(): &()| {
                reach(Place::FailureIf);
                false
            })
            .fallback(|_| {
                reach(Place::Fallback);
                Ok(())
            })
            .build()
            .unwrap();
        for place in [Place::RetryIf, Place::Classify, Place::FailureIf, Place::Fallback, Place::Body] {
            for exit in [Exit::Success, Exit::Failure, Exit::Ignored] {
                PANICS.set(place);
                let panicked = [
                    panics(|| drop(operation.call(|| end(exit)))),
                    panics(|| drop(now(operation.call_async(async || end(exit))))),
                ];
                PANICS.set(Place::Nowhere);
                assert!(place != Place::Body || panicked == [false; 2], "a listener's panic is nobody's");
                breaker("f44_made").unwrap().reset();
                for _ in 0..500 {
                    assert_eq!(operation.call(|| end(Exit::Success)), Ok(()), "after a panic in {place:?}");
                    assert_eq!(now(operation.call_async(async || end(Exit::Success))), Ok(()));
                }
                assert_eq!(bulkhead("f44_made").unwrap().active_count(), 0);
            }
        }
        drop(listening);
    });
}

/// Made by hand, with a panic in the call: it is the call's, and the permit comes back.
#[test]
fn f44_a_panic_through_a_breaker_or_a_bulkhead_made_by_hand_is_one_failure() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let breaker = made(BreakerConfig::new().failure_threshold(2));
    let bulkhead = Bulkhead::new("made", BulkheadConfig::new().max_concurrent(1)).unwrap();
    let limiter = RateLimiter::new("made", RateLimitConfig::new(1_000_000)).unwrap();
    let context = resilient_context("file", "f44_context").failure_threshold(resilient::OFF).build().unwrap();
    let operation = ResilientOperation::builder("f44_parts").build().unwrap();
    for round in 0..1_000 {
        let panic = || -> Answer { blow_up() };
        assert!(panics(|| drop(bulkhead.call(panic))) && panics(|| drop(limiter.call(panic))));
        assert!(panics(|| drop(operation.call(panic))) && panics(|| drop(context.call(panic))));
        assert!(panics(|| drop(now(bulkhead.call_async(async || panic())))));
        assert!(panics(|| drop(breaker.call(panic))), "round {round}");
        assert_eq!(breaker.snapshot().failure_count, 1);
        assert_eq!((breaker.call(|| end(Exit::Success)), bulkhead.active_count()), (Ok(()), 0));
    }
}

/// What one listener heard.
type Heard = Arc<Mutex<Vec<(State, State)>>>;

/// Each listener of its own, on threads that change the breaker by hand, by results and from listeners.
#[test]
fn f45_every_listener_hears_one_chain_of_states() {
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let breaker = made(one_probe(1));
        let heard: Vec<Heard> = (0..3).map(|_| Arc::default()).collect();
        let listeners: Vec<_> = heard
            .iter()
            .enumerate()
            .map(|(number, heard)| {
                let (heard, breaker) = (Arc::clone(heard), breaker.clone());
                subscribe(move |event| {
                    let EventKind::Transition { from, to, ref snapshot, .. } = event.kind else { return };
                    assert_eq!(snapshot.state, to);
                    heard.lock().unwrap().push((from, to));
                    if number == 1 && to == State::Open {
                        let _ = breaker.half_open();
                    }
                })
            })
            .collect();
        thread::scope(|threads| {
            for thread in 0..4 {
                let (scope, breaker) = (&scope, &breaker);
                threads.spawn(move || {
                    let _inside = scope.enter();
                    for call in 0..400 {
                        match (thread + call) % 5 {
                            0 => breaker.open(),
                            1 => breaker.close(),
                            2 => drop(breaker.half_open()),
                            3 => drop(breaker.try_acquire().map(resilient::Permit::failure)),
                            _ => drop(breaker.try_acquire().map(resilient::Permit::success)),
                        }
                    }
                });
            }
        });
        drop(listeners);
        let recorded = transitions(&scope);
        assert!(recorded.len() > 100);
        for heard in heard {
            let heard = heard.lock().unwrap();
            assert_eq!(*heard, recorded);
            assert_eq!(heard[0].0, State::Closed);
            assert!(heard.windows(2).all(|two| two[0].1 == two[1].0), "{heard:?}");
        }
        assert_eq!(recorded.last().unwrap().1, breaker.state());
    });
}

pair! { in_units: max_attempts = 2, base_delay = "1500ms", max_delay = "2s", timeout = 2.5, recovery_timeout = "1m30s" }

/// A span is a `Duration` in code; as a number it is seconds everywhere, and as a text it has its unit.
#[test]
fn f46_a_span_is_the_same_whichever_unit_it_is_written_in() {
    const HALF: Duration = Duration::from_millis(1_500);
    for spans in [
        [
            1.5.into_duration(),
            "1.5".into_duration(),
            "1500ms".into_duration(),
            "1s 500ms".into_duration(),
            HALF.into_duration(),
        ],
        [
            2.into_duration(),
            "2".into_duration(),
            "2s".into_duration(),
            "2000ms".into_duration(),
            (2 * SECOND).into_duration(),
        ],
    ] {
        let spans: Vec<_> = spans.into_iter().map(|span| span.ok().unwrap()).collect();
        assert!(spans.iter().all(|span| *span == spans[0]), "{spans:?}");
    }
    let scope = Scope::new();
    let _inside = scope.enter();
    for Guarded { name, call } in in_units::BOTH {
        assert!(call as usize != 0);
        let json = serde_json::to_value(explain(name).unwrap()).unwrap().to_string();
        for (parameter, value) in
            [("timeout", "2.5s"), ("base_delay", "1.5s"), ("recovery_timeout", "1m 30s")]
        {
            let row = explain(name).unwrap();
            let row = row.parameters().iter().find(|row| row.parameter() == parameter).unwrap();
            let shown = row.value();
            let span = shown.as_str().into_duration().ok();
            assert_eq!(span, value.into_duration().ok(), "{parameter} is shown as {shown}: {json}");
        }
        let snapshot = breaker(name).unwrap().snapshot();
        assert_eq!(Some(snapshot.recovery_timeout), Some(90.0), "seconds");
        breaker(name).unwrap().open();
        let snapshot = serde_json::to_value(breaker(name).unwrap().snapshot()).unwrap();
        assert_eq!((&snapshot["retry_after"], &snapshot["open_for"]), (&90.0.into(), &90.0.into()));
        assert_eq!(breaker(name).unwrap().retry_after(), 90 * SECOND);
    }
}

/// A hundred processes that lost the same dependency in the same instant: they come back spread over the time that
/// `recovery_jitter` adds, each with no more probes than it may have.
#[test]
fn f53_a_hundred_breakers_that_opened_together_do_not_probe_together() {
    const INSTANCES: u64 = 100;
    let mut probes = std::collections::BTreeMap::<u64, u32>::new();
    for seed in 0..INSTANCES {
        let scope = Scope::builder().seed(seed).build();
        let _inside = scope.enter();
        let breaker = made(one_probe(1).recovery_jitter(1.0));
        breaker.try_acquire().unwrap().failure();
        let wait = breaker.retry_after();
        assert!((10 * SECOND..20 * SECOND).contains(&wait), "{wait:?}");
        scope.clock().advance(wait);
        let _probe = breaker.try_acquire().unwrap();
        assert!((0..10).all(|_| breaker.try_acquire().is_err()), "one probe");
        *probes.entry(wait.as_secs()).or_default() += 1;
    }
    assert_eq!(probes.len(), 10, "in each second of the spread: {probes:?}");
    assert!(probes.values().all(|probes| *probes <= 25), "{probes:?}");
}

/// One of three listeners panics at each event, on each of four threads.
#[test]
fn f54_a_listener_that_panics_on_one_thread_splits_no_state() {
    without_getting_stuck(|| {
        let scope = Scope::new();
        let _inside = scope.enter();
        let breaker = made(one_probe(1));
        let heard: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
        let _listeners: Vec<_> = heard
            .iter()
            .enumerate()
            .map(|(number, heard)| {
                let heard = Arc::clone(heard);
                subscribe(move |event| {
                    if matches!(event.kind, EventKind::Transition { .. }) {
                        heard.fetch_add(1, Ordering::Relaxed);
                        if number == 1 {
                            blow_up();
                        }
                    }
                })
            })
            .collect();
        thread::scope(|threads| {
            for _ in 0..4 {
                let (scope, breaker) = (&scope, &breaker);
                threads.spawn(move || {
                    let _inside = scope.enter();
                    for _ in 0..200 {
                        drop(breaker.try_acquire().map(resilient::Permit::failure));
                        scope.clock().advance(10 * SECOND);
                        drop(breaker.try_acquire().map(resilient::Permit::success));
                    }
                });
            }
        });
        let told = transitions(&scope);
        assert!(told.windows(2).all(|two| two[0].1 == two[1].0));
        for heard in heard {
            assert_eq!(heard.load(Ordering::Relaxed), told.len() as u64);
        }
        scope.clock().advance(HOUR);
        breaker.close();
        assert_eq!(breaker.call(|| end(Exit::Success)), Ok(()));
    });
}
