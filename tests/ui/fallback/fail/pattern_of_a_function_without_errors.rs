use resilient::fallback;

#[fallback(value = None, on = _)]
fn charge(order: u32) -> Option<u32> {
    Some(order)
}

fn main() {
    drop(charge(1));
}
