//! What the families share: a breaker played by a script, guarded functions played by a script.
//!
//! Words of a script are separated by spaces; `word*3` is the word three times; `+500ms` moves the clock.

use std::time::Duration;

use resilient::testing::{Flaky, Scope, ScopeGuard};
use resilient::{
    BreakerConfig, BreakerSnapshot, CircuitBreaker, EventKind, IntoDuration, OFF, Permit, ResilienceError,
    State, TripReason, Window, WindowSnapshot,
};

/// The error of guarded test functions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("first kind")]
    E1,
    #[error("second kind")]
    E2,
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

/// `"250ms"` as a duration.
#[track_caller]
pub(crate) fn span(text: &str) -> Duration {
    text.into_duration().expect("a duration")
}

/// The words of a script, repetitions written out.
pub(crate) fn words(script: &str) -> impl Iterator<Item = &str> {
    script.split_whitespace().flat_map(|word| {
        let (word, times) = word.split_once('*').unwrap_or((word, "1"));
        std::iter::repeat_n(word, times.parse().expect("a number of times"))
    })
}

/// "Opens when `ratio` of the last `volume` results failed", and by no other rule.
pub(crate) fn ratio(volume: u32, ratio: f64) -> BreakerConfig {
    BreakerConfig::new()
        .failure_threshold(OFF)
        .failure_rate(ratio)
        .window(Window::Count(volume))
        .min_calls(volume)
}

/// resilience4j's reference configuration: rate 50, slow from 4 s at rate 50, 20 s window, 5 calls, open 5 s,
/// 4 probes.
pub(crate) fn reference() -> BreakerConfig {
    BreakerConfig::new()
        .failure_threshold(OFF)
        .failure_rate(0.5)
        .slow_call_duration(span("4s"))
        .slow_call_rate(0.5)
        .window(Window::Time(span("20s")))
        .min_calls(5)
        .recovery_timeout(span("5s"))
        .half_open_max_calls(4)
        .success_threshold(4)
}

/// A window that is watched and never trips: what the rates see, from the first result on.
pub(crate) fn watched(window: Window) -> BreakerConfig {
    BreakerConfig::new()
        .failure_rate(1.0)
        .slow_call_rate(1.0)
        .slow_call_duration(span("1s"))
        .window(window)
        .min_calls(1)
        .initial_state(State::MetricsOnly)
}

/// Counters since the last change of state, as gobreaker writes them: `{req,S,F,X,consS,consF}`. Calls that have
/// not ended are in none.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) req: u64,
    pub(crate) s: u64,
    pub(crate) f: u64,
    pub(crate) x: u64,
    pub(crate) cons_s: u64,
    pub(crate) cons_f: u32,
}

/// What the rate rules see, as resilience4j reads it; `rate` in percent, `None` for its -1.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    pub(crate) rate: Option<f32>,
    pub(crate) buffered: u32,
    pub(crate) failed: u32,
    pub(crate) success: u32,
}

/// A breaker in a scope of its own, driven by scripts.
pub(crate) struct Rig {
    pub(crate) scope: Scope,
    pub(crate) breaker: CircuitBreaker,
    held: Vec<Permit>,
    _inside: ScopeGuard,
}

impl Rig {
    #[track_caller]
    pub(crate) fn new(config: BreakerConfig) -> Self {
        let scope = Scope::new();
        let inside = scope.enter();
        let breaker = CircuitBreaker::new("rig", config).expect("a legal configuration");
        Self { scope, breaker, held: Vec::new(), _inside: inside }
    }

