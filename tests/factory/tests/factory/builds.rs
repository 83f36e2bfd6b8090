//! What is made once for many, and what a failure is.

use crate::{Calls, now};
use resilient::ResilienceError;
use resilient::factory::{Asked, BadRequest, BoxError, Factory, FactoryError};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

fn quick<O>(id: &str) -> Factory<u32, (), O>
where
    O: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
{
    Factory::<u32, _, _>::builder(id)
        .layers(|operation| operation.base_delay("100ms").jitter(false))
        .build()
        .unwrap()
}

#[tokio::test]
async fn s000_01_the_second_request_gets_what_the_first_one_made() {
    let numbers = quick::<u32>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers.register("next", move |_| Ok::<_, BoxError>(counted.next())).unwrap();
    let first = numbers.create("next", &1).await.unwrap();
    assert!(Arc::ptr_eq(&first, &numbers.create("next", &1).await.unwrap()));
    assert!(Arc::ptr_eq(&first, &numbers.create_blocking("next", &1).unwrap()));
    assert!(!Arc::ptr_eq(&first, &numbers.create("next", &2).await.unwrap()));
    assert_eq!(calls.count(), 2);
    let told = numbers.statistics();
    assert_eq!((told.cache_misses, told.cache_hits, told.cached), (2, 2, 2));
    assert_eq!(*numbers.build("next", &1).await.unwrap(), 3);
    numbers.clear_cache();
    assert_eq!(*numbers.create("next", &1).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_build_serves_all_who_ask_at_once() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register_async("slow", move |_| {
            let counted = counted.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, BoxError>(counted.next())
            }
        })
        .unwrap();
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let numbers = numbers.clone();
            tokio::spawn(async move { numbers.create("slow", &()).await })
        })
        .collect();
    for asked in asked {
        assert_eq!(*asked.await.unwrap().unwrap(), 1);
    }
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_all_who_waited_and_not_repeated_by_each() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register_async("down", move |_| {
            let call = counted.next();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err::<u32, _>(format!("no answer to call {call}"))
            }
        })
        .unwrap();
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let numbers = numbers.clone();
            tokio::spawn(async move { numbers.create("down", &()).await })
        })
        .collect();
    for asked in asked {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "factory 'numbers' could not make 'down' in 3 attempts: no answer to call 3"
        );
    }
    assert_eq!(calls.count(), 3);
    let _ = numbers.create("down", &()).await.unwrap_err();
    assert_eq!(calls.count(), 6, "a failure is not kept");
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_given_up_goes_on_with_the_next_who_waits() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register_async("slow", move |_| {
            let call = counted.next();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, BoxError>(call)
            }
        })
        .unwrap();
    let ask = || {
        let numbers = numbers.clone();
        tokio::spawn(async move { numbers.create("slow", &()).await })
    };
    let (builder, waiter) = (ask(), ask());
    tokio::time::sleep(Duration::from_millis(500)).await;
    builder.abort();
    assert!(builder.await.unwrap_err().is_cancelled());
    assert_eq!(*waiter.await.unwrap().unwrap(), 2);

    let numbers = numbers.clone();
    numbers.clear_cache();
    let alone = tokio::time::timeout(Duration::from_millis(500), numbers.create("slow", &())).await;
    assert!(alone.is_err());
    assert_eq!(*numbers.create("slow", &()).await.unwrap(), 4, "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_for_all_who_wait_and_no_attempt_follows() {
    let numbers = quick::<u8>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register_async("async", move |asked: Asked<(), u8>| {
            counted.next();
            assert!(asked.options != 0, "zero at once");
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let nothing: Option<u32> = None;
                nothing.ok_or("never").map_err(|_| -> BoxError { panic!("{} later", asked.options) })
            }
        })
        .unwrap();
    for (options, said) in [(0, "zero at once"), (1, "1 later")] {
        let (one, other) = tokio::join!(numbers.create("async", &options), numbers.create("async", &options));
        for error in [one.unwrap_err(), other.unwrap_err()] {
            assert_eq!(
                error.to_string(),
                format!(
                    "factory 'numbers' could not make 'async' in 1 attempt: the constructor panicked: {said}"
                )
            );
        }
    }
    assert_eq!(calls.count(), 2 + 1, "what panics at once has ended before the other asks");
}

#[test]
fn a_panic_is_an_error_for_every_thread_that_waits() {
    let numbers = quick::<()>("numbers");
    let all_ask = Arc::new(Barrier::new(4));
    let waits = Arc::clone(&all_ask);
    numbers
        .register("sync", move |_| -> Result<u32, BoxError> {
            waits.wait();
            std::thread::sleep(Duration::from_millis(20));
            panic!("{}", "it broke".to_owned())
        })
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|asker| {
            let (numbers, all_ask) = (numbers.clone(), Arc::clone(&all_ask));
            std::thread::spawn(move || {
                if asker != 0 {
                    all_ask.wait();
                }
                numbers.create_blocking("sync", &())
            })
        })
        .collect();
    for thread in threads {
        let error = thread.join().unwrap().unwrap_err();
        assert!(error.to_string().ends_with("the constructor panicked: it broke"), "{error}");
    }
}

