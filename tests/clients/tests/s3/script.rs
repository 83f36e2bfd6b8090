//! What is promised of answers that a real server gives now and then: by a server that is told what to say.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};
use resilient::http::Method;
use resilient::testing::Scope;
use resilient::{Class, Classify, S3Client, S3ClientBuilder, S3Error};
use resilient_clients_tests::{Asked, Reply, Upstream, printed};

use crate::support::{BUCKET, MIB, both, content, plain};

const MD5_OF_HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn begun() -> Reply {
    Reply::body(
        "<?xml version=\"1.0\"?><InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Bucket>bucket</Bucket><Key>f</Key><UploadId>id-7</UploadId></InitiateMultipartUploadResult>",
    )
}

/// A part is stored, under an ETag that is no MD5.
fn stored() -> Reply {
    Reply::status(200).header("etag", "\"opaque\"")
}

fn ended() -> Reply {
    Reply::body(
        "<CompleteMultipartUploadResult><ETag>&quot;opaque-3&quot;</ETag></CompleteMultipartUploadResult>",
    )
}

fn error(status: u16, code: &str) -> Reply {
    Reply::status(status).with_body(format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>hunter2</Message></Error>"
    ))
}

fn one_by_one(builder: S3ClientBuilder) -> S3ClientBuilder {
    builder.concurrency(1).layers(|layers| layers.enable_circuit_breaker(false))
}

/// What each request was about: its method, and the first thing in its query that is not the signature's.
fn about(asked: &[Asked]) -> Vec<(Method, String)> {
    let own = |asked: &Asked| {
        let (_, query) = asked.path.split_once('?').unwrap();
        let mut pairs = query.split('&').filter(|pair| !pair.starts_with("X-Amz-"));
        (asked.method.clone(), pairs.next().unwrap_or_default().to_owned())
    };
    asked.iter().map(own).collect()
}

#[test]
fn a_part_that_fails_twice_is_stored_by_its_third_attempt() {
    let upstream = Upstream::start();
    both("s3.part_twice", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        let bytes = content(12 * MIB);
        let file = side.file("f", &bytes);
        upstream.script([
            begun(),
            stored(),
            Reply::status(503),
            error(400, "RequestTimeout"),
            stored(),
            stored(),
            ended(),
        ]);
        let object = side.upload(&file, "f").unwrap();
        assert_eq!((object.size, object.etag.as_deref()), (12 * MIB as u64, Some("opaque-3")));
        let asked = upstream.asked();
        let part = |n: u32| (Method::PUT, format!("partNumber={n}"));
        let end = (Method::POST, "uploadId=id-7".to_owned());
        assert_eq!(
            about(&asked),
            [(Method::POST, "uploads=1".into()), part(1), part(2), part(2), part(2), part(3), end]
        );
        assert!(asked[2].body == asked[4].body && asked[4].body == bytes[5 * MIB..10 * MIB]);
        assert_eq!(asked[2].header("content-md5"), asked[4].header("content-md5"));
        assert_eq!(asked[0].header("x-amz-meta-part-size"), Some("5242880"));
        let list = String::from_utf8_lossy(&asked[6].body).into_owned();
        assert!(
            list.contains("<Part><PartNumber>2</PartNumber><ETag>&quot;opaque&quot;</ETag></Part>"),
            "{list}"
        );
    });
}

#[test]
fn a_part_that_fails_for_good_aborts_the_upload() {
    let upstream = Upstream::start();
    both("s3.part_fails", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        let file = side.file("f", &content(12 * MIB));
        let failed = || Reply::status(503);
        let gone = || error(404, "NoSuchUpload");
        // A part may still have been on its way: it is aborted until the upload is known no more.
        upstream.script([begun(), stored(), failed(), failed(), failed(), Reply::status(204), gone()]);
        let failure = side.upload(&file, "f").unwrap_err();
        assert_eq!(failure.status().unwrap(), 503);
        assert_eq!(failure.class(), Class::Transient);
        let asked = about(&upstream.asked());
        let abort = (Method::DELETE, "uploadId=id-7".to_owned());
        assert_eq!(asked[5..], [abort.clone(), abort]);
    });
}

