//! What is kept, by which key, and until when.

use crate::{Calls, quick};
use resilient::factory::{Asked, BoxError, Factory};
use std::sync::Arc;
use std::time::Duration;

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

#[test]
fn of_thousands_of_options_and_names_each_has_a_component_of_its_own() {
    let numbers = Factory::<u32, _, u32>::builder("numbers")
        .capacity(10_000)
        .register("same", |asked: Asked<(), u32>| Ok::<_, BoxError>(asked.options))
        .register("twice", |asked: Asked<(), u32>| Ok::<_, BoxError>(2 * asked.options))
        .build()
        .unwrap();
    for _ in 0..2 {
        for options in 1..2_000 {
            assert_eq!(*numbers.create_blocking("same", &options).unwrap(), options);
            assert_eq!(*numbers.create_blocking("twice", &options).unwrap(), 2 * options);
        }
    }
}

/// Makes the next number, of which it keeps so many.
fn counted_by(calls: &Calls, capacity: usize) -> Factory<u32, (), u32> {
    let counted = calls.clone();
    Factory::builder("numbers")
        .capacity(capacity)
        .register("next", move |_| Ok::<_, BoxError>(counted.next()))
        .build()
        .unwrap()
}

#[test]
fn the_cache_is_bounded_and_what_it_pushed_out_is_made_anew() {
    let calls = Calls::default();
    let numbers = counted_by(&calls, 8);
    let ask = |options| numbers.create_blocking("next", &options).unwrap();
    for _ in 0..2 {
        (0..8).for_each(|options| drop(ask(options)));
        assert_eq!(calls.count(), 8, "what fits stays");
    }
    (0..1000).for_each(|options| drop(ask(options)));
    assert_eq!(numbers.statistics().cached, 8);

    let none = counted_by(&calls, 0);
    let before = calls.count();
    (0..3).for_each(|_| drop(none.create_blocking("next", &0).unwrap()));
    assert_eq!((calls.count() - before, none.statistics().cached), (3, 0));
}

#[test]
fn a_component_that_is_asked_for_between_stays_while_a_thousand_others_pass() {
    let calls = Calls::default();
    let numbers = counted_by(&calls, 8);
    let ask = |options| numbers.create_blocking("next", &options).unwrap();
    (1..=8).for_each(|options| drop(ask(options)));
    let wanted = ask(0);
    for options in 9..=1000 {
        assert!(Arc::ptr_eq(&wanted, &ask(0)));
        ask(options);
    }
    assert_eq!((calls.count(), numbers.statistics().cached), (1001, 8));
}

#[test]
fn every_request_of_many_threads_is_counted_while_components_are_pushed_out_and_forgotten() {
    const THREADS: u32 = 24;
    const REQUESTS: u32 = 2000;
    let calls = Calls::default();
    let numbers = counted_by(&calls, 8);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let numbers = &numbers;
            threads.spawn(move || {
                for request in 0..REQUESTS {
                    let passes = request % 64 == 0;
                    let options = if passes { 8 + request + thread * REQUESTS } else { request % 4 };
                    numbers.create_blocking("next", &options).unwrap();
                    if thread == 0 && request % 500 == 0 {
                        numbers.clear_cache();
                    }
                }
            });
        }
    });
    let told = numbers.statistics();
    assert_eq!(told.cache_hits + told.cache_misses, u64::from(THREADS * REQUESTS), "{told:?}");
    assert_eq!(told.cache_misses, u64::from(calls.count()));
    assert!(told.cached <= 8, "{told:?}");
}

#[test]
fn who_waits_for_what_may_be_kept_carries_no_build_about() {
    let numbers = quick::<u32>("numbers");
    let size = size_of_val(&numbers.create("next", &1));
    assert!(size <= 64, "{size} bytes");
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

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_build_that_all_have_given_up() {
    let numbers = quick::<Arc<u8>>("numbers");
    numbers.register_async("hangs", async |_| std::future::pending::<Result<u32, BoxError>>().await).unwrap();
    let options = Arc::new(7);
    let ask = || tokio::time::timeout(Duration::from_millis(10), numbers.create("hangs", &options));
    let (one, other) = tokio::join!(ask(), ask());
    assert!(one.is_err() && other.is_err());
    assert_eq!(Arc::strong_count(&options), 1);
}
