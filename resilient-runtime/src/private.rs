//! What the attributes expand to. No promise is made about any of it.
#![allow(missing_docs, reason = "not for people")]

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

pub use crate::__resilient_streams as streams;
pub use crate::breaker::Window;
pub use crate::error::ResilienceError;
#[cfg(feature = "stream")]
pub use crate::execution::stream::{Rules, begin, begun_once, guarded_stream, judge_of};
pub use crate::execution::{Attempt, Concluded, Execution};
pub use crate::health::HealthConfig;
pub use crate::outcome::Verdict;
pub use crate::profile::OFF;
pub use crate::profile::Settings;
pub use crate::retry::{Backoff, Budget, Jitter};
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

/// An argument, or an error, that several functions of a fallback chain take.
#[diagnostic::on_unimplemented(
    message = "each function of a fallback chain needs its own `{Self}`, and `{Self}` is not `Clone`",
    label = "cannot be copied for the next one",
    note = "derive `Clone`, take it by reference, or let only the last function take it"
)]
pub trait HandedOn {
    #[must_use]
    fn handed_on(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> HandedOn for T {
    fn handed_on(&self) -> Self {
        self.clone()
    }
}

/// A copy for one function of a chain.
pub fn handed_on<T: HandedOn>(value: &T) -> T {
    value.handed_on()
}

/// A function that answers in place of one with `N` arguments. By method resolution: that it takes the error too is
/// found before that it does not.
#[derive(Clone, Copy, Debug)]
pub struct StandIn<F, const N: usize>(pub F, pub [(); N]);

/// What a fallback that takes the error is called with.
#[derive(Clone, Copy, Debug)]
pub struct HandsError;

/// What any other fallback is called with in its place.
#[derive(Clone, Copy, Debug)]
pub struct HandsNothing;

/// An answer that can be an error.
#[diagnostic::on_unimplemented(
    message = "the fallback takes an error, and `{Self}` has none to give",
    label = "expected a fallback that takes the arguments alone",
    note = "leave the last argument of the fallback out, or return a `Result` from the function it stands in for"
)]
pub trait Failing: Sized {
    type Error;
    /// The error, where it is the function's own.
    fn own_error(self) -> Option<Self::Error>;
    fn of_error(error: Self::Error) -> Self;
}

impl<T, E> Failing for Result<T, E> {
    type Error = E;

    fn own_error(self) -> Option<E> {
        self.err()
    }

    fn of_error(error: E) -> Self {
        Err(error)
    }
}

/// An error that a refusal of the library's can be turned into.
#[diagnostic::on_unimplemented(
    message = "the fallback takes the error, and `{Self}` cannot say that a call was refused",
    label = "expected an error that is `From<resilient::ResilienceError>`",
    note = "write `impl From<resilient::ResilienceError>` for the error (thiserror: a variant with `#[from]`), or leave the last argument of the fallback out"
)]
pub trait Refusable {
    fn refusal(error: ResilienceError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<ResilienceError>> Refusable for E {
    fn refusal(error: ResilienceError) -> Self {
        error.into()
    }
}

impl HandsError {
    pub fn error<R: Failing>(self, call: &Execution, out: Result<R, ResilienceError>) -> R::Error
    where
        R::Error: Refusable,
    {
        let operation = call.operation();
        match out {
            Ok(answer) => answer
                .own_error()
                .unwrap_or_else(|| R::Error::refusal(ResilienceError::BadAnswer { operation })),
            Err(refused) => R::Error::refusal(refused),
        }
    }

    /// The error, of which another function gets its own.
    pub fn copy<R: Failing>(self, call: &Execution, out: &mut Result<R, ResilienceError>) -> R::Error
    where
        R::Error: Refusable + HandedOn,
    {
        let error = self.error(call, taken(call, out));
        *out = Ok(R::of_error(error.handed_on()));
        error
    }

    /// [`error`](Self::error) of a function that fails with errors of its own alone.
    pub fn own_error<R: Failing>(self, _: &Execution, out: Result<R, ResilienceError>) -> R::Error {
        match out.map(Failing::own_error) {
            Ok(Some(error)) => error,
            Ok(None) => unreachable!("no rule of this function calls an answer a failure, yet one did"),
            Err(refused) => cannot_refuse(refused),
        }
    }

    /// [`copy`](Self::copy) of such a function.
    pub fn own_copy<R: Failing>(self, call: &Execution, out: &mut Result<R, ResilienceError>) -> R::Error
    where
        R::Error: HandedOn,
    {
        let error = self.own_error(call, taken(call, out));
        *out = Ok(R::of_error(error.handed_on()));
        error
    }
}

fn taken<R>(call: &Execution, out: &mut Result<R, ResilienceError>) -> Result<R, ResilienceError> {
    std::mem::replace(out, Err(ResilienceError::BadAnswer { operation: call.operation() }))
}

impl HandsNothing {
    pub fn error<R>(self, _: &Execution, out: Result<R, ResilienceError>) -> Self {
        drop(out);
        self
    }

    pub fn copy<R>(self, _: &Execution, _: &mut Result<R, ResilienceError>) -> Self {
        self
    }

    pub fn own_error<R>(self, call: &Execution, out: Result<R, ResilienceError>) -> Self {
        self.error(call, out)
    }

    pub fn own_copy<R>(self, call: &Execution, out: &mut Result<R, ResilienceError>) -> Self {
        self.copy(call, out)
    }
}

/// The function takes the arguments and the error.
pub trait TakesError<Arguments, R> {
    type Function;
    fn adapt(&self) -> (Self::Function, HandsError);
}

/// What stands in takes neither the arguments nor the arguments and the error.
pub trait TakesNeither<const N: usize> {
    type Function;
    fn adapt(&self) -> (<Self::Function as Fallback<N>>::Adapted, HandsNothing)
    where
        Self::Function: Fallback<N>;
}

/// What can stand in for a function with `N` arguments.
#[diagnostic::on_unimplemented(
    message = "a fallback takes the arguments of the function it stands in for, and may take the error as one more",
    label = "takes other arguments than the function it stands in for"
)]
pub trait Fallback<const N: usize> {
    type Adapted;
}

