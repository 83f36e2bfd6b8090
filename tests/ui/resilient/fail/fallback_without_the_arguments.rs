use resilient::resilient;

#[resilient(fallback = cached)]
async fn charge(order: u32) -> Option<u32> {
    Some(order)
}

async fn cached() -> Option<u32> {
    None
}

fn main() {
    drop(charge(1));
    drop(cached());
}