    /// Plays a script:
    ///
    /// - `S` `F` `I` `D`: a call is admitted and succeeds, fails, is ignored, is dropped; `F@5s`: after 5 s, clock
    ///   standing still
    /// - `admit`: a call is admitted and goes on; `>S` `>F` `>I` `>D`: the oldest of those ends
    /// - `refuse`: a call is refused; `refuse:5s`: and told to come back in 5 s
    /// - `!open` `!half_open` `!close` `!force_open` `!disable` `!metrics_only` `!reset`: by hand
    /// - `closed`, `open`, `half_open`, ..: the state is this
    #[track_caller]
    pub(crate) fn play(&mut self, script: &str) {
        for (at, word) in words(script).enumerate() {
            let step = format!("word {at}, `{word}`, of `{script}`");
            let (action, span_text) = word.split_once(['@', ':']).unwrap_or((word, ""));
            let took = (!span_text.is_empty()).then(|| span(span_text));
            match action {
                "S" | "F" | "I" | "D" => end(self.admit(&step), action, took),
                ">S" | ">F" | ">I" | ">D" => end(self.held.remove(0), &action[1..], took),
                "admit" => {
                    let permit = self.admit(&step);
                    self.held.push(permit);
                }
                "refuse" => {
                    let refused = self.breaker.try_acquire().expect_err(&step);
                    assert!(refused.is_circuit_open() || refused.is_isolated(), "{step}: {refused}");
                    assert!(took.is_none() || refused.retry_after() == took, "{step}: {refused}");
                }
                "!open" => self.breaker.open(),
                "!half_open" => self.breaker.half_open().expect(&step),
                "!close" => self.breaker.close(),
                "!force_open" => self.breaker.force_open(),
                "!disable" => self.breaker.disable(),
                "!metrics_only" => self.breaker.metrics_only(),
                "!reset" => self.breaker.reset(),
                _ => match action.strip_prefix('+') {
                    Some(passing) => self.scope.clock().advance(span(passing)),
                    None => assert_eq!(self.breaker.state().as_str(), action, "{step}"),
                },
            }
        }
    }

    #[track_caller]
    fn admit(&self, step: &str) -> Permit {
        self.breaker.try_acquire().expect(step)
    }

    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        self.breaker.snapshot()
    }

    /// Refused calls since the last change of state.
    pub(crate) fn not_permitted(&self) -> u64 {
        self.snapshot().current.rejected
    }

    pub(crate) fn counters(&self) -> Counters {
        let snapshot = self.snapshot();
        let current = snapshot.current;
        Counters {
            req: current.calls + current.ignored,
            s: current.successes,
            f: current.failures,
            x: current.ignored,
            cons_s: snapshot.consecutive_successes,
            cons_f: snapshot.failure_count,
        }
    }

    #[track_caller]
    pub(crate) fn window(&self) -> WindowSnapshot {
        self.snapshot().window.expect("a rate rule is on")
    }

    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        let window = self.window();
        Metrics {
            rate: percent(window.failure_rate),
            buffered: window.calls,
            failed: window.failures,
            success: window.successes,
        }
    }

    /// The states it went to, in order.
    pub(crate) fn arrivals(&self) -> Vec<State> {
        arrivals(&self.scope)
    }

    /// Why it opened, each time.
    pub(crate) fn trips(&self) -> Vec<TripReason> {
        let trip = |kind| match kind {
            EventKind::Transition { to: State::Open, reason, .. } => Some(reason),
            _ => None,
        };
        self.kinds().into_iter().filter_map(trip).collect()
    }

    /// Everything that was told, without whom it was about.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.scope.events().into_iter().map(|event| event.kind).collect()
    }
}

/// A share as resilience4j writes it.
pub(crate) fn percent(share: Option<f64>) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation, reason = "the scenarios' figures are f32")]
    share.map(|share| (share * 100.0) as f32)
}

fn end(permit: Permit, outcome: &str, took: Option<Duration>) {
    match (outcome, took) {
        ("S", None) => permit.success(),
        ("F", None) => permit.failure(),
        ("S", Some(took)) => permit.success_after(took),
        ("F", Some(took)) => permit.failure_after(took),
        ("I", _) => permit.ignore(),
        _ => drop(permit),
    }
}

/// The states that the breakers of `scope` went to, in order.
pub(crate) fn arrivals(scope: &Scope) -> Vec<State> {
    let to = |event: resilient::Event| match event.kind {
        EventKind::Transition { to, .. } => Some(to),
        _ => None,
    };
    scope.events().into_iter().filter_map(to).collect()
}

