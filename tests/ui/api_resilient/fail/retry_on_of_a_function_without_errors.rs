use resilient::api_resilient;

#[api_resilient(retry_on = _, fallback = cached)]
async fn fetch() -> Option<u32> {
    None
}

async fn cached() -> Option<u32> {
    Some(1)
}

fn main() {
    drop(fetch());
    drop(cached());
}
