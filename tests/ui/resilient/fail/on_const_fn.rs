use resilient::resilient;

#[resilient(fallback = cached)]
const fn charge() -> u32 {
    1
}

fn cached() -> u32 {
    0
}

fn main() {
    const ONE: u32 = charge();
    assert_eq!(ONE + cached(), 1);
}
