//! What the attributes expand to. No promise is made about any of it.
#![allow(missing_docs, reason = "not for people")]

mod fallback;
#[cfg(feature = "checks")]
mod tally;

use std::error::Error as StdError;

pub use fallback::*;
#[cfg(feature = "checks")]
pub use tally::Tally;

pub use crate::__resilient_streams as streams;
pub use crate::breaker::Window;
pub use crate::error::{Harmless, ResilienceError};
#[cfg(feature = "stream")]
pub use crate::execution::stream::{Rules, begin, begun_once, guarded_stream, judge_of};
pub use crate::execution::{Attempt, Concluded, Execution, Key};
pub use crate::health::HealthConfig;
pub use crate::outcome::Verdict;
pub use crate::profile::OFF;
pub use crate::profile::Settings;
#[cfg(feature = "checks")]
pub use crate::profile::{NotUtf8, Text, name_in_variables};
pub use crate::retry::{Backoff, Budget, Jitter};
#[cfg(feature = "checks")]
pub use crate::runtime::{Carried, Here};
pub use crate::site::{Listed, Site, Spec};
pub use crate::skipped::Unguarded;
pub use crate::timeout::{CrossesThreads, TimeoutMode};
pub use inventory;

use crate::outcome::Classify;

/// What only the feature `stream` can do.
#[cfg(feature = "stream")]
#[doc(hidden)]
#[macro_export]
macro_rules! __resilient_streams {
    ($($guarded:tt)*) => { $($guarded)* };
}

/// What only the feature `stream` can do.
#[cfg(not(feature = "stream"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __resilient_streams {
    ($($guarded:tt)*) => {
        ::core::compile_error!("a function that returns a stream needs the feature `stream`: `resilient = { version = \"..\", features = [\"stream\"] }`")
    };
}

/// What the variable `PREFIX_<NAME>` says to a client or a page: an address, a token.
#[cfg(feature = "checks")]
pub fn text(name: &str) -> Option<Text> {
    crate::runtime::Runtime::with_current(|runtime| runtime.text(name))
}

/// The variable of that name, whoever it belongs to: a scope's, else the process's, else that of `.env`. As it was when
/// the configuration was read.
#[cfg(feature = "checks")]
pub fn variable(name: &str) -> Option<Result<String, NotUtf8>> {
    crate::runtime::Runtime::with_current(|runtime| runtime.variable(name))
}

/// `future` with the deadline, the test's scope and the span of this code, on whatever runtime it is polled.
#[cfg(feature = "checks")]
pub fn carried<F: std::future::Future>(future: F) -> Carried<F> {
    Carried::new(future)
}

/// The most similar of the known names, when at least half of it is the same.
#[cfg(feature = "checks")]
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    crate::profile::nearest(unknown, known)
}

/// The `X` that `error` is, or has among its sources.
#[cfg(feature = "checks")]
pub fn find<'e, X: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e X> {
    crate::error::find(error)
}

/// `config` with what `settings` say besides; what was refused there is told when it is built.
#[cfg(feature = "checks")]
pub fn settled(config: crate::ResilienceConfig, settings: &Settings) -> crate::ResilienceConfig {
    config.settled(settings)
}

/// A return type that can say that the library refused.
#[diagnostic::on_unimplemented(
    message = "a function returning `{Self}` cannot be guarded: it has no way to say that a call was refused",
    label = "expected `Result<_, E>` where `E: From<resilient::ResilienceError>`",
    note = "write `impl From<resilient::ResilienceError>` for the error (thiserror: a variant with `#[from]`), or use one that has it (`anyhow::Error`, `Box<dyn Error + Send + Sync>`, `std::io::Error`), or give a `fallback = path`"
)]
pub trait Guardable {
    fn refuse(error: ResilienceError) -> Self;
}

// Else the compiler would go on to what this needs, and leave our sentence out.
#[diagnostic::do_not_recommend]
impl<T, E: From<ResilienceError>> Guardable for Result<T, E> {
    fn refuse(error: ResilienceError) -> Self {
        Err(error.into())
    }
}

/// Turns a refusal into the function's own error.
#[inline]
pub fn refuse<R: Guardable>(error: ResilienceError) -> R {
    R::refuse(error)
}

/// For functions none of whose layers can refuse.
#[cold]
#[allow(clippy::needless_pass_by_value, reason = "takes the place of `refuse`")]
pub fn cannot_refuse<R>(error: ResilienceError) -> R {
    unreachable!("no layer of this function can refuse, yet one did: {error}")
}

/// Lets `retry_on`, `retry_if` and `ignore` judge a time limit as the function's own error.
#[inline]
pub fn timeout_as_error<R: Guardable>(out: Result<R, ResilienceError>) -> Result<R, ResilienceError> {
    match out {
        Err(error) if error.is_timeout() => Ok(R::refuse(error)),
        out => out,
    }
}

