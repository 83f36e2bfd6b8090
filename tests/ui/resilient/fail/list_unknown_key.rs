use resilient::resilient;

#[resilient(bulkhead(max_concurent = 10), hedge(delay = "10ms", colour = 1, idempotent = true))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
