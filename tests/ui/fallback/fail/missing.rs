use resilient::fallback;

#[fallback(chain = [cached, nowhere])]
fn charge(order: u32) -> Option<u32> {
    Some(order)
}

fn cached(order: u32) -> Option<u32> {
    Some(order)
}

fn main() {
    drop(charge(1));
    drop(cached(1));
}
