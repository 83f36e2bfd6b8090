//! Attributes on a whole `impl` block or trait: what they guard, what a method says against them, what they leave alone.

#![allow(
    clippy::unused_async,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "a guarded signature is given"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use resilient::testing::Scope;
use resilient::{
    Operation, ResilienceError, State, api_resilient, breaker, circuit_breaker, database_resilient, explain,
    fallback, operations, resilient, retry_with_backoff, skipped, track_service_health, with_timeout,
};

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type CallResult<T = u32> = Result<T, Fault>;

/// Fails every call, and counts them.
#[derive(Debug, Default)]
struct Calls(AtomicU32);

impl Calls {
    fn fail<T>(&self) -> CallResult<T> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Fault::Down)
    }

    fn taken(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn operation(function: &str) -> Operation {
    let path = format!("{}::{function}", module_path!());
    operations().into_iter().find(|known| known.function == path).unwrap_or_else(|| panic!("no {path}"))
}

/// Where the users are.
#[derive(Default)]
struct Users {
    calls: Calls,
}

#[database_resilient(max_attempts = 4, failure_threshold = "off")]
impl Users {
    /// How many there may be.
    const MOST: u32 = 7;

    fn new() -> Self {
        Self::default()
    }

    const fn most() -> Result<u32, Fault> {
        Ok(Self::MOST)
    }

    async fn get(&self) -> CallResult {
        self.calls.fail()
    }

    fn get_now(&self) -> CallResult {
        self.calls.fail()
    }

    fn get_boxed(&self) -> Pin<Box<dyn Future<Output = CallResult> + Send + '_>> {
        Box::pin(async move { self.calls.fail() })
    }

    fn get_later(&self) -> impl Future<Output = CallResult> + Send {
        async move { self.calls.fail() }
    }

    /// Says of itself how often.
    #[must_use = "an answer is there to be read"]
    #[resilient(max_attempts = 2)]
    async fn rarely(&self) -> CallResult {
        self.calls.fail()
    }

    #[api_resilient(operation_name = "impl_level_remote")]
    async fn remote(&self) -> CallResult {
        self.calls.fail()
    }

    #[resilient(skip)]
    async fn once(&self) -> CallResult {
        self.calls.fail()
    }

    #[retry_with_backoff(max_retries = 0)]
    async fn narrow(&self) -> CallResult {
        self.calls.fail()
    }

    #[resilient(enable_retry = false)]
    async fn untried(&self) -> CallResult {
        self.calls.fail()
    }

    #[resilient(fallback = Self::nobody)]
    async fn found(&self) -> Option<u32> {
        self.calls.fail().ok()
    }

    async fn nobody(&self) -> Option<u32> {
        None
    }

    #[cfg(any())]
    async fn nor_this(&self) -> CallResult {
        compile_error!("not there")
    }

    async fn twice(&self) -> CallResult {
        let _ = self.get().await;
        self.get().await
    }

    fn mapped<'a>(&'a mut self, with: &'a mut u32) -> CallResult<&'a mut u32> {
        *with += 1;
        self.calls.fail()
    }
}

#[tokio::test(start_paused = true)]
async fn every_method_that_returns_a_result_is_guarded_in_every_shape() {
    let scope = Scope::new();
    scope
        .run(async {
            let users = Users::new();
            assert!(users.get().await.is_err());
            assert_eq!(users.calls.taken(), 4);
            assert!(users.get_now().is_err());
            assert_eq!(users.calls.taken(), 4);
            assert!(users.get_boxed().await.is_err());
            assert_eq!(users.calls.taken(), 4);
            assert!(users.get_later().await.is_err());
            assert_eq!(users.calls.taken(), 4);
        })
        .await;
    assert_eq!(operation("Users::get").operation_type, "database");
    assert!(operation("Users::get_later").is_async && !operation("Users::get_now").is_async);
}

