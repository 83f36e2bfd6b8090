use resilient::retry_with_backoff;

#[retry_with_backoff(exhausted = "wrap")]
fn download() -> Option<u32> {
    None
}

fn main() {
    assert_eq!(download(), None);
}
