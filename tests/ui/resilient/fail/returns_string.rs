use resilient::resilient;

#[resilient]
fn receipt() -> String {
    "paid".to_owned()
}

fn main() {
    drop(receipt());
}
