use resilient::bulkhead;

#[bulkhead(permitLimit = 10, queueLimit = 5)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
