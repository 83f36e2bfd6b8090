use resilient::resilient;

#[resilient]
async fn charge() -> Option<u32> {
    Some(1)
}

fn main() {
    drop(charge());
}
