//! At the level of a program in production: nothing is told of healthy attempts, but spans are wanted, or they are not.

use resilient::{ResilienceError, resilient};
use resilient_telemetry_tests::traces::Traces;
use tracing::level_filters::LevelFilter;

#[resilient(operation_name = "healthy", enable_timeout = false, max_attempts = 2)]
fn healthy() -> Result<(), ResilienceError> {
    Ok(())
}

const SPANS: &str = "\
resilient.call attempts=1 operation=healthy outcome=success reason=success
  resilient.attempt attempt=1 outcome=success
";

// One test: the level is the process's.
#[test]
fn a_healthy_call_has_its_spans_where_they_are_wanted_and_only_there() {
    healthy().unwrap();
    let spans_of = |level, target: &str| {
        let traces = Traces::default();
        let subscriber = traces.subscriber_of(level, target);
        tracing::dispatcher::with_default(&subscriber, || healthy().unwrap());
        traces.tree()
    };
    assert_eq!(spans_of(LevelFilter::INFO, "resilient"), SPANS);
    assert_eq!(spans_of(LevelFilter::INFO, "resilient::spans"), SPANS);
    assert_eq!(spans_of(LevelFilter::INFO, "another"), "");
    assert_eq!(spans_of(LevelFilter::WARN, "resilient"), "");
}
