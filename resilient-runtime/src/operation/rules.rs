//! What an operation makes of an answer, where no attribute can look at its type.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::__private as private;
use crate::error::{self, ResilienceError};
use crate::execution::Execution;
use crate::outcome::{Classify, Verdict};

/// A rule about errors of one type, which says nothing about errors of another.
pub(super) struct Rule<A>(Arc<Asked<A>>);

type Asked<A> = dyn Fn(&dyn Any) -> Option<A> + Send + Sync;

impl<A> Rule<A> {
    pub(super) fn about<E: 'static>(rule: impl Fn(&E) -> A + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |error| error.downcast_ref::<E>().map(&rule)))
    }

    fn of(&self, error: &dyn Any) -> Option<A> {
        (self.0)(error)
    }
}

impl<A> Clone for Rule<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> fmt::Debug for Rule<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

/// Which failures another attempt may follow.
#[derive(Clone, Debug, Default)]
pub(super) struct RetryRules {
    types: Vec<fn(&dyn Any) -> bool>,
    tests: Vec<Rule<bool>>,
}

impl RetryRules {
    pub(super) fn add_type<X: StdError + 'static>(&mut self) {
        self.types.push(is_a::<X>);
    }

    pub(super) fn add_test(&mut self, test: Rule<bool>) {
        self.tests.push(test);
    }

    pub(super) fn any(&self) -> bool {
        !(self.types.is_empty() && self.tests.is_empty())
    }

    /// A type must be listed where any is, and what is asked about it must be answered with yes, at least once.
    pub(super) fn list(&self, error: &dyn Any) -> bool {
        let is_listed = self.types.is_empty() || self.types.iter().any(|is_a| is_a(error));
        let mut answers = self.tests.iter().filter_map(|test| test.of(error)).peekable();
        let passes = self.tests.is_empty() || (answers.peek().is_some() && answers.all(|yes| yes));
        is_listed && passes
    }
}

/// Whether the error is an `X`, or a boxed error that is one or has one among its sources.
fn is_a<X: StdError + 'static>(error: &dyn Any) -> bool {
    let boxed: Option<&(dyn StdError + 'static)> = error
        .downcast_ref::<Box<dyn StdError + Send + Sync>>()
        .map(|it| &**it as _)
        .or_else(|| error.downcast_ref::<Box<dyn StdError + Send>>().map(|it| &**it as _))
        .or_else(|| error.downcast_ref::<Box<dyn StdError>>().map(|it| &**it as _))
        .or_else(|| error.downcast_ref::<io::Error>().map(|it| it as _));
    error.is::<X>() || boxed.is_some_and(|error| error::find::<X>(error).is_some())
}

/// The rules about errors, of whichever types.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) retry: RetryRules,
    pub(super) ignore: Vec<Rule<bool>>,
    pub(super) classify: Vec<Rule<Verdict>>,
    /// What a time limit is told with: a [`MakeError`] for each type of error.
    pub(super) on_timeout: Vec<Arc<dyn Any + Send + Sync>>,
}

/// An error, made anew each time.
pub(super) type MakeError<E> = Box<dyn Fn() -> E + Send + Sync>;

impl Rules {
    pub(super) fn classify<E: Classify + 'static>(&mut self) {
        self.classify.push(Rule::about(|error: &E| Verdict::of(error)));
    }

    fn judge_errors(&self) -> bool {
        self.retry.any() || !self.ignore.is_empty()
    }

    fn verdict(&self, error: &dyn Any) -> Verdict {
        let own = self.classify.iter().find_map(|rule| rule.of(error));
        let own = own.or_else(|| error.downcast_ref::<ResilienceError>().map(Verdict::of));
        let ignored = self.ignore.iter().any(|rule| rule.of(error) == Some(true));
        let verdict = own.unwrap_or(Verdict::FAILURE).ignore_if(ignored);
        if self.retry.any() { verdict.retry_only_if(self.retry.list(error)) } else { verdict }
    }

    fn refuse<E: From<ResilienceError> + 'static>(&self, refused: ResilienceError) -> E {
        let own = || self.on_timeout.iter().find_map(|make| make.downcast_ref::<MakeError<E>>());
        match refused.is_timeout().then(own).flatten() {
            Some(make) => make(),
            None => refused.into(),
        }
    }
}

/// What is known of an operation's answers: nothing, so that it takes calls that give any `Result`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyResult;

/// What is known of an operation's answers: they are `Result<T, E>`, so that it can be told how to make one.
pub struct Returning<T, E> {
    pub(super) fallback: Option<Arc<Fallback<T, E>>>,
    pub(super) failure_if: Option<Arc<FailureIf<T>>>,
    /// `exhausted = "wrap"`.
    wrap: Option<Wrap<T, E>>,
}

pub(super) type Fallback<T, E> = dyn Fn(E) -> Result<T, E> + Send + Sync;
pub(super) type FailureIf<T> = dyn Fn(&T) -> bool + Send + Sync;
type Wrap<T, E> = fn(&Execution, Attempted<T, E>) -> Result<T, E>;

