//! What is promised of a server that is there.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use resilient::{HealthStatus, S3Error, check_health};
use resilient_clients_tests::moto::{make_bucket, moto, uploads};
use resilient_clients_tests::{Process, until};

use crate::support::{BUCKET, MIB, both, content, plain};

fn start() -> (Process, String) {
    let server = Process::start(moto());
    make_bucket(server.address(), BUCKET);
    let url = format!("http://{}", server.address());
    (server, url)
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn what_is_stored_comes_back_whole() {
    let (server, url) = start();
    both("s3.whole", &url, plain, |side| {
        for size in [0, 1, 6 * MIB, 10 * MIB, 12 * MIB + 345] {
            let bytes = content(size);
            let file = side.file("file", &bytes);
            let stored = side.upload(&file, "a/file").unwrap();
            assert_eq!((stored.key.as_str(), stored.size), ("a/file", size as u64));
            let known = side.head("a/file").unwrap();
            assert_eq!((known.size, &known.etag), (size as u64, &stored.etag), "{size}");
            assert!(known.last_modified.is_some());
            assert!(side.get("a/file").unwrap() == bytes, "{size}");
            let copy = side.path("copy");
            let loaded = side.download("a/file", &copy).unwrap();
            assert_eq!((loaded.size, &loaded.etag), (size as u64, &stored.etag));
            assert!(fs::read(&copy).unwrap() == bytes, "{size}");
            assert_eq!(side.files(), ["copy", "file"]);
        }
        assert_eq!(uploads(server.address(), BUCKET), 0);

        for key in ["a b+c", "ä/ö", "100%", "a?b#c&d=e", "a//b", "x/", "(1)!*'~", "a\\b", "\u{1f980}"] {
            let bytes = format!("{key} itself");
            side.put(key, bytes.clone()).unwrap();
            assert_eq!(side.get(key).unwrap(), bytes, "{key}");
            assert!(side.list(key).unwrap().iter().any(|object| object.key == key), "{key}");
            side.delete(key).unwrap();
            assert!(matches!(side.get(key), Err(S3Error::NotFound { .. })), "{key}");
        }
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn streams_are_stored_and_read_part_by_part() {
    let (server, url) = start();
    both("s3.streams", &url, plain, |side| {
        for size in [0, 7, 5 * MIB, 11 * MIB + 1] {
            let bytes = content(size);
            let chunks: Vec<_> =
                bytes.chunks(700_001).map(|chunk| io::Result::Ok(Bytes::copy_from_slice(chunk))).collect();
            side.runtime.block_on(async {
                let stored = side.client.upload_stream(stream::iter(chunks), BUCKET, "s").await.unwrap();
                assert_eq!(stored.size, size as u64);
                let read = side.client.get_stream(BUCKET, "s").await.unwrap();
                assert_eq!(read.object().size, size as u64);
                let parts: Vec<_> = futures_util::StreamExt::collect(read).await;
                let parts: Vec<Bytes> = parts.into_iter().map(Result::unwrap).collect();
                assert!(parts.concat() == bytes, "{size}");
                assert_eq!(parts.len(), size.div_ceil(5 * MIB));
            });
        }
    });
    assert_eq!(uploads(server.address(), BUCKET), 0);
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_list_has_every_page() {
    let (_server, url) = start();
    both("s3.list", &url, plain, |side| {
        side.runtime.block_on(async {
            for n in 0..1_005 {
                side.client.put_bytes(BUCKET, &format!("many/{n:04}"), "x").await.unwrap();
            }
        });
        side.put("other", "abc").unwrap();
        let many = side.list("many/").unwrap();
        assert_eq!(many.len(), 1_005);
        assert_eq!(many[1_004].key, "many/1004");
        let other = &side.list("oth").unwrap()[0];
        assert_eq!((other.size, other.etag.as_deref()), (3, Some("900150983cd24fb0d6963f7d28e17f72")));
        assert!(other.last_modified.is_some());
        assert!(side.list("none").unwrap().is_empty());
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn an_upload_that_fails_or_is_dropped_leaves_none_behind() {
    let (server, url) = start();
    both("s3.aborts", &url, plain, |side| {
        let broken = || {
            let part = || Ok(Bytes::from(content(5 * MIB)));
            stream::iter([part(), part(), Err(io::Error::other("on purpose"))])
        };
        let error = side.runtime.block_on(side.client.upload_stream(broken(), BUCKET, "s")).unwrap_err();
        assert!(matches!(error, S3Error::Stream(_)), "{error:?}");
        assert_eq!(uploads(server.address(), BUCKET), 0);

        let endless = || stream::iter([Ok::<_, io::Error>(Bytes::from(content(11 * MIB)))]);
        side.runtime.block_on(async {
            let never = futures_util::StreamExt::chain(endless(), stream::pending());
            let upload = side.client.upload_stream(never, BUCKET, "s");
            tokio::select! {
                stored = upload => panic!("{stored:?}"),
                () = async {
                    let address = server.address();
                    let begun = tokio::task::spawn_blocking(move || until(|| uploads(address, BUCKET) == 1));
                    begun.await.unwrap();
                } => {}
            }
        });
        until(|| uploads(server.address(), BUCKET) == 0);
        assert!(matches!(side.head("s"), Err(S3Error::NotFound { .. })));
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_file_that_changes_while_it_is_uploaded_is_not_stored() {
    let (server, url) = start();
    both(
        "s3.changing",
        &url,
        |it| it.concurrency(1),
        |side| {
            let file = side.file("file", &content(16 * MIB));
            let changes = file.clone();
            let error =
                side.upload_with(&file, "f", move |_| fs::write(&changes, vec![7; 16 * MIB]).unwrap());
            let error = error.unwrap_err();
            assert!(matches!(error, S3Error::Changed { .. }), "{error:?}");
            assert!(matches!(side.head("f"), Err(S3Error::NotFound { .. })));
            assert_eq!(uploads(server.address(), BUCKET), 0);
        },
    );
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn an_object_that_is_replaced_while_it_is_read_is_an_error_and_no_mixture() {
    let (_server, url) = start();
    both(
        "s3.replaced",
        &url,
        |it| it.concurrency(1),
        |side| {
            side.put("f", content(16 * MIB)).unwrap();
            let old = side.file("f", b"as it was");
            let (again, runtime) = (side.client.clone(), side.runtime.handle().clone());
            let replaced = move |_| {
                let again = again.clone();
                let put = async move { again.put_bytes(BUCKET, "f", vec![7; 16 * MIB]).await.map(drop) };
                let (tell, told) = std::sync::mpsc::channel();
                runtime.spawn(async move { tell.send(put.await) });
                told.recv().unwrap().unwrap();
            };
            let error = side.download_with("f", &old, replaced).unwrap_err();
            assert!(matches!(error, S3Error::Changed { .. }), "{error:?}");
            assert_eq!(fs::read(&old).unwrap(), b"as it was");
            assert_eq!(side.files(), ["f"]);
        },
    );
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn progress_is_told_part_by_part_up_to_the_end() {
    let (_server, url) = start();
    both("s3.progress", &url, plain, |side| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tell = || {
            let seen = Arc::clone(&seen);
            move |progress: resilient::Progress| seen.lock().unwrap().push((progress.bytes, progress.total))
        };
        let told = || std::mem::take(&mut *seen.lock().unwrap());
        let size = 12 * MIB as u64;
        let part = 5 * MIB as u64;
        let all = [part, 2 * part, size].map(|bytes| (bytes, Some(size)));
        let file = side.file("file", &content(12 * MIB));
        side.upload_with(&file, "f", tell()).unwrap();
        assert_eq!(told(), all);
        side.download_with("f", &side.path("copy"), tell()).unwrap();
        assert_eq!(told(), all);
        side.upload_with(&side.file("small", b"abc"), "s", tell()).unwrap();
        assert_eq!(told(), [(3, Some(3))]);
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn health_is_that_of_the_bucket_or_of_the_server() {
    let (server, url) = start();
    both(
        "s3.health",
        &url,
        |it| it.health_bucket(BUCKET),
        |side| {
            assert_eq!(side.health(None).status, HealthStatus::Healthy);
            assert_eq!(side.health(Some(BUCKET)).status, HealthStatus::Healthy);
            let missing = side.health(Some("no-such-bucket"));
            assert_eq!(missing.message.as_deref(), Some("it answers 404 Not Found"));
            assert_eq!(missing.details["bucket"], "no-such-bucket");
            assert_eq!(side.health(Some("no bucket")).status, HealthStatus::Unhealthy);
            let all = side.runtime.block_on(check_health());
            let own = all.iter().filter(|(name, _)| name.starts_with("s3.health"));
            assert_eq!(own.map(|(_, report)| report.status).collect::<Vec<_>>(), [HealthStatus::Healthy]);
        },
    );
    both("s3.health_of_server", &url, plain, |side| {
        assert_eq!(side.health(None).status, HealthStatus::Healthy);
    });
    server.kill();
    both("s3.health_dead", &url, plain, |side| {
        assert_eq!(side.health(None).status, HealthStatus::Unhealthy);
        assert_eq!(side.health(Some(BUCKET)).status, HealthStatus::Unhealthy);
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn an_object_too_large_for_memory_is_refused_before_it_is_read() {
    let (_server, url) = start();
    both(
        "s3.large",
        &url,
        |it| it.max_object_size(MIB as u64),
        |side| {
            side.put("f", content(MIB)).unwrap();
            assert_eq!(side.get("f").unwrap().len(), MIB);
            side.put("f", content(MIB + 1)).unwrap();
            assert!(matches!(side.get("f"), Err(S3Error::TooLarge { .. })));
            side.download("f", &side.path("f")).unwrap();
        },
    );
}
