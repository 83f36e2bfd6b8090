//! Seed 003, E01 to E06: its standalone demo.

use resilient::State;

use crate::support::{Fault, about, broken, each, failing, healthy, millis, seconds, told, totals};

twins! {
    database: #[database_resilient(enable_circuit_breaker = false)]
    api: #[api_resilient(enable_retry = false, failure_threshold = 2, recovery_timeout = 1)]
    cache: #[cache_resilient(max_attempts = 2, base_delay = 0.1, failure_threshold = 3, breaker_scope = "call")]
    cache_by_attempt: #[cache_resilient(max_attempts = 2, base_delay = 0.1, failure_threshold = 3)]
    patient_api: #[api_resilient(max_attempts = 3)]
    custom: #[resilient(
        operation_type = "custom", max_attempts = 5, base_delay = 0.5, max_delay = 5, exponential_base = 1.5,
        jitter = true, enable_timeout = false, enable_circuit_breaker = false
    )]
    brittle: #[resilient(enable_retry = false, failure_threshold = 2)]
}

#[tokio::test(start_paused = true)]
async fn seed_e01_the_database_preset_makes_two_lost_connections_good() {
    each(database::BOTH, async |guarded, _| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_e02_the_api_preset_refuses_after_its_threshold() {
    each(api::BOTH, async |guarded, scope| {
        let backend = broken(|| Fault::Connection);
        let answers = guarded.calls(3, &backend).await;
        assert_eq!(told(&answers), ["connection lost", "connection lost", "circuit_open"]);
        assert_eq!(backend.calls(), 2);
        scope.clock().advance(seconds(1));
        assert_eq!(guarded.call(&healthy()).await.unwrap(), "success");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_e03_with_the_breaker_around_the_retries_a_sequence_is_one_failure() {
    each(cache::BOTH, async |guarded, _| {
        let backend = failing(4, || Fault::Connection);
        let answers = guarded.calls(6, &backend).await;
        assert_eq!(told(&answers[..2]), ["connection lost"; 2]);
        assert_eq!(told(&answers[2..]), ["success"; 4]);
        let snapshot = guarded.snapshot();
        assert_eq!((snapshot.times_opened, totals(&snapshot)), (0, (6, 4, 2)));
    })
    .await;
    // Unasked, the breaker sees every attempt: the third one opens it.
    each(cache_by_attempt::BOTH, async |guarded, _| {
        let backend = failing(4, || Fault::Connection);
        let answers = guarded.calls(3, &backend).await;
        assert_eq!(told(&answers), ["connection lost", "circuit_open", "circuit_open"]);
        assert_eq!((guarded.breaker().state(), backend.calls()), (State::Open, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_e04_the_async_api_preset_succeeds_at_the_third_attempt() {
    let [.., awaited] = patient_api::BOTH;
    each([awaited], async |guarded, scope| {
        let backend = failing(2, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!((backend.calls(), scope.pauses().len()), (3, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_e05_custom_settings_succeed_at_the_fourth_attempt() {
    each(custom::BOTH, async |guarded, scope| {
        let backend = failing(3, || Fault::Connection);
        assert_eq!(guarded.call(&backend).await.unwrap(), "success");
        assert_eq!(backend.calls(), 4);
        let pauses = scope.pauses();
        // 0.5 s, growing by half; jitter takes at most half of each.
        let longest = [millis(500), millis(750), millis(1_125)];
        assert_eq!(pauses.len(), longest.len());
        for (pause, longest) in pauses.iter().zip(longest) {
            assert!((longest / 2..longest).contains(pause), "{pauses:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn seed_e06_a_blocked_call_is_in_no_total() {
    each(brittle::BOTH, async |guarded, _| {
        guarded.calls(3, &broken(|| Fault::Connection)).await;
        let snapshot = guarded.snapshot();
        assert_eq!((snapshot.state.to_string(), snapshot.failure_count), ("open".to_owned(), 2));
        assert_eq!((totals(&snapshot), snapshot.blocked_calls), ((2, 0, 2), 1));
        assert!(about(snapshot.failure_rate, 1.0));
    })
    .await;
}
