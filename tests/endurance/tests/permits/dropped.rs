//! Calls that nobody waits for any more.

use std::future::Future;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use resilient::{EventKind, subscribe};
use resilient_endurance_tests::{Counted, Tier, alone, panic_as_planned, panicked, tell};
use tokio::runtime::{Builder, Runtime};

use crate::ward::{
    self, Act, Answer, Layers, STEP, Script, TALLY, Told, hedged, hedged_per_call, per_call, read,
};

/// Calls at the same time.
const GROUP: usize = 6;
/// A call is dropped after so many polls, or after fewer.
const MOST_POLLS: u64 = 40;

pub(crate) type Call<'s> = Pin<Box<dyn Future<Output = Answer> + 's>>;
pub(crate) type Guarded = for<'s> fn(&'s Script) -> Call<'s>;

/// The guarded functions and their names.
pub(crate) const GUARDED: [(&str, Guarded); 4] = [
    ("endure_alone", |script| Box::pin(ward::alone(script))),
    ("endure_hedged", |script| Box::pin(hedged(script))),
    ("endure_per_call", |script| Box::pin(per_call(script))),
    ("endure_hedged_per_call", |script| Box::pin(hedged_per_call(script))),
];

pub(crate) fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// What the driver saw.
#[derive(Debug, Default)]
struct Seen {
    calls: u64,
    begun: u64,
    done: u64,
    dropped: u64,
    /// Dropped calls by where they were: in the limiter's wait, in the queue or on the way out of it, in a body, in the
    /// fallback, in a wait between attempts or for nothing.
    limiter: u64,
    queue: u64,
    body: u64,
    fallback: u64,
    elsewhere: u64,
    /// Calls, and their drops, that panicked.
    panicked: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, more: Self) {
        let Self { calls, begun, done, dropped, limiter, queue, body, fallback, elsewhere, panicked } = more;
        self.calls += calls;
        self.begun += begun;
        self.done += done;
        self.dropped += dropped;
        self.limiter += limiter;
        self.queue += queue;
        self.body += body;
        self.fallback += fallback;
        self.elsewhere += elsewhere;
        self.panicked += panicked;
    }
}

/// Drops a call and sees what it gives up.
fn drop_call(layers: &Layers, call: Call<'_>, seen: &mut Seen) {
    let look = || (layers.paused(), layers.places(), read(&TALLY.alive), read(&TALLY.standing_in));
    let before = look();
    let exploded = panicked(|| drop(call)).is_err();
    let after = look();
    let limiter = before.0 - after.0;
    let body = before.2 - after.2;
    // Of those that wait the first takes the place of one that goes.
    let queue = before.1 - after.1 - body;
    let fallback = before.3 - after.3;
    seen.dropped += 1;
    seen.panicked += u64::from(exploded);
    seen.limiter += limiter;
    seen.queue += queue;
    seen.body += body;
    seen.fallback += fallback;
    seen.elsewhere += u64::from(limiter + queue + body + fallback == 0);
}

/// Plays calls in groups while `goes_on`; each is dropped after its number of polls, 5 ms apart.
fn play(
    layers: &Layers,
    guarded: Guarded,
    script: impl Fn(u64) -> Script,
    goes_on: impl Fn(&Seen) -> bool,
) -> Seen {
    let runtime = paused();
    let mut seen = Seen::default();
    runtime.block_on(async {
        while goes_on(&seen) {
            layers.arrange(seen.calls / GROUP as u64 % 2 == 1);
            let counted = Arc::new(Counted::default());
            let waker = Waker::from(Arc::clone(&counted));
            let mut cx = Context::from_waker(&waker);
            let scripts: Vec<_> = (seen.calls..).take(GROUP).map(&script).collect();
            let mut group: Vec<_> = scripts
                .iter()
                .zip(seen.calls..)
                .map(|(script, number)| Some((guarded(script), number % (MOST_POLLS + 1))))
                .collect();
            seen.calls += GROUP as u64;
            for polls in 0.. {
                let mut waits = false;
                for place in &mut group {
                    let Some((call, most)) = place else { continue };
                    if polls >= *most {
                        let (call, _) = place.take().expect("looked at just now");
                        drop_call(layers, call, &mut seen);
                        continue;
                    }
                    seen.begun += u64::from(polls == 0);
                    // The answer may be a bomb.
                    let polled = panicked(|| call.as_mut().poll(&mut cx).is_ready());
                    match polled {
                        Ok(false) => waits = true,
                        Ok(true) => seen.done += 1,
                        Err(_) => {
                            seen.done += 1;
                            seen.panicked += 1;
                        }
                    }
                    if !matches!(polled, Ok(false)) {
                        *place = None;
                    }
                }
                if !waits && group.iter().all(Option::is_none) {
                    break;
                }
                tokio::time::advance(STEP).await;
            }
            drop(waker);
            assert_eq!(Arc::strong_count(&counted), 1, "a timer or a queue still knows the caller");
        }
    });
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "tasks");
    seen
}

/// What the bodies know, before and after.
struct Known([u64; 4]);

impl Known {
    fn now() -> Self {
        Self([&TALLY.begun, &TALLY.answered, &TALLY.failed, &TALLY.callers_fault].map(read))
    }

    fn since(&self) -> [u64; 4] {
        let mut now = Self::now().0;
        now.iter_mut().zip(self.0).for_each(|(now, before)| *now -= before);
        now
    }
}

