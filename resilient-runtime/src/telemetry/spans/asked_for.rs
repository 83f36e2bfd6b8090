//! Spans of target `resilient::spans`, level INFO.

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::span::Entered;
use tracing::{Level, Span, span, span_enabled};

use crate::error::ErrorKind;
use crate::reason::StopReason;
use crate::telemetry::outcome::Outcome;

const TARGET: &str = "resilient::spans";

/// Whether anyone wants spans.
#[inline]
pub(crate) fn are_wanted() -> bool {
    LevelFilter::current() >= LevelFilter::INFO && a_subscriber_wants_them()
}

fn a_subscriber_wants_them() -> bool {
    span_enabled!(target: TARGET, Level::INFO)
}

/// The spans of one call: a word, and nothing behind it while nobody wants any.
#[derive(Debug)]
pub(crate) struct Spans(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    call: Span,
    /// Of the attempt under way.
    attempt: Option<Span>,
    /// By what the last attempt was refused.
    refused: Option<ErrorKind>,
}

impl Spans {
    pub(crate) const NONE: Self = Self(None);

    /// A call begins.
    pub(crate) fn begin(operation: &'static str) -> Self {
        let call = span!(
            target: TARGET, Level::INFO, "resilient.call", operation, outcome = Empty, attempts = Empty, reason = Empty,
            fallback = Empty, error.type = Empty, otel.kind = "internal", otel.status_code = Empty
        );
        Self::of(call)
    }

    fn of(call: Span) -> Self {
        Self((!call.is_disabled()).then(|| Box::new(Begun { call, attempt: None, refused: None })))
    }

    /// For an attempt that runs beside others of the call.
    pub(crate) fn beside(&self) -> Self {
        self.0.as_ref().map_or(Self::NONE, |begun| Self::of(begun.call.clone()))
    }

    /// There are none.
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// An attempt begins.
    #[inline]
    pub(crate) fn begin_attempt(&mut self, attempt: u32) {
        if let Some(begun) = &mut self.0 {
            begun.attempt = Some(span!(
                target: TARGET, parent: &begun.call, Level::INFO, "resilient.attempt", attempt, outcome = Empty,
                error.type = Empty, otel.kind = "internal", otel.status_code = Empty
            ));
        }
    }

    /// What happens now happens in the attempt under way, or else in the call.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|begun| begun.attempt.as_ref().unwrap_or(&begun.call).enter())
    }

    /// The attempt under way has ended, if there is one.
    pub(crate) fn end_attempt(&mut self, outcome: Outcome, error: Option<&'static str>) {
        if let Some(attempt) = self.0.as_mut().and_then(|begun| begun.attempt.take()) {
            say(&attempt, outcome, error);
        }
    }

    /// The attempt was refused.
    pub(crate) fn refuse(&mut self, kind: ErrorKind) {
        self.end_attempt(Outcome::Refused, Some(kind.as_str()));
        if let Some(begun) = &mut self.0 {
            begun.refused = Some(kind);
        }
    }

    /// The call has ended. Its span closes when it is forgotten: the fallback belongs to it.
    pub(crate) fn end_call(&mut self, reason: StopReason, attempts: u32, ignored: bool) {
        let Some(begun) = &mut self.0 else { return };
        let outcome = Outcome::of_call(reason, ignored);
        let error = match begun.refused {
            Some(kind) if outcome == Outcome::Refused => kind.as_str(),
            _ => reason.as_str(),
        };
        begun.call.record("attempts", attempts).record("reason", reason.as_str());
        say(&begun.call, outcome, Some(error));
    }

    /// The fallback answers.
    pub(crate) fn fall_back(&self) {
        if let Some(begun) = &self.0 {
            begun.call.record("fallback", true);
        }
    }
}

/// As OpenTelemetry wants it: what went well has no status, what went wrong one that says so.
fn say(span: &Span, outcome: Outcome, error: Option<&'static str>) {
    span.record("outcome", outcome.as_str());
    if let Outcome::Failure | Outcome::Refused = outcome {
        span.record("otel.status_code", "ERROR");
        if let Some(error) = error {
            span.record("error.type", error);
        }
    }
}
