use resilient::resilient;

#[derive(Debug)]
struct PayError;

#[resilient]
async fn charge() -> Result<u32, PayError> {
    Err(PayError)
}

fn main() {
    drop(charge());
}
