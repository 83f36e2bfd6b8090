use resilient::resilient;

#[resilient(hedge(delay = "p99", max_hedges = 0), idempotent = true)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