impl<F, const N: usize> TakesNeither<N> for StandIn<F, N> {
    type Function = F;

    fn adapt(&self) -> (F::Adapted, HandsNothing)
    where
        F: Fallback<N>,
    {
        unreachable!("nothing implements what this call needs")
    }
}

macro_rules! stands_in {
    ($($count:literal $leaves:ident: $($argument:ident)*;)+) => {$(
        impl<F, $($argument,)* E, R> TakesError<($($argument,)* E,), R> for &&StandIn<F, $count>
        where
            F: FnOnce($($argument,)* E) -> R + Copy,
        {
            type Function = F;

            fn adapt(&self) -> (F, HandsError) {
                (self.0, HandsError)
            }
        }

        /// The function takes the arguments alone.
        pub trait $leaves<$($argument,)* R> {
            fn adapt(&self) -> (impl FnOnce($($argument,)* HandsNothing) -> R, HandsNothing);
        }

        impl<F, $($argument,)* R> $leaves<$($argument,)* R> for &StandIn<F, $count>
        where
            F: FnOnce($($argument),*) -> R + Copy,
        {
            #[allow(non_snake_case, reason = "an argument is named after its type")]
            fn adapt(&self) -> (impl FnOnce($($argument,)* HandsNothing) -> R, HandsNothing) {
                let function = self.0;
                (move |$($argument,)* _| function($($argument),*), HandsNothing)
            }
        }
    )+};
}

stands_in! {
    0 LeavesErrorOf0: ;
    1 LeavesErrorOf1: A;
    2 LeavesErrorOf2: A B;
    3 LeavesErrorOf3: A B C;
    4 LeavesErrorOf4: A B C D;
    5 LeavesErrorOf5: A B C D G;
    6 LeavesErrorOf6: A B C D G H;
    7 LeavesErrorOf7: A B C D G H I;
    8 LeavesErrorOf8: A B C D G H I J;
    9 LeavesErrorOf9: A B C D G H I J K;
    10 LeavesErrorOf10: A B C D G H I J K L;
    11 LeavesErrorOf11: A B C D G H I J K L M;
    12 LeavesErrorOf12: A B C D G H I J K L M N;
}

/// What a function of a chain says, unless it panics: then the next one is asked.
pub fn stood_in<R>(call: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// [`stood_in`], where the function is async.
pub async fn stood_in_later<F: Future>(call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// The answer that `fallback_value` makes: the success of a `Result`, else the value itself.
#[derive(Debug)]
pub struct Answer<R>(PhantomData<fn() -> R>);

impl<R> Answer<R> {
    #[allow(clippy::new_without_default, reason = "made by expansions alone")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

pub trait AnswerOfResult {
    type Value;
    type Answer;
    fn answer(&self, value: Self::Value) -> Self::Answer;
}

impl<T, E> AnswerOfResult for Answer<Result<T, E>> {
    type Value = T;
    type Answer = Result<T, E>;

    fn answer(&self, value: T) -> Result<T, E> {
        Ok(value)
    }
}

pub trait AnswerOfAny {
    type Answer;
    fn answer(&self, value: Self::Answer) -> Self::Answer;
}

impl<R> AnswerOfAny for &Answer<R> {
    type Answer = R;

    fn answer(&self, value: R) -> R {
        value
    }
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