#[test]
fn s000_15_d000_12_threads_that_ask_at_once_get_one_component_and_its_counts_agree() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register("slow", move |_| {
            std::thread::sleep(Duration::from_millis(20));
            Ok::<_, BoxError>(counted.next())
        })
        .unwrap();
    let start = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (numbers, start) = (numbers.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                numbers.create_blocking("slow", &()).unwrap()
            })
        })
        .collect();
    let made: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(calls.count(), 1);
    assert!(made.iter().all(|component| Arc::ptr_eq(component, &made[0])));
    let told = numbers.statistics();
    assert_eq!((told.cache_misses, told.cache_hits, told.success_count, told.cached), (1, 15, 1, 1));
}

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
async fn a_constructor_that_asks_for_itself_is_told_so_and_others_may_be_asked_for() {
    let numbers = quick::<()>("numbers");
    let (near, far) = (numbers.clone(), numbers.clone());
    numbers.register("base", |_| Ok::<_, BoxError>(20)).unwrap();
    numbers
        .register_async("chicken", move |_| {
            let near = near.clone();
            async move { Ok::<_, BoxError>(*near.create("egg", &()).await? + *near.create("base", &()).await?) }
        })
        .unwrap();
    numbers
        .register_async("egg", move |_| {
            let far = far.clone();
            async move {
                tokio::task::yield_now().await;
                Ok::<_, BoxError>(*far.create("chicken", &()).await?)
            }
        })
        .unwrap();
    // By themselves, and as two tasks that wait for each other.
    for _ in 0..2 {
        let (chicken, egg) = tokio::join!(numbers.create("chicken", &()), numbers.create("egg", &()));
        for error in [chicken.unwrap_err(), egg.unwrap_err()] {
            assert!(error.to_string().contains("would wait for itself"), "{error}");
        }
    }
    let within = numbers.clone();
    numbers.replace("egg", move |_| Ok::<_, BoxError>(*within.create_blocking("base", &())? + 2)).unwrap();
    assert_eq!(*numbers.create("chicken", &()).await.unwrap(), 42);
    let error = {
        let itself = numbers.clone();
        numbers.replace("egg", move |_| itself.create_blocking("egg", &()).map(|made| *made)).unwrap();
        numbers.create_blocking("egg", &()).unwrap_err()
    };
    assert!(error.to_string().contains("would wait for itself"), "{error}");
}

#[tokio::test]
async fn who_blocks_in_a_runtime_does_not_wait_for_a_future_of_its_own_task() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers
        .register("flaky", move |_| match counted.next() {
            1 => Err("not yet"),
            call => Ok(call),
        })
        .unwrap();
    let (one, other) =
        tokio::join!(numbers.create("flaky", &()), async { numbers.create_blocking("flaky", &()) });
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert!(Arc::ptr_eq(&one, &numbers.create("flaky", &()).await.unwrap()));
}

#[test]
fn who_blocks_without_a_runtime_waits_for_a_future_of_another_thread() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    let (failed, wait) = mpsc::channel();
    numbers
        .register("flaky", move |_| match counted.next() {
            1 => {
                failed.send(()).unwrap();
                Err("not yet")
            }
            call => Ok(call),
        })
        .unwrap();
    let elsewhere = numbers.clone();
    let asynchronous = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async move { elsewhere.create("flaky", &()).await.unwrap() })
    });
    wait.recv().unwrap();
    let waited = numbers.create_blocking("flaky", &()).unwrap();
    assert!(Arc::ptr_eq(&waited, &asynchronous.join().unwrap()));
    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn who_blocks_in_a_runtime_does_not_wait_in_a_row_behind_a_future_of_it() {
    let numbers = quick::<()>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    let (begins, begun) = mpsc::channel();
    numbers
        .register("slow", move |_| {
            let call = counted.next();
            if call == 1 {
                begins.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(40));
            }
            Ok::<_, BoxError>(call)
        })
        .unwrap();
    // A thread has the turn and runs out of time, a future of this task is next, and this thread blocks behind both.
    let elsewhere = numbers.clone();
    let hurried = std::thread::spawn(move || {
        let deadline = resilient::Deadline::after(Duration::from_millis(10));
        deadline.within(|| elsewhere.create_blocking("slow", &()))
    });
    begun.recv().unwrap();
    let blocks = numbers.clone();
    let (waited, blocked) =
        tokio::join!(numbers.create("slow", &()), async move { blocks.create_blocking("slow", &()) });
    assert!(Arc::ptr_eq(&waited.unwrap(), &blocked.unwrap()));
    assert!(matches!(hurried.join().unwrap(), Err(FactoryError::Refused { .. })));
}

