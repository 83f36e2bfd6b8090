//! What the table of `resilient::metrics` says is what an operator's scrape finds.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use resilient::chaos::{self, Chaos};
use resilient::testing::{Scope, TestClock};
use resilient::{Deadline, ErrorKind, ResilienceConfig, breaker, resilient, track_service_health};
use resilient_telemetry_tests::{Answer, Counted, Fault, table};

const DOWN: Answer = Err(Fault::Down);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Its attempts play what they are given, one after another; each takes a second.
#[resilient(
    operation_name = "orders",
    enable_timeout = false,
    max_attempts = 3,
    base_delay = "1s",
    jitter = false,
    failure_threshold = 5,
    bulkhead(max_concurrent = 7),
    rate_limit(rate = 50)
)]
fn orders(clock: &TestClock, plays: &mut dyn Iterator<Item = Answer>) -> Answer {
    clock.advance(ms(1_000));
    plays.next().unwrap_or(Ok(()))
}

#[resilient(operation_name = "keyed", enable_timeout = false, max_attempts = 1, failure_threshold = 1, key = host)]
fn keyed(host: &str, answer: Answer) -> Answer {
    answer
}

#[resilient(operation_name = "answered", enable_timeout = false, max_attempts = 1, fallback_value = ())]
fn answered() -> Answer {
    DOWN
}

#[resilient(
    operation_name = "hedged",
    max_attempts = 1,
    timeout = "1s",
    idempotent = true,
    hedge(delay = "10ms")
)]
async fn hedged() -> Answer {
    pending().await
}

#[resilient(
    operation_name = "poor",
    enable_timeout = false,
    max_attempts = 2,
    base_delay = 0,
    budget(ratio = 0.001, per_second = 0)
)]
fn poor() -> Answer {
    DOWN
}

#[track_service_health("shop")]
fn tracked() -> Answer {
    Ok(())
}

fn inside() -> (&'static Scope, resilient::testing::ScopeGuard) {
    let scope: &'static Scope =
        Box::leak(Box::new(Scope::builder().env("PYNOMALY_CHAOS_ALLOW_RELEASE", "true").build()));
    (scope, scope.enter())
}

fn has(found: &BTreeMap<&str, i64>, wanted: &[(&str, i64)]) {
    assert_eq!(*found, wanted.iter().copied().collect::<BTreeMap<_, _>>());
}

#[tokio::test(start_paused = true)]
async fn the_table_lists_what_is_emitted_and_nothing_else_by_name_kind_unit_and_labels() {
    let scope = Scope::builder().env("PYNOMALY_CHAOS_ALLOW_RELEASE", "true").build();
    let scraped = scope
        .run(async {
            let counted = Counted::default();
            let clock = scope.clock();
            assert_eq!(orders(clock, &mut [DOWN, Ok(())].into_iter()), Ok(()));
            assert_eq!(answered(), Ok(()));
            assert_eq!(hedged().await, Err(Fault::Refused(ErrorKind::Timeout)));
            assert_eq!(poor(), DOWN);
            tracked().unwrap();
            let shut = breaker("orders").unwrap();
            shut.metrics_only();
            (0..5).for_each(|_| _ = orders(clock, &mut [DOWN, DOWN, DOWN].into_iter()));
            shut.force_open();
            assert_eq!(orders(clock, &mut std::iter::empty()), Err(Fault::Refused(ErrorKind::Isolated)));
            let injected = chaos::inject("answered", Chaos::new().error_rate(1.0)).unwrap();
            answered().unwrap();
            drop(injected);
            resilient::reload().unwrap();
            scope.set_env("PYNOMALY_DATABASE_TIMEOUT", "soon");
            resilient::reload().unwrap_err();
            counted.scrape()
        })
        .await;
    let table = table();
    assert_eq!(scraped.kinds.keys().collect::<Vec<_>>(), table.keys().collect::<Vec<_>>());
    for (name, row) in table {
        assert_eq!(scraped.kinds[&name], row.kind, "{name}");
        assert_eq!(scraped.labels[&name], row.labels, "{name}");
        let helped = &scraped.help[&name];
        assert!(
            row.what.starts_with(helped.as_str()),
            "{name}: the table says '{}', HELP '{helped}'",
            row.what
        );
        let (unit, suffix) = match row.kind.as_str() {
            "counter" => ("count", "_total"),
            "histogram" => ("seconds", "_seconds"),
            _ => ("count", ""),
        };
        assert_eq!(row.unit, unit, "{name}");
        assert!(name.ends_with(suffix), "{name}");
    }
}

