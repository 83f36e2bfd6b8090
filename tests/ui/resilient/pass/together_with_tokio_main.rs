use resilient::resilient;

#[resilient]
#[tokio::main(flavor = "current_thread")]
async fn inside() -> std::io::Result<u32> {
    tokio::task::yield_now().await;
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
#[resilient(timeout_mode = "deadline")]
async fn outside() -> std::io::Result<u32> {
    tokio::task::yield_now().await;
    Ok(1)
}

fn main() {
    assert_eq!(inside().unwrap() + outside().unwrap(), 2);
}
