//! In a program: its own recorder, no scope around anything.

use metrics_exporter_prometheus::PrometheusHandle;
use resilient::{ResilienceError, breaker, resilient};
use resilient_telemetry_tests::{Exposition, recorder};

#[resilient(operation_name = "program", enable_timeout = false, max_attempts = 1, failure_threshold = 1)]
fn program(answer: u32) -> Result<u32, Box<dyn std::error::Error>> {
    if answer == 0 { Err("down".into()) } else { Ok(answer) }
}

fn counted(handle: &PrometheusHandle, series: &str) -> Option<i64> {
    Exposition::read(&handle.render()).value(series)
}

// One test: the recorder and the state are the process's.
#[test]
fn a_program_counts_on_its_own_recorder_from_the_moment_it_says_so() {
    let (recorder, handle) = recorder();
    metrics::set_global_recorder(recorder).unwrap();
    let calls = r#"resilient_calls_total{operation="program",outcome="success",reason="success"}"#;
    program(1).unwrap();
    assert_eq!(counted(&handle, calls), None);
    let metrics = resilient::metrics::install().forever();
    for _ in 0..10 {
        program(1).unwrap();
    }
    assert_eq!(counted(&handle, calls), Some(10_000));
    let count = r#"resilient_call_duration_seconds_count{operation="program",outcome="success"}"#;
    assert_eq!(counted(&handle, count), Some(10_000));
    program(0).unwrap_err();
    let error = program(1).unwrap_err();
    assert!(matches!(ResilienceError::find(&*error), Some(ResilienceError::CircuitOpen { .. })), "{error}");
    let refused = r#"resilient_refusals_total{kind="circuit_open",operation="program"}"#;
    assert_eq!(counted(&handle, refused), Some(1_000));
    let open = r#"resilient_breaker_state{breaker="program",state="open"}"#;
    assert_eq!(counted(&handle, open), Some(1_000));
    breaker("program").unwrap().reset();
    metrics.update_gauges();
    assert_eq!(counted(&handle, open), Some(0));
}
