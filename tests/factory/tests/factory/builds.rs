//! One build for all who ask at once: who builds, who waits, and who is told what.

use crate::{Calls, quick};
use resilient::ResilienceError;
use resilient::factory::{Asked, BoxError, Factory, FactoryError};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

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