impl<T, E> Returning<T, E> {
    pub(super) fn wrap_exhausted(&mut self)
    where
        E: From<ResilienceError> + Into<Box<dyn StdError + Send + Sync>>,
    {
        self.wrap = Some(|call, out| match out {
            Ok(answer) => private::wrap_exhausted(call, answer),
            Err(refused) => private::refuse_exhausted(call, refused),
        });
    }
}

impl<T, E> Default for Returning<T, E> {
    fn default() -> Self {
        Self { fallback: None, failure_if: None, wrap: None }
    }
}

impl<T, E> Clone for Returning<T, E> {
    fn clone(&self) -> Self {
        Self { fallback: self.fallback.clone(), failure_if: self.failure_if.clone(), wrap: self.wrap }
    }
}

impl<T, E> fmt::Debug for Returning<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fallback, failure_if, wrap } = self;
        f.debug_struct("Returning")
            .field("fallback", &fallback.is_some())
            .field("failure_if", &failure_if.is_some())
            .field("wrap", &wrap.is_some())
            .finish()
    }
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for AnyResult {}
impl<T, E> sealed::Sealed for Returning<T, E> {}

/// Whether an operation takes calls that give a `Result<T, E>`. Implemented here only.
///
/// One whose fallback makes texts takes no call that gives a number:
///
/// ```compile_fail,E0277
/// # use resilient_runtime as resilient;
/// use resilient::ResilientOperation;
/// use std::io;
///
/// let operation = ResilientOperation::builder("read").with_fallback(|_: io::Error| Ok("cached")).build()?;
/// let number = operation.call(|| Ok::<u32, io::Error>(1))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "this operation gives another type than `Result<{T}, {E}>`",
    note = "its fallback or `failure_if` says which; build one operation for each type of answer"
)]
pub trait Takes<T, E>: sealed::Sealed {
    #[doc(hidden)]
    fn returning(&self) -> Option<&Returning<T, E>>;
    #[doc(hidden)]
    fn become_returning(&self) -> Returning<T, E>;
}

impl<T, E> Takes<T, E> for AnyResult {
    fn returning(&self) -> Option<&Returning<T, E>> {
        None
    }

    fn become_returning(&self) -> Returning<T, E> {
        Returning::default()
    }
}

impl<T, E> Takes<T, E> for Returning<T, E> {
    fn returning(&self) -> Option<&Self> {
        Some(self)
    }

    fn become_returning(&self) -> Self {
        self.clone()
    }
}

/// All of one operation's rules, for one call.
#[derive(Debug)]
pub(super) struct Judge<'a, T, E> {
    pub(super) rules: &'a Rules,
    pub(super) returning: Option<&'a Returning<T, E>>,
}

impl<T, E> Clone for Judge<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Judge<'_, T, E> {}

/// What an attempt gave: the function's answer, or a refusal.
pub(super) type Attempted<T, E> = Result<Result<T, E>, ResilienceError>;

impl<T, E: From<ResilienceError> + 'static> Judge<'_, T, E> {
    /// Shows a time limit as an error of the operation's own, where a rule may judge it.
    pub(super) fn shown(&self, out: Attempted<T, E>) -> Attempted<T, E> {
        match out {
            Err(error) if error.is_timeout() && self.rules.judge_errors() => {
                Ok(Err(self.rules.refuse(error)))
            }
            out => out,
        }
    }

    pub(super) fn verdict(&self, answer: &Result<T, E>) -> Verdict {
        match answer {
            Ok(value) => {
                let failure_if = self.returning.and_then(|returning| returning.failure_if.as_ref());
                if failure_if.is_some_and(|fails| fails(value)) { Verdict::FAILURE } else { Verdict::SUCCESS }
            }
            Err(error) => self.rules.verdict(error),
        }
    }

    pub(super) fn has_fallback(&self) -> bool {
        self.returning.is_some_and(|returning| returning.fallback.is_some())
    }

    /// Hands out the answer, or the refusal, or what stands in for it.
    pub(super) fn end(&self, mut call: Execution, out: Attempted<T, E>) -> Result<T, E> {
        let fallback = self.returning.and_then(|returning| returning.fallback.as_deref());
        if let Some(fallback) = fallback.filter(|_| call.wants_fallback()) {
            return fallback(match out {
                Ok(Err(error)) => error,
                Ok(Ok(_)) => ResilienceError::BadAnswer { operation: call.operation() }.into(),
                Err(refused) => self.rules.refuse(refused),
            });
        }
        let wrap = self.returning.and_then(|returning| returning.wrap).filter(|_| call.exhausted());
        match (out, wrap) {
            (out, Some(wrap)) => wrap(&call, out),
            (Ok(answer), None) => answer,
            (Err(refused), None) => Err(self.rules.refuse(refused)),
        }
    }
}
