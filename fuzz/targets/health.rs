//! Health as JSON: whatever the names and figures, it is JSON, says the same after a round trip, and a figure that is
//! always there is a number.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use resilient_runtime::testing::Scope;
use resilient_runtime::{
    Algorithm, BreakerConfig, Budget, Bulkhead, BulkheadConfig, CircuitBreaker, RateLimitConfig, RateLimiter,
    ResilienceConfig, RetryBudget, State, Window, resilience_health,
};
use serde::Serialize;
use serde_json::Value;

/// Takes what it is asked for off the front; zeros when there is nothing left.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn number(&mut self) -> u64 {
        let (head, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        let mut bytes = [0; 8];
        bytes[..head.len()].copy_from_slice(head);
        u64::from_le_bytes(bytes)
    }

    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte() % 24).min(self.0.len());
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(head).into_owned()
    }

    fn span(&mut self) -> Duration {
        match self.byte() % 4 {
            0 => Duration::from_millis(self.number() % 100_000),
            1 => Duration::from_nanos(self.number()),
            2 => Duration::new(self.number(), 999_999_999),
            _ => Duration::MAX,
        }
    }

    fn rate(&mut self) -> f64 {
        match self.byte() % 3 {
            0 => f64::from(self.byte()) / 255.0,
            1 => f64::from_bits(self.number()),
            _ => f64::MIN_POSITIVE,
        }
    }

    fn count(&mut self) -> u32 {
        match self.byte() {
            255 => u32::MAX,
            few => u32::from(few % 8),
        }
    }
}

fn breaker_config(bytes: &mut Bytes<'_>) -> BreakerConfig {
    let mut config = BreakerConfig::new()
        .failure_threshold(bytes.count())
        .success_threshold(bytes.count())
        .recovery_timeout(bytes.span())
        .recovery_backoff(1.0 + bytes.rate())
        .recovery_jitter(bytes.rate())
        .critical(bytes.byte() % 2 == 0);
    if bytes.byte() % 2 == 0 {
        config = config.failure_rate(bytes.rate()).min_calls(bytes.count());
    }
    if bytes.byte() % 2 == 0 {
        config = config.slow_call_rate(bytes.rate()).slow_call_duration(bytes.span());
    }
    match bytes.byte() % 4 {
        0 => config.window(Window::Time(bytes.span())).max_recovery_timeout(bytes.span()),
        1 => config.window(Window::Count(bytes.count())),
        2 => config.initial_state(State::HalfOpen).probe_lease(bytes.span()),
        _ => config,
    }
}

fn use_breaker(breaker: &CircuitBreaker, bytes: &mut Bytes<'_>) {
    match bytes.byte() % 12 {
        0 => breaker.open(),
        1 => breaker.open_for(bytes.span()),
        2 => drop(breaker.half_open()),
        3 => breaker.force_open(),
        4 => breaker.metrics_only(),
        5 => breaker.close(),
        6 => breaker.disable(),
        7 => breaker.reset(),
        ending => {
            let Ok(permit) = breaker.try_acquire() else { return };
            match ending {
                8 => permit.success_after(bytes.span()),
                9 | 10 => permit.failure_after(bytes.span()),
                _ => drop(permit),
            }
        }
    }
}

fn use_parts(bytes: &mut Bytes<'_>, breakers: &mut Vec<CircuitBreaker>) {
    let name = bytes.text();
    match bytes.byte() % 6 {
        0 => breakers.extend(CircuitBreaker::new(&name, breaker_config(bytes))),
        1 => {
            let config = BulkheadConfig::new().max_concurrent(bytes.count()).max_queue(bytes.count());
            if let Ok(bulkhead) = Bulkhead::new(&name, config.max_wait(bytes.span())) {
                let _inside = bulkhead.try_acquire();
                sound(&bulkhead.snapshot());
            }
        }
        2 => {
            let config = RateLimitConfig::new(bytes.count()).per(bytes.span()).max_wait(bytes.span());
            let sliding = bytes.byte() % 2 == 0;
            let config = if sliding {
                config.algorithm(Algorithm::SlidingWindow)
            } else {
                config.burst(bytes.count())
            };
            if let Ok(limiter) = RateLimiter::new(&name, config) {
                let _ = limiter.try_acquire_many(bytes.count());
                sound(&limiter.snapshot());
            }
        }
        3 => {
            let budget = Budget::Ratio { ratio: bytes.rate(), per_second: bytes.rate() };
            if let Ok(budget) = RetryBudget::new(&name, budget) {
                budget.deposit();
                let _ = (budget.withdraw(), budget.available());
            }
        }
        _ => {
            let operation = ResilienceConfig::new(&*name)
                .service(&*name)
                .timeout(bytes.span())
                .failure_threshold(bytes.count())
                .max_attempts(1)
                .keyed()
                .build();
            if let Ok(operation) = operation {
                let operation = operation.for_key(&bytes.text());
                let fails = bytes.byte() % 2 == 0;
                let _ = operation.call(|| if fails { Err(std::io::Error::other("no")) } else { Ok(()) });
                breakers.extend(resilient_runtime::breakers());
            }
        }
    }
}

/// Figures that are always there.
const NUMBERS: [&str; 12] = [
    "overall_failure_rate",
    "failure_rate",
    "failure_count",
    "total_calls",
    "recovery_timeout",
    "active_count",
    "available",
    "current_rate",
    "rate",
    "per",
    "closed",
    "accepted_calls",
];

fn all_numbers(value: &Value, inside: &str) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            // In a window a rate is left out below `min_calls`; a part may bear any name.
            let parts = matches!(
                inside,
                "circuit_breakers" | "bulkheads" | "rate_limiters" | "services" | "keyed_circuit_breakers"
            );
            let always = inside != "window" && !parts && NUMBERS.contains(&name.as_str());
            assert!(!always || value.is_number(), "{name} is {value} in {inside}");
            all_numbers(value, name);
        }),
        Value::Array(values) => values.iter().for_each(|value| all_numbers(value, inside)),
        _ => {}
    }
}

/// What is serialised reads back the same.
fn sound(what: &impl Serialize) -> Value {
    let json = serde_json::to_string(what).expect("names and numbers");
    let value: Value = serde_json::from_str(&json).expect("it is JSON");
    let again: Value = serde_json::from_str(&value.to_string()).expect("it stays JSON");
    assert_eq!(value, again);
    all_numbers(&value, "");
    value
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes(bytes);
    let scope = Scope::builder().seed(1).build();
    let _inside = scope.enter();
    let mut breakers = Vec::new();
    for _ in 0..64 {
        if bytes.0.is_empty() {
            break;
        }
        match bytes.byte() % 4 {
            0 => use_parts(&mut bytes, &mut breakers),
            1 => scope.clock().advance(bytes.span()),
            _ => {
                let which = usize::from(bytes.byte());
                if let Some(breaker) = breakers.get(which % breakers.len().max(1)) {
                    use_breaker(breaker, &mut bytes);
                }
            }
        }
    }
    let value = sound(&resilience_health());
    assert_eq!(
        value.to_string(),
        serde_json::from_str::<Value>(&resilience_health().to_json()).expect("JSON").to_string()
    );
    for breaker in resilient_runtime::breakers() {
        let found = &value["circuit_breakers"][breaker.name()];
        assert_eq!(
            (&found["name"], &found["state"]),
            (&breaker.name().into(), &breaker.state().as_str().into())
        );
    }
    for breaker in &breakers {
        assert_eq!(sound(&breaker.snapshot())["state"], breaker.state().as_str());
    }
});