#[tokio::test(start_paused = true)]
async fn what_a_method_says_itself_wins_key_by_key() {
    let scope = Scope::new();
    scope
        .run(async {
            let users = Users::new();
            assert!(users.rarely().await.is_err());
            assert_eq!(users.calls.taken(), 2);
            assert!(users.remote().await.is_err());
            assert_eq!(users.calls.taken(), 4);
            assert!(users.narrow().await.is_err());
            assert_eq!(users.calls.taken(), 1);
            assert!(users.untried().await.is_err());
            assert_eq!(users.calls.taken(), 1);
            assert_eq!(users.found().await, None);
            assert_eq!(users.calls.taken(), 1);
        })
        .await;
    assert_eq!(operation("Users::rarely").attributes, ["database_resilient"]);
    assert_eq!(operation("Users::rarely").operation_type, "database");
    let remote = operation("Users::remote");
    assert_eq!((remote.name, remote.operation_type), ("impl_level_remote", "api"));
    assert_eq!(remote.attributes, ["api_resilient"]);
    assert_eq!(operation("Users::narrow").attributes, ["database_resilient", "retry_with_backoff"]);
    let explained = explain("impl_level_remote").unwrap().to_string();
    assert!(explained.contains("max_attempts"), "{explained}");
}

#[tokio::test(start_paused = true)]
async fn a_method_that_is_skipped_runs_as_it_is_written() {
    let scope = Scope::new();
    scope
        .run(async {
            let users = Users::new();
            assert!(users.once().await.is_err());
            assert_eq!(users.calls.taken(), 1);
            assert_eq!(Users::most().unwrap(), 7);
            assert!(Users::new().mapped(&mut 0).is_err());
        })
        .await;
    assert!(scope.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn guarded_methods_call_each_other_through_their_guards() {
    let scope = Scope::new();
    scope
        .run(async {
            let users = Users::new();
            assert!(users.twice().await.is_err());
            assert_eq!(users.calls.taken(), 4 * 2 * 4);
        })
        .await;
}

#[test]
fn what_is_left_out_is_listed_with_the_reason() {
    let of_users = |skipped: &resilient::Skipped| skipped.function.contains("::Users::");
    let told: Vec<_> = skipped().into_iter().filter(of_users).collect();
    let reasons: Vec<_> =
        told.iter().map(|skipped| (skipped.function.rsplit("::").next().unwrap(), skipped.reason)).collect();
    assert_eq!(
        reasons,
        [
            (
                "mapped",
                "it cannot be retried: the first attempt's `&mut` would still be alive; write `enable_retry = false` or return an owned value"
            ),
            ("most", "it is a `const fn`"),
            ("new", "it returns `Self`, not a `Result`"),
            ("nobody", "it returns `Option`, not a `Result`"),
            ("once", "`#[resilient(skip)]` says so"),
        ]
    );
    let lines: Vec<_> = told.iter().map(|skipped| &skipped.location).collect();
    assert!(lines.iter().all(|line| line.starts_with("tests/impl_level.rs:")), "{lines:?}");
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn explain_says_why_a_method_is_not_guarded() {
    for path in ["Users::new", "impl_level::Users::new"] {
        let unknown = explain(path).unwrap_err();
        let sentence = unknown.to_string();
        assert!(sentence.starts_with("`impl_level::Users::new` (tests/impl_level.rs:"), "{sentence}");
        assert!(sentence.ends_with(") is not guarded: it returns `Self`, not a `Result`"), "{sentence}");
    }
    let unknown = explain("Users::rew").unwrap_err();
    assert!(unknown.skipped.is_empty() && unknown.to_string().starts_with("no operation is named"));
}

#[test]
fn each_method_has_its_own_line_and_a_name_with_its_type() {
    let (get, twice) = (operation("Users::get"), operation("Users::twice"));
    assert_eq!(get.name, "impl_level::Users::get");
    assert_ne!(get.location, twice.location);
}

struct Accounts<T> {
    calls: Calls,
    first: T,
}

struct Payments<T>(T);

#[resilient(max_attempts = 2, failure_threshold = "off")]
impl<T> Accounts<T>
where
    T: Clone + Send + Sync,
{
    async fn open(&self, name: &str) -> CallResult<T> {
        if name.is_empty() { self.calls.fail() } else { Ok(self.first.clone()) }
    }

    fn same(value: T, calls: &Calls) -> CallResult<T> {
        calls.fail().or_else(
            |fault: Fault| if calls.0.load(Ordering::Relaxed) > 1 { Ok(value.clone()) } else { Err(fault) },
        )
    }
}

#[resilient(max_attempts = 3, failure_threshold = "off")]
impl<T: Clone + Send + Sync> Payments<T> {
    async fn open(&self, calls: &Calls) -> CallResult<T> {
        calls.fail()
    }
}

#[tokio::test(start_paused = true)]
async fn a_generic_impl_is_guarded_once_for_all_its_types() {
    let scope = Scope::new();
    scope
        .run(async {
            let accounts = Accounts { calls: Calls::default(), first: "a" };
            assert_eq!(accounts.open("x").await.unwrap(), "a");
            assert!(accounts.open("").await.is_err());
            assert_eq!(accounts.calls.taken(), 2);
            assert_eq!(Accounts::same(3, &Calls::default()).unwrap(), 3);
            let calls = Calls::default();
            assert!(Payments(1).open(&calls).await.is_err());
            assert_eq!(calls.taken(), 3);
        })
        .await;
    assert_eq!(operation("Accounts::open").name, "impl_level::Accounts::open");
    assert_eq!(operation("Payments::open").name, "impl_level::Payments::open");
}

#[retry_with_backoff(max_retries = 1)]
trait Greets {
    type Name: AsRef<str>;
    const LOUD: bool = false;

    fn calls(&self) -> &Calls;

    fn name(&self) -> CallResult<Self::Name>;

    fn greet(&self) -> CallResult {
        self.calls().fail()
    }

    #[resilient(skip)]
    fn wave(&self) -> CallResult {
        self.calls().fail()
    }
}

#[derive(Default)]
struct Host(Calls);

impl Greets for Host {
    type Name = String;

    fn calls(&self) -> &Calls {
        &self.0
    }

    fn name(&self) -> CallResult<String> {
        self.0.fail()
    }
}

#[test]
fn a_trait_s_default_methods_are_guarded_and_its_declarations_left_out() {
    let _inside = Scope::new().enter();
    let host = Host::default();
    assert!(host.greet().is_err());
    assert_eq!(host.0.taken(), 2);
    assert!(host.wave().is_err() && host.name().is_err());
    assert_eq!(host.0.taken(), 2);
    assert_eq!(Host::LOUD.to_string(), "false");
    assert_eq!(operation("Greets::greet").name, "impl_level::Greets::greet");
    let sentence = explain("Greets::name").unwrap_err().to_string();
    assert!(sentence.ends_with("it has no body"), "{sentence}");
}

#[async_trait]
trait Store {
    async fn load(&self, key: &str) -> CallResult;
    async fn store(&self, key: String) -> CallResult;
}

#[derive(Default)]
struct Above(Calls);

#[derive(Default)]
struct Below(Calls);

#[retry_with_backoff(max_retries = 2)]
#[async_trait]
impl Store for Above {
    async fn load(&self, key: &str) -> CallResult {
        assert!(!key.is_empty());
        self.0.fail()
    }

    #[resilient(clone(key))]
    async fn store(&self, key: String) -> CallResult {
        drop(key);
        self.0.fail()
    }
}

#[async_trait]
#[retry_with_backoff(max_retries = 2)]
impl Store for Below {
    async fn load(&self, key: &str) -> CallResult {
        assert!(!key.is_empty());
        self.0.fail()
    }

    #[resilient(clone(key))]
    async fn store(&self, key: String) -> CallResult {
        drop(key);
        self.0.fail()
    }
}

#[tokio::test(start_paused = true)]
async fn async_trait_may_stand_above_or_below() {
    let scope = Scope::new();
    scope
        .run(async {
            let (above, below) = (Above::default(), Below::default());
            assert!(above.load("a").await.is_err() && below.load("a").await.is_err());
            assert_eq!((above.0.taken(), below.0.taken()), (3, 3));
            assert!(above.store("a".to_owned()).await.is_err() && below.store("a".to_owned()).await.is_err());
            assert_eq!((above.0.taken(), below.0.taken()), (3, 3));
        })
        .await;
    assert!(operation("Above::load").is_async && operation("Below::load").is_async);
}

struct Stacked(Calls);

#[retry_with_backoff(max_retries = 1)]
#[circuit_breaker(name = "impl_level_shared", failure_threshold = 4)]
#[track_service_health("impl_level_service")]
impl Stacked {
    fn one(&self) -> CallResult {
        self.0.fail()
    }

    fn other(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn a_breaker_named_on_the_block_is_one_for_all_its_methods() {
    let _inside = Scope::new().enter();
    let stacked = Stacked(Calls::default());
    assert!(stacked.one().is_err());
    assert_eq!(breaker("impl_level_shared").unwrap().state(), State::Closed);
    assert!(stacked.other().is_err());
    assert_eq!(breaker("impl_level_shared").unwrap().state(), State::Open);
    assert!(matches!(stacked.one(), Err(Fault::Refused(_))));
    assert_eq!(stacked.0.taken(), 4);
    let words = ["retry_with_backoff", "circuit_breaker", "track_service_health"];
    assert_eq!(operation("Stacked::one").attributes, words);
}

struct Slow(Scope);

#[with_timeout("1s", timeout_mode = "deadline")]
impl Slow {
    fn here(&self) -> CallResult {
        self.0.clock().advance(Duration::from_secs(2));
        Ok(1)
    }

    async fn later(&self) -> CallResult {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(1)
    }
}

#[test]
fn the_block_s_timeout_mode_is_for_its_sync_methods() {
    let slow = Slow(Scope::new());
    let _inside = slow.0.enter();
    assert!(matches!(slow.here(), Err(Fault::Refused(late)) if late.is_timeout()));
}

#[tokio::test(start_paused = true)]
async fn an_async_method_of_such_a_block_is_dropped_at_its_limit() {
    let slow = Slow(Scope::new());
    let out = slow.0.run(slow.later()).await;
    assert!(matches!(out, Err(Fault::Refused(late)) if late.is_timeout()));
}

// The scenarios of conformance.md about annotated types.

struct Fleet(Calls);

impl Fleet {
    #[resilient(base_delay = "1ms", failure_threshold = "off")]
    fn alone(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cf_001_a_function_s_own_attribute_follows_the_global_value() {
    let scope = Scope::builder().env("PYNOMALY_DEFAULT_MAX_ATTEMPTS", "8").build();
    let _inside = scope.enter();
    let fleet = Fleet(Calls::default());
    assert!(fleet.alone().is_err());
    assert_eq!(fleet.0.taken(), 8);
}

struct Typed(Calls);

#[resilient(max_retries = 5, failure_threshold = "off")]
impl Typed {
    fn sibling(&self) -> CallResult {
        self.0.fail()
    }

    #[resilient(max_retries = 6, operation_name = "cf_002")]
    fn own(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cf_002_and_cf_003_the_function_s_value_wins_over_the_type_s_and_the_global_one() {
    let scope = Scope::builder().env("PYNOMALY_DEFAULT_MAX_ATTEMPTS", "8").build();
    let _inside = scope.enter();
    let typed = Typed(Calls::default());
    assert!(typed.own().is_err());
    assert_eq!(typed.0.taken(), 7);
    assert!(typed.sibling().is_err());
    assert_eq!(typed.0.taken(), 6);
}

#[test]
fn cf_002_an_operator_s_value_for_the_function_wins_over_all() {
    let scope = Scope::builder().env("PYNOMALY_OP_CF_002_MAX_ATTEMPTS", "3").build();
    let _inside = scope.enter();
    let typed = Typed(Calls::default());
    assert!(typed.own().is_err());
    assert_eq!(typed.0.taken(), 3);
}

struct Annotated(Calls);

#[resilient(max_attempts = 15, base_delay = "1ms", failure_threshold = "off")]
impl Annotated {
    #[resilient(max_attempts = 20)]
    fn function(&self) -> CallResult {
        self.0.fail()
    }

    fn sibling(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cf_017_function_then_type_then_global() {
    let scope = Scope::builder().env("PYNOMALY_DEFAULT_MAX_ATTEMPTS", "30").build();
    let _inside = scope.enter();
    let (annotated, fleet) = (Annotated(Calls::default()), Fleet(Calls::default()));
    assert!(annotated.function().is_err() && annotated.sibling().is_err() && fleet.alone().is_err());
    assert_eq!((annotated.0.taken(), fleet.0.taken()), (20 + 15, 30));
}

trait Base {
    fn calls(&self) -> &Calls;

    #[circuit_breaker(failure_threshold = 8)]
    fn call(&self) -> CallResult {
        self.calls().fail()
    }
}

struct Bare(Calls);

impl Base for Bare {
    fn calls(&self) -> &Calls {
        &self.0
    }

    fn call(&self) -> CallResult {
        self.0.fail()
    }
}

struct Inheriting(Calls);

#[circuit_breaker(failure_threshold = 8)]
impl Base for Inheriting {
    fn calls(&self) -> &Calls {
        &self.0
    }

    fn call(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cf_018_an_override_has_the_attribute_of_its_own_impl_and_no_other() {
    let _inside = Scope::new().enter();
    let (bare, inheriting) = (Bare(Calls::default()), Inheriting(Calls::default()));
    for _ in 0..100 {
        assert!(matches!(bare.call(), Err(Fault::Down)));
    }
    assert_eq!(bare.0.taken(), 100);
    for _ in 0..100 {
        assert!(inheriting.call().is_err());
    }
    assert_eq!(inheriting.0.taken(), 8);
}

#[derive(Default)]
struct Eight(Calls);

#[derive(Default)]
struct Others(Calls);

#[circuit_breaker(failure_threshold = "off", failure_rate = 0.5, window = 8, min_calls = 8)]
impl Eight {
    fn call(&self) -> CallResult {
        self.0.fail()
    }

    fn other(&self) -> CallResult {
        self.0.fail()
    }
}

#[circuit_breaker(failure_threshold = "off", failure_rate = 0.5, window = 8, min_calls = 8)]
impl Others {
    fn call(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cf_019_a_breaker_is_its_type_s_and_function_s_and_shared_by_instances() {
    let _inside = Scope::new().enter();
    let instances: [Eight; 4] = Default::default();
    for _ in 0..2 {
        for instance in &instances {
            assert!(matches!(instance.call(), Err(Fault::Down)));
        }
    }
    assert!(matches!(instances[0].call(), Err(Fault::Refused(_))));
    assert!(matches!(instances[0].other(), Err(Fault::Down)));
    assert!(matches!(Others::default().call(), Err(Fault::Down)));
}

#[derive(Default)]
struct Volumes(Calls);

#[circuit_breaker(failure_threshold = "off", failure_rate = 0.5, window = 4, min_calls = 4)]
impl Volumes {
    #[circuit_breaker(window = 2, min_calls = 2)]
    fn own(&self) -> CallResult {
        self.0.fail()
    }

    fn of_the_type(&self) -> CallResult {
        self.0.fail()
    }
}

#[test]
fn cb_091_a_function_s_breaker_settings_win_over_the_type_s() {
    let _inside = Scope::new().enter();
    let volumes = Volumes::default();
    let open = |out: CallResult| matches!(out, Err(Fault::Refused(refused)) if refused.is_circuit_open());
    let outcomes: Vec<bool> = (0..7).map(|_| open(volumes.own())).collect();
    assert_eq!(outcomes, [false, false, true, true, true, true, true]);
    assert_eq!(volumes.0.taken(), 2);
    assert_eq!((0..7).filter(|_| open(volumes.of_the_type())).count(), 3);
}

#[test]
fn rt_042_a_type_s_retries_are_those_of_its_functions() {
    let _inside = Scope::new().enter();
    let stacked = Retried(Calls::default());
    assert!(stacked.call().is_err());
    assert_eq!(stacked.0.taken(), 3);
}

struct Retried(Calls);

#[retry_with_backoff(max_retries = 2)]
impl Retried {
    fn call(&self) -> CallResult {
        self.0.fail()
    }
}

struct FallingBack;

#[retry_with_backoff(max_retries = 0, fallback = Self::of_the_type)]
impl FallingBack {
    fn a(&self) -> CallResult<&'static str> {
        Err(Fault::Down)
    }

    #[retry_with_backoff(fallback = Self::of_its_own)]
    fn b(&self) -> CallResult<&'static str> {
        Err(Fault::Down)
    }

    fn of_the_type(&self) -> CallResult<&'static str> {
        Ok("the type's")
    }

    #[resilient(skip)]
    fn of_its_own(&self) -> CallResult<&'static str> {
        Ok("its own")
    }
}

#[test]
fn fb_009_a_function_s_fallback_wins_over_the_type_s() {
    let _inside = Scope::new().enter();
    assert_eq!(FallingBack.a().unwrap(), "the type's");
    assert_eq!(FallingBack.b().unwrap(), "its own");
}

struct StaleAtWorst;

#[fallback(Self::stale)]
impl StaleAtWorst {
    fn get(&self) -> CallResult<u32> {
        Err(Fault::Down)
    }

    fn stale(&self) -> CallResult<u32> {
        Err(Fault::Down)
    }
}

#[test]
fn the_method_that_a_block_names_as_its_fallback_is_asked_once_and_guarded_by_nothing() {
    let _inside = Scope::new().enter();
    assert!(StaleAtWorst.get().is_err());
    assert!(resilient::skipped().iter().any(|method| {
        method.to_string().contains("StaleAtWorst::stale")
            && method.reason == "it is the fallback of the others"
    }));
}
