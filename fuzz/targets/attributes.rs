//! Attributes as nobody should write them: arguments and items of any tokens. Nothing panics; what comes out is Rust
//! whenever the item was, mistakes or not; every mistake says something.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;

/// Items that arguments are tried on.
const ITEMS: [&str; 10] = [
    "async fn fetch(id: u32) -> Result<String, Error> { get(id).await }",
    "pub(crate) fn fetch(&self, id: &str) -> Result<(), Error> { Ok(()) }",
    "fn count() -> u32 { 1 }",
    "async fn stream<T: Send>(mut self, (a, b): (T, T)) -> impl Future<Output = io::Result<T>> where T: Clone { todo() }",
    "unsafe extern \"C\" fn raw(p: *const u8) -> ! { loop {} }",
    "impl Client { #[retry_with_backoff(max_attempts = 2)] async fn get(&self) -> Result<u8, E> { Ok(1) } const A: u8 = 1; }",
    "trait Client { async fn get(&self) -> Result<u8, E>; fn put(&self) -> Result<u8, E> { Ok(1) } }",
    "impl Service for Client { async fn get(self: Arc<Self>, key: String) -> Answer { self.0.get(key).await } }",
    "struct Client;",
    "mod client { fn get() {} }",
];

fuzz_target!(|bytes: &[u8]| {
    let [word, item, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (list, own) = text.split_once('\u{1}').unwrap_or((text, ""));
    let item = if own.is_empty() { ITEMS[usize::from(*item) % ITEMS.len()] } else { own };
    let (Ok(list), Ok(item)) = (list.parse::<TokenStream>(), item.parse::<TokenStream>()) else { return };
    let was_rust = syn::parse2::<syn::Item>(item.clone()).is_ok();
    let (expanded, mistake) = resilient_fuzz::expand(usize::from(*word), list, item);
    assert!(mistake.as_ref().is_none_or(|mistake| !mistake.is_empty()), "a mistake that says nothing");
    if was_rust || mistake.is_none() {
        let parsed = syn::parse2::<syn::File>(expanded.clone());
        assert!(parsed.is_ok(), "{:?} in what is no Rust: {expanded}", parsed.err());
    }
});
