use resilient::circuit_breaker;

struct PayError(u32);

#[circuit_breaker(fallback = cached)]
fn charge(order: u32) -> Result<u32, PayError> {
    Err(PayError(order))
}

fn cached(order: u32, error: PayError) -> Result<u32, PayError> {
    Ok(order + error.0)
}

fn main() {
    drop(charge(1));
    drop(cached(1, PayError(1)));
}
