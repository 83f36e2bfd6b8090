//! A storm of requests on the service while what it asks is down for ten seconds: nobody goes without an answer, who is away
//! is left alone, nothing piles up, and all is as before when it is back.
#![allow(clippy::disallowed_methods, reason = "a storm is real time")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const AT_ONCE: u64 = 16;

/// The service, on a port of its own with a database of its own, and no Redis. It ends with the test.
struct Service {
    process: Child,
    /// What it says, which has to go somewhere.
    _says: BufReader<ChildStdout>,
    address: String,
    folder: TempDir,
}

impl Service {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_service"))
            .args(["--port", "0", "--load", "0", "--for", "300"])
            .env("PYNOMALY_DATABASE_URL", format!("sqlite:{}", folder.path().join("shop.db").display()))
            .env("PYNOMALY_REDIS_URL", "redis://127.0.0.1:1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut says = BufReader::new(process.stdout.take().unwrap());
        says.read_line(&mut said).unwrap();
        let address = said.split('/').nth(2).expect("it says where it is").to_owned();
        Self { process, _says: says, address, folder }
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        answer
    }

    /// How many requests the upstream got, and how many of them failed.
    fn asked(&self) -> (u64, u64) {
        let metrics = self.ask("GET", "/metrics");
        let of = |outcome: &str| {
            let series = format!("resilient_attempts_total{{operation=\"prices\",outcome=\"{outcome}\"}} ");
            metrics
                .lines()
                .find_map(|line| line.strip_prefix(&series))
                .map_or(0, |count| count.parse().unwrap())
        };
        (of("success") + of("failure"), of("failure"))
    }

    /// Of the calls of the upstream that were refused, as its client measures them: how many, and how many of them took so
    /// many seconds at most, by those.
    fn refused(&self) -> (u64, Vec<(f64, u64)>) {
        let metrics = self.ask("GET", "/metrics");
        let series = "resilient_call_duration_seconds_bucket{operation=\"prices\",outcome=\"refused\",le=\"";
        let buckets = metrics.lines().filter_map(|line| line.strip_prefix(series)?.split_once("\"} "));
        let mut within: Vec<(f64, u64)> = buckets
            .map(|(at_most, count)| (at_most.replace('+', "").parse().unwrap(), count.parse().unwrap()))
            .collect();
        let (_, all) = within.pop().expect("some calls were refused");
        (all, within)
    }

    /// In kilobytes.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// So many seconds of requests by `wrk`, for a thousand prices in turn.
    fn storm(&self, seconds: u64) -> Storm {
        let script = self.folder.path().join("prices.lua");
        let turns = "local n = 0\nrequest = function() n = n + 1 return wrk.format('GET', '/prices/' .. n % 1000 + 1) end\n";
        fs::write(&script, turns).unwrap();
        let (at_once, lasts) = (format!("-c{AT_ONCE}"), format!("-d{seconds}s"));
        let run = Command::new("wrk")
            .args(["-t1", &at_once, &lasts, "--timeout", "10s", "--latency", "-s"])
            .arg(script)
            .arg(format!("http://{}", self.address))
            .output()
            .expect("`wrk` is not installed: `scripts/test` installs what the tests need");
        Storm::read(&String::from_utf8_lossy(&run.stdout))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `wrk` says.
#[derive(Debug)]
struct Storm {
    requests: u64,
    /// 99 of 100 were answered within this.
    p99: Duration,
    /// Answers that were none, and answers that never came.
    failed: bool,
}

impl Storm {
    fn read(report: &str) -> Self {
        let words = |with: &str| {
            let line = report.lines().find(|line| line.contains(with));
            line.unwrap_or_else(|| panic!("wrk says nothing of {with}: {report}")).split_whitespace()
        };
        let p99 = words("99%").nth(1).unwrap();
        let (number, unit) = p99.split_at(p99.find(|it: char| it.is_alphabetic()).unwrap());
        let seconds = number.parse::<f64>().unwrap()
            * if unit == "us" {
                1e-6
            } else if unit == "ms" {
                1e-3
            } else {
                1.0
            };
        Self {
            requests: words("requests in").next().unwrap().parse().unwrap(),
            p99: Duration::from_secs_f64(seconds),
            failed: report.contains("Non-2xx") || report.contains("Socket errors"),
        }
    }
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs wrk: scripts/test")]
fn a_storm_through_an_outage_is_answered_leaves_the_upstream_alone_and_holds_no_memory() {
    let service = Service::start();
    let before = service.storm(5);
    let (memory, (asked, _)) = (service.memory(), service.asked());
    service.ask("POST", "/fault/down");
    let during = service.storm(10);
    let (asked_then, failed) = service.asked();
    let (refused, within) = service.refused();
    service.ask("POST", "/fault/none");
    let mended = Instant::now();
    while !service.ask("GET", "/prices/7").contains("\"upstream\"") {
        assert!(mended.elapsed() < Duration::from_secs(60), "it does not recover");
        sleep(Duration::from_millis(50));
    }
    let recovered = mended.elapsed();
    let after = service.storm(5);
    let grown = service.memory().saturating_sub(memory);
    // Nobody was refused before the outage.
    let nearly_all = within.iter().find(|(_, count)| count * 100 >= refused * 99);
    let nearly_all = nearly_all.map_or(f64::INFINITY, |(seconds, _)| seconds * 1e3);
    println!(
        "before: {before:?}\nduring: {during:?}\nafter: {after:?}\nthe upstream was asked {} times in the outage; \
         {refused} calls of it were refused, 99 of 100 within {nearly_all} ms; \
         recovered after {recovered:?}; memory grew by {grown} kB of {memory}",
        asked_then - asked
    );
    assert!(!before.failed && !during.failed && !after.failed, "everybody had an answer");
    assert!(during.requests > 1000 && after.requests > 1000);
    // Those under way when it broke, and in ten seconds a probe or two every two seconds.
    assert!(failed <= 3 * AT_ONCE, "the upstream got {failed} requests");
    assert!(asked_then - asked <= 3 * AT_ONCE + failed, "the upstream got {} requests", asked_then - asked);
    assert!(refused * 2 > during.requests, "{refused} of {} were refused", during.requests);
    assert!(nearly_all <= 5.0, "99 of 100 refused calls within {nearly_all} ms");
    // Whole requests: HTTP, and the look into the database for what was the price last.
    assert!(during.p99 < Duration::from_millis(500), "{:?}", during.p99);
    assert!(grown < 16 * 1024, "{grown} kB more than {memory}");
    assert!(service.asked().0 > asked_then + 1, "the upstream serves again");
}
