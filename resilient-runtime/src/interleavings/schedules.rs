//! Four threads and many steps, in orders drawn by chance: what loom cannot go through to the end.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context as TaskContext, Wake, Waker};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};

use super::*;
use crate::breaker::{Breaker, BreakerConfig, State, Ticket, Window};
use crate::bulkhead::{BulkheadConfig, BulkheadCore, Place};
use crate::clock::Moment;
use crate::counters::Counters;
use crate::event::{EventKind, Events};
use crate::family::{Family, MOST_KEYS};
use crate::health::{HealthConfig, HealthStatus, ServiceHealth};
use crate::outcome::{Class, Outcome};
use crate::rate_limit::{Algorithm, RateLimitConfig, RateLimiterCore};
use crate::registry::{Origin, Registry, Shared};
use crate::retry::BudgetCore;

const THREADS: usize = 4;

/// Runs `scene` in its share of the schedules: half of them drawn evenly, half such that few switches at rare places
/// decide (PCT, of depth 3).
fn explore(scene: impl Fn() + Send + Sync + 'static) {
    const SCENES: usize = 9;
    let all = std::env::var("SHUTTLE_SCHEDULES").ok().and_then(|all| all.parse().ok()).unwrap_or(9_000_usize);
    let seed = std::env::var("SHUTTLE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let half = all.div_ceil(SCENES * 2);
    let scene = Arc::new(scene);
    let seen = Arc::new(AtomicU64::new(0));
    let run = || {
        let (scene, seen) = (Arc::clone(&scene), Arc::clone(&seen));
        move || {
            seen.fetch_add(1, Ordering::Relaxed);
            NEXT_SLOT.set(0);
            scene();
        }
    };
    let config = shuttle::Config::new();
    shuttle::Runner::new(RandomScheduler::new_from_seed(seed, half), config.clone()).run(run());
    shuttle::Runner::new(PctScheduler::new_from_seed(seed, 3, half), config).run(run());
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("scene {name}: {} schedules", seen.load(Ordering::Relaxed));
}

/// Runs `part` on four threads at once.
fn together<S: Send + Sync + 'static, T: Send + 'static>(
    shared: &Arc<S>,
    part: impl Fn(&S) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let part = Arc::new(part);
    let threads = [(); THREADS].map(|()| {
        let part = Arc::clone(&part);
        beside(shared, move |shared| part(shared))
    });
    threads.map(answer).into()
}

fn one_in(choices: u32) -> bool {
    thread_rng().gen_range(0..choices) == 0
}

/// One of them.
fn any<T: Copy>(of: &[T]) -> T {
    of[thread_rng().gen_range(0..of.len())]
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Abandoned];

struct Circuit {
    breaker: Breaker,
    clock: TestClock,
    heard: Arc<Mutex<Vec<(State, State)>>>,
    _listening: crate::event::Subscription,
}

impl Circuit {
    fn made() -> Arc<Self> {
        let (context, clock) = context();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let listening = context.events.subscribe(move |event| {
            if let EventKind::Transition { from, to, .. } = event.kind {
                hears.lock().unwrap().push((from, to));
            }
        });
        let config = BreakerConfig::new()
            .failure_threshold(2)
            .failure_rate(0.5)
            .window(Window::Count(4))
            .min_calls(4)
            .success_threshold(2)
            .half_open_max_calls(2)
            .probe_lease(4 * SECOND)
            .recovery_timeout(2 * SECOND);
        Arc::new(Self { breaker: Breaker::new("db", config, context), clock, heard, _listening: listening })
    }

    /// Every transition was told, in order and once.
    fn is_a_chain(&self) {
        let heard = self.heard.lock().unwrap();
        let last = heard.iter().fold(State::Closed, |at, (from, to)| {
            assert_eq!(at, *from, "{heard:?}");
            *to
        });
        assert_eq!(last, self.breaker.state(), "{heard:?}");
    }
}

/// Admitted, refused.
type Calls = (u64, u64);

fn calls(circuit: &Circuit, also: impl Fn(&Breaker)) -> Calls {
    let mut under_way: VecDeque<Ticket> = VecDeque::new();
    let (mut admitted, mut refused) = (0, 0);
    for _ in 0..6 {
        match circuit.breaker.acquire() {
            Ok(ticket) => {
                admitted += 1;
                under_way.push_back(ticket);
            }
            Err(_) => refused += 1,
        }
        if one_in(3) {
            circuit.clock.advance(SECOND);
        }
        also(&circuit.breaker);
        // Some end late, some out of order.
        if one_in(3) {
            continue;
        }
        if let Some(ticket) = if one_in(2) { under_way.pop_front() } else { under_way.pop_back() } {
            circuit.breaker.record(ticket, any(&OUTCOMES), None);
        }
    }
    for ticket in under_way {
        circuit.breaker.record(ticket, any(&OUTCOMES), None);
    }
    (admitted, refused)
}

#[test]
fn every_call_of_a_breaker_is_counted_once() {
    explore(|| {
        let circuit = Circuit::made();
        let all = together(&circuit, |circuit| calls(circuit, |_| ()));
        let (admitted, refused) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let now = circuit.breaker.snapshot();
        let ended = now.successful_calls + now.failed_calls + now.ignored_calls + now.abandoned_calls;
        assert_eq!((ended + now.stale_results, now.rejected_calls), (admitted, refused), "{now:?}");
        assert_eq!(now.probes_under_way, 0);
        let opened = circuit.heard.lock().unwrap().iter().filter(|(_, to)| *to == State::Open).count();
        assert_eq!(now.times_opened, opened as u64);
        circuit.is_a_chain();
    });
}

#[test]
fn a_breaker_that_is_changed_by_hand_tells_every_change_and_works_after_a_reset() {
    explore(|| {
        let circuit = Circuit::made();
        together(&circuit, |circuit| {
            calls(circuit, |breaker| match thread_rng().gen_range(0..12) {
                0 => breaker.set(State::Open, Some(SECOND)),
                1 => breaker.set(State::ForcedOpen, None),
                2 => breaker.set(State::Disabled, None),
                3 => breaker.set(State::Closed, None),
                4 => drop(breaker.half_open()),
                5 => breaker.reset(None),
                _ => {}
            })
        });
        circuit.is_a_chain();
        circuit.breaker.reset(None);
        let ticket = circuit.breaker.acquire().unwrap();
        circuit.breaker.record(ticket, Outcome::Success, None);
        let now = circuit.breaker.snapshot();
        assert_eq!((now.state, now.successful_calls, now.failure_count), (State::Closed, 1, 0));
        circuit.is_a_chain();
    });
}

#[derive(Default)]
struct Heard(AtomicBool);

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Ward {
    bulkhead: BulkheadCore,
    running: AtomicU32,
}

/// Whether it got in.
fn visits(ward: &Ward) -> bool {
    let bulkhead = &ward.bulkhead;
    let heard = Arc::new(Heard::default());
    let waker = Waker::from(Arc::clone(&heard));
    let mut place = Place::NONE;
    while bulkhead.poll_enter(&mut place, &mut TaskContext::from_waker(&waker)).is_pending() {
        if one_in(3) {
            if one_in(2) {
                bulkhead.cancel(place);
                return false;
            }
            if bulkhead.timed_out(&mut place, SECOND).is_err() {
                return false;
            }
            break;
        }
        // Woken at last: whoever is inside will leave.
        while !heard.0.swap(false, Ordering::Relaxed) {
            thread::yield_now();
        }
    }
    if !place.is_entered() {
        return false;
    }
    assert!(ward.running.fetch_add(1, Ordering::Relaxed) < 2);
    thread::yield_now();
    ward.running.fetch_sub(1, Ordering::Relaxed);
    bulkhead.leave();
    true
}

#[test]
fn f15_no_slot_of_a_bulkhead_is_lost_or_doubled() {
    explore(|| {
        let config = || BulkheadConfig::new().max_concurrent(2).max_queue(3);
        let bulkhead = BulkheadCore::new("db", config(), context().0);
        let ward = Arc::new(Ward { bulkhead, running: AtomicU32::new(0) });
        together(&ward, move |ward| {
            for _ in 0..3 {
                visits(ward);
                match thread_rng().gen_range(0..8) {
                    0 => ward.bulkhead.reconfigure(config().max_concurrent(1)),
                    1 => ward.bulkhead.reconfigure(config()),
                    2 => drop(ward.bulkhead.try_enter().map(|()| ward.bulkhead.leave())),
                    _ => {}
                }
            }
        });
        let bulkhead = &ward.bulkhead;
        assert_eq!((bulkhead.active_count(), bulkhead.waiting_count()), (0, 0));
        bulkhead.reconfigure(config());
        let entered = [(); 3].map(|()| bulkhead.try_enter().is_ok());
        assert_eq!(entered, [true, true, false]);
        assert!(bulkhead.snapshot().max_active_count <= 2);
    });
}

#[test]
fn f24_a_limiter_grants_its_burst_and_what_time_brings() {
    explore(|| {
        let algorithm = any(&[Algorithm::Gcra, Algorithm::SlidingWindow]);
        let (context, clock) = context();
        let config = RateLimitConfig::new(3).per(3 * SECOND).algorithm(algorithm);
        let limiter = Arc::new(RateLimiterCore::new("api", config, context));
        let moved = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&moved);
        let granted: u64 = together(&limiter, move |limiter| {
            let mut granted = 0;
            for _ in 0..4 {
                let permits = thread_rng().gen_range(1..=2);
                granted += if limiter.take_now(permits).is_ok() { u64::from(permits) } else { 0 };
                if one_in(4) {
                    clock.advance(SECOND);
                    seconds.fetch_add(1, Ordering::Relaxed);
                }
            }
            granted
        })
        .into_iter()
        .sum();
        let moved = moved.load(Ordering::Relaxed);
        let most = match algorithm {
            // One a second, and three at the beginning.
            Algorithm::Gcra => 3 + moved,
            Algorithm::SlidingWindow => 3 * (moved / 3 + 1),
        };
        assert!((1..=most).contains(&granted), "{granted} in {moved} s by {algorithm}");
        assert_eq!(limiter.snapshot().total_requests, 16);
    });
}

