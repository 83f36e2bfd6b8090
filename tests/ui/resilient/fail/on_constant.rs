use resilient::resilient;

#[resilient]
const LIMIT: u32 = 5;

fn main() {
    assert_eq!(LIMIT, 5);
}
