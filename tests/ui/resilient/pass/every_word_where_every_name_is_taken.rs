#![allow(dead_code, non_camel_case_types, non_snake_case)]
//! What the user's own items are called is nothing to any of the attributes.

mod taken {
    #![no_implicit_prelude]

    use ::resilient::{
        api_resilient, bulkhead, cache_resilient, circuit_breaker, database_resilient, fallback, file_resilient, hedge,
        ml_resilient, rate_limit, retry_with_backoff, track_service_health, with_timeout,
    };
    use ::std::io::Error;

    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Option;
    pub(crate) struct String;
    pub(crate) struct Box;
    pub(crate) struct Vec;
    pub(crate) struct Duration;
    pub(crate) struct ResilienceError;
    pub(crate) trait Send {}
    pub(crate) trait Sync {}
    pub(crate) trait Clone {}
    pub(crate) trait Copy {}
    pub(crate) trait Into {}
    pub(crate) trait From {}
    pub(crate) trait Fn {}
    pub(crate) trait FnOnce {}
    pub(crate) trait Future {}
    pub(crate) trait Iterator {}
    pub(crate) trait ToString {}
    pub(crate) trait Default {}
    pub(crate) trait Drop {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) mod alloc {}
    pub(crate) mod tokio {}
    pub(crate) mod resilient {}
    pub(crate) mod resilient_runtime {}
    pub(crate) mod __private {}
    pub(crate) fn drop() {}
    pub(crate) type Result = ::std::result::Result<u32, Error>;
    pub(crate) type bool = u8;
    pub(crate) type u64 = u8;
    pub(crate) type f64 = u8;
    pub(crate) type str = u8;
    pub(crate) type usize = u8;

    macro_rules! matches {
        () => {};
    }
    macro_rules! format {
        () => {};
    }
    macro_rules! panic {
        () => {};
    }
    macro_rules! vec {
        () => {};
    }
    macro_rules! concat {
        () => {};
    }
    macro_rules! stringify {
        () => {};
    }
    macro_rules! line {
        () => {};
    }
    macro_rules! file {
        () => {};
    }
    macro_rules! module_path {
        () => {};
    }

    fn all_unused() {
        matches!();
        format!();
        panic!();
        vec!();
        concat!();
        stringify!();
        line!();
        file!();
        module_path!();
    }

    #[database_resilient(timeout = "5s", deadline = "1m", max_attempts = 2, ignore = _, failure_if = |value| *value == 9)]
    pub(crate) async fn database(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[api_resilient(bulkhead(max_concurrent = 3), rate_limit(rate = 9, per = "1s"), idempotent = true, hedge(delay = "1s"))]
    pub(crate) async fn api(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[cache_resilient(key = call, fallback_value = call, enable_timeout = false)]
    pub(crate) fn cache(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[file_resilient(timeout_mode = "thread", fallback_chain = [again, again])]
    pub(crate) fn file(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[ml_resilient(budget(ratio = 0.2, per_second = 1), exhausted = "wrap", retry_if = |_| true, breaker_scope = "call")]
    pub(crate) async fn ml(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[retry_with_backoff(max_attempts = 2)]
    #[circuit_breaker(failure_threshold = 3)]
    #[with_timeout(5)]
    #[bulkhead(max_concurrent = 3)]
    #[rate_limit(rate = 9)]
    #[track_service_health("every_word")]
    #[fallback(again)]
    pub(crate) fn stacked(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    #[hedge(delay = "1s", idempotent = true)]
    pub(crate) async fn hedged(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }

    pub(crate) struct Store;

    #[database_resilient(max_attempts = 2)]
    impl Store {
        pub(crate) async fn load(&self, call: u32) -> Result {
            ::std::result::Result::Ok(call)
        }
    }

    fn again(call: u32) -> Result {
        ::std::result::Result::Ok(call)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(taken::database(1).await.unwrap(), 1);
    assert_eq!(taken::api(2).await.unwrap(), 2);
    assert_eq!(taken::cache(3).unwrap(), 3);
    assert_eq!(taken::file(4).unwrap(), 4);
    assert_eq!(taken::ml(5).await.unwrap(), 5);
    assert_eq!(taken::stacked(6).unwrap(), 6);
    assert_eq!(taken::hedged(7).await.unwrap(), 7);
    assert_eq!(taken::Store.load(8).await.unwrap(), 8);
}