#[test]
fn what_is_stored_otherwise_than_it_was_sent_is_sent_again() {
    let upstream = Upstream::start();
    both("s3.stored_damaged", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        let (right, wrong) = (format!("\"{MD5_OF_HELLO}\""), format!("\"{}\"", "0".repeat(32)));
        let says = |etag: &str| Reply::status(200).header("etag", etag);
        upstream.script([says(&wrong), error(400, "BadDigest"), says(&right)]);
        assert_eq!(side.put("f", "hello").unwrap().etag.as_deref(), Some(MD5_OF_HELLO));
        let asked = upstream.asked();
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[0].header("content-md5"), Some("XUFAKrxLKna5cZ2REBfFkg=="));
        let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(asked[0].header("x-amz-meta-sha256"), Some(sha));
        assert!(asked[0].path.contains("SignedHeaders=host%3Bx-amz-meta-sha256"), "{}", asked[0].path);

        upstream.answers(says(&wrong));
        assert!(matches!(side.put("f", "hello"), Err(S3Error::Transport(_))));
        upstream.answers(Reply::body("ok"));
    });
    both(
        "s3.stored_opaque",
        &upstream.url(""),
        |it| it.etag_is_md5(false),
        |side| {
            upstream.script([Reply::status(200).header("etag", &"0".repeat(32))]);
            side.put("f", "hello").unwrap();
        },
    );
}

#[test]
fn a_damaged_object_is_an_error_and_no_file() {
    let upstream = Upstream::start();
    both("s3.damaged", &upstream.url(""), one_by_one, |side| {
        let part =
            |body: &'static str| Reply::status(206).header("content-range", "bytes 0-4/5").with_body(body);
        let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        for (header, value) in [
            ("etag", MD5_OF_HELLO),
            ("x-amz-meta-sha256", sha),
            ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ] {
            let file = side.file("f", b"as it was");
            upstream.answers(part("jello").header(header, value));
            let failure = side.download("f", &file).unwrap_err();
            assert!(matches!(failure, S3Error::Damaged { .. }), "{header}: {failure:?}");
            assert_eq!(fs::read(&file).unwrap(), b"as it was");
            assert_eq!(side.files(), ["f"]);
            assert!(matches!(side.get("f"), Err(S3Error::Damaged { .. })), "{header}");
            upstream.answers(part("hello").header(header, value));
            side.download("f", &file).unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"hello");
        }
        upstream.answers(Reply::body("ok"));
    });
}

#[test]
fn another_part_than_was_asked_for_is_asked_for_again() {
    let upstream = Upstream::start();
    both("s3.ranges", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        let bytes = content(6 * MIB);
        let part = |range: String, body: &[u8]| {
            Reply::status(206)
                .header("content-range", &range)
                .header("etag", "\"opaque\"")
                .with_body(body.to_vec())
        };
        let (half, size) = (5 * MIB, 6 * MIB);
        let first = part(format!("bytes 0-{}/{size}", half - 1), &bytes[..half]);
        let second = part(format!("bytes {half}-{}/{size}", size - 1), &bytes[half..]);
        let short = part(format!("bytes {half}-{}/{size}", size - 1), &bytes[half + 1..]);
        let whole = Reply::body(bytes[half..].to_vec());
        upstream.script([first, short, whole, second]);
        assert!(side.get("f").unwrap() == bytes);
        let asked = upstream.asked();
        let ranges: Vec<_> = asked.iter().map(|asked| asked.header("range").unwrap()).collect();
        assert_eq!(
            ranges,
            ["bytes=0-5242879", "bytes=5242880-6291455", "bytes=5242880-6291455", "bytes=5242880-6291455"]
        );
        assert_eq!((asked[0].header("if-match"), asked[1].header("if-match")), (None, Some("\"opaque\"")));
    });
}

