use resilient::resilient;

#[resilient(fallback = cached)]
fn charge(order: u32) -> Option<u32> {
    Some(order)
}

async fn cached(order: u32) -> Option<u32> {
    Some(order)
}

fn main() {
    drop(charge(1));
    drop(cached(1));
}
