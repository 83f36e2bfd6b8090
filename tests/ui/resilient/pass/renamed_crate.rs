extern crate resilient as guard;

mod vendor {
    pub(crate) use ::guard as shield;
}

#[guard::resilient(crate = ::guard)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

#[vendor::shield::retry_with_backoff(crate = crate::vendor::shield)]
#[vendor::shield::circuit_breaker(name = "refunds")]
fn refund() -> std::io::Result<u32> {
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge().await.unwrap() + refund().unwrap(), 2);
    assert!(guard::breaker("refunds").is_ok());
}
