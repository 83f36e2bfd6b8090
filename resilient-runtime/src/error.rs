//! The one error of the library's own: what was refused, why, and when to come back.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::reason::TripReason;

/// Why a guarded call did not give its function's own answer.
///
/// A guarded function returns `Result<T, E>` with `E: From<ResilienceError>`; this is what `E` is made from. The
/// function's own errors are never wrapped in it, except where `exhausted = "wrap"` asks for it.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::{ErrorKind, ResilienceError};
/// # use std::time::Duration;
/// let error = ResilienceError::Timeout {
///     operation: "get_user",
///     limit: Duration::from_secs(5),
///     elapsed: Duration::from_secs(5),
/// };
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert!(error.is_timeout());
/// assert_eq!(error.to_string(), "'get_user' timed out after 5 s");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResilienceError {
    /// The breaker is open (or half-open with every probe slot taken); the function was not called.
    #[error("circuit breaker '{name}' is open: {reason}; next attempt in {}", Span(*.retry_after))]
    CircuitOpen {
        /// The breaker.
        name: &'static str,
        /// How long until a call may be admitted again. Up to one tick of the kernel (10 ms) too long.
        retry_after: Duration,
        /// What opened it.
        reason: TripReason,
    },
    /// The breaker was forced open by hand; it stays so until somebody closes it.
    #[error(
        "circuit breaker '{name}' is isolated: it was forced open by hand and stays so until it is closed by hand"
    )]
    Isolated {
        /// The breaker.
        name: &'static str,
    },
    /// One attempt took longer than `timeout`.
    #[error("'{operation}' timed out after {}", Span(*.limit))]
    Timeout {
        /// The guarded function.
        operation: &'static str,
        /// The limit of one attempt.
        limit: Duration,
        /// How long the attempt had taken when it was given up.
        elapsed: Duration,
    },
    /// The whole call, waits included, took longer than `deadline`, its own or its caller's.
    #[error("'{operation}' passed its deadline{}", Within(*.limit))]
    DeadlineExceeded {
        /// The guarded function.
        operation: &'static str,
        /// The function's own `deadline`; `None` where the caller's was nearer.
        limit: Option<Duration>,
    },
    /// A sync attempt found no worker thread free to run on: too many earlier ones are still stuck.
    #[error(
        "'{operation}' found no free worker thread: {workers} are busy with attempts that have not ended"
    )]
    QueueTimeout {
        /// The guarded function.
        operation: &'static str,
        /// How many worker threads there are.
        workers: usize,
    },
    /// The bulkhead had no room: as many calls ran as may, and no more could wait, or the wait was over.
    #[error("bulkhead '{name}' is full: {}", Crowd { runs: *.max_concurrent, wait: *.waiting, waited: *.waited })]
    BulkheadFull {
        /// The bulkhead.
        name: &'static str,
        /// How many calls may run at once; with 0 it is closed to all.
        max_concurrent: u32,
        /// How many other calls waited for room when this one was refused.
        waiting: u32,
        /// How long this one had waited; zero when it was refused at once.
        waited: Duration,
    },
    /// The rate limiter has no permit left, and the next one is further away than the call may wait.
    #[error("rate limiter '{name}' has no permit left; next one in {}", Span(*.retry_after))]
    RateLimited {
        /// The rate limiter.
        name: &'static str,
        /// How long until a permit is free.
        retry_after: Duration,
    },
    /// A race or a chain of operations was given none.
    #[error("'{name}' was given no operations: give it at least one")]
    NoOperations {
        /// The policy object.
        name: &'static str,
    },
    /// An error that `chaos` put in the function's place, on purpose; it counts as a failure of the attempt.
    #[error("'{operation}' failed on purpose: chaos injected an error")]
    Injected {
        /// The guarded function.
        operation: &'static str,
    },
    /// Every attempt failed; only with `exhausted = "wrap"`, else the last real error is returned as it is.
    #[error("'{operation}' failed {attempts} times; last error: {}", Harmless(source))]
    RetriesExhausted {
        /// The guarded function.
        operation: &'static str,
        /// How many attempts were made.
        attempts: u32,
        /// The last attempt's own error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An answer that `failure_if` calls a failure: the error of a call that ended without one. Only a fallback that
    /// takes the error sees it; the caller of a function without a fallback gets the answer.
    #[error("'{operation}' answered, and `failure_if` calls the answer a failure")]
    BadAnswer {
        /// The guarded function.
        operation: &'static str,
    },
}

