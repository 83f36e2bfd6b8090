use resilient::fallback;

#[fallback(value = Some(order))]
fn charge(order: String) -> Option<String> {
    Some(order)
}

fn main() {
    drop(charge(String::new()));
}
