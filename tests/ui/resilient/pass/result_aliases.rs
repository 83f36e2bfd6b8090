use resilient::{ResilienceError, resilient};

#[derive(Debug, thiserror::Error)]
enum PayError {
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

type Paid<T, E = PayError> = std::result::Result<T, E>;
type Plain = Paid<u32>;

#[resilient]
async fn charge() -> Paid<u32> {
    Ok(1)
}

#[resilient]
fn refund() -> Plain {
    Ok(2)
}

mod prelude {
    pub(crate) use std::io::Result as Outcome;
}

#[resilient]
async fn close() -> prelude::Outcome<()> {
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge().await.unwrap() + refund().unwrap(), 3);
    close().await.unwrap();
}