#[test]
fn who_takes_his_time_makes_no_part_late() {
    const SLOWER: Duration = Duration::from_millis(1_300);
    let upstream = Upstream::start();
    let tune = |it: S3ClientBuilder| it.concurrency(2).timeout("1s").max_attempts(1);
    both("s3.slowly", &upstream.url(""), tune, |side| {
        let bytes = content(12 * MIB);
        let part = |begin: usize, end: usize| {
            Reply::status(206)
                .header("content-range", &format!("bytes {begin}-{}/{}", end - 1, bytes.len()))
                .header("etag", "\"opaque\"")
                .with_body(bytes[begin..end].to_vec())
                .after(Duration::from_millis(100))
        };
        let (one, two) = (5 * MIB, 10 * MIB);
        upstream.script([part(0, one), part(one, two), part(two, bytes.len())]);
        side.runtime.block_on(async {
            let mut read = side.client.get_stream(BUCKET, "f").await.unwrap();
            let mut came = Vec::new();
            while let Some(part) = read.next().await {
                came.extend_from_slice(&part.unwrap());
                tokio::time::sleep(SLOWER).await;
            }
            assert!(came == bytes);
        });

        let later = || stored().after(Duration::from_millis(100));
        upstream.script([begun(), later(), later(), later(), ended()]);
        let chunks: Vec<_> =
            bytes.chunks(5 * MIB).map(|chunk| Ok::<_, io::Error>(chunk.to_vec().into())).collect();
        let slowly = stream::iter(chunks).then(async |chunk| {
            tokio::time::sleep(SLOWER).await;
            chunk
        });
        let sent = side.client.upload_stream(Box::pin(slowly), BUCKET, "f");
        assert_eq!(side.runtime.block_on(sent).unwrap().size, 12 * MIB as u64);
    });
}

#[test]
fn an_upload_whose_end_is_answered_with_an_error_under_a_good_status_is_ended_again() {
    let upstream = Upstream::start();
    both("s3.end", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        let file = side.file("f", &content(6 * MIB));
        upstream.script([begun(), stored(), stored(), error(200, "InternalError"), Reply::closed(), ended()]);
        side.upload(&file, "f").unwrap();
        assert_eq!(upstream.asked().len(), 6);

        upstream.script([
            begun(),
            stored(),
            stored(),
            error(200, "InternalError"),
            error(200, "InternalError"),
            error(200, "InternalError"),
            Reply::status(204),
            error(404, "NoSuchUpload"),
        ]);
        let failure = side.upload(&file, "f").unwrap_err();
        assert_eq!(failure.code(), Some("InternalError"));
        assert_eq!(upstream.asked().len(), 8);
    });
}

#[test]
fn an_upload_whose_end_was_answered_to_nobody_is_known_by_its_etag() {
    let upstream = Upstream::start();
    both("s3.end_lost", &upstream.url(""), one_by_one, |side| {
        let bytes = content(6 * MIB);
        let file = side.file("f", &bytes);
        let lost = || [begun(), stored(), stored(), Reply::closed(), error(404, "NoSuchUpload")];
        let parts: Vec<u8> = bytes.chunks(5 * MIB).flat_map(Md5::digest).collect();
        let etag = format!("{}-2", hex(&Md5::digest(&parts)));
        upstream.script(lost().into_iter().chain([Reply::status(200).header("etag", &etag)]));
        let known = side.upload(&file, "f");
        upstream.script(lost().into_iter().chain([Reply::status(200).header("etag", "\"another-2\"")]));
        upstream.answers(Reply::status(404));
        let unknown = side.upload(&file, "f").unwrap_err();
        upstream.answers(Reply::body("ok"));
        assert_eq!(known.unwrap().etag, Some(etag));
        assert!(matches!(unknown, S3Error::NotFound { .. }), "{unknown:?}");
    });
}

#[test]
fn an_error_has_its_code_and_nothing_else_that_s3_says() {
    let upstream = Upstream::start();
    both("s3.codes", &upstream.url(""), one_by_one, |side| {
        upstream.asked();
        for (status, code, attempts, class) in [
            (403, "SignatureDoesNotMatch", 1, Class::Caller),
            (404, "NoSuchBucket", 1, Class::Caller),
            (409, "OperationAborted", 3, Class::Transient),
            (412, "PreconditionFailed", 1, Class::Caller),
            (400, "InvalidArgument", 1, Class::Caller),
            (400, "IncompleteBody", 3, Class::Transient),
            (500, "InternalError", 3, Class::Transient),
            (503, "SlowDown", 3, Class::Transient),
        ] {
            upstream.answers(error(status, code));
            let failure = side.put("f", "x").unwrap_err();
            assert_eq!((failure.status().unwrap().as_u16(), failure.code()), (status, Some(code)));
            assert_eq!(failure.class(), class, "{code}");
            assert_eq!(upstream.asked().len(), attempts, "{code}");
            assert!(failure.to_string().contains(&format!("({code})")), "{failure}");
            assert!(!printed(&failure).contains("hunter2"), "{failure:?}");
        }
        upstream.answers(Reply::body("ok"));
    });
}

