use resilient::fallback;

struct PayError(u32);

impl From<resilient::ResilienceError> for PayError {
    fn from(_: resilient::ResilienceError) -> Self {
        Self(0)
    }
}

#[fallback(value = "none")]
fn charge(order: u32) -> Result<u32, PayError> {
    Err(PayError(order))
}

fn main() {
    drop(charge(1));
}
