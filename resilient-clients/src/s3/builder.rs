//! An S3 client as it is put together.

use std::fmt;

use resilient_runtime::__private::text;
use rusty_s3::{Credentials, UrlStyle};
use url::Url;

use super::client::{S3Client, Settings};
use super::error::S3Error;
use super::place::Endpoint;
use crate::Address;
use crate::http::{HttpClient, HttpClientBuilder};
use crate::tuning::words;

const MIB: u64 = 1 << 20;
/// What S3 takes at least for every part but the last.
const SMALLEST_PART: u64 = 5 * MIB;
const LARGEST_PART: u64 = 1024 * MIB;

/// An [`S3Client`] as it is put together, by [`S3Client::builder`].
///
/// Nothing said: Amazon's endpoint of `us-east-1`; the layers and numbers of profile `file` (3 attempts of at most 10 s, waits
/// from 0.2 s to 5 s, a breaker that opens after 3 failures in a row for 30 s); parts of 8 MiB from 16 MiB on, 4 at once;
/// objects of at most 64 MiB in memory. What is wrong is told by [`build`](Self::build).
///
/// The trap: credentials must be said, or that there are [none](Self::anonymous).
#[must_use = "nothing is made until `build`"]
pub struct S3ClientBuilder {
    endpoint: Option<String>,
    region: String,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
    is_anonymous: bool,
    style: Option<UrlStyle>,
    http: HttpClientBuilder,
    multipart_from: u64,
    part_size: u64,
    concurrency: usize,
    max_object_size: u64,
    etag_is_md5: bool,
    health_bucket: Option<String>,
}

