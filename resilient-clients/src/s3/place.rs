//! Where an object is, and the signed URL for it.

use std::borrow::Cow;
use std::time::Duration;

use rusty_s3::actions::S3Action;
use rusty_s3::{Bucket, Credentials, UrlStyle};
use url::Url;

use super::error::S3Error;

/// How long a signature is good: longer than every attempt of a call takes, waits included.
const GOOD_FOR: Duration = Duration::from_secs(3_600);

/// A server, and who asks it.
pub(super) struct Endpoint {
    /// Ends in a slash.
    pub(super) url: Url,
    pub(super) style: UrlStyle,
    pub(super) region: String,
    /// `None`: requests are not signed.
    pub(super) credentials: Option<Credentials>,
}

/// A bucket, and a key in it, checked.
#[derive(Clone)]
pub(super) struct Place {
    bucket: Bucket,
    pub(super) key: String,
}

impl Endpoint {
    pub(super) fn bucket(&self, name: &str) -> Result<Bucket, S3Error> {
        // It becomes a part of a path or of a host.
        let is_name = (3..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !name.contains("..");
        if !is_name {
            return Err(S3Error::invalid("a bucket's name is 3 to 63 letters, digits, dots and hyphens"));
        }
        Bucket::new(self.url.clone(), self.style, name.to_owned(), self.region.clone())
            .map_err(|_| S3Error::invalid("the bucket's name cannot be put in front of the endpoint's host"))
    }

    /// What a URL would take for another place, and an empty key, which is the bucket, are refused.
    pub(super) fn place(&self, bucket: &str, key: &str) -> Result<Place, S3Error> {
        let leads_elsewhere = key.starts_with('/') || key.split('/').any(|part| matches!(part, "." | ".."));
        if key.is_empty() || key.len() > 1024 || leads_elsewhere {
            return Err(S3Error::invalid(
                "a key is 1 to 1024 bytes, does not begin with a slash, and has no part that is `.` or `..`",
            ));
        }
        Ok(Place { bucket: self.bucket(bucket)?, key: key.to_owned() })
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

/// The URL of an action, signed together with what is said besides.
pub(super) fn signed<'a, A: S3Action<'a>>(mut action: A, said: &'a Said) -> Url {
    for (name, value) in &said.0 {
        action.headers_mut().insert(*name, Cow::Borrowed(value.as_str()));
    }
    action.sign(GOOD_FOR)
}

impl Place {
    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// How it is named in errors.
    pub(super) fn shown(&self) -> String {
        format!("{}/{}", self.bucket.name(), self.key)
    }
}

/// Headers that go with a request and are signed: one that S3 knows must be.
#[derive(Default)]
pub(super) struct Said(pub(super) Vec<(&'static str, String)>);

impl Said {
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, style: UrlStyle) -> Endpoint {
        let credentials = Credentials::new("key", "hunter2");
        Endpoint {
            url: url.parse().unwrap(),
            style,
            region: "eu-west-1".into(),
            credentials: Some(credentials),
        }
    }

    #[test]
    fn a_bucket_is_in_the_path_or_in_front_of_the_host() {
        for (url, style, object) in [
            ("http://127.0.0.1:9000/", UrlStyle::Path, "http://127.0.0.1:9000/bucket/a/b%20c"),
            ("https://a.com/s3/", UrlStyle::Path, "https://a.com/s3/bucket/a/b%20c"),
            (
                "https://s3.eu-west-1.amazonaws.com/",
                UrlStyle::VirtualHost,
                "https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c",
            ),
        ] {
            let endpoint = endpoint(url, style);
            let place = endpoint.place("bucket", "a/b c").unwrap();
            let action = place.bucket().get_object(endpoint.credentials(), &place.key);
            let signed = signed(action, &Said::default());
            assert!(signed.as_str().starts_with(&format!("{object}?X-Amz-")), "{signed}");
        }
    }

    #[test]
    fn no_bucket_and_no_key_leads_to_another_place() {
        let endpoint = endpoint("http://127.0.0.1/", UrlStyle::Path);
        for bucket in ["", "..", "ab", "a/b", "a..b", "../x", ".abc", "a?b", "a%2fb", &"a".repeat(64)] {
            assert!(endpoint.bucket(bucket).is_err(), "{bucket}");
        }
        for key in ["", "/", "/x", "..", ".", "a/../b", "../other/x", "a/.", &"a".repeat(1025)] {
            assert!(endpoint.place("bucket", key).is_err(), "{key}");
        }
        for key in ["a", "a//b", "a/", "..a", "a?b#c", "http://x/y", "ä ö", "a%2e%2e/b", "\\x", "a\tb"] {
            let place = endpoint.place("bucket", key).unwrap();
            let url = place.bucket().object_url(key).unwrap();
            assert!(url.as_str().starts_with("http://127.0.0.1/bucket/"), "{url}");
        }
    }

    #[test]
    fn what_is_said_is_signed() {
        let endpoint = endpoint("http://127.0.0.1/", UrlStyle::Path);
        let place = endpoint.place("bucket", "x").unwrap();
        let said = Said::default().header("x-amz-meta-a", "b");
        let url = signed(place.bucket().put_object(endpoint.credentials(), &place.key), &said);
        let has = |name: &str, value: &str| url.query_pairs().any(|pair| pair == (name.into(), value.into()));
        assert!(has("X-Amz-SignedHeaders", "host;x-amz-meta-a"), "{url}");
        assert!(!url.as_str().contains("hunter2"));
    }
}
