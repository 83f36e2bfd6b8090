//! Texts that become values, and values that become the same text: durations, jitters, windows, budgets, `grpc-timeout`.
#![no_main]

use std::fmt::Display;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use resilient_runtime::testing::Scope;
use resilient_runtime::{
    Budget, Deadline, IntoAlgorithm, IntoBackoff, IntoBudget, IntoDuration, IntoHedgeDelay, IntoJitter,
    IntoWindow, Window,
};

/// About 584 years: what 64 bits of nanoseconds hold.
const LONGEST: Duration = Duration::from_nanos(u64::MAX);

/// What is refused says why, on one line.
fn accepted<T>(read: Result<T, impl Display>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(why) => {
            let why = why.to_string();
            assert!(!why.is_empty() && !why.contains(char::is_control) && why.len() < 1_000, "{why:?}");
            None
        }
    }
}

fn durations(text: &str) {
    let Ok(span) = text.into_duration() else { return };
    assert!(span <= LONGEST);
    if let Some(window) = text.into_window().ok().filter(|window| matches!(window, Window::Time(_))) {
        let again = window.to_string().as_str().into_window();
        assert!(again.is_ok_and(|again| again == window), "{window}");
    }
}

fn grpc(text: &str) {
    let Some(deadline) = accepted(Deadline::from_grpc_timeout(text)) else { return };
    let (left, sent) = (deadline.remaining(), deadline.to_grpc_timeout());
    let received = Deadline::from_grpc_timeout(&sent).expect("what is sent can be read").remaining();
    // Rounded down to eight digits, of which the next coarser unit leaves five.
    assert!(
        received <= left && left - received <= left / 99_999 + Duration::from_nanos(1),
        "{left:?}: {sent}"
    );
    assert_eq!(received.is_zero(), left.is_zero(), "{left:?}: {sent}");
    let again = Deadline::from_grpc_timeout(&sent).expect("as above").to_grpc_timeout();
    assert_eq!(again, sent);
    assert_eq!(deadline.as_millis() == 0, deadline.is_expired());
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let scope = Scope::new(); // its clock stands still
    let _inside = scope.enter();
    durations(text);
    grpc(text);
    let _ = text.into_jitter();
    let _ = text.into_hedge_delay();
    if let Ok(backoff) = text.into_backoff() {
        assert!(backoff.to_string().as_str().into_backoff().is_ok_and(|again| again == backoff));
    }
    if let Ok(algorithm) = text.into_algorithm() {
        assert!(algorithm.to_string().as_str().into_algorithm().is_ok_and(|again| again == algorithm));
    }
    if let Ok(Budget::Ratio { ratio, per_second }) = text.into_budget() {
        assert!((0.0..=1.0).contains(&ratio) && per_second.is_finite());
    }
    if let Ok(Window::Count(size)) = text.into_window() {
        assert!(
            Window::Count(size)
                .to_string()
                .as_str()
                .into_window()
                .is_ok_and(|again| again == Window::Count(size))
        );
    }
});