/// What a [`ResilienceError`] is, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// See [`ResilienceError::CircuitOpen`].
    CircuitOpen,
    /// See [`ResilienceError::Isolated`].
    Isolated,
    /// See [`ResilienceError::Timeout`].
    Timeout,
    /// See [`ResilienceError::DeadlineExceeded`].
    DeadlineExceeded,
    /// See [`ResilienceError::QueueTimeout`].
    QueueTimeout,
    /// See [`ResilienceError::BulkheadFull`].
    BulkheadFull,
    /// See [`ResilienceError::RateLimited`].
    RateLimited,
    /// See [`ResilienceError::NoOperations`].
    NoOperations,
    /// See [`ResilienceError::Injected`].
    Injected,
    /// See [`ResilienceError::RetriesExhausted`].
    RetriesExhausted,
    /// See [`ResilienceError::BadAnswer`].
    BadAnswer,
}

impl ErrorKind {
    /// The kind as logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::Isolated => "isolated",
            Self::Timeout => "timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::QueueTimeout => "queue_timeout",
            Self::BulkheadFull => "bulkhead_full",
            Self::RateLimited => "rate_limited",
            Self::NoOperations => "no_operations",
            Self::Injected => "injected",
            Self::RetriesExhausted => "retries_exhausted",
            Self::BadAnswer => "bad_answer",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ResilienceError {
    /// What it is, without the details.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::CircuitOpen { .. } => ErrorKind::CircuitOpen,
            Self::Isolated { .. } => ErrorKind::Isolated,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::DeadlineExceeded { .. } => ErrorKind::DeadlineExceeded,
            Self::QueueTimeout { .. } => ErrorKind::QueueTimeout,
            Self::BulkheadFull { .. } => ErrorKind::BulkheadFull,
            Self::RateLimited { .. } => ErrorKind::RateLimited,
            Self::NoOperations { .. } => ErrorKind::NoOperations,
            Self::Injected { .. } => ErrorKind::Injected,
            Self::RetriesExhausted { .. } => ErrorKind::RetriesExhausted,
            Self::BadAnswer { .. } => ErrorKind::BadAnswer,
        }
    }

    /// When to come back, where that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. } | Self::RateLimited { retry_after, .. } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// Whether the function was never called: refused by the library itself.
    pub const fn is_rejection(&self) -> bool {
        !matches!(
            self,
            Self::Timeout { .. }
                | Self::DeadlineExceeded { .. }
                | Self::Injected { .. }
                | Self::RetriesExhausted { .. }
                | Self::BadAnswer { .. }
        )
    }

    /// Whether an open breaker refused the call.
    pub const fn is_circuit_open(&self) -> bool {
        matches!(self, Self::CircuitOpen { .. })
    }

    /// Whether a breaker that was forced open by hand refused the call.
    pub const fn is_isolated(&self) -> bool {
        matches!(self, Self::Isolated { .. })
    }

    /// Whether one attempt took too long.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether the whole call took too long.
    pub const fn is_deadline_exceeded(&self) -> bool {
        matches!(self, Self::DeadlineExceeded { .. })
    }

    /// Whether a full bulkhead refused the call.
    pub const fn is_bulkhead_full(&self) -> bool {
        matches!(self, Self::BulkheadFull { .. })
    }

    /// Whether a rate limiter refused the call.
    pub const fn is_rate_limited(&self) -> bool {
        matches!(self, Self::RateLimited { .. })
    }

    /// Whether `chaos` put it in the function's place, on purpose.
    pub const fn is_injected(&self) -> bool {
        matches!(self, Self::Injected { .. })
    }

    /// Whether every attempt failed and `exhausted = "wrap"` asked to say so.
    pub const fn is_retries_exhausted(&self) -> bool {
        matches!(self, Self::RetriesExhausted { .. })
    }

    /// The `ResilienceError` inside `error` or its sources, however it was wrapped.
    ///
    /// The trap: an error that passes its source's source off as its own, as thiserror's `#[error(transparent)]` does,
    /// hides what it holds. `#[error("{0}")]` shows it.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::ResilienceError;
    /// # let refused = ResilienceError::Isolated { name: "db" };
    /// let error = std::io::Error::from(refused);
    /// assert!(ResilienceError::find(&error).is_some());
    /// ```
    pub fn find<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        find(error)
    }
}