/// What a guarded function calls.
pub(crate) type Backend = Flaky<i32, Fault>;

/// A backend whose executions end by a script, the last word for ever: `S` is `Ok(1)`, `-1` is `Ok(-1)`, `F` is
/// `Err(Fault::E1)`; `S@1s` takes 1 s.
pub(crate) fn backend(script: &str) -> Backend {
    words(script).fold(Flaky::new(), |backend, word| {
        let (outcome, took) = word.split_once('@').unwrap_or((word, "0s"));
        let backend = match outcome {
            "S" => backend.then(1),
            "-1" => backend.then(-1),
            "F" => backend.then_err(|| Fault::E1),
            _ => panic!("a backend has no `{word}`"),
        };
        backend.takes(span(took))
    })
}

/// The result of a guarded call as a word: a backend's, `timeout`, `isolated`, or `open` and when to come back.
pub(crate) fn word(result: &Result<i32, Fault>) -> String {
    match result {
        Ok(1) => "S".into(),
        Ok(value) => value.to_string(),
        Err(Fault::Resilience(ResilienceError::CircuitOpen { retry_after, .. })) => {
            format!("open:{retry_after:?}")
        }
        Err(Fault::Resilience(refused)) => refused.kind().to_string(),
        Err(_) => "F".into(),
    }
}

/// Calls of a guarded function and what they must come to.
pub(crate) struct Scenario<'a> {
    /// Variables of the environment.
    pub(crate) env: &'a [(&'a str, &'a str)],
    /// How the executions end, see [`backend`].
    pub(crate) backend: &'a str,
    /// How each call ends: a [`word`]; `open` alone says nothing of when to come back.
    pub(crate) calls: &'a str,
    /// How often the function itself must have run.
    pub(crate) executions: u32,
}

impl Scenario<'_> {
    /// Plays the calls against a sync and an async function, each in a scope of its own; answers which states the
    /// breaker went to, which must be the same.
    pub(crate) fn check(
        &self,
        guarded: impl Fn(&Backend) -> Result<i32, Fault>,
        guarded_async: impl AsyncFn(&Backend) -> Result<i32, Fault>,
    ) -> Vec<State> {
        let states = paused(async || self.play("sync", async |backend| guarded(backend)).await);
        let states_async = paused(async || self.play("async", guarded_async).await);
        assert_eq!(states, states_async, "states of the sync and the async function's breaker");
        states
    }

    async fn play(&self, kind: &str, call: impl AsyncFn(&Backend) -> Result<i32, Fault>) -> Vec<State> {
        let scope =
            self.env.iter().fold(Scope::builder(), |scope, (name, value)| scope.env(*name, *value)).build();
        let backend = backend(self.backend);
        for (at, expected) in words(self.calls).enumerate() {
            if let Some(passing) = expected.strip_prefix('+') {
                scope.clock().advance(span(passing));
                continue;
            }
            let ended = word(&scope.run(call(&backend)).await);
            let ended = if expected == "open" { ended.split(':').next().unwrap_or("") } else { &ended };
            assert_eq!(ended, expected, "{kind} call at word {at} of `{}`", self.calls);
        }
        assert_eq!(backend.calls(), self.executions, "{kind} executions");
        arrivals(&scope)
    }
}

/// Runs `test` on a tokio runtime whose time is paused.
pub(crate) fn paused<T>(test: impl AsyncFnOnce() -> T) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(test())
}

/// A sync and an async function guarded by a breaker alone, in a module of that name.
macro_rules! guarded {
    ($module:ident: $($arguments:tt)*) => {
        mod $module {
            use $crate::support::{Backend, Fault};

            #[resilient::circuit_breaker($($arguments)*)]
            pub(super) fn call(backend: &Backend) -> Result<i32, Fault> {
                backend.call()
            }

            #[resilient::circuit_breaker($($arguments)*)]
            pub(super) async fn call_async(backend: &Backend) -> Result<i32, Fault> {
                backend.call_async().await
            }
        }
    };
}
pub(crate) use guarded;
