use resilient::resilient;

#[resilient(fallback = cached)]
async fn charge(order: u32) -> Option<u32> {
    Some(order)
}

async fn cached(order: String) -> Option<u32> {
    order.parse().ok()
}

fn main() {
    drop(charge(1));
    drop(cached(String::new()));
}
