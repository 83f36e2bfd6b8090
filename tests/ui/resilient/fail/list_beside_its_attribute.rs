use resilient::{bulkhead, resilient};

#[resilient(bulkhead(max_queue = 1))]
#[bulkhead(max_concurrent = 1)]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