#[test]
fn a_budget_pays_for_what_it_has() {
    explore(|| {
        let now = || Moment::from_nanos(5_000_000_000);
        let is_ratio = one_in(2);
        let budget = if is_ratio {
            BudgetCore::ratio("db", 0.5, 0.2, 10 * SECOND)
        } else {
            BudgetCore::tokens("db", 12, 5)
        };
        let budget = Arc::new(budget);
        // Withdrawn, refunded, deposited.
        let done = together(&budget, move |budget| {
            let mut done = [0_u32; 3];
            for _ in 0..4 {
                if one_in(2) && budget.withdraw(now) {
                    done[0] += 1;
                    if one_in(3) {
                        budget.refund();
                        done[1] += 1;
                    }
                } else {
                    budget.deposit(now);
                    done[2] += 1;
                }
                assert!(is_ratio || budget.available(now) <= 12);
            }
            done
        });
        let [withdrawn, refunded, deposited] =
            done.iter().fold([0; 3], |sum, one| [sum[0] + one[0], sum[1] + one[1], sum[2] + one[2]]);
        let left = budget.available(now);
        if is_ratio {
            // Two in reserve and one earned by two deposits; nothing is lost.
            assert_eq!(left, (4 + deposited) / 2 - withdrawn);
        } else {
            // What came when it was full is lost, nothing else.
            assert!(left + 5 * withdrawn <= 12 + 5 * refunded + deposited);
            assert!(left <= 12);
        }
    });
}

