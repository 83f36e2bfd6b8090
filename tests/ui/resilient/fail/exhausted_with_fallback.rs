use resilient::resilient;

#[resilient(exhausted = "wrap", fallback = cached)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

async fn cached() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
    drop(cached());
}
