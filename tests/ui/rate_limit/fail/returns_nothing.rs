use resilient::rate_limit;

#[rate_limit(rate = 10)]
fn charge(order: u32) {
    assert!(order > 0);
}

fn main() {
    charge(1);
}