/// A return type that can carry `ResilienceError::RetriesExhausted`.
#[diagnostic::on_unimplemented(
    message = "`exhausted = \"wrap\"` cannot wrap the error of `{Self}`",
    label = "expected `Result<_, E>` where `E: From<resilient::ResilienceError>` and `E: Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait WrapExhausted {
    #[must_use]
    fn wrap(self, operation: &'static str, attempts: u32) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E> WrapExhausted for Result<T, E>
where
    E: From<ResilienceError> + Into<Box<dyn StdError + Send + Sync>>,
{
    fn wrap(self, operation: &'static str, attempts: u32) -> Self {
        let source = match self {
            Ok(_) => "the last answer is a failure by `failure_if`".into(),
            Err(error) => error.into(),
        };
        Err(ResilienceError::RetriesExhausted { operation, attempts, source }.into())
    }
}

/// `exhausted = "wrap"`.
pub fn wrap_exhausted<R: WrapExhausted>(call: &Execution, out: R) -> R {
    if call.exhausted() { out.wrap(call.operation(), call.attempts()) } else { out }
}

/// [`refuse`], with `exhausted = "wrap"`: a last attempt that was cut off is a last attempt that failed.
#[inline]
pub fn refuse_exhausted<R: Guardable>(call: &Execution, error: ResilienceError) -> R {
    if !(call.exhausted() && (error.is_timeout() || error.is_injected())) {
        return R::refuse(error);
    }
    let (operation, attempts) = (call.operation(), call.attempts());
    R::refuse(ResilienceError::RetriesExhausted { operation, attempts, source: error.into() })
}

/// A dead branch's value, to fix the type of a block.
pub fn typed<R>() -> R {
    unreachable!("the branch that calls this is never taken")
}

/// An argument that each attempt needs a copy of its own of.
#[diagnostic::on_unimplemented(
    message = "each attempt needs its own `{Self}`, and `{Self}` is not `Clone`",
    label = "cannot be copied for another attempt",
    note = "derive `Clone`, take it by reference, or write `enable_retry = false`"
)]
pub trait Fresh {
    #[must_use]
    fn fresh(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Fresh for T {
    #[inline]
    fn fresh(&self) -> Self {
        self.clone()
    }
}

/// A copy for one attempt.
#[inline]
pub fn fresh<T: Fresh>(value: &T) -> T {
    value.fresh()
}

/// Applies a rule to a value; the call tells a closure what its argument is.
#[inline]
pub fn judge<T: ?Sized>(value: &T, rule: impl FnOnce(&T) -> bool) -> bool {
    rule(value)
}

/// An answer, to be split where it is a `Result`. By method resolution: the inherent way for results is found before
/// the way for anything.
#[derive(Debug)]
pub struct Parts<'a, R>(pub &'a R);

pub trait PartsOfResult<'a> {
    type Value;
    type Error;
    fn parts(&self) -> Result<&'a Self::Value, &'a Self::Error>;
}

impl<'a, T, E> PartsOfResult<'a> for Parts<'a, Result<T, E>> {
    type Value = T;
    type Error = E;

    #[inline]
    fn parts(&self) -> Result<&'a T, &'a E> {
        self.0.as_ref()
    }
}

pub trait PartsOfAny<'a> {
    type Value;
    fn parts(&self) -> Result<&'a Self::Value, &'a std::convert::Infallible>;
}

impl<'a, R> PartsOfAny<'a> for &Parts<'a, R> {
    type Value = R;

    #[inline]
    fn parts(&self) -> Result<&'a R, &'a std::convert::Infallible> {
        Ok(self.0)
    }
}

/// An error, to be classified by its own `Classify` where it has one.
#[derive(Debug)]
pub struct Probe<'a, E: ?Sized>(pub &'a E);

pub trait VerdictOfClassify {
    fn verdict(&self) -> Verdict;
}

impl<E: Classify + ?Sized> VerdictOfClassify for Probe<'_, E> {
    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict::of(self.0)
    }
}

pub trait VerdictOfAny {
    fn verdict(&self) -> Verdict;
}

impl<E: ?Sized> VerdictOfAny for &Probe<'_, E> {
    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict::FAILURE
    }
}

/// An answer that nobody wrote a rule about: `(&&Answered(&answer)).verdict()`. By method resolution, in the order below.
#[derive(Debug)]
pub struct Answered<'a, R>(pub &'a R);

pub trait VerdictOfClassified {
    fn verdict(&self) -> Verdict;
}

impl<T, E: Classify> VerdictOfClassified for &Answered<'_, Result<T, E>> {
    #[inline]
    fn verdict(&self) -> Verdict {
        match self.0 {
            Ok(_) => Verdict::SUCCESS,
            Err(error) => Verdict::of(error),
        }
    }
}

pub trait VerdictOfResult {
    fn verdict(&self) -> Verdict;
}

impl<T, E> VerdictOfResult for &&Answered<'_, Result<T, E>> {
    #[inline]
    fn verdict(&self) -> Verdict {
        if self.0.is_ok() { Verdict::SUCCESS } else { Verdict::FAILURE }
    }
}

pub trait VerdictOfOther {
    fn verdict(&self) -> Verdict;
}

impl<R> VerdictOfOther for Answered<'_, R> {
    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict::SUCCESS
    }
}