#[test]
fn a_call_counts_once_with_each_of_its_attempts_and_takes_what_its_waits_take() {
    let (scope, _inside) = inside();
    let counted = Counted::default();
    orders(scope.clock(), &mut [DOWN, DOWN, Ok(())].into_iter()).unwrap();
    let scraped = counted.scraped();
    let calls = r#"{operation="orders",outcome="success",reason="success"}"#;
    has(&scraped.of("resilient_calls_total"), &[(calls, 1_000)]);
    has(
        &scraped.of("resilient_attempts_total"),
        &[
            (r#"{operation="orders",outcome="failure"}"#, 2_000),
            (r#"{operation="orders",outcome="success"}"#, 1_000),
        ],
    );
    has(&scraped.of("resilient_retries_total"), &[(r#"{operation="orders"}"#, 2_000)]);
    // Three attempts of a second each, and waits of one and two.
    let sum = r#"resilient_call_duration_seconds_sum{operation="orders",outcome="success"}"#;
    assert_eq!(scraped.value(sum), Some(6_000));
    let attempts = r#"resilient_attempt_duration_seconds_sum{operation="orders",outcome="failure"}"#;
    assert_eq!(scraped.value(attempts), Some(2_000));
    let within = r#"resilient_call_duration_seconds_bucket{le="5",operation="orders",outcome="success"}"#;
    assert_eq!(scraped.value(within), Some(0));
    let within = within.replace(r#""5""#, r#""10""#);
    assert_eq!(scraped.value(&within), Some(1_000));
}

#[test]
fn a_call_ends_in_one_of_five_ways_and_says_why() {
    let (scope, _inside) = inside();
    let counted = Counted::default();
    let clock = scope.clock();
    let call = |plays: &[Answer]| orders(clock, &mut plays.iter().copied());
    call(&[]).unwrap();
    call(&[DOWN, DOWN, DOWN]).unwrap_err();
    call(&[Err(Fault::Caller)]).unwrap_err();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        orders(clock, &mut std::iter::from_fn(|| -> Option<Answer> { panic!("on purpose") }))
    }));
    assert!(panics.is_err());
    Deadline::after(ms(500)).within(|| call(&[DOWN])).unwrap_err();
    breaker("orders").unwrap().force_open();
    call(&[]).unwrap_err();
    let of = |outcome: &str, reason: &str| {
        format!(r#"{{operation="orders",outcome="{outcome}",reason="{reason}"}}"#)
    };
    let all = [
        of("success", "success"),
        of("failure", "attempts"),
        of("ignored", "not_retryable"),
        of("failure", "panicked"),
        of("failure", "deadline"),
        of("refused", "refused"),
    ];
    let wanted: Vec<_> = all.iter().map(|labels| (labels.as_str(), 1_000)).collect();
    has(&counted.scraped().of("resilient_calls_total"), &wanted);
    has(
        &counted.scraped().of("resilient_refusals_total"),
        &[(r#"{kind="isolated",operation="orders"}"#, 1_000)],
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_cancelled_and_took_what_it_took_until_then() {
    let scope = Scope::new();
    let scraped = scope
        .run(async {
            let counted = Counted::default();
            tokio::time::timeout(ms(250), hedged()).await.unwrap_err();
            counted.scraped()
        })
        .await;
    let calls = r#"{operation="hedged",outcome="cancelled",reason="cancelled"}"#;
    has(&scraped.of("resilient_calls_total"), &[(calls, 1_000)]);
    has(
        &scraped.of("resilient_call_duration_seconds_sum"),
        &[(r#"{operation="hedged",outcome="cancelled"}"#, 250)],
    );
}

#[test]
fn names_beyond_the_bound_are_other_together_and_their_gauges_are_sums() {
    let (_, _inside) = inside();
    let counted = Counted::begin(resilient::metrics::builder().max_names(2));
    let operation = |at: u32| {
        ResilienceConfig::new(format!("bounded_{at}"))
            .enable_timeout(false)
            .max_attempts(1)
            .failure_threshold(1)
    };
    for at in 0..20 {
        let operation = operation(at).build().unwrap();
        for _ in 0..3 {
            operation.call(|| DOWN).unwrap_err();
        }
    }
    let told = counted.scraped();
    assert!(!told.text.contains(r#"resilient_breaker_state{breaker="other""#), "{}", told.text);
    let scraped = counted.scrape();
    let failed = |operation: &str| format!(r#"{{operation="{operation}",outcome="failure"}}"#);
    let [first, second, others] = [failed("bounded_0"), failed("bounded_1"), failed("other")];
    has(&scraped.of("resilient_attempts_total"), &[(&first, 1_000), (&second, 1_000), (&others, 18_000)]);
    let refused = scraped.of("resilient_refusals_total");
    assert_eq!(refused[r#"{kind="circuit_open",operation="other"}"#], 36_000);
    let moved = scraped.of("resilient_breaker_transitions_total");
    let opened = r#"{breaker="other",from="closed",reason="consecutive_failures",to="open"}"#;
    assert_eq!((moved[opened], moved.len()), (18_000, 3));
    let states = scraped.of("resilient_breaker_state");
    assert_eq!(states[r#"{breaker="other",state="open"}"#], 18_000);
    assert_eq!(states[r#"{breaker="bounded_0",state="open"}"#], 1_000);
    let operations = |series: &&String| series.starts_with("resilient_attempts_total");
    assert_eq!(scraped.values.keys().filter(operations).count(), 3 * 3);
}

#[test]
fn a_breaker_says_its_state_when_it_changes_and_every_other_at_the_next_look() {
    let (_, _inside) = inside();
    let counted = Counted::default();
    let handle = breaker("orders").unwrap();
    handle.force_open();
    has(
        &counted.scraped().of("resilient_breaker_state"),
        &[(r#"{breaker="orders",state="forced_open"}"#, 1_000)],
    );
    handle.force_close();
    let scraped = counted.scraped();
    has(&scraped.of("resilient_breaker_state"), &[(r#"{breaker="orders",state="closed"}"#, 1_000)]);
    let scraped = counted.scrape();
    let states = scraped.of("resilient_breaker_state");
    assert_eq!(states[r#"{breaker="orders",state="closed"}"#], 1_000);
    assert_eq!(states[r#"{breaker="answered",state="closed"}"#], 1_000);
    let states_of_one = scraped.values.keys().filter(|it| it.contains(r#"breaker="orders",state="#)).count();
    assert_eq!(states_of_one, 6);
    let health = |status: &str| counted.scrape().value(&format!(r#"resilient_health{{status="{status}"}}"#));
    assert_eq!((health("healthy"), health("degraded")), (Some(1_000), Some(0)));
    handle.force_open();
    assert_eq!((health("healthy"), health("degraded")), (Some(0), Some(1_000)));
}

#[test]
fn breakers_kept_by_key_are_counted_by_state_and_no_key_is_told() {
    let (_, _inside) = inside();
    let counted = Counted::default();
    for host in ["host-a.example", "host-b.example", "host-c.example"] {
        keyed(host, Ok(())).unwrap();
    }
    keyed("host-a.example", DOWN).unwrap_err();
    keyed("host-b.example", DOWN).unwrap_err();
    keyed("host-a.example", Ok(())).unwrap_err();
    // One key's change is not the name's.
    has(&counted.scraped().of("resilient_breaker_state"), &[]);
    let scraped = counted.scrape();
    let states = scraped.of("resilient_breaker_state");
    assert_eq!(states[r#"{breaker="keyed",state="open"}"#], 2_000);
    assert_eq!(states[r#"{breaker="keyed",state="closed"}"#], 1_000);
    for secret in ["host-", "example", "secret-of-the-error"] {
        assert!(!scraped.text.contains(secret), "{}", scraped.text);
    }
}

#[test]
fn gauges_say_how_things_stand_and_what_is_gone_is_zero() {
    let (_, _inside) = inside();
    let counted = Counted::default();
    let own = ResilienceConfig::new("short_lived").operation_type("database").build().unwrap();
    own.call(|| Ok::<_, Fault>(())).unwrap();
    let scraped = counted.scrape();
    let value = |series: &str| scraped.value(series);
    assert_eq!(value(r#"resilient_bulkhead_max_concurrent{bulkhead="orders"}"#), Some(7_000));
    assert_eq!(value(r#"resilient_bulkhead_active{bulkhead="orders"}"#), Some(0));
    assert_eq!(value(r#"resilient_rate_limiter_permits{rate_limiter="orders"}"#), Some(50_000));
    assert_eq!(value(r#"resilient_rate_limiter_burst{rate_limiter="orders"}"#), Some(50_000));
    assert_eq!(value(r#"resilient_retry_budget_available{budget="orders"}"#), Some(500_000));
    assert_eq!(value(r#"resilient_retry_budget_capacity{budget="orders"}"#), Some(500_000));
    assert_eq!(value(r#"resilient_retry_budget_capacity{budget="poor"}"#), None);
    assert_eq!(value(r#"resilient_service_health{service="shop",status="unknown"}"#), Some(1_000));
    let state = r#"resilient_breaker_state{breaker="short_lived",state="closed"}"#;
    assert_eq!(value(state), Some(1_000));
    resilient::reset_resilience_state();
    assert_eq!(counted.scrape().value(state), Some(0));
}

#[test]
fn a_look_that_a_change_overtakes_leaves_no_state_of_before() {
    let (_, _inside) = inside();
    let counted = Counted::default();
    let handle = breaker("orders").unwrap();
    let open = r#"resilient_breaker_state{breaker="orders",state="forced_open"}"#;
    for round in 0..300 {
        let (look, change) = (|| counted.metrics.update_gauges(), || handle.force_open());
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                together.wait();
                look();
            });
            together.wait();
            (0..round % 50).for_each(|_| std::hint::spin_loop());
            change();
        });
        assert_eq!(counted.scraped().value(open), Some(1_000), "{round}");
        handle.force_close();
    }
}

#[test]
fn counting_ends_with_its_guard_and_two_may_count_beside_each_other() {
    let (scope, _inside) = inside();
    let (one, other) = (Counted::default(), Counted::default());
    let call = || orders(scope.clock(), &mut std::iter::empty());
    let counts = |counted: &Counted| counted.scraped().of("resilient_calls_total").values().sum::<i64>();
    call().unwrap();
    assert_eq!((counts(&one), counts(&other)), (1_000, 1_000));
    let (recorder, handle) = resilient_telemetry_tests::recorder();
    let third = resilient::metrics::install_with(recorder);
    call().unwrap();
    drop(third);
    call().unwrap();
    assert_eq!((counts(&one), counts(&other)), (3_000, 3_000));
    let third = resilient_telemetry_tests::Exposition::read(&handle.render());
    assert_eq!(third.of("resilient_calls_total").values().sum::<i64>(), 1_000);
}

#[test]
fn what_alerts_are_about_is_there_from_zero_on() {
    let (scope, _inside) = inside();
    let counted = Counted::default();
    assert_eq!(counted.scraped().value("resilient_bad_configurations_total"), Some(0));
    orders(scope.clock(), &mut std::iter::empty()).unwrap();
    let scraped = counted.scraped();
    for series in [
        r#"resilient_calls_total{operation="orders",outcome="failure",reason="attempts"}"#,
        r#"resilient_calls_total{operation="orders",outcome="refused",reason="refused"}"#,
        r#"resilient_attempts_total{operation="orders",outcome="failure"}"#,
        r#"resilient_retries_total{operation="orders"}"#,
        r#"resilient_timeouts_total{operation="orders"}"#,
    ] {
        assert_eq!(scraped.value(series), Some(0), "{series}");
    }
}

#[test]
fn labels_are_the_words_of_attributes_types_and_variables() {
    let labels: BTreeSet<_> = table().into_values().flat_map(|row| row.labels).collect();
    let known = [
        "breaker",
        "budget",
        "bulkhead",
        "fault",
        "from",
        "kind",
        "operation",
        "outcome",
        "rate_limiter",
        "reason",
        "service",
        "state",
        "status",
        "to",
    ];
    assert_eq!(labels.iter().map(String::as_str).collect::<Vec<_>>(), known);
}
