//! One script, two functions: what is true of a sync function is true of the async one with the same attributes.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{CircuitBreaker, Deadline, ErrorKind, EventKind, ResilienceError, Settings};
use tokio::runtime::Runtime;

/// Guards a sync and an async function with the same attributes; both play the script they are called with, and
/// `$name()` gives the pair. `sync #[..] async #[..]` adds the attributes in which the two have to differ.
macro_rules! both {
    (
        $(#[$($attribute:tt)+])*
        $(sync $(#[$($sync:tt)+])+ async $(#[$($later:tt)+])+)?
        fn $name:ident
    ) => {
        both! {
            $(#[$($attribute)+])*
            $(sync $(#[$($sync)+])+ async $(#[$($later)+])+)?
            fn $name -> Result<u32, Fault>
        }
    };
    (
        $(#[$($attribute:tt)+])*
        $(sync $(#[$($sync:tt)+])+ async $(#[$($later:tt)+])+)?
        fn $name:ident -> Result<$value:ty, $error:ty>
    ) => {
        $crate::calls::twins! {
            $(#[$($attribute)+])*
            $(sync $(#[$($sync)+])+ async $(#[$($later)+])+)?
            fn $name -> Result<$value, $error>
        }

        fn $name() -> $crate::calls::Both<$value, $error> {
            $crate::calls::Both::new($name::NAMES, $name::sync, |backend| Box::pin($name::later(backend)))
        }
    };
}
pub(crate) use both;

/// The two functions of [`both!`] alone, `$name::sync` and `$name::later`.
macro_rules! twins {
    (
        $(#[$($attribute:tt)+])*
        $(sync $(#[$($sync:tt)+])+ async $(#[$($later:tt)+])+)?
        fn $name:ident -> Result<$value:ty, $error:ty>
    ) => {
        mod $name {
            use super::*;

            $(#[$($attribute)+])*
            $($(#[$($sync)+])+)?
            pub(super) fn sync(backend: &resilient::testing::Flaky<$value, $error>) -> Result<$value, $error> {
                backend.call()
            }

            $(#[$($attribute)+])*
            $($(#[$($later)+])+)?
            pub(super) async fn later(
                backend: &resilient::testing::Flaky<$value, $error>,
            ) -> Result<$value, $error> {
                backend.call_async().await
            }

            pub(super) const NAMES: [&str; 2] =
                [concat!(module_path!(), "::sync"), concat!(module_path!(), "::later")];
        }
    };
}
pub(crate) use twins;

/// An operation made in code, called as [`both!`] calls its functions; `$configured` says what an attribute would.
macro_rules! made {
    (fn $name:ident: $configured:expr) => {
        mod $name {
            use super::*;

            const NAME: &str = concat!(module_path!(), "::made");

            pub(super) fn sync(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
                $configured(resilient::ResilienceConfig::new(NAME))
                    .build()
                    .expect("legal")
                    .call(|| backend.call())
            }

            pub(super) async fn later(backend: &Flaky<u32, Fault>) -> Result<u32, Fault> {
                let operation = $configured(resilient::ResilienceConfig::new(NAME)).build().expect("legal");
                operation.call_async(async || backend.call_async().await).await
            }

            pub(super) const NAMES: [&str; 2] = [NAME; 2];
        }

        fn $name() -> $crate::calls::Both<u32, Fault> {
            $crate::calls::Both::new($name::NAMES, $name::sync, |backend| Box::pin($name::later(backend)))
        }
    };
}
pub(crate) use made;

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What most scripts fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("down")]
    Down,
    #[error("busy")]
    Busy,
    #[error("not found")]
    NotFound,
    #[error(transparent)]
    Resilience(#[from] ResilienceError),
}

impl Fault {
    /// What the library refused, where it is not the script's own failure.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Resilience(error) => Some(error.kind()),
            _ => None,
        }
    }
}

/// A backend that never answers.
pub(crate) fn down<T>() -> Flaky<T, Fault> {
    Flaky::new().then_err(|| Fault::Down)
}

/// A backend that answers 42 after so many failures.
pub(crate) fn down_times(failures: u32) -> Flaky<u32, Fault> {
    Flaky::new().fail_times(failures, || Fault::Down).then(42)
}

/// What the fallbacks answer.
pub(crate) const SPARE: u32 = 7;

#[expect(clippy::unnecessary_wraps, reason = "a fallback returns what its function returns")]
pub(crate) fn spare<E>(_: &Flaky<u32, E>) -> Result<u32, E> {
    Ok(SPARE)
}

pub(crate) fn spare_later<E>(backend: &Flaky<u32, E>) -> std::future::Ready<Result<u32, E>> {
    std::future::ready(spare(backend))
}

type Sync<T, E> = fn(&Flaky<T, E>) -> Result<T, E>;
type Later<T, E> = for<'a> fn(&'a Flaky<T, E>) -> Pin<Box<dyn Future<Output = Result<T, E>> + 'a>>;

/// A sync function and its async twin.
pub(crate) struct Both<T: 'static, E: 'static> {
    names: [&'static str; 2],
    sync: Sync<T, E>,
    later: Later<T, E>,
    settings: Settings,
    variables: Vec<(String, String)>,
}

impl<T, E> Both<T, E> {
    pub(crate) fn new(names: [&'static str; 2], sync: Sync<T, E>, later: Later<T, E>) -> Self {
        Self { names, sync, later, settings: Settings::new(), variables: Vec::new() }
    }

    /// Settings above those of the attributes.
    pub(crate) fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// A variable of the environment.
    pub(crate) fn env(mut self, name: impl Into<String>, value: &str) -> Self {
        self.variables.push((name.into(), value.to_owned()));
        self
    }

    /// A parameter of either function, as a variable.
    pub(crate) fn variable(self, parameter: &str, value: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        self.names.into_iter().fold(self, |both, name| {
            let name: String = name.chars().map(plain).collect();
            both.env(format!("PYNOMALY_OP_{name}_{parameter}"), value)
        })
    }

    /// Checks each of the two in a world of its own.
    pub(crate) fn each(self, script: impl Fn() -> Flaky<T, E>, check: impl Fn(&World<T, E>)) {
        let clockwork =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let functions = [
            Function::Sync(self.sync),
            Function::Later(self.later, clockwork.expect("a runtime needs no resources")),
        ];
        for (operation, function) in self.names.into_iter().zip(functions) {
            // Shown when an assertion fails.
            println!("{operation}");
            // A scope made inside a tokio runtime follows that runtime's clock.
            let tokio = function.enter();
            let scope = Scope::builder().settings(operation, self.settings.clone());
            let variables = self.variables.iter();
            let scope = variables.fold(scope, |scope, (name, value)| scope.env(name, value)).build();
            drop(tokio);
            check(&World { scope, backend: script(), operation, function });
        }
    }
}

enum Function<T: 'static, E: 'static> {
    Sync(Sync<T, E>),
    Later(Later<T, E>, Runtime),
}

impl<T, E> Function<T, E> {
    fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        match self {
            Self::Sync(_) => None,
            Self::Later(_, runtime) => Some(runtime.enter()),
        }
    }
}

/// One guarded function, its backend, and a scope that nothing else is in.
pub(crate) struct World<T: 'static, E: 'static> {
    pub(crate) scope: Scope,
    pub(crate) backend: Flaky<T, E>,
    pub(crate) operation: &'static str,
    function: Function<T, E>,
}

impl<T, E> World<T, E> {
    pub(crate) fn call(&self) -> Result<T, E> {
        match &self.function {
            Function::Sync(function) => self.inside(|| function(&self.backend)),
            Function::Later(function, runtime) => runtime.block_on(self.scope.run(function(&self.backend))),
        }
    }

    /// Calls it for somebody who waits so long.
    pub(crate) fn call_within(&self, span: Duration) -> Result<T, E> {
        match &self.function {
            Function::Sync(function) => {
                self.inside(|| Deadline::after(span).within(|| function(&self.backend)))
            }
            Function::Later(function, runtime) => runtime.block_on(
                self.scope.run(async { Deadline::after(span).attach_to(function(&self.backend)).await }),
            ),
        }
    }

    /// Runs `look` in the scope and on its clock.
    pub(crate) fn inside<R>(&self, look: impl FnOnce() -> R) -> R {
        let _tokio = self.function.enter();
        let _scope = self.scope.enter();
        look()
    }

    pub(crate) fn breaker(&self) -> CircuitBreaker {
        self.inside(|| {
            resilient::breaker(self.operation).expect("the function has a breaker of its own name")
        })
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.inside(|| self.scope.clock().elapsed())
    }

    /// How often the function itself ran.
    pub(crate) fn executions(&self) -> u32 {
        self.backend.calls()
    }

    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.scope.pauses()
    }

    pub(crate) fn is_async(&self) -> bool {
        matches!(self.function, Function::Later(..))
    }

    pub(crate) fn told(&self) -> Vec<String> {
        told(&self.scope)
    }

    /// How often `word` was told.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.told().iter().filter(|told| *told == word).count()
    }
}

/// Every event in a word.
pub(crate) fn told(scope: &Scope) -> Vec<String> {
    let word = |kind: &EventKind| match kind {
        EventKind::AttemptSucceeded { .. } => "succeeded".to_owned(),
        EventKind::AttemptFailed { .. } => "failed".to_owned(),
        EventKind::AttemptIgnored { .. } => "ignored".to_owned(),
        EventKind::AttemptTimedOut { .. } => "timed out".to_owned(),
        EventKind::RetryScheduled { .. } => "retry".to_owned(),
        EventKind::Refused { kind, .. } => format!("refused: {kind}"),
        EventKind::Finished { reason, .. } => format!("finished: {reason}"),
        EventKind::FallbackUsed => "fallback".to_owned(),
        EventKind::Transition { to, .. } => to.to_string(),
        other => format!("{other:?}"),
    };
    scope.events().iter().map(|event| word(&event.kind)).collect()
}
