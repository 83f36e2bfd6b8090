//! What can go wrong with an object.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use resilient_runtime::{Class, Classify, ConfigErrors, ResilienceError};
use thiserror::Error;

use super::answer::code;
use crate::http::HttpError;

/// Why nothing came of an operation on an object.
///
/// The trap: neither the text nor `Debug` holds a signed URL, a key of yours, or what S3 says besides its error's code, since
/// it cites both. Bucket and object are named.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum S3Error {
    /// A layer refused the call, or cut it off at its time limit.
    #[error("{0}")]
    Refused(#[from] ResilienceError),
    /// There is no such object, bucket or upload.
    #[error("{request} found nothing: {}", Code(*.status, .code))]
    NotFound {
        /// Its method and address.
        request: Box<str>,
        /// What was answered.
        status: StatusCode,
        /// What S3 calls it.
        code: Option<Box<str>>,
    },
    /// The credentials are wrong, or do not allow it.
    #[error("{request} is not allowed: {}", Code(*.status, .code))]
    Denied {
        /// Its method and address.
        request: Box<str>,
        /// What was answered.
        status: StatusCode,
        /// What S3 calls it.
        code: Option<Box<str>>,
    },
    /// Any other error that S3 answered.
    #[error("{request} failed: {}", Code(*.status, .code))]
    Answered {
        /// Its method and address.
        request: Box<str>,
        /// What was answered.
        status: StatusCode,
        /// What S3 calls it.
        code: Option<Box<str>>,
        /// When it asks to be asked again.
        retry_after: Option<Duration>,
        /// Whether it may pass.
        transient: bool,
    },
    /// What arrived, or was stored, is not what was sent.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// Its bucket and key.
        object: Box<str>,
        /// What does not match.
        why: &'static str,
    },
    /// The object, or the file, changed while it was read.
    #[error("{what} changed while it was read")]
    Changed {
        /// Its bucket and key, or its path.
        what: Box<str>,
    },
    /// The object is larger than [`max_object_size`](super::S3ClientBuilder::max_object_size) lets it be in memory.
    #[error(
        "{object} has {size} bytes, more than {limit} in memory: `download_file` and `get_stream` take it"
    )]
    TooLarge {
        /// Its bucket and key.
        object: Box<str>,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A file of this machine cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The stream that was uploaded ended with an error.
    #[error("the stream that is uploaded failed: {0}")]
    Stream(#[source] Box<dyn StdError + Send + Sync>),
    /// There was no answer, or none that can be read.
    #[error("{0}")]
    Transport(#[source] Box<HttpError>),
    /// The request cannot be made from what was said. Nothing was sent.
    #[error("no request can be made: {0}")]
    Invalid(Box<str>),
    /// The layers cannot be made from what was said of them.
    #[error("{0}")]
    Misconfigured(#[from] ConfigErrors),
}

impl S3Error {
    pub(super) fn invalid(what: impl fmt::Display) -> Self {
        Self::Invalid(what.to_string().into())
    }

    /// The status that was answered, where one was that says so.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::NotFound { status, .. } | Self::Denied { status, .. } | Self::Answered { status, .. } => {
                Some(*status)
            }
            _ => None,
        }
    }

    /// What S3 calls the error: `NoSuchKey`, `AccessDenied`, `SlowDown`; an answer to `HEAD` has none.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::NotFound { code, .. } | Self::Denied { code, .. } | Self::Answered { code, .. } => {
                code.as_deref()
            }
            _ => None,
        }
    }
}

impl From<HttpError> for S3Error {
    fn from(error: HttpError) -> Self {
        let response = match error {
            HttpError::Refused { source, .. } => return Self::Refused(source),
            HttpError::Misconfigured(errors) => return Self::Misconfigured(errors),
            HttpError::Invalid(what) => return Self::Invalid(what),
            HttpError::Status(response) => response,
            other => return Self::Transport(Box::new(other)),
        };
        let (request, status) = (response.request().into(), response.status());
        let code = code(response.bytes());
        match status {
            StatusCode::NOT_FOUND => Self::NotFound { request, status, code },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Denied { request, status, code },
            _ => {
                let retry_after = response.retry_after();
                let transient = HttpError::Status(response).class() == Class::Transient;
                Self::Answered { request, status, code, retry_after, transient }
            }
        }
    }
}

impl Classify for S3Error {
    fn class(&self) -> Class {
        match self {
            Self::Refused(refused) => refused.class(),
            Self::Transport(error) => error.class(),
            Self::Answered { transient: true, .. } | Self::Damaged { .. } | Self::Changed { .. } => {
                Class::Transient
            }
            Self::File { .. } | Self::Stream(_) => Class::Permanent,
            _ => Class::Caller,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after(),
            Self::Answered { retry_after, .. } => *retry_after,
            Self::Transport(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// `404 Not Found (NoSuchKey)`.
struct Code<'e>(StatusCode, &'e Option<Box<str>>);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.1.as_ref().map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}
