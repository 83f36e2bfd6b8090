use resilient::hedge;

#[hedge(delay = "10ms", idempotent = false)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
