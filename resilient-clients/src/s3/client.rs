//! The S3 client.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method};
use resilient_runtime::{CheckReport, HealthCheck, register_health_check};
use rusty_s3::actions::ListObjectsV2;
use url::Url;

use super::answer::checked;
use super::blocking::BlockingS3Client;
use super::builder::S3ClientBuilder;
use super::checksum::{self, META_SHA256, md5_base64};
use super::download::{self, S3Stream};
use super::error::S3Error;
use super::place::{Endpoint, Place, Said, signed};
use super::upload;
use crate::http::{HttpClient, HttpRequest, HttpResponse};

/// An S3 client by what the environment says: `PYNOMALY_S3_ENDPOINT` (Amazon's), `PYNOMALY_S3_REGION` (`us-east-1`),
/// `PYNOMALY_S3_ACCESS_KEY_ID`, `PYNOMALY_S3_SECRET_ACCESS_KEY` and, where there is one, `PYNOMALY_S3_SESSION_TOKEN`; see
/// [`S3Client`].
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # async fn run() -> Result<(), resilient::S3Error> {
/// let s3 = resilient::s3_client()?;
/// s3.upload_file("model.bin", "models", "v7/model.bin").await?;
/// s3.download_file("models", "v7/model.bin", "copy.bin").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`S3Error::Invalid`]: a variable is missing, or says what cannot be meant; none of them is shown.
#[track_caller]
pub fn s3_client() -> Result<S3Client, S3Error> {
    S3ClientBuilder::from_environment().build()
}

/// A client of S3 and of what speaks as S3 does.
///
/// Every request goes through one operation, named `s3`, with the numbers of profile `file`: 3 attempts of at most 10 s, waits
/// from 0.2 s to 5 s, a breaker that opens after 3 failures in a row for 30 s. Each part of an upload or a download is a
/// request of its own, 8 MiB, 4 at once, so what is lost is a part and not the whole.
///
/// What is uploaded is whole or not there: an upload in parts that fails, or is dropped, is aborted. What is downloaded is
/// whole or not there: a file is written beside its place and moved there at the end. Both are compared: `Content-MD5` with
/// each request, the ETag where it is an MD5, S3's own SHA-256 where there is one, and a SHA-256 that is kept in the object's
/// metadata. An object that is replaced during its download is an error, never a mixture.
///
/// Copies are cheap and share everything. While any lives, [`check_health`](resilient_runtime::check_health) asks the server
/// too.
///
/// The trap: a part has to get through within an attempt's limit, so a slow line needs a larger one
/// (`PYNOMALY_OP_S3_TIMEOUT`).
///
/// ```no_run
/// # use resilient_clients as resilient;
/// # async fn run() -> Result<(), resilient::S3Error> {
/// use resilient::S3Client;
///
/// let s3 = S3Client::builder()
///     .endpoint("http://127.0.0.1:9000")
///     .credentials("minio", "..")
///     .timeout("30s")
///     .build()?;
/// let stored = s3.upload_file_with("backup.tar", "backups", "today.tar", |progress| {
///     println!("{} of {:?} bytes", progress.bytes, progress.total);
/// });
/// println!("{}", stored.await?.size);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct S3Client {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) http: HttpClient,
    pub(super) endpoint: Endpoint,
    pub(super) settings: Settings,
    check: OnceLock<HealthCheck>,
}

pub(super) struct Settings {
    pub(super) name: String,
    pub(super) multipart_from: u64,
    pub(super) part_size: u64,
    pub(super) concurrency: usize,
    pub(super) max_object_size: u64,
    pub(super) etag_is_md5: bool,
    pub(super) health_bucket: Option<String>,
}

/// How far an upload or a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes are through.
    pub bytes: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Object {
    /// Its key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// What changes when it does, without quotation marks.
    pub etag: Option<String>,
    /// When it was stored.
    pub last_modified: Option<SystemTime>,
    /// What it is, where that was said.
    pub content_type: Option<String>,
}

impl S3Object {
    /// By the headers of an answer about it.
    pub(super) fn of(key: &str, size: u64, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            key: key.to_owned(),
            size,
            etag: text("etag").map(|etag| etag.trim_matches('"').to_owned()),
            last_modified: text("last-modified").and_then(|date| httpdate::parse_http_date(date).ok()),
            content_type: text("content-type").map(str::to_owned),
        }
    }
}

impl S3Client {
    /// A client, to be put together.
    pub fn builder() -> S3ClientBuilder {
        S3ClientBuilder::new()
    }

    pub(super) fn new(http: HttpClient, endpoint: Endpoint, settings: Settings) -> Self {
        let inner = Arc::new(Inner { http, endpoint, settings, check: OnceLock::new() });
        let known: Weak<Inner> = Arc::downgrade(&inner);
        let check = register_health_check(inner.settings.name.clone(), move || {
            let inner = known.upgrade();
            async move {
                match inner {
                    Some(inner) => inner.check(inner.settings.health_bucket.as_deref()).await,
                    None => CheckReport::unhealthy("the client is gone"),
                }
            }
        });
        let _ = inner.check.set(check);
        Self { inner }
    }

