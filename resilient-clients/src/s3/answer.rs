//! What S3 says, beyond the status.

use std::sync::Arc;

use crate::http::{Check, HttpError, HttpResponse};

/// Codes under which S3 asks to be asked again, whatever status they come with.
const MAY_PASS: [&str; 8] = [
    "BadDigest",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
];

/// The code of an error, where it looks like one.
pub(super) fn code(body: &[u8]) -> Option<Box<str>> {
    element(body, "Code")
        .filter(|code| {
            (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        .map(Into::into)
}

/// The text of the first element of that name.
pub(super) fn element<'b>(body: &'b [u8], name: &str) -> Option<&'b str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once('<').map(|(value, _)| value)
}

/// Looks at every answer inside its attempt: whether an error may pass, and what `meets` says of any other.
pub(super) fn checked(
    meets: impl Fn(&HttpResponse) -> Result<(), &'static str> + Send + Sync + 'static,
) -> Check {
    Arc::new(move |answer| match answer {
        Ok(response) => match meets(&response) {
            Ok(()) => Ok(response),
            Err(why) => Err(HttpError::Damaged { request: response.request().into(), why }),
        },
        Err(HttpError::Status(mut response)) => {
            response.may_pass = code(response.bytes()).is_some_and(|code| MAY_PASS.contains(&&*code));
            Err(HttpError::Status(response))
        }
        Err(error) => Err(error),
    })
}

/// [`checked`], for what is answered with 200 before it is known how it ends: the last request of an upload.
pub(super) fn concluded() -> Check {
    let checked = checked(|_| Ok(()));
    Arc::new(move |answer| match answer {
        Ok(mut response) if is_error(response.bytes()) => {
            response.may_pass = true;
            Err(HttpError::Status(Box::new(response)))
        }
        other => checked(other),
    })
}

/// `<Error>..</Error>`, after what XML begins with.
fn is_error(body: &[u8]) -> bool {
    let begin = &body[..body.len().min(256)];
    let text = String::from_utf8_lossy(begin);
    let text = text.trim_start();
    let text = match text.split_once("?>") {
        Some((declaration, after)) if declaration.starts_with("<?xml") => after.trim_start(),
        _ => text,
    };
    text.starts_with("<Error>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_and_nothing_else_that_s3_says() {
        let denied = b"<?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>hunter2</AWSAccessKeyId></Error>";
        assert_eq!(code(denied).as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(code(b"<Error><Code>a b</Code>"), None);
        assert_eq!(code(b"<html>"), None);
        assert_eq!(code(b"<Code>"), None);
    }

    #[test]
    fn an_error_under_a_good_status_is_told_from_an_object_that_mentions_one() {
        assert!(is_error(b"<?xml version=\"1.0\"?>\n\n<Error><Code>InternalError</Code></Error>"));
        assert!(is_error(b"  <Error><Code>x</Code></Error>"));
        assert!(!is_error(b"<CompleteMultipartUploadResult><Error></Error>"));
        assert!(!is_error(b""));
    }
}
