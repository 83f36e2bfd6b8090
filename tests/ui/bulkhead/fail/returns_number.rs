use resilient::bulkhead;

#[bulkhead(max_concurrent = 10)]
async fn charge(order: u32) -> u32 {
    order
}

fn main() {
    drop(charge(1));
}