impl S3ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            endpoint: None,
            region: "us-east-1".into(),
            access_key: None,
            secret_key: None,
            session_token: None,
            is_anonymous: false,
            style: None,
            // Where to is known at the end.
            http: HttpClient::builder("")
                .name("s3")
                .layers(|config| config.operation_type("file"))
                .redirects(0)
                .without_deadline_header()
                .unregistered(),
            multipart_from: 16 * MIB,
            part_size: 8 * MIB,
            concurrency: 4,
            max_object_size: 64 * MIB,
            etag_is_md5: true,
            health_bucket: None,
        }
    }

    /// What the variables say.
    pub(super) fn from_environment() -> Self {
        let said = |name: &str| text(name).map(|text| text.value);
        let mut builder = Self::new();
        builder.endpoint = said("S3_ENDPOINT");
        builder.access_key = said("S3_ACCESS_KEY_ID");
        builder.secret_key = said("S3_SECRET_ACCESS_KEY");
        builder.session_token = said("S3_SESSION_TOKEN");
        if let Some(region) = said("S3_REGION") {
            builder.region = region;
        }
        builder
    }

    /// Where the server is. Default: `https://s3.<region>.amazonaws.com`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The region, which is signed as well. Default `us-east-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Who asks.
    pub fn credentials(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
    ) -> Self {
        self.access_key = Some(access_key_id.into());
        self.secret_key = Some(secret_access_key.into());
        self
    }

    /// What temporary credentials have besides.
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Nobody in particular asks: requests are not signed. For public buckets.
    pub fn anonymous(mut self) -> Self {
        self.is_anonymous = true;
        self
    }

    /// Whether the bucket is in the path (`host/bucket/key`) or in front of the host (`bucket.host/key`). Default: in front
    /// of the host at Amazon, in the path anywhere else.
    pub fn path_style(mut self, in_path: bool) -> Self {
        self.style = Some(if in_path { UrlStyle::Path } else { UrlStyle::VirtualHost });
        self
    }

    words! {
        in (http.tuning);

        /// The operation's name, and so the breakers', the variables' and the health check's. Default `s3`:
        /// `PYNOMALY_OP_S3_TIMEOUT`.
        name;

        /// Limits each attempt of each request, so that each part has to get through within it. Default: by profile, 10 s.
        timeout;

        /// How often a request is sent at most. Default: by profile, 3 times.
        max_attempts;

        /// Any other word of the layers; they are around each request, and each part is one.
        layers;
    }

    /// Sends every request through a proxy. Default: none, whatever the environment says.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http = self.http.proxy(url);
        self
    }

    /// Trusts whom these certificates vouch for, as well as whom the system trusts: PEM, one or more of them.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.http = self.http.root_certificate(pem);
        self
    }

    /// From how many bytes on an upload is one in parts. Default 16 MiB.
    pub fn multipart_from(mut self, bytes: u64) -> Self {
        self.multipart_from = bytes;
        self
    }

    /// How large a part is, of an upload and of a download: 5 MiB to 1 GiB, and what is held in memory for each that is
    /// underway. Default 8 MiB; larger where a file would have more than 10,000.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes;
        self
    }

    /// How many parts are underway at once. Default 4.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.concurrency = parts;
        self
    }

    /// How large an object may be that is put into memory by [`get_bytes`](S3Client::get_bytes). Default 64 MiB.
    pub fn max_object_size(mut self, bytes: u64) -> Self {
        self.max_object_size = bytes;
        self
    }

    /// Whether the server's ETags are made of MD5s, as those of S3 are unless it encrypts with a key of its customer's, which
    /// is seen. Default true: they are compared with what was sent and what arrived.
    pub fn etag_is_md5(mut self, is: bool) -> Self {
        self.etag_is_md5 = is;
        self
    }

    /// The bucket that [`health_check`](S3Client::health_check) asks for. Default: none, and any answer of the endpoint below
    /// 500 will do.
    pub fn health_bucket(mut self, bucket: impl Into<String>) -> Self {
        self.health_bucket = Some(bucket.into());
        self
    }

    /// The client. Nothing is sent yet, so the server need not be there.
    ///
    /// # Errors
    ///
    /// [`S3Error::Invalid`] or [`S3Error::Misconfigured`]: what was said cannot be meant.
    #[track_caller]
    pub fn build(self) -> Result<S3Client, S3Error> {
        if !(SMALLEST_PART..=LARGEST_PART).contains(&self.part_size) {
            return Err(S3Error::invalid("`part_size` is 5 MiB to 1 GiB"));
        }
        if self.concurrency == 0 {
            return Err(S3Error::invalid("`concurrency` is at least 1"));
        }
        if self.region.is_empty()
            || !self.region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(S3Error::invalid("a region is letters, digits and hyphens"));
        }
        let credentials = match (self.access_key, self.secret_key) {
            _ if self.is_anonymous => None,
            (Some(key), Some(secret)) => Some(match self.session_token {
                Some(token) => Credentials::new_with_token(key, secret, token),
                None => Credentials::new(key, secret),
            }),
            _ => {
                return Err(S3Error::invalid(
                    "no credentials: PYNOMALY_S3_ACCESS_KEY_ID and PYNOMALY_S3_SECRET_ACCESS_KEY say them, or \
                     `credentials`; `anonymous` says that there are none",
                ));
            }
        };
        let url = endpoint(self.endpoint, &self.region)?;
        let style = self.style.unwrap_or_else(|| {
            let is_amazon = url.host_str().is_some_and(|host| host.ends_with(".amazonaws.com"));
            if is_amazon { UrlStyle::VirtualHost } else { UrlStyle::Path }
        });
        let part = usize::try_from(self.part_size).unwrap_or(usize::MAX);
        // A part, or a page of a list.
        let http = self.http.base(&url).max_response_size(part.max(16 << 20));
        let name = http.tuning.name.clone();
        Ok(S3Client::new(
            http.build()?,
            Endpoint { url, style, region: self.region, credentials },
            Settings {
                name,
                multipart_from: self.multipart_from,
                part_size: self.part_size,
                concurrency: self.concurrency,
                max_object_size: self.max_object_size,
                etag_is_md5: self.etag_is_md5,
                health_bucket: self.health_bucket,
            },
        ))
    }
}

/// Without what is no part of an endpoint, and with a slash at its end.
fn endpoint(said: Option<String>, region: &str) -> Result<Url, S3Error> {
    let said = said.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let address =
        Address::parse(&said).map_err(|error| S3Error::invalid(format_args!("the endpoint: {error}")))?;
    let mut url = address.url().clone();
    let is_plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_plain || !url.username().is_empty() || url.password().is_some() {
        return Err(S3Error::invalid("the endpoint is http:// or https://, without user and password"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

impl fmt::Debug for S3ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3ClientBuilder").field("name", &self.http.tuning.name).finish_non_exhaustive()
    }
}