    /// The same client for code that is not async.
    pub fn blocking(&self) -> BlockingS3Client {
        BlockingS3Client::of(self.clone())
    }

    /// Stores these bytes, in one request.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal.
    pub async fn put_bytes(
        &self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<S3Object, S3Error> {
        let place = self.inner.endpoint.place(bucket, key)?;
        self.inner.put(&place, bytes.into()).await
    }

    /// The bytes of an object of at most [`max_object_size`](S3ClientBuilder::max_object_size), 64 MiB.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal; [`S3Error::TooLarge`].
    pub async fn get_bytes(&self, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
        download::to_bytes(&self.inner, self.inner.endpoint.place(bucket, key)?).await
    }

    /// An object as a stream of its bytes, a part ahead of whoever reads it.
    ///
    /// The trap: what is wrong with the whole is known at its end. An item that is an error is the last one, and what came
    /// before it is not to be kept.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal.
    pub async fn get_stream(&self, bucket: &str, key: &str) -> Result<S3Stream, S3Error> {
        S3Stream::open(&self.inner, self.inner.endpoint.place(bucket, key)?).await
    }

    /// Stores what a stream gives, in parts where it gives more than one. An upload that fails, or is dropped, is aborted.
    ///
    /// The trap: a part is kept until it is stored, the stream is read once. 10,000 parts are the most there can be: 80 GB with
    /// the default [`part_size`](S3ClientBuilder::part_size).
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal; [`S3Error::Stream`].
    pub async fn upload_stream<S, E>(&self, stream: S, bucket: &str, key: &str) -> Result<S3Object, S3Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let place = self.inner.endpoint.place(bucket, key)?;
        upload::stream(&self.inner, place, stream).await
    }

    /// Stores a file: in one request below 16 MiB, else in parts. An upload that fails, or is dropped, is aborted.
    ///
    /// The trap: where the answer to its very first request is lost, an upload without parts stays behind; a rule of the
    /// bucket's (`AbortIncompleteMultipartUpload`) removes such.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal; [`S3Error::File`]; [`S3Error::Changed`] where the file changed
    /// meanwhile.
    pub async fn upload_file(
        &self,
        local: impl AsRef<Path>,
        bucket: &str,
        key: &str,
    ) -> Result<S3Object, S3Error> {
        self.upload_file_with(local, bucket, key, |_| {}).await
    }

    /// As [`upload_file`](Self::upload_file), telling `progress` of each part that is stored.
    ///
    /// # Errors
    ///
    /// As of [`upload_file`](Self::upload_file).
    pub async fn upload_file_with(
        &self,
        local: impl AsRef<Path>,
        bucket: &str,
        key: &str,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<S3Object, S3Error> {
        let place = self.inner.endpoint.place(bucket, key)?;
        upload::file(&self.inner, place, local.as_ref(), progress).await
    }

    /// Writes an object to a file: beside it first, and moved there when it is whole and what it should be. What was there
    /// before stays until then; what fails or is dropped leaves nothing behind.
    ///
    /// The trap: the folder has to be there, and a symbolic link is replaced, not followed.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal; [`S3Error::File`]; [`S3Error::Damaged`];
    /// [`S3Error::Changed`] where the object was replaced meanwhile.
    pub async fn download_file(
        &self,
        bucket: &str,
        key: &str,
        local: impl AsRef<Path>,
    ) -> Result<S3Object, S3Error> {
        self.download_file_with(bucket, key, local, |_| {}).await
    }

    /// As [`download_file`](Self::download_file), telling `progress` of each part that is written.
    ///
    /// # Errors
    ///
    /// As of [`download_file`](Self::download_file).
    pub async fn download_file_with(
        &self,
        bucket: &str,
        key: &str,
        local: impl AsRef<Path>,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<S3Object, S3Error> {
        let place = self.inner.endpoint.place(bucket, key)?;
        download::to_file(&self.inner, place, local.as_ref(), progress).await
    }

    /// What is known of an object.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal; [`S3Error::NotFound`].
    pub async fn head(&self, bucket: &str, key: &str) -> Result<S3Object, S3Error> {
        let place = self.inner.endpoint.place(bucket, key)?;
        let answer = self.inner.head(&place).await?;
        Ok(S3Object::of(key, length(&answer), answer.headers()))
    }

    /// Removes an object. One that is not there is removed already.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        let place = self.inner.endpoint.place(bucket, key)?;
        let action = place.bucket().delete_object(self.inner.endpoint.credentials(), &place.key);
        let url = signed(action, &Said::default());
        send(self.inner.request(Method::DELETE, &url)).await.map(drop)
    }

    /// The objects whose key begins with `prefix`, in the order of their keys.
    ///
    /// The trap: all of them, a thousand with each request, in memory.
    ///
    /// # Errors
    ///
    /// The last attempt's [`S3Error`], or a layer's refusal.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<S3Object>, S3Error> {
        let bucket = self.inner.endpoint.bucket(bucket)?;
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut action = bucket.list_objects_v2(self.inner.endpoint.credentials());
            action.with_prefix(prefix);
            if let Some(token) = &next {
                action.with_continuation_token(token.as_str());
            }
            let url = signed(action, &Said::default());
            let answer = send(self.inner.request(Method::GET, &url)).await?;
            let page = answer.text().ok().and_then(|text| ListObjectsV2::parse_response(text).ok());
            let Some(page) = page else { return Err(unreadable(&answer)) };
            all.extend(page.contents.into_iter().map(|object| S3Object {
                key: object.key,
                size: object.size,
                etag: Some(object.etag.trim_matches('"').to_owned()),
                last_modified: object.last_modified.parse::<jiff::Timestamp>().ok().map(SystemTime::from),
                content_type: None,
            }));
            // A server that names the same page again would be asked for ever.
            match page.next_continuation_token {
                Some(token) if next.as_ref() != Some(&token) => next = Some(token),
                _ => return Ok(all),
            }
        }
    }

    /// Whether the server answers, asked past every layer, within 2 s: for the
    /// [`health_bucket`](S3ClientBuilder::health_bucket), or with anything below 500.
    pub async fn health_check(&self) -> CheckReport {
        self.inner.check(self.inner.settings.health_bucket.as_deref()).await
    }

    /// Whether the server answers and has that bucket for these credentials, asked past every layer, within 2 s.
    pub async fn health_check_bucket(&self, bucket: &str) -> CheckReport {
        self.inner.check(Some(bucket)).await
    }
}

