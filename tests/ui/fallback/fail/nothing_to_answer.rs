use resilient::fallback;

#[fallback]
fn charge(order: u32) -> Option<u32> {
    Some(order)
}

fn main() {
    drop(charge(1));
}