#[tokio::test(start_paused = true)]
async fn s000_02_options_that_are_equal_are_one_component_however_they_were_put_together() {
    use std::collections::BTreeMap;

    let numbers = quick::<BTreeMap<&str, u8>>("numbers");
    let calls = Calls::default();
    let counted = calls.clone();
    numbers.register("next", move |_| Ok::<_, BoxError>(counted.next())).unwrap();
    let one = BTreeMap::from([("indent", 2), ("level", 6)]);
    let other = BTreeMap::from([("level", 6), ("indent", 2)]);
    let first = numbers.create("next", &one).await.unwrap();
    assert!(Arc::ptr_eq(&first, &numbers.create("next", &other).await.unwrap()));
    let told = numbers.statistics();
    assert_eq!((calls.count(), told.cache_misses, told.cache_hits), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_around_one_asker_is_no_outcome_for_the_others() {
    let numbers = quick::<()>("numbers");
    numbers
        .register_async("slow", async |_: Asked| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, BoxError>(7)
        })
        .unwrap();
    let hurried = |numbers: Factory<u32>| async move {
        let deadline = resilient::Deadline::after(Duration::from_secs(1));
        deadline.attach_to(numbers.create("slow", &())).await
    };
    let (builds, waits, patient) =
        tokio::join!(hurried(numbers.clone()), hurried(numbers.clone()), numbers.create("slow", &()));
    for error in [builds.unwrap_err(), waits.unwrap_err()] {
        assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_deadline_exceeded), "{error}");
        assert!(matches!(error, FactoryError::Refused { .. }));
    }
    assert_eq!(*patient.unwrap(), 7);
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

#[test]
fn the_cache_is_bounded_and_what_it_pushed_out_is_made_anew() {
    let calls = Calls::default();
    let counted = calls.clone();
    let numbers = Factory::<u32, _, u32>::builder("numbers")
        .capacity(8)
        .register("next", move |_| Ok::<_, BoxError>(counted.next()))
        .build()
        .unwrap();
    let ask = |options| numbers.create_blocking("next", &options).unwrap();
    for _ in 0..2 {
        (0..8).for_each(|options| drop(ask(options)));
        assert_eq!(calls.count(), 8, "what fits stays");
    }
    (0..1000).for_each(|options| drop(ask(options)));
    assert_eq!(numbers.statistics().cached, 8);

    let counted = calls.clone();
    let none = Factory::<u32, _, u32>::builder("none")
        .capacity(0)
        .register("next", move |_| Ok::<_, BoxError>(counted.next()))
        .build()
        .unwrap();
    let before = calls.count();
    (0..3).for_each(|_| drop(none.create_blocking("next", &0).unwrap()));
    assert_eq!((calls.count() - before, none.statistics().cached), (3, 0));
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

#[tokio::test]
async fn what_is_made_for_an_old_constructor_or_before_a_clearing_is_not_kept() {
    let numbers = quick::<()>("numbers");
    let (begun, may_end) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (tells, waits) = (Arc::clone(&begun), Arc::clone(&may_end));
    numbers
        .register_async("slow", move |_| {
            let (tells, waits) = (Arc::clone(&tells), Arc::clone(&waits));
            async move {
                tells.notify_one();
                waits.notified().await;
                Ok::<_, BoxError>(1)
            }
        })
        .unwrap();
    for change in [Factory::clear_cache as fn(&Factory<u32>), |numbers| {
        assert!(numbers.replace("slow", |_| Ok::<_, BoxError>(2)).unwrap());
    }] {
        let asked = tokio::spawn({
            let numbers = numbers.clone();
            async move { numbers.create("slow", &()).await }
        });
        begun.notified().await;
        change(&numbers);
        may_end.notify_one();
        assert_eq!(*asked.await.unwrap().unwrap(), 1, "who waited gets it");
        assert_eq!(numbers.statistics().cached, 0);
    }
    assert_eq!(*numbers.create("slow", &()).await.unwrap(), 2);
}

#[test]
fn a_component_that_asks_its_factory_when_it_is_dropped_finds_no_lock_taken() {
    struct Asks(Factory<Asks, (), u32>);
    impl Drop for Asks {
        fn drop(&mut self) {
            let _ = self.0.names();
            let _ = self.0.create_blocking("none", &0);
        }
    }
    let things = Factory::<Asks, _, u32>::builder("things").capacity(1).build().unwrap();
    let weak = things.clone();
    things.register("asks", move |_| Ok::<_, BoxError>(Asks(weak.clone()))).unwrap();
    for options in 0..5 {
        drop(things.create_blocking("asks", &options).unwrap());
    }
    things.clear_cache();
    drop(things.create_blocking("asks", &7).unwrap());
    let itself = things.clone();
    assert!(things.replace("asks", move |_| Ok::<_, BoxError>(Asks(itself.clone()))).unwrap());
}
