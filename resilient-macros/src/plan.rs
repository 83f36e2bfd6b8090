//! What is legal: a function's layers, outermost first, and everything the expansion needs to print them.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Expr, ExprPath, LitStr};

use crate::args::Pattern;
use crate::item::{Binding, Shape};
use crate::paths::Paths;

/// Everything that was decided about one function. The order of the layers is the order of their fields.
pub(crate) struct Plan {
    pub(crate) paths: Paths,
    pub(crate) shape: Shape,
    /// The attributes written, outermost first.
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) operation_type: Option<LitStr>,
    pub(crate) operation_name: Option<LitStr>,

    pub(crate) fallback: Option<Fallback>,
    pub(crate) deadline: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) hedge: bool,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) rate_limit: Option<Named>,
    pub(crate) timeout: Option<TimeLimit>,
    pub(crate) bulkhead: Option<Named>,
    pub(crate) health: Option<Health>,

    /// Keeps one breaker, bulkhead and rate limit for each of its values.
    pub(crate) per_key: Option<Expr>,
    pub(crate) judgement: Judgement,
    pub(crate) settings: Vec<Setting>,
    pub(crate) bindings: Vec<(Binding, Capture)>,
}

/// What answers when everything else has failed; at least one of the first two is there.
pub(crate) struct Fallback {
    /// Asked in turn, the last but for the value.
    pub(crate) paths: Vec<ExprPath>,
    pub(crate) value: Option<Expr>,
    /// The errors it answers for.
    pub(crate) on: Option<Pattern>,
}

/// A layer that functions may share by its name.
pub(crate) struct Named {
    pub(crate) name: Option<LitStr>,
}

pub(crate) struct Retry {
    pub(crate) on_open: bool,
    /// `exhausted = "wrap"`, at its key.
    pub(crate) wrap: Option<Span>,
}

pub(crate) struct Breaker {
    pub(crate) name: Option<LitStr>,
    pub(crate) per_call: bool,
    pub(crate) critical: bool,
}

/// How an attempt is kept to its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// Async: the body is dropped.
    Poll,
    /// Sync: the body runs on a worker thread.
    Thread,
    /// Sync: the body runs in place and a late result is an error.
    Deadline,
}

pub(crate) struct Health {
    pub(crate) service: LitStr,
    pub(crate) settings: Vec<Setting>,
}

/// How a result is read: success, failure or ignored, and whether another attempt may help.
pub(crate) struct Judgement {
    pub(crate) ignore: Option<Pattern>,
    pub(crate) failure_if: Option<Expr>,
    pub(crate) retry: RetryOnly,
}

/// Which errors may be retried.
pub(crate) enum RetryOnly {
    Any,
    Matching(Pattern),
    Passing(Expr),
}

/// One `.method(value)` of a builder.
pub(crate) struct Setting {
    pub(crate) method: Ident,
    /// The word it was written under.
    pub(crate) key: Ident,
    pub(crate) value: TokenStream,
}

/// How an attempt gets at something that came in with the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// As the body uses it.
    AsUsed,
    /// By unique borrow, so that a later attempt can have it again and `Send` does not also ask for `Sync`.
    Unique,
    /// As a copy of its own.
    Copied,
}

impl Plan {
    /// The body may run twice, or something else needs the arguments after it.
    pub(crate) fn runs_again(&self) -> bool {
        self.retry.is_some() || self.hedge || self.fallback.is_some()
    }

    /// A function of the user's is called with the arguments once the attempts are over.
    pub(crate) fn hands_on(&self) -> bool {
        self.fallback.as_ref().is_some_and(|fallback| !fallback.paths.is_empty())
    }

    /// Whether some layer may answer without the body's own result.
    pub(crate) fn can_refuse(&self) -> bool {
        self.deadline
            || self.breaker.is_some()
            || self.rate_limit.is_some()
            || self.timeout.is_some()
            || self.bulkhead.is_some()
    }

    /// Whether a pattern or rule of the user's looks at errors.
    pub(crate) fn judges_errors(&self) -> bool {
        self.judgement.ignore.is_some() || !matches!(self.judgement.retry, RetryOnly::Any)
    }

    pub(crate) fn is_async(&self) -> bool {
        !matches!(self.shape, Shape::Sync)
    }
}
