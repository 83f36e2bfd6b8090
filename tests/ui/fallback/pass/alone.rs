use resilient::fallback;

#[fallback(from_cache)]
fn price(item: &str) -> Result<u32, String> {
    Err(item.to_owned())
}

fn from_cache(item: &str, error: String) -> Result<u32, String> {
    if item == error { Ok(1) } else { Err(error) }
}

#[fallback(value = 2)]
async fn stock(item: &str) -> Result<u32, String> {
    Err(item.to_owned())
}

#[fallback(chain = [from_cache, from_cache], value = 3, on = text if text.is_empty())]
fn chained(item: &str) -> Result<u32, String> {
    Err(item.to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(price("a").unwrap(), 1);
    assert_eq!(stock("a").await.unwrap(), 2);
    assert_eq!(chained("").unwrap(), 1);
    assert!(chained("a").is_err());
}
