//! Objects on their way there.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{Method, StatusCode};
use rusty_s3::actions::CreateMultipartUpload;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::ahead::Ahead;
use super::answer::{checked, concluded, element};
use super::checksum::{self, META_PART_SIZE, META_SHA256, md5_base64};
use super::client::{Inner, Progress, S3Object, send, stored_as, unreadable};
use super::error::S3Error;
use super::place::{Place, Said, signed};
use crate::blocking::detach;
use crate::http::{BoxError, Chunks, chunks};

/// The most parts that S3 takes.
const MOST_PARTS: u64 = 10_000;
/// An abort that meets a part which is still being stored has to be said again.
const ABORTS: u32 = 3;

/// Where the parts come from.
enum Source {
    File(File, Box<Path>),
    Stream { chunks: Chunks, left: Bytes },
}

impl Source {
    /// The next part, of `size` bytes; the last one is shorter, and empty where nothing is left.
    async fn next(&mut self, size: usize) -> Result<Bytes, S3Error> {
        let mut part = BytesMut::new();
        match self {
            Self::File(file, path) => {
                part.reserve(size);
                let mut rest = file.take(size as u64);
                while rest.read_buf(&mut part).await.map_err(|source| unread(path, source))? > 0 {}
            }
            Self::Stream { chunks, left } => {
                part.extend_from_slice(&left.split_to(left.len().min(size)));
                while part.len() < size {
                    let Some(chunk) = poll_fn(|cx| chunks.as_mut().poll_next(cx)).await else { break };
                    let mut chunk = chunk.map_err(S3Error::Stream)?;
                    part.extend_from_slice(&chunk.split_to(chunk.len().min(size - part.len())));
                    *left = chunk;
                }
            }
        }
        Ok(part.freeze())
    }
}

fn unread(path: &Path, source: io::Error) -> S3Error {
    S3Error::File { path: path.to_owned(), source }
}

pub(super) async fn file(
    inner: &Arc<Inner>,
    place: Place,
    local: &Path,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<S3Object, S3Error> {
    let mut file = File::open(local).await.map_err(|source| unread(local, source))?;
    let size = file.metadata().await.map_err(|source| unread(local, source))?.len();
    let total = Some(size);
    if size < inner.settings.multipart_from {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.read_to_end(&mut bytes).await.map_err(|source| unread(local, source))?;
        let stored = inner.put(&place, bytes.into()).await?;
        progress(Progress { bytes: stored.size, total });
        return Ok(stored);
    }
    let sum = sha256_of(local.to_owned()).await?;
    let part_size = inner.settings.part_size.max(size.div_ceil(MOST_PARTS));
    let source = Source::File(file, local.into());
    let said =
        Upload { part_size, first: None, total, sha256: Some(sum), changed: local.display().to_string() };
    parts(inner, place, source, said, progress).await
}

pub(super) async fn stream<S, E>(inner: &Arc<Inner>, place: Place, stream: S) -> Result<S3Object, S3Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let mut source = Source::Stream { chunks: chunks(stream), left: Bytes::new() };
    let part_size = inner.settings.part_size;
    let first = source.next(usize::try_from(part_size).unwrap_or(usize::MAX)).await?;
    if (first.len() as u64) < part_size {
        return inner.put(&place, first).await;
    }
    let changed = place.shown();
    let said = Upload { part_size, first: Some(first), total: None, sha256: None, changed };
    parts(inner, place, source, said, |_| {}).await
}

/// A file's sum, before anything of it is sent.
async fn sha256_of(path: std::path::PathBuf) -> Result<String, S3Error> {
    let read = tokio::task::spawn_blocking(move || {
        let sum = || -> io::Result<String> {
            let (mut file, mut sum) = (std::fs::File::open(&path)?, Sha256::new());
            let mut buffer = vec![0; 1 << 16];
            loop {
                match io::Read::read(&mut file, &mut buffer)? {
                    0 => return Ok(checksum::hex(&sum.finalize())),
                    read => sum.update(&buffer[..read]),
                }
            }
        };
        sum().map_err(|source| unread(&path, source))
    });
    read.await.unwrap_or_else(|ended| Err(S3Error::invalid(format_args!("the file was not read: {ended}"))))
}

/// What is known of an upload in parts before it begins.
struct Upload {
    part_size: u64,
    /// A part that was read already.
    first: Option<Bytes>,
    total: Option<u64>,
    sha256: Option<String>,
    /// What is named where the file is another at its end.
    changed: String,
}

/// A part that is stored.
struct Stored {
    number: u16,
    etag: String,
    md5: [u8; 16],
    size: u64,
}

/// All parts, or none of them.
async fn parts(
    inner: &Arc<Inner>,
    place: Place,
    source: Source,
    upload: Upload,
    progress: impl FnMut(Progress) + Send,
) -> Result<S3Object, S3Error> {
    let id = begin(inner, &place, &upload).await?;
    let mut underway = Underway { inner: Arc::clone(inner), place, id, is_over: false };
    match all(&underway, source, upload, progress).await {
        Ok(stored) => {
            underway.is_over = true;
            Ok(stored)
        }
        Err(error) => {
            abort(Arc::clone(&underway.inner), underway.place.clone(), underway.id.clone()).await;
            underway.is_over = true;
            Err(error)
        }
    }
}

