use resilient::retry_with_backoff;

#[retry_with_backoff(retry_if = |_| true)]
fn download() -> Option<u32> {
    None
}

fn main() {
    assert_eq!(download(), None);
}