#[test]
fn a_bucket_can_be_in_front_of_the_host() {
    let upstream = Upstream::start();
    let proxied = |it: S3ClientBuilder| it.path_style(false).proxy(upstream.url(""));
    both("s3.host_style", "http://s3.example.invalid", proxied, |side| {
        upstream.asked();
        side.put("a/b", "x").unwrap();
        let asked = upstream.asked().remove(0);
        assert!(asked.path.starts_with("http://bucket.s3.example.invalid/a/b?X-Amz-"), "{}", asked.path);
        assert_eq!(asked.header("host"), Some("bucket.s3.example.invalid"));
    });
}

#[test]
fn no_request_leads_out_of_its_bucket() {
    let upstream = Upstream::start();
    both("s3.places", &upstream.url(""), plain, |side| {
        upstream.asked();
        for key in ["", "/x", "../other/x", "a/./b", ".."] {
            assert!(matches!(side.delete(key), Err(S3Error::Invalid(_))), "{key}");
            assert!(matches!(side.put(key, "x"), Err(S3Error::Invalid(_))), "{key}");
        }
        assert_eq!(upstream.asked().len(), 0);
    });
}

#[test]
fn the_environment_says_where_and_who() {
    let upstream = Upstream::start();
    let scope = Scope::builder()
        .env("PYNOMALY_S3_ENDPOINT", upstream.url("/base"))
        .env("PYNOMALY_S3_REGION", "eu-west-1")
        .env("PYNOMALY_S3_ACCESS_KEY_ID", "AKIAKEY")
        .env("PYNOMALY_S3_SECRET_ACCESS_KEY", "hunter2")
        .env("PYNOMALY_S3_SESSION_TOKEN", "token")
        .build();
    let inside = scope.enter();
    let client = resilient::s3_client().unwrap();
    drop(inside);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(client.put_bytes(BUCKET, "f", "x")).unwrap();
    let path = upstream.asked().remove(0).path;
    assert!(path.starts_with("/base/bucket/f?"), "{path}");
    for part in ["Credential=AKIAKEY%2F", "%2Feu-west-1%2Fs3%2F", "X-Amz-Security-Token=token"] {
        assert!(path.contains(part), "{path}");
    }
    let anonymous =
        S3Client::builder().endpoint(upstream.url("")).anonymous().name("s3.anonymous").build().unwrap();
    runtime.block_on(anonymous.put_bytes(BUCKET, "f", "x")).unwrap();
    assert_eq!(upstream.asked().remove(0).path, "/bucket/f");
}

#[test]
fn wrong_settings_are_told_when_the_client_is_made() {
    let good = || {
        S3Client::builder().endpoint("http://127.0.0.1:1").credentials("AKIAKEY", "hunter2").name("s3.wrong")
    };
    for broken in [
        S3Client::builder(),
        good().endpoint("hunter2"),
        good().endpoint("ftp://x"),
        good().endpoint("http://admin:hunter2@x"),
        good().region("no region"),
        good().part_size(5 * MIB as u64 - 1),
        good().part_size(2 << 30),
        good().concurrency(0),
        good().root_certificate("hunter2"),
        good().proxy("hunter2"),
    ] {
        let failure = broken.build().unwrap_err();
        assert!(matches!(failure, S3Error::Invalid(_)), "{failure:?}");
        assert!(!printed(&failure).contains("hunter2"), "{failure:?}");
    }
    assert!(matches!(good().timeout(0).build(), Err(S3Error::Misconfigured(_))));
    let shown = format!("{:?} {:?}", good(), good().build().unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("AKIAKEY"), "{shown}");
}

#[test]
fn every_event_of_a_call_is_free_of_its_signature() {
    let upstream = Upstream::start();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let listens = resilient::subscribe(move |event| {
        if event.operation.starts_with("s3.events") {
            told.lock().unwrap().push(format!("{event} {event:?}"));
        }
    });
    both("s3.events", &upstream.url(""), plain, |side| {
        upstream.script([Reply::status(503), Reply::closed()]);
        side.put("f", "x").unwrap();
    });
    drop(listens);
    let seen = seen.lock().unwrap().join("\n");
    assert!(seen.contains("s3.events"), "nothing was told");
    for secret in ["hunter2", "AKIAKEY", "X-Amz", "Signature"] {
        assert!(!seen.contains(secret), "{seen}");
    }
}
