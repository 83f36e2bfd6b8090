//! Ten minutes of total outage under a thousand callers, three guarded functions deep, in virtual time: no storm, one
//! probe at a time, everything closed soon after recovery, and the same story for the same seed.
#![allow(clippy::unchecked_time_subtraction, reason = "a span below zero is a failed test")]

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{Event, EventKind, ResilienceError, Settings, State, breaker, resilient, subscribe};
use resilient_endurance_tests::{Tier, alone, tell};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type Answer = Result<(), Fault>;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// How long a breaker stays open.
const RECOVERY: Duration = seconds(30);
/// What one attempt takes.
const WORK: Duration = Duration::from_millis(20);
/// When the outage begins, and when it is over.
const OUTAGE: [Duration; 2] = [seconds(60), seconds(660)];
const END: Duration = seconds(760);

/// What fails, and what it saw.
struct World {
    began: Instant,
    down: [Duration; 2],
    seen: Mutex<Seen>,
    story: Mutex<String>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// During the outage.
    calls: u64,
    attempts: u64,
    /// Attempts that a half-open breaker let through, of each layer; and the most at the same time.
    probes: [u64; 3],
    probing: [u64; 3],
    most_probing: [u64; 3],
    /// When the last breaker closed.
    closed: Duration,
}

impl World {
    fn new(down: [Duration; 2]) -> Self {
        Self { began: now(), down, seen: Mutex::default(), story: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn time(&self) -> Duration {
        now().duration_since(self.began)
    }

    fn is_down(&self) -> bool {
        self.down[0] <= self.time() && self.time() < self.down[1]
    }

    fn hear(&self, event: &Event) {
        let _ = writeln!(self.story.lock().unwrap(), "{} {event}", self.time().as_micros());
        if let EventKind::Transition { to: State::Closed, .. } = event.kind {
            self.seen().closed = self.time();
        }
    }

    /// Counts a probe of that layer while it lives.
    fn probe(&self, layer: usize) -> Option<Probe<'_>> {
        let half_open = breaker(LAYERS[layer]).expect("its breaker").state() == State::HalfOpen;
        half_open.then(|| {
            let mut seen = self.seen();
            seen.probes[layer] += 1;
            seen.probing[layer] += 1;
            seen.most_probing[layer] = seen.most_probing[layer].max(seen.probing[layer]);
            Probe(self, layer)
        })
    }

    async fn work(&self) -> Answer {
        self.seen().attempts += u64::from(self.is_down());
        sleep(WORK).await;
        if self.is_down() { Err(Fault::Down) } else { Ok(()) }
    }
}

struct Probe<'w>(&'w World, usize);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.seen().probing[self.1] -= 1;
    }
}

#[allow(clippy::disallowed_methods, reason = "the runtime's time, which is paused")]
fn now() -> Instant {
    Instant::now()
}

const LAYERS: [&str; 3] = ["outage_front", "outage_middle", "outage_back"];

macro_rules! layer {
    ($name:ident($world:ident), $layer:literal, $body:expr, $($numbers:tt)*) => {
        #[resilient(
            max_attempts = 3,
            base_delay = "100ms",
            failure_threshold = 5,
            success_threshold = 1,
            half_open_max_calls = 1,
            recovery_timeout = "30s",
            $($numbers)*
        )]
        async fn $name($world: &World) -> Answer {
            let _probe = $world.probe($layer);
            $body.await
        }
    };
}

