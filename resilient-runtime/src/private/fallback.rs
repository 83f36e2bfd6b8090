//! What a fallback is called with, and what its answer is.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cannot_refuse;
use crate::caught::Caught;
use crate::error::ResilienceError;
use crate::execution::Execution;

/// An argument, or an error, that several functions of a fallback chain take.
#[diagnostic::on_unimplemented(
    message = "each function of a fallback chain needs its own `{Self}`, and `{Self}` is not `Clone`",
    label = "cannot be copied for the next one",
    note = "derive `Clone`, take an argument by reference, or let only the last function take the error"
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
    Caught::new(call).await.ok()
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