async fn begin(inner: &Inner, place: &Place, upload: &Upload) -> Result<String, S3Error> {
    let mut said = Said::default().header(META_PART_SIZE, upload.part_size.to_string());
    if let Some(sum) = &upload.sha256 {
        said = said.header(META_SHA256, sum);
    }
    let action = place.bucket().create_multipart_upload(inner.endpoint.credentials(), &place.key);
    let url = signed(action, &said);
    let mut request = inner.request(Method::POST, &url).repeatable();
    for (name, value) in &said.0 {
        request = request.header(name, value);
    }
    let answer = send(request).await?;
    let parsed = answer.text().ok().and_then(|text| CreateMultipartUpload::parse_response(text).ok());
    parsed.map(|parsed| parsed.upload_id().to_owned()).ok_or_else(|| unreadable(&answer))
}

async fn all(
    underway: &Underway,
    mut source: Source,
    mut upload: Upload,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<S3Object, S3Error> {
    let Underway { inner, place, id, .. } = underway;
    let size = usize::try_from(upload.part_size).unwrap_or(usize::MAX);
    let mut parts = Ahead::new();
    let (mut stored, mut sum) = (Vec::new(), upload.sha256.as_ref().map(|_| Sha256::new()));
    let (mut bytes, mut number, mut is_read) = (0, 0_u16, false);
    loop {
        while !is_read && parts.len() < inner.settings.concurrency {
            let part = match upload.first.take() {
                Some(part) => part,
                None => source.next(size).await?,
            };
            is_read = part.len() < size;
            if part.is_empty() && number > 0 {
                break;
            }
            if u64::from(number) == MOST_PARTS {
                return Err(S3Error::invalid(
                    "more than 10,000 parts: a larger `part_size` makes them fewer",
                ));
            }
            if let Some(sum) = &mut sum {
                sum.update(&part);
            }
            number += 1;
            let (inner, place, id) = (Arc::clone(inner), place.clone(), id.clone());
            parts.push(async move { one(&inner, &place, &id, number, part).await });
        }
        let Some(part) = parts.next().await else { break };
        let part: Stored = part?;
        bytes += part.size;
        stored.push(part);
        progress(Progress { bytes, total: upload.total });
    }
    if sum.map(|sum| checksum::hex(&sum.finalize())) != upload.sha256 {
        return Err(S3Error::Changed { what: upload.changed.into() });
    }
    let etag = end(inner, place, id, &stored).await?;
    Ok(S3Object {
        key: place.key.clone(),
        size: bytes,
        etag: Some(etag),
        last_modified: None,
        content_type: None,
    })
}

async fn one(inner: &Inner, place: &Place, id: &str, number: u16, part: Bytes) -> Result<Stored, S3Error> {
    let (size, md5) = (part.len() as u64, checksum::md5(&part));
    let action = place.bucket().upload_part(inner.endpoint.credentials(), &place.key, number, id);
    let url = signed(action, &Said::default());
    let is = inner.settings.etag_is_md5.then(|| checksum::hex(&md5));
    let request = inner
        .request(Method::PUT, &url)
        .header("content-md5", md5_base64(&part))
        .body(part)
        .checked(checked(move |answer| stored_as(answer, is.as_deref())));
    let answer = send(request).await?;
    let etag = answer.header("etag").ok_or_else(|| unreadable(&answer))?.to_owned();
    Ok(Stored { number, etag, md5, size })
}

/// Makes an object of the parts; its ETag.
async fn end(inner: &Inner, place: &Place, id: &str, stored: &[Stored]) -> Result<String, S3Error> {
    let is = checksum::etag_of_parts(&stored.iter().map(|part| part.md5).collect::<Vec<_>>());
    let list = stored.iter().map(|Stored { number, etag, .. }| {
        let etag = escaped(etag);
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    let list = list.collect::<Vec<_>>().concat();
    let body = format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{list}</CompleteMultipartUpload>"
    );
    // What the action itself would send is not used: it names no namespace, which some servers insist on.
    let action = place.bucket().complete_multipart_upload(
        inner.endpoint.credentials(),
        &place.key,
        id,
        std::iter::empty(),
    );
    let url = signed(action, &Said::default());
    let request = inner.request(Method::POST, &url).repeatable().body(body).checked(concluded());
    match send(request).await {
        Ok(answer) => {
            let etag = element(answer.bytes(), "ETag").ok_or_else(|| unreadable(&answer))?;
            let etag = etag.replace("&quot;", "").replace("&#34;", "").trim_matches('"').to_owned();
            let says = inner.settings.etag_is_md5 && checksum::is_md5(&etag, answer.headers());
            if says && !etag.eq_ignore_ascii_case(&is) {
                let why = "its ETag is not that of the parts that were sent";
                return Err(S3Error::Damaged { object: place.shown().into(), why });
            }
            Ok(etag)
        }
        // It may have ended with an answer that was lost.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
            let known = inner.head(place).await.ok();
            let known = known.and_then(|answer| Some(answer.header("etag")?.trim_matches('"').to_owned()));
            known.filter(|etag| etag.eq_ignore_ascii_case(&is)).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// In the text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An upload in parts that is neither complete nor aborted.
struct Underway {
    inner: Arc<Inner>,
    place: Place,
    id: String,
    is_over: bool,
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !self.is_over {
            let (inner, place, id) = (Arc::clone(&self.inner), self.place.clone(), self.id.clone());
            // Nobody waits any more, and the runtime that did may end.
            detach(abort(inner, place, id));
        }
    }
}

/// Until the server knows the upload no more.
async fn abort(inner: Arc<Inner>, place: Place, id: String) {
    for _ in 0..ABORTS {
        let action = place.bucket().abort_multipart_upload(inner.endpoint.credentials(), &place.key, &id);
        let url = signed(action, &Said::default());
        if send(inner.request(Method::DELETE, &url)).await.is_err() {
            return;
        }
    }
}
