//! What is sent and what arrives, compared.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use md5::{Digest, Md5};
use sha2::Sha256;

/// The SHA-256 of an object, in its metadata: S3 itself knows none of an object that was uploaded in parts.
pub(super) const META_SHA256: &str = "x-amz-meta-sha256";
/// How large its parts were: without it the ETag of an object that was uploaded in parts says nothing.
pub(super) const META_PART_SIZE: &str = "x-amz-meta-part-size";
const CHECKSUM_SHA256: &str = "x-amz-checksum-sha256";

/// As `Content-MD5` has it.
pub(super) fn md5_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(bytes))
}

pub(super) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The ETag of an object that was uploaded in these parts.
pub(super) fn etag_of_parts(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", hex(&md5(parts.concat().as_slice())), parts.len())
}

/// Whether that ETag is made of MD5s: of an object that is encrypted with a key of its customer's it is not.
pub(super) fn is_md5(etag: &str, headers: &HeaderMap) -> bool {
    let encrypted = headers.get("x-amz-server-side-encryption").is_some_and(|how| how != "AES256")
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    let digest = etag.split('-').next().unwrap_or_default();
    !encrypted && digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The ETag of an answer, where it is made of MD5s.
pub(super) fn etag(headers: &HeaderMap) -> Option<&str> {
    let etag = headers.get("etag")?.to_str().ok()?.trim_matches('"');
    is_md5(etag, headers).then_some(etag)
}

/// What an object must come to, and what came of it so far.
pub(super) struct Expected {
    sha256: Option<(Sha256, String)>,
    etag: Option<Etag>,
}

struct Etag {
    is: String,
    /// Of the object, or of the part that is underway.
    sum: Md5,
    parts: Option<Parts>,
}

struct Parts {
    size: u64,
    /// Of the one that is underway.
    filled: u64,
    done: Vec<[u8; 16]>,
}

impl Expected {
    /// By the headers of an answer; `by_etag` where ETags are known to be made of MD5s.
    pub(super) fn of(headers: &HeaderMap, by_etag: bool) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let own = text(META_SHA256).filter(|own| own.len() == 64).map(str::to_ascii_lowercase);
        // Of parts it is a sum of sums.
        let whole = text(CHECKSUM_SHA256).filter(|sum| !sum.contains('-'));
        let whole = whole.and_then(|sum| BASE64_STANDARD.decode(sum).ok()).map(|sum| hex(&sum));
        let etag = etag(headers).filter(|_| by_etag).and_then(|etag| {
            let mut parts = None;
            if etag.contains('-') {
                let size = text(META_PART_SIZE)?.parse().ok().filter(|size| *size > 0)?;
                parts = Some(Parts { size, filled: 0, done: Vec::new() });
            }
            Some(Etag { is: etag.to_ascii_lowercase(), sum: Md5::new(), parts })
        });
        Self { sha256: own.or(whole).map(|sum| (Sha256::new(), sum)), etag }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if let Some((sum, _)) = &mut self.sha256 {
            sum.update(bytes);
        }
        if let Some(etag) = &mut self.etag {
            etag.add(bytes);
        }
    }

    /// Whether all that came is all that was sent; true as well where nothing is known of it.
    pub(super) fn ends_well(self) -> bool {
        let by_sum = self.sha256.is_none_or(|(sum, is)| hex(&sum.finalize()) == is);
        by_sum && self.etag.is_none_or(Etag::ends_well)
    }
}

impl Etag {
    fn add(&mut self, mut bytes: &[u8]) {
        let Some(parts) = &mut self.parts else { return self.sum.update(bytes) };
        while !bytes.is_empty() {
            let room = usize::try_from(parts.size - parts.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.sum.update(now);
            parts.filled += now.len() as u64;
            if parts.filled == parts.size {
                parts.done.push(self.sum.finalize_reset().into());
                parts.filled = 0;
            }
            bytes = later;
        }
    }

    fn ends_well(mut self) -> bool {
        match &mut self.parts {
            None => hex(&self.sum.finalize()) == self.is,
            Some(parts) => {
                if parts.filled > 0 {
                    parts.done.push(self.sum.finalize().into());
                }
                etag_of_parts(&parts.done) == self.is
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::headers;

    fn is_met(pairs: &[(&'static str, &str)], bytes: &[u8]) -> bool {
        let mut expected = Expected::of(&headers(pairs), true);
        bytes.chunks(3).for_each(|chunk| expected.add(chunk));
        expected.ends_well()
    }

    #[test]
    fn each_sum_that_is_known_must_match() {
        let hello = ("etag", "\"5d41402abc4b2a76b9719d911017c592\"");
        let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let amazon = ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
        for known in [&[hello][..], &[(META_SHA256, sha)], &[amazon], &[hello, amazon]] {
            assert!(is_met(known, b"hello"), "{known:?}");
            assert!(!is_met(known, b"jello"), "{known:?}");
            assert!(!is_met(known, b"hell"), "{known:?}");
        }
        assert!(!is_met(&[hello, (META_SHA256, &"0".repeat(64))], b"hello"));
        assert!(is_met(&[], b"hello"), "nothing is known of it");
    }

    #[test]
    fn an_etag_of_parts_is_compared_where_their_size_is_known() {
        let etag = etag_of_parts(&[md5(b"hell"), md5(b"o")]);
        let known = [("etag", &*etag), (META_PART_SIZE, "4")];
        assert!(is_met(&known, b"hello"));
        assert!(!is_met(&known, b"jello"));
        assert!(is_met(
            &[("etag", &etag_of_parts(&[md5(b"he"), md5(b"ll")])), (META_PART_SIZE, "2")],
            b"hell"
        ));
        assert!(is_met(&[("etag", &etag)], b"anything"));
        assert!(is_met(&[("etag", &etag), (META_PART_SIZE, "0")], b"anything"));
    }

    #[test]
    fn an_etag_that_is_no_md5_says_nothing() {
        let hello = ("etag", "\"00000000000000000000000000000000\"");
        for pairs in [
            &[("etag", "\"anything\"")][..],
            &[hello, ("x-amz-server-side-encryption", "aws:kms")],
            &[hello, ("x-amz-server-side-encryption-customer-algorithm", "AES256")],
        ] {
            assert!(is_met(pairs, b"hello"), "{pairs:?}");
        }
        assert!(!is_met(&[hello, ("x-amz-server-side-encryption", "AES256")], b"hello"));
        assert!(Expected::of(&headers(&[hello]), false).ends_well());
    }
}