/// The `X` that `error` is, or has among its sources.
pub(crate) fn find<'e, X: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e X> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `io::Error::source` skips the error it wraps and goes on with that one's source.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

impl From<ResilienceError> for io::Error {
    fn from(error: ResilienceError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Timeout | ErrorKind::DeadlineExceeded | ErrorKind::QueueTimeout => {
                io::ErrorKind::TimedOut
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<ResilienceError> for String {
    fn from(error: ResilienceError) -> Self {
        error.to_string()
    }
}

/// A duration as people write it: `12.4 s`, `250 ms`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if self.0.is_zero() {
            f.write_str("0 s")
        } else if seconds < 0.001 {
            write!(f, "{} µs", self.0.as_micros())
        } else if seconds < 1.0 {
            write!(f, "{} ms", self.0.as_millis())
        } else if (seconds * 10.0).round() % 10.0 == 0.0 {
            write!(f, "{seconds:.0} s")
        } else {
            write!(f, "{seconds:.1} s")
        }
    }
}

/// The beginning of `text`, harmless.
#[inline]
pub(crate) fn printable(text: &str) -> String {
    const LONGEST: usize = 128;
    text.chars().flat_map(harmless).take(LONGEST).collect()
}

/// `c`, or as Rust escapes it where it could forge a line of a log, command a terminal or turn a text around.
pub(crate) fn harmless(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '"' | '\'' | '\\').then_some(c);
    let escaped = plain.is_none().then(|| c.escape_debug());
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// What another's error says, which may be what yet another system sent it.
#[derive(Debug)]
pub struct Harmless<E>(pub E);

impl<E: fmt::Display> fmt::Display for Harmless<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Filter<'f, 'b>(&'f mut fmt::Formatter<'b>);

        impl fmt::Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().flat_map(harmless).try_for_each(|c| self.0.write_char(c))
            }
        }

        write!(Filter(f), "{}", self.0)
    }
}

struct Within(Option<Duration>);

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, " of {}", Span(limit)),
            None => f.write_str(", set by its caller"),
        }
    }
}

