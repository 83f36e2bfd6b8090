//! Fallbacks: what answers, what it is told, and what it is never asked for.
#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "a fallback has the signature of what it stands in for"
)]

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use resilient::testing::Scope;
use resilient::{EventKind, ResilienceError, fallback, resilient, retry_with_backoff};

#[derive(Clone, Debug, PartialEq)]
enum Fault {
    Down,
    Busy,
    Refused,
}

impl From<ResilienceError> for Fault {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

fn uses(scope: &Scope) -> usize {
    scope.events().iter().filter(|event| matches!(event.kind, EventKind::FallbackUsed)).count()
}

thread_local! {
    /// Who was asked on this thread, in order.
    static ASKED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

fn asked(who: &'static str) {
    ASKED.with_borrow_mut(|asked| asked.push(who));
}

fn everyone_asked() -> Vec<&'static str> {
    ASKED.with_borrow_mut(std::mem::take)
}

#[resilient(enable_retry = false, enable_timeout = false, fallback_chain = [replica, panics, cached, never], clone(key))]
fn load(key: String, shown: &str) -> Result<String, Fault> {
    asked("load");
    drop((key, shown));
    Err(Fault::Busy)
}

fn replica(_key: String, _shown: &str, error: Fault) -> Result<String, Fault> {
    asked("replica");
    Err(error)
}

fn panics(_key: String, _shown: &str) -> Result<String, Fault> {
    asked("panics");
    panic!("a fallback's own bug");
}

fn cached(key: String, shown: &str, error: Fault) -> Result<String, Fault> {
    asked("cached");
    Ok(format!("{key} {shown} {error:?}"))
}

fn never(_key: String, _shown: &str) -> Result<String, Fault> {
    asked("never");
    Err(Fault::Down)
}

#[test]
fn a_chain_is_asked_until_one_answers_and_a_panic_passes_to_the_next() {
    let scope = Scope::new();
    let _inside = scope.enter();
    assert_eq!(load("k".to_owned(), "s").unwrap(), "k s Busy");
    assert_eq!(everyone_asked(), ["load", "replica", "panics", "cached"]);
    assert_eq!(uses(&scope), 1);
}

#[fallback(chain = [broken, broken_too])]
fn lost(key: u32) -> Result<u32, Fault> {
    Err(if key == 0 { Fault::Down } else { Fault::Busy })
}

fn broken(_: u32) -> Result<u32, Fault> {
    Err(Fault::Down)
}

fn broken_too(_: u32, error: Fault) -> Result<u32, Fault> {
    Err(if error == Fault::Busy { Fault::Refused } else { error })
}

#[test]
fn where_nobody_succeeds_the_last_ones_answer_counts() {
    assert_eq!(lost(1), Err(Fault::Refused));
    assert_eq!(lost(0), Err(Fault::Down));
}

#[fallback(panics_now)]
fn ends_in_a_panic() -> u32 {
    panic!("first");
}

fn panics_now() -> u32 {
    panic!("second");
}

#[test]
fn a_panic_of_the_function_is_no_error_and_reaches_the_caller() {
    let panicked = std::panic::catch_unwind(ends_in_a_panic).unwrap_err();
    assert_eq!(panicked.downcast_ref::<&str>(), Some(&"first"));
}

#[fallback(chain = [replica_later, panics_later, cached_later], value = "spare".to_owned() + shown, clone(key))]
async fn load_later(key: String, shown: &str) -> Result<String, Fault> {
    asked("load");
    tokio::task::yield_now().await;
    drop(key);
    Err(Fault::Busy)
}

async fn replica_later(_key: String, _shown: &str, error: Fault) -> Result<String, Fault> {
    tokio::task::yield_now().await;
    asked("replica");
    Err(error)
}

async fn panics_later(_key: String, _shown: &str) -> Result<String, Fault> {
    tokio::task::yield_now().await;
    asked("panics");
    panic!("a fallback's own bug");
}

async fn cached_later(key: String, _shown: &str) -> Result<String, Fault> {
    asked("cached");
    if key == "k" { Ok(key) } else { Err(Fault::Down) }
}

#[tokio::test]
async fn an_async_chain_awaits_each_in_turn_and_may_end_in_a_value() {
    let scope = Scope::new();
    assert_eq!(scope.run(load_later("k".to_owned(), "!")).await.unwrap(), "k");
    assert_eq!(everyone_asked(), ["load", "replica", "panics", "cached"]);
    assert_eq!(scope.run(load_later("x".to_owned(), "!")).await.unwrap(), "spare!");
    assert_eq!(uses(&scope), 2);
}

type Answer<T> = Result<T, Fault>;

#[fallback(value = Vec::new())]
fn behind_an_alias(fails: bool) -> Answer<Vec<u32>> {
    if fails { Err(Fault::Down) } else { Ok(vec![1]) }
}

#[resilient(enable_retry = false, timeout = "5ms", timeout_mode = "deadline", fallback_value = None)]
fn no_result(slow: bool) -> Option<u32> {
    if slow {
        std::thread::sleep(Duration::from_millis(6));
    }
    Some(1)
}

#[test]
fn a_value_is_the_success_of_a_result_and_the_answer_of_anything_else() {
    assert_eq!(behind_an_alias(true), Ok(Vec::new()));
    assert_eq!(behind_an_alias(false), Ok(vec![1]));
    assert_eq!(no_result(true), None);
    assert_eq!(no_result(false), Some(1));
}

struct Client {
    calls: Cell<u32>,
}

trait Named {
    fn name(&self) -> String;
}

impl Client {
    #[fallback(Self::stale)]
    fn name_of<'a>(&'a mut self, id: &'a str) -> Result<Cow<'a, str>, Fault> {
        self.calls.set(self.calls.get() + 1);
        if id.is_empty() { Err(Fault::Down) } else { Ok(Cow::Borrowed(id)) }
    }

