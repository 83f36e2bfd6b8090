//! When a server asks to be asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// What `Retry-After` says, in seconds or as a date; a date that has passed is no wait.
///
/// A date is compared with the server's own `Date` where it sends one, so that a clock that is wrong here does no harm.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let written = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a wait all the same.
        return Some(Duration::from_secs(written.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(written).ok()?;
    let sent = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Some(until.duration_since(sent.unwrap_or_else(today)).unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "what a server names is a date, not a span")]
fn today() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_no_hint() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (written, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let read = retry_after(&headers(&[("retry-after", written), date]));
            assert_eq!(read, seconds.map(Duration::from_secs), "{written:?}");
        }
        assert_eq!(retry_after(&headers(&[date])), None);
    }

    #[test]
    fn a_date_without_the_servers_own_is_compared_with_today() {
        let later = httpdate::fmt_http_date(today() + Duration::from_secs(3_600));
        let wait = retry_after(&headers(&[("retry-after", &later)])).unwrap();
        assert!(wait > Duration::from_secs(3_500) && wait <= Duration::from_secs(3_600), "{wait:?}");
    }
}
