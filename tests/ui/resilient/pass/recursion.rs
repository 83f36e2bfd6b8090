use resilient::resilient;

#[resilient(operation_name = "countdown")]
async fn countdown(from: u32) -> std::io::Result<u32> {
    if from == 0 { Ok(0) } else { Box::pin(countdown(from - 1)).await }
}

#[resilient(operation_name = "factorial", timeout_mode = "deadline")]
fn factorial(of: u64) -> std::io::Result<u64> {
    if of == 0 { Ok(1) } else { Ok(of * factorial(of - 1)?) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(countdown(3).await.unwrap(), 0);
    assert_eq!(factorial(4).unwrap(), 24);
}
