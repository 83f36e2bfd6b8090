use resilient::hedge;

#[hedge(MaxHedgedAttempts = 2, delay = "10ms", idempotent = true)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
