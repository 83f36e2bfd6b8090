use resilient::{ResilienceError, resilient};

#[derive(Debug)]
struct PayError;

impl From<ResilienceError> for PayError {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

#[resilient(exhausted = "wrap")]
async fn charge() -> Result<u32, PayError> {
    Err(PayError)
}

fn main() {
    drop(charge());
}
