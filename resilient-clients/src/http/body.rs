//! What a request sends.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame};

use super::chunks::{BoxError, Chunks, chunks};

/// A body that every attempt can send, or that one can.
#[derive(Clone)]
pub(super) enum Payload {
    Whole(Bytes),
    Once(Arc<Mutex<Option<Chunks>>>),
}

impl Payload {
    pub(super) fn none() -> Self {
        Self::Whole(Bytes::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    pub(super) fn once<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::Once(Arc::new(Mutex::new(Some(chunks(stream)))))
    }

    /// What is sent now; `None` where it was sent before and cannot be again.
    pub(super) fn taken(&self) -> Option<reqwest::Body> {
        match self {
            Self::Whole(bytes) => Some(bytes.clone().into()),
            Self::Once(chunks) => {
                let chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner).take()?;
                Some(reqwest::Body::wrap(Streamed(Mutex::new(chunks))))
            }
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Once(_) => f.write_str("a stream"),
        }
    }
}

/// The lock is never taken: it makes a stream that is `Send` one that is `Sync` too.
struct Streamed(Mutex<Chunks>);

impl Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let chunks = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        chunks.as_mut().poll_next(cx).map_ok(Frame::data)
    }
}
