use resilient::resilient;

#[derive(Debug)]
struct PayError;

type Paid<T> = Result<T, PayError>;

#[resilient]
async fn charge() -> Paid<u32> {
    Err(PayError)
}

fn main() {
    drop(charge());
}
