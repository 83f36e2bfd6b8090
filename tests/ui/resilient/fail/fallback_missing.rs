use resilient::resilient;

#[resilient(fallback = cached)]
async fn charge() -> Option<u32> {
    Some(1)
}

fn main() {
    drop(charge());
}
