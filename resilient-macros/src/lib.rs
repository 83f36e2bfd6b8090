//! The attributes of `resilient`. Use them through that crate.

mod args;
mod attributes;
mod diagnostics;
mod expand;
mod guard;
mod item;
mod paths;
mod plan;
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

attributes! {
    /// x
    resilient = RESILIENT;
    /// x
    database_resilient = DATABASE;
    /// x
    cache_resilient = CACHE;
    /// x
    api_resilient = API;
    /// x
    file_resilient = FILE;
    /// x
    ml_resilient = ML;
    /// x
    circuit_breaker = BREAKER;
    /// x
    retry_with_backoff = RETRY;
    /// x
    with_timeout = TIMEOUT;
    /// x
    track_service_health = HEALTH;
}
