//! How a call ended, in one word.

#![cfg_attr(
    not(any(feature = "metrics", feature = "spans")),
    allow(dead_code, reason = "what nobody asks for is only named")
)]

use crate::reason::StopReason;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Ignored,
    Refused,
    Cancelled,
}

impl Outcome {
    pub(crate) fn of_call(reason: StopReason, ignored: bool) -> Self {
        match reason {
            StopReason::Success => Self::Success,
            StopReason::Refused => Self::Refused,
            StopReason::Cancelled => Self::Cancelled,
            _ if ignored => Self::Ignored,
            StopReason::Deadline
            | StopReason::NotRetryable
            | StopReason::Attempts
            | StopReason::Budget
            | StopReason::DelayTooLong
            | StopReason::Panicked => Self::Failure,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}
