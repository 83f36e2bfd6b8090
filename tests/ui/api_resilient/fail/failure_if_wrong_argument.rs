use resilient::api_resilient;

fn is_empty(page: &String) -> bool {
    page.is_empty()
}

#[api_resilient(failure_if = is_empty)]
async fn fetch() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(fetch());
    assert!(is_empty(&String::new()));
}