/// Who fills a bulkhead: `10 calls run, 5 wait; waited 1 s`.
struct Crowd {
    runs: u32,
    wait: u32,
    waited: Duration,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.runs {
            0 => f.write_str("max_concurrent is 0, which lets no call run")?,
            1 => f.write_str("1 call runs")?,
            calls => write!(f, "{calls} calls run")?,
        }
        match self.wait {
            0 => {}
            1 => f.write_str(", 1 waits")?,
            calls => write!(f, ", {calls} wait")?,
        }
        if self.waited.is_zero() { Ok(()) } else { write!(f, "; waited {}", Span(self.waited)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_text_of_others_is_short_however_it_is_escaped() {
        for text in ["\u{1d}".repeat(128), "x".repeat(1_000_000)] {
            assert_eq!(printable(&text).len(), 128);
        }
        assert_eq!(printable("a\u{1b}[31m'b'"), "a\\u{1b}[31m'b'");
    }

    #[test]
    fn a_span_reads_as_people_write_it() {
        for (span, text) in [
            (Duration::ZERO, "0 s"),
            (Duration::from_micros(12), "12 µs"),
            (Duration::from_millis(250), "250 ms"),
            (Duration::from_secs(5), "5 s"),
            (Duration::from_millis(12_400), "12.4 s"),
            (Duration::from_millis(4_999), "5 s"),
        ] {
            assert_eq!(Span(span).to_string(), text);
        }
    }

    #[test]
    fn an_open_breaker_says_who_why_and_when() {
        let error = ResilienceError::CircuitOpen {
            name: "db",
            retry_after: Duration::from_millis(12_400),
            reason: TripReason::ConsecutiveFailures(3),
        };
        assert_eq!(
            error.to_string(),
            "circuit breaker 'db' is open: 3 consecutive failures; next attempt in 12.4 s"
        );
        assert!(error.is_rejection());
    }

    #[test]
    fn a_full_bulkhead_says_who_fills_it_and_how_long_the_call_waited() {
        let full = |max_concurrent, waiting, waited| ResilienceError::BulkheadFull {
            name: "db",
            max_concurrent,
            waiting,
            waited: Duration::from_secs(waited),
        };
        for (error, text) in [
            (full(10, 5, 1), "10 calls run, 5 wait; waited 1 s"),
            (full(10, 0, 0), "10 calls run"),
            (full(1, 1, 0), "1 call runs, 1 waits"),
            (full(0, 0, 0), "max_concurrent is 0, which lets no call run"),
        ] {
            assert_eq!(error.to_string(), format!("bulkhead 'db' is full: {text}"));
            assert!(error.is_rejection() && error.is_bulkhead_full());
        }
    }

    #[test]
    fn a_rate_limiter_says_when_the_next_permit_is_free() {
        let error = ResilienceError::RateLimited { name: "api", retry_after: Duration::from_millis(250) };
        assert_eq!(error.to_string(), "rate limiter 'api' has no permit left; next one in 250 ms");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
        assert!(error.is_rejection() && error.is_rate_limited());
    }

    #[test]
    fn each_question_is_answered_by_one_kind_of_error() {
        let (name, operation) = ("db", "f");
        let second = Duration::from_secs(1);
        let reason = TripReason::ConsecutiveFailures(3);
        let source = || fmt::Error.into();
        let all = [
            ResilienceError::CircuitOpen { name, retry_after: second, reason },
            ResilienceError::Isolated { name },
            ResilienceError::Timeout { operation, limit: second, elapsed: second },
            ResilienceError::DeadlineExceeded { operation, limit: None },
            ResilienceError::QueueTimeout { operation, workers: 1 },
            ResilienceError::BulkheadFull { name, max_concurrent: 1, waiting: 0, waited: second },
            ResilienceError::RateLimited { name, retry_after: second },
            ResilienceError::NoOperations { name },
            ResilienceError::Injected { operation },
            ResilienceError::RetriesExhausted { operation, attempts: 3, source: source() },
        ];
        for (question, kind) in [
            (ResilienceError::is_circuit_open as fn(&ResilienceError) -> bool, ErrorKind::CircuitOpen),
            (ResilienceError::is_isolated, ErrorKind::Isolated),
            (ResilienceError::is_timeout, ErrorKind::Timeout),
            (ResilienceError::is_deadline_exceeded, ErrorKind::DeadlineExceeded),
            (ResilienceError::is_bulkhead_full, ErrorKind::BulkheadFull),
            (ResilienceError::is_rate_limited, ErrorKind::RateLimited),
            (ResilienceError::is_injected, ErrorKind::Injected),
            (ResilienceError::is_retries_exhausted, ErrorKind::RetriesExhausted),
        ] {
            let answering: Vec<_> =
                all.iter().filter(|error| question(error)).map(ResilienceError::kind).collect();
            assert_eq!(answering, [kind]);
        }
        let [open, ..] = all;
        let shown = open.to_string();
        assert_eq!(String::from(open), shown);
    }

    #[test]
    fn a_wrapped_error_is_found() {
        let timeout = || ResilienceError::Timeout {
            operation: "f",
            limit: Duration::from_secs(1),
            elapsed: Duration::from_secs(1),
        };
        let io = io::Error::from(timeout());
        assert_eq!(io.kind(), io::ErrorKind::TimedOut);
        assert!(ResilienceError::find(&io).is_some_and(ResilienceError::is_timeout));
        let boxed: Box<dyn StdError + Send + Sync> = timeout().into();
        assert!(ResilienceError::find(&*boxed).is_some());
        assert!(ResilienceError::find(&fmt::Error).is_none());
    }
}
