use resilient::{resilient, with_timeout};

#[resilient]
#[with_timeout = 5]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