layer!(front(world), 0, middle(world), operation_name = "outage_front", timeout = "20s");
layer!(middle(world), 1, back(world), operation_name = "outage_middle", timeout = "10s");
layer!(back(world), 2, world.work(), operation_name = "outage_back", timeout = "1s");

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// Callers who call, think for about `think`, and call again; what was seen, and the story.
fn play(callers: u64, think: Duration, seed: u64, numbers: &Settings) -> (Seen, String) {
    let runtime = paused();
    let world = runtime.block_on(async {
        let scope = Scope::builder().seed(seed).settings("*", numbers.clone()).build();
        let world = Arc::new(World::new(OUTAGE));
        let tasks = LocalSet::new();
        for caller in 0..callers {
            let world = Arc::clone(&world);
            tasks.spawn_local(async move {
                let mut luck = fastrand::Rng::with_seed(seed << 32 | caller);
                sleep(think.mul_f64(luck.f64())).await;
                while world.time() < END {
                    let is_down = world.is_down();
                    world.seen().calls += u64::from(is_down);
                    let _ = front(&world).await;
                    sleep(think.mul_f64(0.5 + luck.f64())).await;
                }
            });
        }
        let hears = Arc::clone(&world);
        scope
            .run(async move {
                let _listening = subscribe(move |event| hears.hear(event));
                tasks.await;
                for layer in LAYERS {
                    assert_eq!(breaker(layer).expect("its breaker").state(), State::Closed, "{layer}");
                }
            })
            .await;
        world
    });
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "tasks");
    let known = world.seen().clone();
    let story = std::mem::take(&mut *world.story.lock().unwrap());
    (known, story)
}

/// What the three budgets let through besides: 500 tokens, 5 a retry, each.
const RETRIES: u64 = 3 * 100;

fn callers() -> (u64, Duration) {
    (1_000, Tier::now().of(seconds(30), seconds(5), seconds(1)))
}

fn tell_of(test: &str, what: &str, seen: &Seen) {
    let Seen { calls, attempts, probes, most_probing, closed, .. } = seen;
    let share = *attempts as f64 / *calls as f64;
    let after = closed.saturating_sub(OUTAGE[1]).as_secs_f64();
    tell(
        test,
        format_args!(
            "{what}: {calls} calls, {attempts} attempts at the bottom ({share:.4} a call), {probes:?} probes, at most \
             {most_probing:?} at once, all closed {after:.2} s after recovery"
        ),
    );
}

#[test]
fn f28_three_layers_do_not_multiply_and_all_is_closed_one_recovery_time_after_recovery() {
    const TEST: &str = "f28_three_layers_do_not_multiply_and_all_is_closed_one_recovery_time_after_recovery";
    alone(TEST, || {
        let (callers, think) = callers();
        let (seen, _) = play(callers, think, 1, &Settings::new());
        tell_of(TEST, "breakers", &seen);
        assert!(seen.attempts * 5 <= seen.calls * 6 + 5 * RETRIES, "{seen:?}");
        assert_eq!(seen.most_probing, [1, 1, 1], "one probe at a time");
        // A breaker that opened for the last time just before recovery, and the call that finds it so.
        assert!(seen.closed > OUTAGE[1] && seen.closed < OUTAGE[1] + RECOVERY + seconds(1), "{seen:?}");
        // About one each time that it stayed open.
        let rounds = (OUTAGE[1] - OUTAGE[0]).as_secs() / RECOVERY.as_secs();
        assert!(seen.probes.iter().all(|probes| (rounds - 2..=rounds + 1).contains(probes)), "{seen:?}");
    });
}

#[test]
fn f28_without_breakers_the_budgets_hold_three_layers_back() {
    const TEST: &str = "f28_without_breakers_the_budgets_hold_three_layers_back";
    alone(TEST, || {
        let (callers, think) = callers();
        let budgets = Settings::new().enable_circuit_breaker(false);
        let (seen, _) = play(callers, think, 1, &budgets);
        tell_of(TEST, "budgets alone", &seen);
        assert!(seen.attempts * 5 <= seen.calls * 6 + 5 * RETRIES, "{seen:?}");
        assert!(
            seen.attempts <= seen.calls + RETRIES,
            "what is spent does not come back in an outage: {seen:?}"
        );
    });
}

