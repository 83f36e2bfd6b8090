//! The attributes of [`resilient`](https://docs.rs/resilient); use them through that crate.
//!
//! An attribute turns the body of a function into one attempt of a guarded call. The body stays where it is: `?` and
//! `return` end the attempt, borrows, generics and `Send` are those of the plain function.

#![forbid(unsafe_code)]

mod args;
mod attributes;
mod block;
mod component;
mod diagnostics;
mod expand;
mod guard;
mod inherit;
mod item;
mod paths;
mod plan;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro::TokenStream;

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = $word:ident;)+) => {$(
        $(#[$doc])*
        #[proc_macro_attribute]
        pub fn $name(list: TokenStream, item: TokenStream) -> TokenStream {
            guard::guard(&attributes::$word, list.into(), item.into()).into()
        }
    )+};
}

/// The documentation of a profile: what it is for and what it fixes, then the keys all of them share.
macro_rules! profiles {
    ($($(#[$doc:meta])* $name:ident = $word:ident;)+) => {
        attributes! {$(
            $(#[$doc])*
            ///
            /// Every key of [`macro@resilient`] but `operation_type` may be written, and the environment may tune it.
            /// The trap is that of [`macro@resilient`]: an attempt must be safe to repeat.
            ///
            #[doc = include_str!("../docs/timeout.md")]
            ///
            #[doc = include_str!("../docs/retry.md")]
            ///
            #[doc = include_str!("../docs/breaker.md")]
            ///
            #[doc = include_str!("../docs/classify.md")]
            ///
            #[doc = include_str!("../docs/budget.md")]
            ///
            #[doc = include_str!("../docs/lists.md")]
            ///
            #[doc = include_str!("../docs/fallback.md")]
            ///
            #[doc = include_str!("../docs/operation.md")]
            ///
            #[doc = include_str!("../docs/switches.md")]
            $name = $word;
        )+}
    };
}

attributes! {
    /// Guards a function with retries, a circuit breaker and a time limit, and whatever its keys add.
    ///
    /// Works on sync and async functions, methods, trait methods with a body, `#[async_trait]` methods, functions
    /// that return a boxed or `impl` future or stream, and on whole `impl` blocks and traits. The function returns `Result<T, E>` with `E: From<ResilienceError>`, or
    /// has a `fallback`, or only layers that never refuse.
    ///
    /// The layers, outermost first: fallback, deadline, retry, hedge, circuit breaker, rate limit, attempt time limit,
    /// bulkhead, health, function. Retry, breaker and time limit are there of themselves; the others where they are
    /// written.
    /// Several attributes on one function become one plan in this order, however they are written.
    ///
    /// | Key | Value | Default |
    /// |---|---|---|
    /// | `operation_type` | whose defaults and variables apply: `"database"`, `"cache"`, `"api"`, `"file"`, `"ml"`, or a lower-case word of your own | `"default"` |
    ///
    /// The numbers of `"default"`: limit 5 s, 3 attempts, first wait 1 s, longest wait 60 s, 5 failures open the
    /// breaker for 60 s.
    ///
    #[doc = include_str!("../docs/timeout.md")]
    ///
    #[doc = include_str!("../docs/retry.md")]
    ///
    #[doc = include_str!("../docs/breaker.md")]
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    #[doc = include_str!("../docs/budget.md")]
    ///
    #[doc = include_str!("../docs/lists.md")]
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    #[doc = include_str!("../docs/switches.md")]
    ///
    /// # Functions that return a stream
    ///
    /// With the crate's feature `stream`, `impl Stream<Item = Result<T, E>>`, `BoxStream` and `Pin<Box<dyn Stream<..>>>`
    /// are guarded: begun again until there is a first item, with copies of the owned arguments the body uses; counted by
    /// the breaker when they end, where an `Err` item is a failure and a reader who stops is none. `timeout` is for the
    /// first item, `deadline` for the whole, and a bulkhead's slot is held to the end. The traps: nothing happens before the
    /// stream is polled, and it keeps what the body uses, `self` too; an `Err` item does not end it.
    ///
    /// # On an `impl` block or a trait
    ///
    /// Any of the attributes, stacked or not, guards every method with a body that returns something whose name ends in
    /// `Result`, now or as a future. A method's own attributes win key by key: `#[api_resilient]` makes it another kind of
    /// operation, `#[resilient(max_attempts = 1)]` changes a number, `#[circuit_breaker]` adds a layer, and a method that
    /// has one of them is guarded whatever it returns. `operation_name` and `clone` are written on methods only; a `name`
    /// on the block is one breaker for all of them.
    ///
    /// | Key | Value | Default |
    /// |---|---|---|
    /// | `skip` | `#[resilient(skip)]` on a method leaves it out | |
    ///
    /// The trap: constructors, `const fn`s, methods that return no `Result`, the method that the block names as its
    /// fallback (unless it has an attribute of its own) and methods made by a macro inside the block are left alone
    /// without a word; `resilient::skipped()` lists them with the reason, macros' methods aside.
    ///
    /// ```
    /// use resilient::{database_resilient, resilient};
    ///
    /// struct Users;
    ///
    /// #[database_resilient(max_attempts = 4)]
    /// impl Users {
    ///     fn new() -> Self {
    ///         Self
    ///     }
    ///
    ///     async fn get(&self, id: u64) -> std::io::Result<String> {
    ///         Ok(format!("user {id}"))
    ///     }
    ///
    ///     #[resilient(max_attempts = 1)]
    ///     async fn rename(&self, id: u64, name: &str) -> std::io::Result<String> {
    ///         Ok(format!("user {id} is {name}"))
    ///     }
    ///
    ///     #[resilient(skip)]
    ///     fn cached(&self) -> std::io::Result<Vec<String>> {
    ///         Ok(vec![])
    ///     }
    /// }
    ///
    /// assert!(Users::new().cached().unwrap().is_empty());
    /// let reasons: Vec<_> = resilient::skipped().iter().map(|method| method.reason).collect();
    /// assert_eq!(reasons, ["`#[resilient(skip)]` says so", "it returns `Self`, not a `Result`"]);
    /// ```
    ///
    /// # The traps
    ///
    /// The body may run several times, so an attempt must be safe to repeat. An argument it consumes needs
    /// `clone(argument)` (the compiler says "value moved in previous iteration of loop"), an argument declared `mut`
    /// is a fresh copy in every attempt, and what it does to `&mut` arguments stays done. The same goes for the
    /// variables that a function returning a future makes in front of its `async move` block: they are made once, for
    /// all attempts.
    ///
    /// A running sync function cannot be stopped. On a worker thread the caller goes on at the limit and the body runs
    /// to its end unseen; in place it is the late result that is refused. A time limit that is written on a function
    /// that borrows has to say so: `timeout_mode = "deadline"`.
    ///
    /// The state of a breaker belongs to its name. In a generic function, or a default method of a trait, all type
    /// parameters and implementors share it.
    ///
    /// ```
    /// use resilient::{ResilienceError, resilient};
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// enum PayError {
    ///     #[error("declined")]
    ///     Declined,
    ///     #[error("gateway: {0}")]
    ///     Gateway(#[from] std::io::Error),
    ///     #[error(transparent)]
    ///     Refused(#[from] ResilienceError),
    /// }
    ///
    /// #[resilient(operation_type = "payments", timeout = "2s", max_attempts = 4, ignore = PayError::Declined)]
    /// async fn charge(account: &str, cents: u64) -> Result<String, PayError> {
    ///     if cents > 10_000 { Err(PayError::Declined) } else { Ok(format!("{account}: {cents}")) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert!(matches!(charge("a-1", 20_000).await, Err(PayError::Declined))); // tried once, counted nowhere
    /// assert_eq!(charge("a-1", 500).await.unwrap(), "a-1: 500");
    /// # }
    /// ```
    resilient = RESILIENT;
}

profiles! {
    /// Guards a database operation: [`macro@resilient`] with the operation type `"database"`.
    ///
    /// Its numbers: limit 30 s, 3 attempts, first wait 0.5 s, longest wait 10 s, 3 failures open the breaker for 30 s.
    ///
    /// ```
    /// #[resilient::database_resilient(operation_name = "get_user")]
    /// async fn get_user(id: u64) -> anyhow::Result<String> {
    ///     Ok(format!("user {id}")) // SELECT name FROM users WHERE id = $1
    /// }
    /// ```
    database_resilient = DATABASE;

    /// Guards a cache operation, which fails fast: [`macro@resilient`] with the operation type `"cache"`.
    ///
    /// Its numbers: limit 5 s, 2 attempts, first wait 0.1 s, longest wait 1 s, 3 failures open the breaker for 15 s.
    ///
    /// ```
    /// #[resilient::cache_resilient(timeout_seconds = 2.0, fallback = nothing)]
    /// async fn cached(key: &str) -> Option<String> {
    ///     (key == "known").then(|| "value".to_owned()) // GET key
    /// }
    ///
    /// async fn nothing(_: &str) -> Option<String> {
    ///     None
    /// }
    /// ```
    cache_resilient = CACHE;

    /// Guards a call of a remote API: [`macro@resilient`] with the operation type `"api"`.
    ///
    /// Its numbers: limit 60 s, 5 attempts, first wait 1 s, longest wait 30 s, 5 failures open the breaker for 60 s.
    ///
    /// ```
    /// #[resilient::api_resilient(timeout = 30, max_attempts = 3, clone(payment))]
    /// async fn pay(host: &str, payment: Vec<u8>) -> std::io::Result<usize> {
    ///     send(host, payment).await // takes the payment: each attempt has a copy of its own
    /// }
    /// # async fn send(_: &str, payment: Vec<u8>) -> std::io::Result<usize> { Ok(payment.len()) }
    /// ```
    api_resilient = API;

    /// Guards a file operation: [`macro@resilient`] with the operation type `"file"`.
    ///
    /// Its numbers: limit 10 s, 3 attempts, first wait 0.2 s, longest wait 5 s, 3 failures open the breaker for 30 s.
    ///
    /// ```
    /// #[resilient::file_resilient]
    /// fn load(path: std::path::PathBuf) -> std::io::Result<Vec<u8>> {
    ///     std::fs::read(path)
    /// }
    /// ```
    file_resilient = FILE;

    /// Guards a long computation of a model: [`macro@resilient`] with the operation type `"ml"`.
    ///
    /// Its numbers: limit 300 s, 2 attempts, first wait 5 s, longest wait 30 s, 2 failures open the breaker for 120 s.
    ///
    /// ```
    /// #[resilient::ml_resilient(max_attempts = 1, timeout = 600)]
    /// async fn train(data: &[f64]) -> anyhow::Result<f64> {
    ///     Ok(data.iter().sum::<f64>() / data.len() as f64)
    /// }
    /// ```
    ml_resilient = ML;
}

attributes! {
    /// Guards a function with a circuit breaker and nothing else.
    ///
    /// Closed, it counts; after `failure_threshold` consecutive failures (default 5) it opens and refuses calls with
    /// `ResilienceError::CircuitOpen`; after `recovery_timeout` (default 60 s) it lets probes through, and
    /// `success_threshold` good ones (default 2) close it.
    ///
    /// The trap: two functions that give one name different settings conflict; the first in the source wins, and
    /// `resilient::validate()` reports it.
    ///
    #[doc = include_str!("../docs/breaker.md")]
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    /// `key = expr` keeps a breaker for each value of an expression over the arguments, such as a host.
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// #[resilient::circuit_breaker(name = "db", failure_threshold = 3, recovery_timeout = 30, fallback = stale)]
    /// async fn orders(shop: &str) -> std::io::Result<Vec<u64>> {
    ///     Err(std::io::Error::other(format!("the database of {shop} is down")))
    /// }
    ///
    /// async fn stale(_: &str) -> std::io::Result<Vec<u64>> {
    ///     Ok(vec![1, 2, 3])
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(orders("north").await.unwrap(), [1, 2, 3]);
    /// # }
    /// ```
    circuit_breaker = BREAKER;

    /// Tries a function again when it fails, and nothing else.
    ///
    /// 4 attempts (3 retries), 0.1 s before the first retry and twice as long before each further one, up to 10 s, each
    /// spread by 10 % up or down. Retries alone never refuse, so the function may return anything; what is not a `Result` never fails.
    ///
    /// The trap: `max_attempts` counts the first call, `max_retries` does not. And the traps of [`macro@resilient`]:
    /// the body runs several times.
    ///
    #[doc = include_str!("../docs/retry.md")]
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    /// | Time key | Value | Default |
    /// |---|---|---|
    /// | `deadline` | limit of the whole call, waits included | none |
    ///
    #[doc = include_str!("../docs/budget.md")]
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// #[derive(Debug, PartialEq)]
    /// enum ApiError {
    ///     Busy,
    ///     NoSuchCity,
    /// }
    ///
    /// #[resilient::retry_with_backoff(max_retries = 3, base_delay = 0.5, retry_on = ApiError::Busy)]
    /// fn weather(city: &str) -> Result<f64, ApiError> {
    ///     Err(ApiError::NoSuchCity)
    /// }
    ///
    /// assert_eq!(weather("Atlantis"), Err(ApiError::NoSuchCity)); // at once
    /// ```
    retry_with_backoff = RETRY;

    /// Limits the time one call of a function may take, and nothing else.
    ///
    /// `#[with_timeout(5)]`, `#[with_timeout("250ms")]` and `#[with_timeout(seconds = 5)]` say the limit; without one
    /// it is 30 s. An async function is dropped at its limit.
    ///
    /// The trap: a running sync function cannot be stopped. With owned arguments it runs on a worker thread, its
    /// caller goes on at the limit and its late result is dropped; a function that borrows must say
    /// `timeout_mode = "deadline"`, which lets it finish and refuses a late result.
    ///
    #[doc = include_str!("../docs/timeout.md")]
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// #[resilient::with_timeout("20ms")]
    /// async fn quick(hang: bool) -> std::io::Result<u32> {
    ///     if hang { std::future::pending().await } else { Ok(42) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(quick(false).await.unwrap(), 42);
    /// assert_eq!(quick(true).await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    /// # }
    /// ```
    with_timeout = TIMEOUT;

    /// Records how a service is doing from the calls of a function: its failures and its response times.
    ///
    /// `resilient::service_health("external_api")` tells the result. It never refuses a call.
    ///
    /// | Key | Value | Default |
    /// |---|---|---|
    /// | first value, `service`, `service_name` | the service's name, 1 to 128 of `A-Z a-z 0-9 _ . : -` | needed |
    /// | `degraded_error_rate`, `unhealthy_error_rate` | share of failures, over 0.0 up to 1.0 | 0.05, 0.2 |
    /// | `degraded_response_time` | mean response time | 1 s |
    /// | `unhealthy_response_time` | 95th percentile of the response times | 3 s |
    /// | `window` | samples looked at, from 1 | 100 |
    /// | `max_age` | oldest sample looked at | 300 s |
    /// | `min_samples` | samples before anything is said, from 1 | 10 |
    ///
    /// The trap: with fewer than `min_samples` samples the service is `unknown`, not healthy.
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    /// ```
    /// #[resilient::track_service_health("external_api", unhealthy_error_rate = 0.5)]
    /// fn fetch(page: u32) -> Result<u32, std::num::TryFromIntError> {
    ///     Ok(page + 1)
    /// }
    ///
    /// for page in 0..10 {
    ///     fetch(page).unwrap();
    /// }
    /// assert!(resilient::service_health("external_api").unwrap().is_healthy());
    /// ```
    track_service_health = HEALTH;

    /// Lets no more than so many attempts of a function run at once, and nothing else.
    ///
    /// 10 at once by default, and no queue: what finds no room is refused with `ResilienceError::BulkheadFull`. With
    /// a `max_queue` or a `max_wait` it waits, first come first served; sync and async calls share one limit.
    ///
    /// The trap: a place is held as long as the body runs. A sync body that was given up at its time limit keeps
    /// its place until it really ends, so that no more than `max_concurrent` ever run.
    ///
    #[doc = include_str!("../docs/bulkhead.md")]
    ///
    /// `key = expr` keeps a bulkhead for each value of an expression over the arguments, such as a tenant;
    /// `enable_bulkhead = false` leaves it out.
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// use resilient::ResilienceError;
    ///
    /// #[resilient::bulkhead(max_concurrent = 1, name = "renderer")]
    /// fn render(page: u32, nested: bool) -> Result<u32, ResilienceError> {
    ///     if nested { render(page, false) } else { Ok(page) }
    /// }
    ///
    /// assert_eq!(render(7, false).unwrap(), 7);
    /// let full = render(7, true).unwrap_err(); // the second while the first runs
    /// assert_eq!(full.kind(), resilient::ErrorKind::BulkheadFull);
    /// ```
    bulkhead = BULKHEAD;

    /// Lets no more than so many attempts of a function begin in a time, and nothing else.
    ///
    /// `rate` has no default. What comes too early is refused with `ResilienceError::RateLimited`, which says when to
    /// come back; with a `max_wait` it waits for its turn.
    ///
    /// The trap: every retry is an attempt and takes a permit of its own.
    ///
    #[doc = include_str!("../docs/rate_limit.md")]
    ///
    /// `key = expr` keeps a limit for each value of an expression over the arguments, such as a host;
    /// `enable_rate_limit = false` leaves it out.
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// use resilient::ResilienceError;
    ///
    /// #[resilient::rate_limit(rate = 2, per = "1min", key = host)]
    /// fn crawl(host: &str) -> Result<usize, ResilienceError> {
    ///     Ok(host.len())
    /// }
    ///
    /// crawl("a.example").unwrap();
    /// crawl("a.example").unwrap();
    /// let refused = crawl("a.example").unwrap_err();
    /// assert!(refused.retry_after().is_some());
    /// assert!(crawl("b.example").is_ok(), "each host has a limit of its own");
    /// ```
    rate_limit = RATE_LIMIT;

    /// Starts an async function a second time beside a run that is slow; the first good answer wins.
    ///
    /// Another run starts when the first has been silent for as long as 95 of 100 good ones took (`delay = "p95"`), or
    /// for a fixed `delay`, or when it has failed. The others are dropped as soon as one succeeds; when all fail, the
    /// first one's error is the answer. A hedge is paid from the operation's `budget`, as a retry is.
    ///
    /// The trap: the body runs more than once *at the same time*, so a hedge asks for `idempotent = true`. The runs
    /// share the arguments: one that the body consumes needs `clone(argument)`, and none may be `&mut`.
    ///
    #[doc = include_str!("../docs/hedge.md")]
    ///
    /// `idempotent = true` is needed; `enable_hedge = false` leaves the hedge out.
    ///
    #[doc = include_str!("../docs/budget.md")]
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// #[resilient::hedge(delay = "10ms", idempotent = true)]
    /// async fn lookup(runs: &AtomicU32) -> std::io::Result<&'static str> {
    ///     if runs.fetch_add(1, Ordering::Relaxed) == 0 {
    ///         std::future::pending().await // the first one hangs
    ///     }
    ///     Ok("from the second")
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert_eq!(lookup(&AtomicU32::new(0)).await.unwrap(), "from the second");
    /// # }
    /// ```
    hedge = HEDGE;

    /// Says what answers in place of a function that failed, and nothing else.
    ///
    /// `#[fallback(path)]` calls another function with the same arguments, `#[fallback(value = ..)]` answers with a
    /// value, `#[fallback(chain = [a, b])]` asks several functions in turn. It is the outermost layer: it answers once,
    /// after all retries, for any final error, a refusal of the library's included, and never for a cancelled call.
    ///
    /// The function may take the error, by value, as one more, last argument: the last real one, or a refusal as
    /// `From<ResilienceError>` makes it. For an `Ok` that `failure_if` calls a failure that is
    /// `ResilienceError::BadAnswer`. What it returns, an error included, reaches the caller; it never counts as a
    /// success of the function. In a chain a function that panics, or answers with an `Err`, passes to the next; the
    /// last one's answer counts, whatever it is. Owned arguments are cloned for all but the last, and so is the error
    /// where another than the last takes it. A `value` beside a path or chain ends it.
    ///
    /// The trap: a fallback hides that something is down. Its uses are told as `EventKind::FallbackUsed`. And it is
    /// called with arguments that are still there: one that the body consumes needs `clone(argument)`.
    ///
    #[doc = include_str!("../docs/fallback.md")]
    ///
    #[doc = include_str!("../docs/classify.md")]
    ///
    #[doc = include_str!("../docs/operation.md")]
    ///
    /// ```
    /// use resilient::fallback;
    ///
    /// #[fallback(explain, on = PriceError::Down(_))]
    /// fn price(item: &str) -> Result<String, PriceError> {
    ///     if item.is_empty() { Err(PriceError::NoSuchItem) } else { Err(PriceError::Down(503)) }
    /// }
    ///
    /// fn explain(item: &str, error: PriceError) -> Result<String, PriceError> {
    ///     Ok(format!("no price of {item} now: {error:?}"))
    /// }
    ///
    /// #[fallback(value = 0)]
    /// fn stock(item: &str) -> std::io::Result<u32> {
    ///     Err(std::io::Error::other(format!("nobody counted {item}")))
    /// }
    ///
    /// # #[derive(Debug)]
    /// # enum PriceError { Down(u16), NoSuchItem }
    /// # impl From<resilient::ResilienceError> for PriceError {
    /// #     fn from(_: resilient::ResilienceError) -> Self { Self::Down(0) }
    /// # }
    /// assert_eq!(price("book").unwrap(), "no price of book now: Down(503)");
    /// assert!(matches!(price(""), Err(PriceError::NoSuchItem)));
    /// assert_eq!(stock("book").unwrap(), 0);
    /// ```
    fallback = FALLBACK;
}

/// Makes a function a constructor of every factory of its types, by this name: at link time, wherever in the program it
/// stands.
///
/// The function takes `Asked<X, O>` and returns `Result<Arc<C>, E>`, now or as an `async fn`; `E` is whatever can become a
/// boxed error. Factories with exactly these `C`, `X` and `O` have it from the beginning, among
/// their own (`is_builtin`), unless they are built `without_linked`. Several of these attributes give one function several
/// names.
///
/// | Key | Value | Default |
/// |---|---|---|
/// | first value, `name` | what it is asked for by: 1 to 128 characters | needed |
/// | `crate` | where this crate is, if it is not `::resilient` | |
///
/// It stands on a function of a module, not on one of an `impl` block.
///
/// The traps: types are compared, so an `Asked<()>` is not found by a factory with a context; of a library that nothing
/// else is used of, the linker may leave it all out; and two functions of one name and the same types are an error when the
/// factory is made.
///
/// ```
/// use resilient::factory::{Asked, BoxError, Factory};
/// use std::sync::Arc;
///
/// trait Exchange: Send + Sync {
///     fn name(&self) -> &str;
/// }
///
/// struct Mexc;
///
/// impl Exchange for Mexc {
///     fn name(&self) -> &str {
///         "MEXC"
///     }
/// }
///
/// #[resilient::component("mexc")]
/// async fn mexc(_: Asked) -> Result<Arc<dyn Exchange>, BoxError> {
///     Ok(Arc::new(Mexc))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilient::factory::FactoryError> {
/// let exchanges: Factory<dyn Exchange> = Factory::new("exchanges")?;
/// assert_eq!(exchanges.create("mexc", &()).await?.name(), "MEXC");
/// # Ok(())
/// # }
/// ```
#[proc_macro_attribute]
pub fn component(list: TokenStream, item: TokenStream) -> TokenStream {
    component::component(list.into(), item.into()).into()
}
