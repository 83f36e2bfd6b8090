//! What is promised of a server that goes away, and of a connection that does harm.

use std::fs;
use std::thread;
use std::time::Duration;

use resilient::{Deadline, ResilienceError, S3Error, State, keyed_breaker};
use resilient_clients_tests::moto::{make_bucket, moto, uploads};
use resilient_clients_tests::{Fault, Process, Proxy, printed, until};

use crate::support::{BUCKET, MIB, Side, both, content, plain};

struct World {
    server: Process,
    proxy: Proxy,
}

impl World {
    fn start() -> Self {
        let server = Process::start(moto());
        make_bucket(server.address(), BUCKET);
        let proxy = Proxy::start(server.address());
        Self { server, proxy }
    }

    fn url(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    fn uploads(&self) -> usize {
        uploads(self.server.address(), BUCKET)
    }
}

fn close_breakers(side: &Side) {
    let name = format!("{:?}", side.client).split('"').nth(1).unwrap().to_owned();
    for (_, breaker) in resilient::keyed_breakers(&name).unwrap_or_default() {
        breaker.reset();
    }
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_download_through_every_harm_is_whole_or_leaves_the_old_file() {
    let world = World::start();
    let bytes = content(11 * MIB);
    both(
        "s3.harmed_down",
        &world.url(),
        |it| it.timeout("3s").max_attempts(2),
        |side| {
            world.proxy.set(Fault::Pass);
            side.upload(&side.file("f", &bytes), "f").unwrap();
            for fault in [
                Fault::Cut(0),
                Fault::Cut(100_000),
                Fault::Cut(6 * MIB),
                Fault::Reset,
                Fault::Refuse,
                Fault::Stall,
            ] {
                let file = side.file("f", b"as it was");
                world.proxy.set(fault);
                // What passes after so many bytes passes in the first part of the second attempt, too.
                let loaded = side.download("f", &file);
                let expected = if loaded.is_ok() { bytes.clone() } else { b"as it was".to_vec() };
                assert_eq!(loaded.is_ok(), fault == Fault::Cut(6 * MIB), "{fault:?}: {loaded:?}");
                assert!(fs::read(&file).unwrap() == expected, "{fault:?}");
                assert_eq!(side.files(), ["f"], "{fault:?}");
                world.proxy.set(Fault::Pass);
                close_breakers(side);
                side.download("f", &file).unwrap();
                assert!(fs::read(&file).unwrap() == bytes, "{fault:?}");
            }
        },
    );
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_download_that_is_dropped_leaves_the_old_file_and_nothing_else() {
    let world = World::start();
    both(
        "s3.dropped_down",
        &world.url(),
        |it| it.concurrency(1),
        |side| {
            side.put("f", content(11 * MIB)).unwrap();
            let file = side.file("f", b"as it was");
            world.proxy.set(Fault::Cut(1 << 40));
            side.runtime.block_on(async {
                let load =
                    side.client.download_file_with(BUCKET, "f", &file, |_| world.proxy.set(Fault::Stall));
                let dropped = tokio::time::timeout(Duration::from_millis(1_500), load).await;
                assert!(dropped.is_err(), "{dropped:?}");
            });
            world.proxy.set(Fault::Pass);
            assert_eq!(fs::read(&file).unwrap(), b"as it was");
            assert_eq!(side.files(), ["f"]);
        },
    );
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn an_upload_survives_resets_cuts_and_latency() {
    let world = World::start();
    let bytes = content(16 * MIB);
    let tune = |it: resilient::S3ClientBuilder| {
        it.layers(|it| it.max_attempts(20).enable_circuit_breaker(false).budget("none"))
    };
    both("s3.harmed_up", &world.url(), tune, |side| {
        let file = side.file("f", &bytes);
        thread::scope(|scope| {
            let upload = scope.spawn(|| side.upload(&file, "f"));
            for fault in
                [Fault::Reset, Fault::Cut(0), Fault::Refuse, Fault::Latency(Duration::from_millis(20))]
            {
                world.proxy.set(fault);
                thread::sleep(Duration::from_millis(30));
                world.proxy.set(Fault::Pass);
                thread::sleep(Duration::from_millis(30));
            }
            let stored = upload.join().unwrap().unwrap();
            assert_eq!(stored.size, 16 * MIB as u64);
        });
        assert!(side.get("f").unwrap() == bytes);
        side.delete("f").unwrap();
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_server_that_hangs_is_given_up_and_used_again() {
    let world = World::start();
    both(
        "s3.hangs",
        &world.url(),
        |it| it.timeout("1500ms").max_attempts(1),
        |side| {
            side.put("f", "before").unwrap();
            world.server.stop();
            let error = side.get("f").unwrap_err();
            assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_timeout), "{error:?}");
            let error = side.put("f", "meanwhile").unwrap_err();
            assert!(matches!(error, S3Error::Refused(_)), "{error:?}");
            world.server.resume();
            close_breakers(side);
            until(|| side.get("f").is_ok());
            side.put("f", "after").unwrap();
            assert_eq!(side.get("f").unwrap(), "after");
        },
    );
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_server_that_is_killed_is_refused_meanwhile_and_used_when_it_is_back() {
    let world = World::start();
    let quick = |it: resilient::S3ClientBuilder| {
        it.layers(|it| it.failure_threshold(3).recovery_timeout("200ms").success_threshold(1))
    };
    both("s3.killed", &format!("http://{}", world.server.address()), quick, |side| {
        let file = side.file("f", &content(16 * MIB));
        side.upload(&file, "f").unwrap();
        // In the middle of an upload, and of a download.
        let (old, mut first) = (side.file("old", b"as it was"), true);
        side.runtime.block_on(async {
            let load = side.client.download_file_with(BUCKET, "f", &old, |_| {
                if std::mem::take(&mut first) {
                    world.server.kill();
                }
            });
            let _ = load.await;
        });
        assert!(fs::read(&old).unwrap() == b"as it was" || fs::read(&old).unwrap().len() == 16 * MIB);
        let error = side.upload(&file, "f").unwrap_err();
        let is_away = matches!(error, S3Error::Transport(_) | S3Error::Refused(_));
        assert!(is_away, "{error:?}");
        assert_eq!(side.files(), ["f", "old"]);
        let refused = side.get("f").unwrap_err();
        assert!(ResilienceError::find(&refused).is_some_and(ResilienceError::is_circuit_open), "{refused:?}");

        world.server.restart();
        make_bucket(world.server.address(), BUCKET);
        until(|| side.upload(&file, "f").is_ok());
        assert!(side.get("f").unwrap() == fs::read(&file).unwrap());
        let name = format!("{:?}", side.client).split('"').nth(1).unwrap().to_owned();
        let breaker = keyed_breaker(&name, &world.server.address().to_string()).unwrap();
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(world.uploads(), 0);
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_server_that_is_absent_at_start_is_used_when_it_comes() {
    let world = World::start();
    both("s3.absent", &world.url(), plain, |side| {
        world.proxy.set(Fault::Refuse);
        assert!(matches!(side.get("f"), Err(S3Error::Transport(_))));
        world.proxy.set(Fault::Pass);
        close_breakers(side);
        side.put("f", "x").unwrap();
        assert_eq!(side.get("f").unwrap(), "x");
    });
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn a_full_bulkhead_has_all_its_slots_again_after_every_harm() {
    const SLOTS: u32 = 3;
    let world = World::start();
    let tune = |it: resilient::S3ClientBuilder| {
        let one = it.max_attempts(1).timeout("30s");
        one.layers(|it| it.bulkhead_max_concurrent(SLOTS).enable_circuit_breaker(false))
    };
    both("s3.slots", &world.url(), tune, |side| {
        side.put("f", "x").unwrap();
        let file = side.file("u", &content(11 * MIB));
        let soon = || Deadline::after(Duration::from_millis(200));
        for fault in [Fault::Stall, Fault::Reset, Fault::Refuse, Fault::Cut(10), Fault::Pass] {
            world.proxy.set(fault);
            let _ = soon().within(|| side.get("f"));
            let _ = soon().within(|| side.upload(&file, "u"));
            side.runtime.block_on(async {
                let dropped = side.client.get_bytes(BUCKET, "f");
                let _ = tokio::time::timeout(Duration::from_millis(5), dropped).await;
            });
        }
        // What was dropped aborts its upload in the background, and needs a slot for that.
        until(|| side.get("f").is_ok());
        world.proxy.set(Fault::Stall);
        thread::scope(|scope| {
            // One that the probe below kept out comes again.
            let taken =
                || std::iter::repeat_with(|| side.get("f")).find(|got| !got.as_ref().is_err_and(is_full));
            let calls: Vec<_> = (0..SLOTS).map(|_| scope.spawn(taken)).collect();
            until(|| soon().within(|| side.head("f")).is_err_and(|error| is_full(&error)));
            world.proxy.set(Fault::Pass);
            for call in calls {
                assert_eq!(call.join().unwrap().unwrap().unwrap(), "x");
            }
        });
    });
}

fn is_full(error: &S3Error) -> bool {
    ResilienceError::find(error).is_some_and(ResilienceError::is_bulkhead_full)
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs moto: scripts/test")]
fn no_signature_and_no_key_of_ones_own_is_in_an_error() {
    let world = World::start();
    both(
        "s3.secrets",
        &world.url(),
        |it| it.session_token("hunter2token").timeout("1s").max_attempts(1),
        |side| {
            let file = side.file("f", &content(11 * MIB));
            side.put("there", content(100_000)).unwrap();
            let mut seen = vec![printed(&side.get("no such key").unwrap_err())];
            for fault in [Fault::Refuse, Fault::Reset, Fault::Stall, Fault::Cut(10), Fault::Cut(1_000)] {
                world.proxy.set(fault);
                close_breakers(side);
                // Its answers may be shorter than what is cut off.
                seen.extend(side.upload(&file, "f").err().map(|error| printed(&error)));
                close_breakers(side);
                seen.push(printed(&side.download("there", &side.path("x")).unwrap_err()));
                close_breakers(side);
                seen.extend(side.head("there").err().map(|error| printed(&error)));
                seen.push(format!("{:?}", side.health(Some(BUCKET))));
            }
            world.proxy.set(Fault::Pass);
            seen.push(format!("{:?} {:?}", side.client, side.blocking));
            for text in seen {
                for secret in ["hunter2", "AKIAKEY", "X-Amz", "x-amz-security", "Signature"] {
                    assert!(!text.contains(secret), "{secret}: {text}");
                }
            }
        },
    );
}
