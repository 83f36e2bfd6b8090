//! What a hundred thousand named breakers cost.

use std::hint::black_box;
use std::time::Duration;

use resilient::{BreakerConfig, CircuitBreaker, ResilienceConfig};
use resilient_benches::allocations::counted;
use resilient_benches::harness::{self, Run};

use crate::calls;
use crate::contests::Calls;
use crate::ours;
use crate::work::{Answer, work};

const BREAKERS: u32 = 100_000;
const IN_HEALTH: u32 = 10_000;

pub struct Many {
    /// What a breaker in its owner's hands takes, its name included.
    pub bytes_each: f64,
    /// What an operation made in code takes, with a breaker that the registry knows.
    pub bytes_each_operation: f64,
    /// The median of an annotated call and of a call by handle, nanoseconds: before and beside all of them.
    pub annotated: (f64, f64),
    pub handle: (f64, f64),
    /// `resilience_health()` of ten thousand, and of all of them as JSON-ready snapshots.
    pub health: Duration,
}

pub fn measure() -> Many {
    let first = CircuitBreaker::new("many.first", BreakerConfig::new()).expect("the figures are right");
    let before = [calls!(|n| ours::closed(n)) as Calls, by_handle(first)];
    let before = harness::alone(&[&before[0] as Run<'_>, &before[1]]);

    let make = |n: u32| CircuitBreaker::new(&format!("many.{n}"), BreakerConfig::new());
    let (taken, breakers) =
        counted(|| (0..BREAKERS).map(make).collect::<Result<Vec<_>, _>>().expect("the figures are right"));
    let handles = f64::from(u32::try_from(size_of::<CircuitBreaker>()).expect("it is small"));

    // One call each: what is made at the first one counts as well.
    let (first_calls, ()) = counted(|| {
        for (breaker, n) in breakers.iter().zip(0..) {
            let _ = black_box(breaker.call(|| work(n)));
        }
    });

    let operation = |n: u32| {
        let config = ResilienceConfig::new(format!("listed.{n}")).enable_retry(false).enable_timeout(false);
        let operation = config.build().expect("the figures are right");
        assert_eq!(operation.call(|| work(n)), Ok(n));
        operation
    };
    let (operations_taken, operations) = counted(|| (0..IN_HEALTH).map(operation).collect::<Vec<_>>());

    let beside = [calls!(|n| ours::closed(n)) as Calls, by_handle(breakers[breakers.len() / 2].clone())];
    let beside = harness::alone(&[&beside[0] as Run<'_>, &beside[1]]);
    let health = (0..5).map(|_| {
        let began = harness::now();
        let health = black_box(resilience_health_of(IN_HEALTH));
        (began.elapsed(), health).0
    });
    let health = health.min().expect("there are five");
    drop(operations);

    let bytes = taken.bytes_held + first_calls.bytes_held;
    Many {
        bytes_each: bytes as f64 / f64::from(BREAKERS) - handles,
        bytes_each_operation: operations_taken.bytes_held as f64 / f64::from(IN_HEALTH),
        annotated: (before[0].median, beside[0].median),
        handle: (before[1].median, beside[1].median),
        health,
    }
}

fn resilience_health_of(least: u32) -> resilient::ResilienceHealth {
    let health = resilient::resilience_health();
    assert!(health.circuit_breakers.len() >= least as usize, "the registry knows them");
    health
}

fn by_handle(breaker: CircuitBreaker) -> Calls {
    calls!(|n| breaker.call(|| work(n) as Answer))
}