#[test]
fn the_same_seed_tells_the_same_story() {
    const TEST: &str = "the_same_seed_tells_the_same_story";
    alone(TEST, || {
        let (callers, think) = callers();
        let think = think.max(seconds(5));
        let story = |seed| play(callers, think, seed, &Settings::new()).1;
        let (one, same, other) = (story(7), story(7), story(8));
        assert!(
            one == same,
            "they differ at byte {:?}",
            one.bytes().zip(same.bytes()).position(|(a, b)| a != b)
        );
        assert!(one != other, "another seed is another story");
        assert!(
            one.contains("outage_back: circuit breaker 'outage_back' closed -> open"),
            "{}",
            &one[..2000]
        );
        tell(TEST, format_args!("{} events, {} KiB, byte by byte", one.lines().count(), one.len() / 1024));
    });
}

macro_rules! instance {
    ($name:ident, $($numbers:tt)*) => {
        #[resilient(
            max_attempts = 1,
            failure_threshold = 1,
            success_threshold = 1,
            recovery_timeout = "30s",
            timeout = "1s",
            $($numbers)*
        )]
        async fn $name(world: &World) -> Answer {
            world.work().await
        }
    };
}

instance!(in_step, operation_name = "outage_in_step");
instance!(spread, operation_name = "outage_spread", recovery_jitter = 0.5);

/// A hundred instances with seeds of their own, opened by the same instant's failure, each with a caller four times a second:
/// when they probed in the outage that follows, in order, and when the last of them was closed.
async fn probes<'w, F: Future<Output = Answer> + 'w>(
    operation: &'static str,
    call: fn(&'w World) -> F,
    world: &'w World,
) -> (Vec<Duration>, Duration) {
    let times = &Mutex::new(Vec::new());
    let instance = |number| async move {
        let scope = Scope::builder().seed(number).build();
        let until_closed = async {
            let state = || breaker(operation).expect("its breaker").state();
            let _ = call(world).await;
            assert_eq!(state(), State::Open);
            loop {
                let (before, time) = (state(), world.time());
                match call(world).await {
                    Ok(()) => break world.time(),
                    Err(Fault::Down) if before == State::Open => times.lock().unwrap().push(time),
                    Err(_) => {}
                }
                sleep(Duration::from_millis(250)).await;
            }
        };
        scope.run(until_closed).await
    };
    let closed = join((0..100).map(|number| Box::pin(instance(number))).collect()).await;
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort();
    (times, closed.into_iter().max().unwrap_or_default())
}

/// Polls them all whenever one is woken.
async fn join<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            if let std::task::Poll::Ready(out) = std::pin::Pin::new(future).poll(cx) {
                *output = Some(out);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// The most of them within one second.
fn most_in_a_second(times: &[Duration]) -> usize {
    let within =
        |from: &Duration| times.iter().filter(|time| (*from..*from + seconds(1)).contains(time)).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[test]
fn f53_instances_that_opened_together_do_not_probe_together_where_recovery_jitter_is_on() {
    const TEST: &str = "f53_instances_that_opened_together_do_not_probe_together_where_recovery_jitter_is_on";
    alone(TEST, || {
        let down = [Duration::ZERO, seconds(Tier::now().of(120, 300, 300))];
        let run = |spread_out: bool| {
            paused().block_on(async {
                let world = World::new(down);
                if spread_out {
                    probes("outage_spread", spread, &world).await
                } else {
                    probes("outage_in_step", in_step, &world).await
                }
            })
        };
        let (together, closed_together) = run(false);
        let (apart, closed_apart) = run(true);
        let (herd, most) = (most_in_a_second(&together), most_in_a_second(&apart));
        tell(
            TEST,
            format_args!(
                "of 100 instances at most {herd} probe within a second by default, {most} with recovery_jitter = 0.5; the \
                 last is closed {:.1} s and {:.1} s after recovery",
                (closed_together - down[1]).as_secs_f64(),
                (closed_apart - down[1]).as_secs_f64()
            ),
        );
        assert_eq!(herd, 100, "without jitter they keep step");
        // A hundred over half of 30 s: seven a second.
        assert!(most <= 20, "{most} probes within a second");
        let first: Vec<_> = apart.iter().filter(|time| **time < seconds(30)).collect();
        assert!(first.is_empty(), "jitter lengthens, it never shortens: {first:?}");
        assert!(closed_apart - down[1] <= seconds(46), "{closed_apart:?}");
    });
}