#[test]
fn a_name_has_one_breaker_whoever_asks_and_whatever_is_forgotten() {
    explore(|| {
        let breakers = Arc::new((Registry::<Breaker>::default(), context().0));
        let ask = |(breakers, context): &(Registry<Breaker>, Arc<Context>), threshold| {
            let origin = Origin { operation: "op", at: "src/db.rs:1".to_owned() };
            let config = BreakerConfig::new().failure_threshold(threshold);
            breakers.get_or_make("db", config, origin, context).0
        };
        let seen = together(&breakers, move |shared| {
            let mut last = ask(shared, 1);
            for _ in 0..3 {
                match thread_rng().gen_range(0..4) {
                    0 => shared.0.reset(),
                    1 => last = ask(shared, 2),
                    _ => {
                        if let Ok(ticket) = last.acquire() {
                            last.record(ticket, any(&OUTCOMES), None);
                        }
                    }
                }
            }
            last
        });
        let known = ask(&breakers, 7);
        assert!(seen.iter().all(|breaker| Arc::ptr_eq(breaker, &known)));
        assert_eq!(known.snapshot().failure_threshold, 7);
        breakers.0.reset();
        assert_eq!(ask(&breakers, 1).state(), State::Closed);
        assert_eq!(known.snapshot().total_calls, 0);
    });
}

