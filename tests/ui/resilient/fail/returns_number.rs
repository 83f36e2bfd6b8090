use resilient::resilient;

#[resilient]
async fn charge() -> u32 {
    1
}

fn main() {
    drop(charge());
}