impl Inner {
    pub(super) fn request(&self, method: Method, url: &Url) -> HttpRequest {
        self.http.request(method, url).checked(checked(|_| Ok(())))
    }

    pub(super) async fn put(&self, place: &Place, bytes: Bytes) -> Result<S3Object, S3Error> {
        let said = Said::default().header(META_SHA256, checksum::sha256_hex(&bytes));
        let action = place.bucket().put_object(self.endpoint.credentials(), &place.key);
        let url = signed(action, &said);
        let mut request = self.request(Method::PUT, &url).header("content-md5", md5_base64(&bytes));
        for (name, value) in &said.0 {
            request = request.header(name, value);
        }
        let size = bytes.len() as u64;
        let is = self.settings.etag_is_md5.then(|| checksum::hex(&checksum::md5(&bytes)));
        let request = request.body(bytes).checked(checked(move |answer| stored_as(answer, is.as_deref())));
        let answer = send(request).await?;
        let headers = answer.headers().iter().filter(|(name, _)| *name == "etag");
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(S3Object::of(&place.key, size, &headers))
    }

    pub(super) async fn head(&self, place: &Place) -> Result<HttpResponse, S3Error> {
        let said = Said::default().header("x-amz-checksum-mode", "ENABLED");
        let action = place.bucket().head_object(self.endpoint.credentials(), &place.key);
        let url = signed(action, &said);
        send(self.request(Method::HEAD, &url).header("x-amz-checksum-mode", "ENABLED")).await
    }

    async fn check(&self, bucket: Option<&str>) -> CheckReport {
        let Some(name) = bucket else { return self.http.check_by(Method::GET, None).await };
        match self.endpoint.bucket(name) {
            Ok(bucket) => {
                let url = signed(bucket.head_bucket(self.endpoint.credentials()), &Said::default());
                self.http.check_by(Method::HEAD, Some(url.as_str())).await.detail("bucket", name)
            }
            Err(error) => CheckReport::unhealthy(error.to_string()),
        }
    }
}

pub(super) async fn send(request: HttpRequest) -> Result<HttpResponse, S3Error> {
    request.send().await.map_err(S3Error::from)
}

/// Whether what the server stored is what was sent, by the ETag it answers.
pub(super) fn stored_as(answer: &HttpResponse, is: Option<&str>) -> Result<(), &'static str> {
    match (checksum::etag(answer.headers()), is) {
        (Some(stored), Some(is)) if !stored.eq_ignore_ascii_case(is) => {
            Err("the ETag is not the MD5 of what was sent")
        }
        _ => Ok(()),
    }
}

/// What the header says; an answer to `HEAD` has no body.
pub(super) fn length(answer: &HttpResponse) -> u64 {
    answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default()
}

pub(super) fn unreadable(answer: &HttpResponse) -> S3Error {
    let request = answer.request().into();
    let wanted = "the XML that S3 answers".into();
    S3Error::Transport(Box::new(crate::http::HttpError::Undecodable { request, wanted }))
}

impl fmt::Debug for S3Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Client")
            .field("name", &self.inner.settings.name)
            .field("endpoint", &self.inner.endpoint.url.as_str())
            .finish_non_exhaustive()
    }
}
