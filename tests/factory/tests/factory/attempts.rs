//! What becomes of a constructor that fails: how often it is tried, and what its callers are told.

use crate::{Calls, now, quick};
use resilient::factory::{Asked, BadRequest, BoxError, Factory, FactoryError};
use resilient::{Classify, ResilienceError};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_bad_request_is_told_at_once_from_anywhere_among_the_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("the serializer: {0}")]
    struct Wrapped(#[source] BadRequest);

    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register("odd", move |_| {
            counted.next();
            Err::<u32, _>(std::io::Error::other(Wrapped(BadRequest::new("no such level"))))
        })
        .unwrap();
    let began = now();
    let error = numbers.create("odd", &()).await.unwrap_err();
    assert_eq!((calls.count(), began.elapsed()), (1, Duration::ZERO));
    assert!(error.is_callers_mistake());
    assert_eq!((error.factory(), error.attempts()), ("numbers", 1));
    let wrapped = std::error::Error::source(&error).unwrap();
    let bad_request = BadRequest::find(wrapped).unwrap();
    assert_eq!(std::error::Error::source(bad_request).unwrap().to_string(), "no such level");
    assert_eq!(
        error.to_string(),
        "factory 'numbers' cannot make 'odd' as it was asked to: the serializer: no such level"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_repeated() {
    let numbers = Factory::<u32, _, ()>::builder("numbers")
        .timeout("2s")
        .max_attempts(2)
        .layers(|operation| operation.base_delay("1s").jitter(false))
        .register_async("hangs", async |_: Asked| std::future::pending::<Result<u32, BoxError>>().await)
        .build()
        .unwrap();
    let began = now();
    let error = numbers.create("hangs", &()).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(error.attempts(), 2);
    assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_timeout));
    assert_eq!(
        error.to_string(),
        "factory 'numbers' could not make 'hangs' in 2 attempts: 'numbers' timed out after 2 s"
    );
}

#[tokio::test(start_paused = true)]
async fn s000_13_three_retries_are_four_tries_with_waits_of_one_two_and_four_seconds_and_the_error_names_the_last_cause()
 {
    let calls = Calls::default();
    let counted = calls.clone();
    let factory = Factory::<u32, _, ()>::builder("serializers")
        .layers(|operation| operation.max_retries(3).jitter(false))
        .register("json", move |_| Err::<u32, _>(format!("cause {}", counted.next())))
        .build()
        .unwrap();
    let began = now();
    let error = factory.create("json", &()).await.unwrap_err();
    assert_eq!((calls.count(), began.elapsed()), (4, Duration::from_secs(1 + 2 + 4)));
    // d000_02: the error is the constructor's own, with its type, and not one about making errors.
    assert_eq!(error.to_string(), "factory 'serializers' could not make 'json' in 4 attempts: cause 4");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "cause 4");
    assert_eq!(error.attempts(), 4);
}

#[test]
fn d000_02_the_error_of_a_constructor_arrives_as_it_was_made() {
    let factory = Factory::<u32, _, ()>::builder("files")
        .max_attempts(1)
        .register("missing", |_| std::fs::read("/no/such/file").map(|bytes| u32::from(bytes[0])))
        .build()
        .unwrap();
    let error = factory.create_blocking("missing", &()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn d000_13_waits_between_attempts_are_capped_spread_and_end_with_their_caller() {
    let factory = |id: &str| {
        Factory::<u32, _, ()>::builder(id)
            .layers(|operation| operation.max_attempts(12).budget("none"))
            .register("down", |_| Err::<u32, _>("down"))
            .build()
            .unwrap()
    };
    let mut took = Vec::new();
    for id in ["one", "other"] {
        let began = now();
        let _ = factory(id).create("down", &()).await.unwrap_err();
        took.push(began.elapsed());
    }
    // 1, 2, 4, .. 32 s and five times 60 s at most, half of it at least; uncapped it would be half an hour.
    for took in &took {
        assert!((181..=363).contains(&took.as_secs()), "{took:?}");
    }
    assert_ne!(took[0], took[1]);
    let began = now();
    let given_up =
        tokio::time::timeout(Duration::from_millis(100), factory("third").create("down", &())).await;
    assert!(given_up.is_err());
    assert_eq!(began.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn only_errors_that_the_test_says_yes_to_are_tried_again() {
    let calls = Calls::default();
    let counted = calls.clone();
    let files = Factory::<u32, _, ()>::builder("files")
        .retry_if(|error| {
            error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
        })
        .register("file", move |_| match counted.next() {
            1 => Err::<u32, _>(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        })
        .build()
        .unwrap();
    let error = files.create("file", &()).await.unwrap_err();
    assert_eq!((error.attempts(), calls.count()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_another_factory_has_tried_often_enough_is_not_tried_again() {
    let calls = Calls::default();
    let inner = quick::<()>("inner");
    let (counted, outer) = (calls.clone(), quick::<()>("outer"));
    inner
        .register("down", move |_| {
            counted.next();
            Err::<u32, _>("down")
        })
        .unwrap();
    outer
        .register_async("down", move |_| {
            let inner = inner.clone();
            async move { inner.create("down", &()).await.map(|made| *made) }
        })
        .unwrap();
    let error = outer.create("down", &()).await.unwrap_err();
    assert_eq!((calls.count(), error.attempts()), (3, 1));
    assert_eq!(
        error.to_string(),
        "factory 'outer' could not make 'down' in 1 attempt: factory 'inner' could not make 'down' in 3 attempts: down"
    );
}

#[test]
fn on_a_thread_too_the_error_says_how_many_attempts_there_were() {
    let factory = Factory::<u32, _, ()>::builder("numbers")
        .layers(|operation| operation.max_attempts(3).base_delay("1ms"))
        .register("down", |_| Err::<u32, _>("down"))
        .build()
        .unwrap();
    let error = factory.create_blocking("down", &()).unwrap_err();
    assert_eq!((error.factory(), error.attempts(), error.is_callers_mistake()), ("numbers", 3, false));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_is_refused_and_it_is_not_an_error_of_the_factory() {
    let numbers = Factory::<u32, _, u32>::builder("numbers")
        .max_attempts(1)
        .layers(|operation| operation.bulkhead_max_concurrent(1))
        .register_async("slow", async |asked: Asked<(), u32>| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, BoxError>(asked.options)
        })
        .build()
        .unwrap();
    let (made, refused) = tokio::join!(numbers.create("slow", &1), numbers.create("slow", &2));
    let refused = refused.unwrap_err();
    assert_eq!(*made.unwrap(), 1);
    assert!(matches!(refused, FactoryError::Refused { .. }), "{refused:?}");
    assert_eq!((refused.attempts(), refused.retry_after()), (0, None));
    assert_eq!(numbers.statistics().error_count, 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_kept_out_by_a_rate_limit_is_told_when_to_come_back() {
    let numbers = Factory::<u32, _, u32>::builder("numbers")
        .max_attempts(1)
        .layers(|operation| operation.rate_limit_rate(1).rate_limit_per("10s"))
        .register("number", |asked: Asked<(), u32>| Ok::<_, BoxError>(asked.options))
        .build()
        .unwrap();
    assert!(numbers.create("number", &1).await.is_ok());
    let refused = numbers.create("number", &2).await.unwrap_err();
    let when = refused.retry_after().unwrap();
    assert!(when > Duration::from_secs(9) && when <= Duration::from_secs(10), "{when:?}");
}