/// The counts of the layers against what the bodies and the driver know.
fn assert_adds_up(layers: &Layers, seen: &Seen, known: &Known) {
    let name = layers.operation;
    let (limiter, bulkhead) = (layers.limiter.snapshot(), layers.bulkhead.snapshot());
    let [begun, ..] = known.since();
    let breaker = layers.breaker.snapshot();
    assert_eq!(limiter.total_requests, limiter.allowed_requests + limiter.rejected_requests, "{name}");
    if name.ends_with("per_call") {
        let ended = layers.recorded() + breaker.rejected_calls;
        assert_eq!(ended, seen.begun, "{name}: each call is recorded or refused, once");
    } else {
        assert_eq!(
            layers.recorded(),
            limiter.total_requests,
            "{name}: each attempt is recorded: {breaker:?}"
        );
    }
    assert!(bulkhead.accepted_calls >= begun, "{name}: nobody runs without a slot");
    if !name.contains("hedged") {
        assert_eq!(
            limiter.allowed_requests,
            begun + bulkhead.rejected_calls + seen.limiter + seen.queue,
            "{name}: who was let through ran, was refused, or was dropped on the way: {seen:?} {bulkhead:?}"
        );
    }
}

#[test]
fn calls_dropped_at_every_await_in_turn_leave_nothing() {
    const TEST: &str = "dropped::calls_dropped_at_every_await_in_turn_leave_nothing";
    const ACTS: &[Act] =
        &[Act::Answer, Act::Fail, Act::Fail, Act::CallersFault, Act::BadAnswer, Act::Never, Act::Never];
    alone(TEST, || {
        let calls: u64 = Tier::now().of(4_000, 1_000_000, 4_000_000) / GUARDED.len() as u64;
        let (mut all, mut dropped) = (0, 0);
        for (name, guarded) in GUARDED {
            let layers = Layers::of(name);
            let known = Known::now();
            let script = |number| Script::new(number, ACTS, 6);
            // One half with somebody who listens, the other with nobody.
            let (told, listening) = Told::listening();
            let mut seen = play(&layers, guarded, script, |seen| seen.dropped < calls / 2);
            drop(listening);
            let [_, answered, failed, callers_fault] = known.since();
            assert_eq!(read(&told.finished), seen.begun, "{name}: each call that began ends once");
            assert_eq!(read(&told.succeeded), answered, "{name}: successes");
            assert_eq!(read(&told.ignored), callers_fault, "{name}: ignored");
            let failed = failed + read(&told.timed_out);
            assert_eq!(read(&told.failed), failed, "{name}: failures are errors and time limits");
            seen += play(&layers, guarded, script, |seen| seen.dropped < calls / 2);

            layers.assert_at_rest();
            assert_adds_up(&layers, &seen, &known);
            layers.assert_every_slot_is_free();
            assert_eq!(seen.calls, seen.done + seen.dropped, "{name}");
            let places = [seen.limiter, seen.queue, seen.body, seen.fallback, seen.elsewhere];
            assert!(places.iter().all(|place| *place >= calls / 200), "{name}: {seen:?}");
            (all, dropped) = (all + seen.calls, dropped + seen.dropped);
            tell(TEST, format_args!("{name}: {seen:?}"));
        }
        tell(TEST, format_args!("{dropped} of {all} calls dropped"));
    });
}

#[test]
fn calls_that_panic_wherever_the_users_code_runs_leave_nothing() {
    const TEST: &str = "dropped::calls_that_panic_wherever_the_users_code_runs_leave_nothing";
    const ACTS: &[Act] = &[
        Act::Answer,
        Act::Fail,
        Act::Panic,
        Act::PanicInRule,
        Act::PanicInFailureIf,
        Act::PanicInClass,
        Act::Bomb,
        Act::Never,
    ];
    alone(TEST, || {
        let panics: u64 = Tier::now().of(2_000, 1_000_000, 4_000_000) / GUARDED.len() as u64;
        let (mut all, mut panicked, mut listeners) = (0, 0, 0);
        for (name, guarded) in GUARDED {
            let layers = Layers::of(name);
            let known = Known::now();
            let told = Arc::new(Told::default());
            let seen = {
                let ears = Arc::clone(&told);
                let _listening = subscribe(move |event| {
                    ears.hear(event);
                    if let EventKind::Finished { .. } | EventKind::Transition { .. } = event.kind {
                        panic_as_planned();
                    }
                });
                let script = |number: u64| {
                    let fallback = if number.is_multiple_of(3) { Act::Panic } else { Act::Answer };
                    Script::new(number, ACTS, 3).explosive(2).fallback(fallback)
                };
                play(&layers, guarded, script, |seen| seen.panicked < panics)
            };
            layers.assert_at_rest();
            assert_adds_up(&layers, &seen, &known);
            layers.assert_every_slot_is_free();
            assert_eq!(read(&told.finished), seen.begun, "{name}: each call that began ends once");
            assert_eq!(read(&told.succeeded), known.since()[1], "{name}: successes");
            assert_eq!(seen.calls, seen.done + seen.dropped, "{name}");
            (all, panicked) = (all + seen.calls, panicked + seen.panicked);
            listeners += read(&told.finished);
            tell(TEST, format_args!("{name}: {seen:?}"));
        }
        tell(TEST, format_args!("{panicked} of {all} calls panicked, and more than {listeners} listeners"));
    });
}
