use super::*;
use crate::clock::Clock;
use crate::health::{HealthConfig, HealthStatus, ServiceHealth};
use crate::hedge::Latency;

fn made(config: HealthConfig) -> Arc<ServiceHealth> {
    Arc::new(ServiceHealth::new("db", config, Clock::Test(TestClock::new())))
}

#[test]
fn of_three_calls_at_once_each_counts_and_one_tells_the_change() {
    explore_within_bound(|| {
        let service = made(HealthConfig::new().min_samples(2));
        let records = |service: &ServiceHealth| service.record(Duration::from_millis(1), true);
        let others = [(); 2].map(|()| beside(&service, records));
        let mut told = vec![records(&service)];
        told.extend(answers(others));
        told.retain(Option::is_some);
        assert_eq!(told, [Some((HealthStatus::Unknown, HealthStatus::Healthy))]);
        assert_eq!(service.metrics().statistics.total_count, 3);
    });
}

#[test]
fn the_changes_that_two_calls_tell_make_a_chain() {
    explore(|| {
        let service = made(HealthConfig::new().min_samples(1).window(1));
        let records = |service: &ServiceHealth, ok| service.record(Duration::from_millis(1), ok);
        let other = beside(&service, move |service| records(service, false));
        let mine = records(&service, true).unwrap();
        let others = answer(other).unwrap();
        let (first, last) = if mine.0 == HealthStatus::Unknown { (mine, others) } else { (others, mine) };
        assert_eq!((first.0, first.1, last.1), (HealthStatus::Unknown, last.0, service.status()));
    });
}

#[test]
fn a_call_beside_a_reset_is_forgotten_or_the_first() {
    explore(|| {
        let service = made(HealthConfig::new().min_samples(1));
        let other = beside(&service, |service| service.reset());
        assert!(service.record(SECOND / 1000, true).is_some());
        answer(other);
        let now = service.metrics();
        let is_forgotten = now.statistics.total_count == 0;
        assert_eq!(now.status == HealthStatus::Unknown, is_forgotten);
        assert_eq!(service.record(SECOND / 1000, true).is_some(), is_forgotten, "a change is told once");
    });
}

#[test]
fn a_percentile_is_one_of_what_was_recorded() {
    explore(|| {
        let latency = Arc::new(Latency::default());
        (0..19).for_each(|_| latency.record(SECOND));
        let other = beside(&latency, |latency| latency.record(2 * SECOND));
        latency.record(3 * SECOND);
        let seen = latency.p95();
        answer(other);
        let known = [SECOND, 2 * SECOND, 3 * SECOND];
        assert!(seen.is_none_or(|p95| known.contains(&p95)), "{seen:?}");
        // One that met the other's may be left out, never both.
        assert!(latency.p95().is_some());
    });
}
