use resilient::resilient;

#[resilient]
async fn charge<E>(error: fn() -> E) -> Result<u32, E> {
    Err(error())
}

fn main() {
    drop(charge(|| "declined"));
}
