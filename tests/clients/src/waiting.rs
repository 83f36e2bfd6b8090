//! Waiting for what servers and other threads do in their own time.

use std::time::{Duration, Instant};

/// How long something may take to come true: longer than anything that works takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

/// The time of servers.
#[allow(clippy::disallowed_methods, reason = "servers live in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until it holds, on a thread that may be blocked.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let began = now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never came to hold");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until it holds, and lets other tasks run.
pub async fn until_async(mut holds: impl AsyncFnMut() -> bool) {
    let began = now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "it never came to hold");
        tokio::time::sleep(PAUSE).await;
    }
}