    fn stale<'a>(&'a mut self, id: &'a str, error: Fault) -> Result<Cow<'a, str>, Fault> {
        Ok(Cow::Owned(format!("{id}{error:?} {}", self.calls.get())))
    }

    #[fallback(Self::fallback)]
    async fn count(&mut self, by: &u32) -> Result<u32, Fault> {
        self.calls.set(self.calls.get() + by);
        tokio::task::yield_now().await;
        Err(Fault::Busy)
    }

    #[allow(clippy::unused_async, reason = "the fallback of an async function is async")]
    async fn fallback(&mut self, by: &u32, error: Fault) -> Result<u32, Fault> {
        if error == Fault::Busy { Ok(self.calls.get() + by) } else { Err(error) }
    }

    #[fallback(chain = [Self::stale_of, Self::given], clone(value))]
    fn generic<T: Default + Clone + std::fmt::Debug>(&self, value: T, fails: bool) -> Result<T, Fault> {
        if fails { Err(Fault::Down) } else { Ok(value) }
    }

    fn stale_of<T>(&self, _value: T, _fails: bool, error: Fault) -> Result<T, Fault> {
        Err(error)
    }

    fn given<T: Default>(&self, value: T, _fails: bool) -> Result<T, Fault> {
        drop(value);
        Ok(T::default())
    }
}

impl Named for Client {
    #[fallback(Self::nobody)]
    fn name(&self) -> String {
        "client".to_owned()
    }
}

impl Client {
    fn nobody(&self) -> String {
        self.calls.get().to_string()
    }
}

#[tokio::test]
async fn methods_generics_and_lifetimes_are_found_out_about_too() {
    let mut client = Client { calls: Cell::new(0) };
    assert_eq!(client.name_of("x").unwrap(), "x");
    assert_eq!(client.name_of("").unwrap(), "Down 2");
    assert_eq!(client.count(&5).await.unwrap(), 12);
    assert_eq!(client.generic(7, true).unwrap(), 0);
    assert_eq!(client.generic(7, false).unwrap(), 7);
    assert_eq!(client.name(), "client");
}

#[fallback(own)]
fn without_the_librarys_error(key: &str) -> Result<usize, String> {
    Err(key.to_owned())
}

fn own(key: &str, error: String) -> Result<usize, String> {
    Ok(key.len() + error.len())
}

#[fallback(told)]
fn parsed(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn told(text: &str, error: std::num::ParseIntError) -> Result<u32, std::num::ParseIntError> {
    if text.is_empty() { Ok(0) } else { Err(error) }
}

#[test]
fn where_nothing_can_refuse_the_error_need_not_know_the_librarys() {
    assert_eq!(without_the_librarys_error("abc"), Ok(6));
    assert_eq!(parsed(""), Ok(0));
    assert!(parsed("x").is_err());
}

#[retry_with_backoff(max_attempts = 2, base_delay = 0)]
#[fallback(spare)]
async fn waits(_key: u32) -> Result<u32, Fault> {
    std::future::pending().await
}

async fn spare(_key: u32) -> Result<u32, Fault> {
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_has_no_fallback() {
    let scope = Scope::new();
    assert!(tokio::time::timeout(Duration::from_secs(1), scope.run(waits(1))).await.is_err());
    assert_eq!(uses(&scope), 0);
}

#[resilient(
    enable_retry = false,
    failure_threshold = 1,
    fallback = spare_of_refused,
    fallback_on = Fault::Refused | Fault::Down if key > 0
)]
async fn only_when_refused(key: u32) -> Result<u32, Fault> {
    Err(Fault::Down)
}

async fn spare_of_refused(key: u32, error: Fault) -> Result<u32, Fault> {
    if error == Fault::Refused { Ok(key) } else { Err(Fault::Busy) }
}

#[tokio::test]
async fn the_pattern_sees_refusals_as_the_functions_error() {
    let scope = Scope::new();
    assert_eq!(scope.run(only_when_refused(0)).await, Err(Fault::Down));
    assert_eq!(uses(&scope), 0);
    assert_eq!(scope.run(only_when_refused(3)).await, Ok(3));
    assert_eq!(uses(&scope), 1);
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn futures_with_fallbacks_are_send() {
    drop(is_send(load_later(String::new(), "")));
    drop(is_send(waits(1)));
    drop(is_send(only_when_refused(1)));
}
