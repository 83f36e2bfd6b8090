//! [`Components`] as they are put together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use resilient_runtime::__private::settled;
use resilient_runtime::{ConfigErrors, IntoDuration, IntoJitter, ResilienceConfig, Settings};

use super::closing::Closing;
use super::component::Component;
use super::components::{Components, Operations, Options};
use super::event::{StartEvent, Told};
use crate::Factory;

/// How long a close may take, unless the builder says otherwise.
const CLOSE: Duration = Duration::from_secs(5);
/// Of waits: more than any schedule that somebody waits for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

type Tune = Box<dyn FnOnce(ResilienceConfig) -> ResilienceConfig + Send>;

/// [`Components`] as they are put together, by [`Components::builder`].
///
/// Nothing said: 3 attempts, each of at most 10 s; waits of 2 s, then 4 s, and in rounds of 2 s, then 4 s, each spread to
/// between half of it and all of it; 5 s for a close; no deadline; the components are called "component".
///
/// What is wrong is told by [`build`](Self::build).
#[must_use = "nothing is made until `build`"]
pub struct ComponentsBuilder<C: Component + ?Sized, X = (), O = ()> {
    factory: Factory<C, X, O>,
    options: O,
    noun: Arc<str>,
    attempt: Settings,
    waits: Settings,
    deadline: Option<Duration>,
    close: Duration,
    close_refused: Option<Settings>,
    told: Told,
    check: Option<String>,
    tuned: Vec<Tune>,
}

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> ComponentsBuilder<C, X, O> {
    pub(super) fn new(factory: Factory<C, X, O>, options: O) -> Self {
        Self {
            factory,
            options,
            noun: "component".into(),
            attempt: Settings::new().timeout("10s"),
            waits: Settings::new().max_attempts(3).base_delay("2s"),
            deadline: None,
            close: CLOSE,
            close_refused: None,
            told: Told::default(),
            check: None,
            tuned: Vec::new(),
        }
    }

    /// What one of them is called in texts, in the singular; more than one is that with an `s`. Default "component".
    pub fn noun(mut self, noun: impl Into<Arc<str>>) -> Self {
        self.noun = noun.into();
        self
    }

    /// What each is created with. Default: the options' own default.
    pub fn options(mut self, options: O) -> Self {
        self.options = options;
        self
    }

    /// Limits one attempt: construction, start, and until it is active. Default 10 s.
    pub fn timeout(mut self, limit: impl IntoDuration) -> Self {
        self.attempt = self.attempt.timeout(limit);
        self
    }

    /// Attempts for each component, the first included; in rounds, how many of them. Default 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.waits = self.waits.max_attempts(attempts);
        self
    }

    /// The wait before the second attempt, and the growth of those after it: twice as long, three times. In rounds it
    /// doubles from one to the next. Default 2 s.
    pub fn base_delay(mut self, delay: impl IntoDuration) -> Self {
        self.waits = self.waits.base_delay(delay);
        self
    }

    /// How far a wait is spread: `true` (the default), `false`, `"full"` or a share such as `0.1`.
    pub fn jitter(mut self, jitter: impl IntoJitter) -> Self {
        self.waits = self.waits.jitter(jitter);
        self
    }

    /// Limits a whole call, all attempts, rounds and waits included. Default: that of the calls around it, which counts in any
    /// case where it is nearer.
    ///
    /// The trap: what is being closed when it passes goes on being closed in the background.
    pub fn deadline(mut self, limit: impl IntoDuration) -> Self {
        // Said to the operation, which tells what is wrong with it.
        self.waits = self.waits.deadline(limit);
        self.deadline = self.waits.deadline;
        self
    }

    /// Limits a close; then it is cut off. Default 5 s.
    pub fn close_timeout(mut self, limit: impl IntoDuration) -> Self {
        let said = Settings::new().timeout(limit);
        match said.timeout {
            Some(limit) => self.close = limit,
            None => self.close_refused = Some(said),
        }
        self
    }

    /// Whom to tell what happens, as it happens: a progress bar, a log. A later listener takes the place of an earlier one.
    ///
    /// It is called on whatever thread something happens on, never under a lock; it may ask these components anything. One
    /// that panics is heard of in the log, and harms nothing.
    pub fn on_event(mut self, listener: impl Fn(&StartEvent) + Send + Sync + 'static) -> Self {
        self.told = Told::to(listener);
        self
    }

    /// Makes them part of [`check_health`](resilient_runtime::check_health) under `name`, for as long as they live: healthy
    /// while all that were asked for are active, degraded while some are, unhealthy while none is.
    pub fn health_check(mut self, name: impl Into<String>) -> Self {
        self.check = Some(name.into());
        self
    }

    /// Any other word of the layers around one attempt: a bulkhead, so that not all start at once; a circuit breaker.
    pub fn layers(
        mut self,
        tune: impl FnOnce(ResilienceConfig) -> ResilienceConfig + Send + 'static,
    ) -> Self {
        self.tuned.push(Box::new(tune));
        self
    }

    /// The components, none of them created yet.
    ///
    /// Its operations are called after the factory: `<id>_start` (all attempts at one), `<id>_attempt` and `<id>_rounds`, so
    /// `PYNOMALY_OP_<ID>_START_MAX_ATTEMPTS` and `PYNOMALY_OP_<ID>_ATTEMPT_TIMEOUT` tune them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what was said.
    pub fn build(self) -> Result<Components<C, X, O>, ConfigErrors> {
        let Self {
            factory,
            options,
            noun,
            attempt,
            waits,
            deadline,
            close,
            close_refused,
            told,
            check,
            tuned,
        } = self;
        let named = |what: &str| {
            ResilienceConfig::new(format!("{}_{what}", factory.id())).enable_circuit_breaker(false)
        };
        // A close's limit is no word of an operation; what is wrong with it is worded as for a timeout.
        if let Some(refused) = close_refused {
            settled(named("close"), &refused).build()?;
        }
        let waiting =
            || settled(named("start"), &waits).enable_timeout(false).max_delay(LONGEST_WAIT).budget("none");
        let rounds = settled(named("rounds"), &waits)
            .enable_timeout(false)
            .max_delay(LONGEST_WAIT)
            .budget("none")
            .backoff("exponential")
            .exponential_base(2.0);
        let attempt = settled(named("attempt"), &attempt).enable_retry(false);
        let attempt = tuned.into_iter().fold(attempt, |config, tune| tune(config));
        let operations = Operations {
            start: waiting().backoff("linear").classify::<super::attempt::Fault>().build()?,
            rounds: rounds.classify::<super::attempt::Fault>().build()?,
            attempt: attempt.classify::<super::attempt::Fault>().build()?,
        };
        let closing = Closing::new(close, told.clone());
        let components = Components::assembled(factory, options, noun, operations, deadline, closing, told);
        if let Some(name) = check {
            components.register(name);
        }
        Ok(components)
    }
}

impl<C: Component + ?Sized, X, O> fmt::Debug for ComponentsBuilder<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentsBuilder").field("noun", &self.noun).finish_non_exhaustive()
    }
}
