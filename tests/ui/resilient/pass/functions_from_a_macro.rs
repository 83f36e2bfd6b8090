use resilient::resilient;

macro_rules! guarded {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty, $attempts:expr, $wait:literal, $body:block) => {
        $(#[$meta])*
        #[resilient(max_attempts = $attempts, base_delay = $wait, operation_name = "from_a_macro")]
        $vis async fn $name($($arg: $ty),*) -> $ret $body
    };
}

guarded!(
    /// Charges.
    pub fn charge(order: u32, tag: &'static str) -> std::io::Result<String>, 1 + 1, "1ms", {
        let call = tag;
        Ok(format!("{call}{order}"))
    }
);

macro_rules! ruled {
    ($name:ident, $pattern:pat, $rule:expr, $fallback:path, $label:literal, $on:literal) => {
        #[resilient(ignore = $pattern, retry_if = $rule, fallback = $fallback, operation_name = $label, enable_retry = $on)]
        async fn $name(order: u32) -> std::io::Result<u32> {
            Ok(order)
        }
    };
}

async fn cached(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

ruled!(refund, std::io::Error { .. }, |_| true, self::cached, "refund", true);

macro_rules! numbered {
    ($($name:ident = $number:literal),*) => {$(
        #[resilient]
        fn $name() -> std::io::Result<u32> {
            Ok($number)
        }
    )*};
}

numbered!(one = 1, two = 2);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(1, "book").await.unwrap(), "book1");
    assert_eq!(refund(1).await.unwrap(), 1);
    assert_eq!(one().unwrap() + two().unwrap(), 3);
}
