//! Objects on their way here.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{Method, StatusCode};

use super::ahead::Ahead;
use super::answer::checked;
use super::checksum::Expected;
use super::client::{Inner, Progress, S3Object, length, send};
use super::error::S3Error;
use super::place::{Place, Said, signed};
use super::temporary::Temporary;
use crate::http::HttpResponse;

/// An object as a stream of its bytes, part by part; see [`S3Client::get_stream`](super::S3Client::get_stream).
///
/// Dropped before its end, it asks for no more.
pub struct S3Stream {
    inner: Arc<Inner>,
    place: Place,
    object: S3Object,
    parts: Ahead<Bytes>,
    /// Where the part begins that nobody has asked for yet.
    next: u64,
    expected: Option<Expected>,
}

impl S3Stream {
    pub(super) async fn open(inner: &Arc<Inner>, place: Place) -> Result<Self, S3Error> {
        let (answer, size) = first(inner, &place).await?;
        let expected = Expected::of(answer.headers(), inner.settings.etag_is_md5);
        let object = S3Object::of(&place.key, size, answer.headers());
        let bytes = answer.into_bytes();
        let next = bytes.len() as u64;
        let mut parts = Ahead::new();
        if !bytes.is_empty() {
            parts.push(async { Ok(bytes) });
        }
        Ok(Self { inner: Arc::clone(inner), place, object, parts, next, expected: Some(expected) })
    }

    /// What is known of the object.
    pub fn object(&self) -> &S3Object {
        &self.object
    }

    fn ask_ahead(&mut self) {
        let (size, settings) = (self.object.size, &self.inner.settings);
        while self.next < size && self.parts.len() < settings.concurrency {
            let (begin, end) = (self.next, size.min(self.next + settings.part_size));
            let (inner, place, etag) =
                (Arc::clone(&self.inner), self.place.clone(), self.object.etag.clone());
            self.parts.push(async move { rest(&inner, &place, begin, end, etag.as_deref()).await });
            self.next = end;
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, S3Error>>> {
        let Some(expected) = &mut self.expected else { return Poll::Ready(None) };
        let part = match ready!(self.parts.poll_next(cx)) {
            Some(Ok(part)) => {
                expected.add(&part);
                Some(Ok(part))
            }
            Some(Err(error)) => {
                (self.expected, self.parts) = (None, Ahead::new());
                Some(Err(error))
            }
            None => {
                let is_met = self.expected.take().is_none_or(Expected::ends_well);
                let why = "its checksum is another";
                (!is_met).then(|| Err(S3Error::Damaged { object: self.place.shown().into(), why }))
            }
        };
        Poll::Ready(part)
    }

    async fn part(&mut self) -> Option<Result<Bytes, S3Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for S3Stream {
    type Item = Result<Bytes, S3Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.expected.is_some() {
            self.ask_ahead();
        }
        self.poll_part(cx)
    }
}

impl std::fmt::Debug for S3Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Stream").field("object", &self.object).finish_non_exhaustive()
    }
}

/// The first part, with what is known of the whole, and how large that is.
async fn first(inner: &Inner, place: &Place) -> Result<(HttpResponse, u64), S3Error> {
    let range = format!("bytes=0-{}", inner.settings.part_size - 1);
    let answer = match get(inner, place, &range, None, |answer| whole_size(answer).map(drop)).await {
        // There is no first byte of an empty object.
        Err(error) if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => {
            let answer = inner.head(place).await?;
            return match length(&answer) {
                0 => Ok((answer, 0)),
                _ => Err(S3Error::Changed { what: place.shown().into() }),
            };
        }
        answer => answer?,
    };
    let size = whole_size(&answer).map_err(|why| S3Error::Damaged { object: place.shown().into(), why })?;
    Ok((answer, size))
}

/// How large the object is of which this is the first part; refused where it is another part.
fn whole_size(answer: &HttpResponse) -> Result<u64, &'static str> {
    let came = answer.bytes().len() as u64;
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(came);
    }
    match range(answer) {
        Some((0, end, size)) if end + 1 == came && size >= came => Ok(size),
        _ => Err("it is another part than was asked for"),
    }
}

/// `Content-Range: bytes 0-9/100`.
fn range(answer: &HttpResponse) -> Option<(u64, u64, u64)> {
    let (range, size) = answer.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (begin, end) = range.split_once('-')?;
    Some((begin.parse().ok()?, end.parse().ok()?, size.parse().ok()?))
}

/// Another part of the same object.
async fn rest(
    inner: &Inner,
    place: &Place,
    begin: u64,
    end: u64,
    etag: Option<&str>,
) -> Result<Bytes, S3Error> {
    let meets = move |answer: &HttpResponse| {
        let came = answer.bytes().len() as u64;
        let is_it = matches!(range(answer), Some((first, last, _)) if (first, last) == (begin, end - 1));
        if is_it && came == end - begin { Ok(()) } else { Err("it is another part than was asked for") }
    };
    let answer = get(inner, place, &format!("bytes={begin}-{}", end - 1), etag, meets).await;
    answer.map(HttpResponse::into_bytes).map_err(|error| match error.status() {
        Some(StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE) => {
            S3Error::Changed { what: place.shown().into() }
        }
        _ => error,
    })
}

async fn get(
    inner: &Inner,
    place: &Place,
    range: &str,
    etag: Option<&str>,
    meets: impl Fn(&HttpResponse) -> Result<(), &'static str> + Send + Sync + 'static,
) -> Result<HttpResponse, S3Error> {
    let said = Said::default().header("x-amz-checksum-mode", "ENABLED");
    let action = place.bucket().get_object(inner.endpoint.credentials(), &place.key);
    let url = signed(action, &said);
    let request =
        inner.request(Method::GET, &url).header("range", range).header("x-amz-checksum-mode", "ENABLED");
    let request = match etag {
        Some(etag) => request.header("if-match", format!("\"{etag}\"")),
        None => request,
    };
    send(request.checked(checked(meets))).await
}

/// The whole object in memory.
pub(super) async fn to_bytes(inner: &Arc<Inner>, place: Place) -> Result<Bytes, S3Error> {
    let limit = inner.settings.max_object_size;
    let object: Box<str> = place.shown().into();
    let mut stream = S3Stream::open(inner, place).await?;
    let size = stream.object.size;
    if size > limit {
        return Err(S3Error::TooLarge { object, size, limit });
    }
    let mut all = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
    while let Some(part) = stream.part().await {
        all.extend_from_slice(&part?);
    }
    Ok(all.freeze())
}

/// The whole object in its file, or nothing.
pub(super) async fn to_file(
    inner: &Arc<Inner>,
    place: Place,
    local: &Path,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<S3Object, S3Error> {
    let failed = |source: io::Error| S3Error::File { path: local.to_owned(), source };
    let mut stream = S3Stream::open(inner, place).await?;
    let mut file = Temporary::beside(local).await.map_err(failed)?;
    let (mut bytes, total) = (0, Some(stream.object.size));
    while let Some(part) = stream.part().await {
        let part = part?;
        file.write(&part).await.map_err(failed)?;
        bytes += part.len() as u64;
        progress(Progress { bytes, total });
    }
    file.keep().await.map_err(failed)?;
    Ok(stream.object)
}
