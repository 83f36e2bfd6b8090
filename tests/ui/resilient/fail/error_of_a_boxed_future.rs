use resilient::resilient;
use std::pin::Pin;

#[derive(Debug)]
struct PayError;

#[resilient]
fn charge() -> Pin<Box<dyn Future<Output = Result<u32, PayError>> + Send>> {
    Box::pin(async move { Err(PayError) })
}

fn main() {
    drop(charge());
}
