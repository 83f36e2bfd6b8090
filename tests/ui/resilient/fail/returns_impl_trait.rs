use resilient::resilient;

#[resilient(timeout_mode = "deadline")]
fn orders() -> impl Iterator<Item = u32> {
    [1, 2].into_iter()
}

fn main() {
    assert_eq!(orders().count(), 2);
}
