use resilient::resilient;

const LIMIT: Option<u32> = None;

#[resilient(timeout = LIMIT)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
