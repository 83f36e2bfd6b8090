use resilient::fallback;

struct PayError(u32);

impl From<resilient::ResilienceError> for PayError {
    fn from(_: resilient::ResilienceError) -> Self {
        Self(0)
    }
}

#[fallback(cached)]
fn charge(order: u32) -> Result<u32, PayError> {
    Err(PayError(order))
}

fn cached(order: u32, error: PayError, again: u32) -> Result<u32, PayError> {
    Ok(order + again + error.0)
}

fn main() {
    drop(charge(1));
    drop(cached(1, PayError(1), 2));
}