#[test]
fn a_family_keeps_who_is_in_use_and_stays_within_its_bound() {
    explore(|| {
        let tenants: Arc<Family<Breaker>> =
            Arc::new(Family::make("db", BreakerConfig::new().failure_threshold(1), context().0));
        together(&tenants, |tenants| {
            for _ in 0..3 {
                let key = any(&["a", "b", "c", "d"]);
                let member = tenants.member(key);
                if let Ok(ticket) = member.acquire() {
                    member.record(ticket, any(&OUTCOMES), None);
                }
                if one_in(8) {
                    tenants.reset(None);
                }
            }
        });
        assert!(tenants.members().len() <= MOST_KEYS);
        tenants.reset(None);
        let mine = tenants.member("mine");
        for key in ["a", "b", "c"] {
            drop(tenants.member(key));
        }
        assert!(Arc::ptr_eq(&mine, &tenants.member("mine")));
    });
}

#[test]
fn who_listens_while_it_tells_hears_it_once_and_who_has_gone_hears_nothing() {
    explore(|| {
        let events = Arc::new((Arc::new(Events::default()), AtomicU32::new(0)));
        together(&events, |(events, next)| {
            for _ in 0..3 {
                let mine = next.fetch_add(1, Ordering::Relaxed);
                let own = Arc::new(AtomicU32::new(0));
                let hears = Arc::clone(&own);
                let listening = events.subscribe(move |event| {
                    if matches!(event.kind, EventKind::AttemptIgnored { attempt, .. } if attempt == mine) {
                        hears.fetch_add(1, Ordering::Relaxed);
                    }
                });
                let tell =
                    || events.tell("op", EventKind::AttemptIgnored { attempt: mine, class: Class::Caller });
                tell();
                assert_eq!(own.load(Ordering::Relaxed), 1);
                drop(listening);
                tell();
                assert_eq!(own.load(Ordering::Relaxed), 1);
            }
        });
        assert!(!events.0.heard());
    });
}

#[test]
fn counts_and_samples_add_up_as_threads_come_and_go() {
    explore(|| {
        let shared = Arc::new((Counters::<2>::default(), health()));
        let mut told = Vec::new();
        for _ in 0..2 {
            let newcomers = [(); THREADS].map(|()| {
                let shared = Arc::clone(&shared);
                spawn(move || {
                    let (counters, service) = &*shared;
                    let before = counters.sum(1_usize);
                    counters.add(any(&[0_usize, 0]));
                    counters.add(1_usize);
                    assert!(counters.sum(1_usize) > before);
                    service.record(SECOND / 1_000, !one_in(4))
                })
            });
            told.extend(answers(newcomers).into_iter().flatten());
        }
        let (counters, service) = &*shared;
        assert_eq!([0, 1].map(|count: usize| counters.sum(count)), [8, 8]);
        assert_eq!(service.metrics().statistics.total_count, 8);
        // As often as it was left, each status was come to, save the first and the last.
        let balance = |status| {
            let left = told.iter().filter(|(from, _)| *from == status).count();
            let entered = told.iter().filter(|(_, to)| *to == status).count();
            entered + usize::from(status == HealthStatus::Unknown) - left
        };
        use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};
        let at: Vec<_> =
            [Degraded, Healthy, Unhealthy, Unknown].into_iter().filter(|it| balance(*it) == 1).collect();
        assert_eq!(at, [service.status()]);
    });
}

fn health() -> ServiceHealth {
    ServiceHealth::new("db", HealthConfig::new().min_samples(2), crate::clock::Clock::Test(TestClock::new()))
}
