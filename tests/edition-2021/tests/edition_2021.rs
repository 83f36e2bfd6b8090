//! What the functions of the library do when they are called.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use resilient::testing::Scope;
use resilient_edition_2021_tests::shapes::{Memory, Store};
use resilient_edition_2021_tests::{every_attribute, shapes, without_prelude, Error, Result};

#[tokio::test(start_paused = true)]
async fn every_attribute_guards() -> Result<()> {
    Scope::new()
        .run(async {
            assert_eq!(every_attribute::charge(1, "order ").await?, "order 1");
            assert!(matches!(every_attribute::charge(0, "").await, Err(Error::NotFound)));
            assert_eq!(every_attribute::user_id("ann".to_owned()).await?, 3);
            assert_eq!(every_attribute::price(2, "eur").await, Some(4));
            assert_eq!(every_attribute::price(u32::MAX, "").await, None, "no failure, so no fallback");
            assert_eq!(every_attribute::page("pages".to_owned(), 1).await?, "ges");
            assert_eq!(every_attribute::render("page").await?, 4);
            assert_eq!(every_attribute::query(&mut 0).await?, 2, "the second attempt");
            assert_eq!(every_attribute::rarely(1).await? + every_attribute::rarely(1).await?, 2);
            assert!(matches!(every_attribute::rarely(1).await, Err(Error::Refused(_))));
            assert_eq!(every_attribute::twice(&std::cell::Cell::new(0), "order".to_owned()).await?, "order");
            assert_eq!(every_attribute::spare(2).await?, 4);
            assert!(matches!(every_attribute::spare(0).await, Err(Error::NotFound)));
            Ok(())
        })
        .await
}

#[test]
fn every_attribute_guards_sync_functions() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(every_attribute::lines("a\nb").unwrap(), ["a", "b"]);
    assert_eq!(every_attribute::predict(vec![1, 2]).unwrap(), 3);
    assert_eq!(every_attribute::download(&mut vec![1]), Some(1));
    assert_eq!(every_attribute::ping(1), 2);
    assert_eq!(every_attribute::alone("a", false).unwrap(), 1);
    assert!(matches!(every_attribute::alone("a", true), Err(Error::Refused(_))));
    *every_attribute::first(&mut [1]).unwrap() = 2;
    assert_eq!(without_prelude::sync_stack("page".to_owned()).unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn every_shape_keeps_its_value() -> Result<()> {
    Scope::new()
        .run(async {
            let list = || RefCell::new(vec![1]);
            assert_eq!(shapes::last_of_owned(list()).await?, 1);
            assert_eq!(shapes::last_of_changed(list()).await?, 2);
            assert_eq!(shapes::last_in_place(list())?, 2);
            assert_eq!(shapes::last_on_a_thread(Arc::new(Mutex::new(vec![1])))?, 1);
            assert_eq!(shapes::last_of_moved(Mutex::new(vec![1])).await?, 1);
            assert_eq!(shapes::future_of(1).await?, 1);
            assert_eq!(shapes::boxed("page").await?, "page");
            assert_eq!(shapes::names(&["ann".to_owned()])?.next(), Some("ann"));
            assert_eq!(shapes::three().await?, 3);
            assert_eq!(without_prelude::async_policy("page".to_owned(), 1).await.unwrap(), 5);
            Ok(())
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn methods_of_an_object_are_guarded() -> Result<()> {
    Scope::new()
        .run(async {
            let mut memory = Memory::default();
            let store: &mut dyn Store = &mut memory;
            store.write("name".to_owned(), "ann".to_owned()).await?;
            assert_eq!(store.read("name").await?, "ann");
            assert!(matches!(store.read("age").await, Err(Error::NotFound)));
            assert_eq!(memory.last().await?, "name");
            assert_eq!(Arc::new(memory).shared().await?, 1);
            Ok(())
        })
        .await
}
