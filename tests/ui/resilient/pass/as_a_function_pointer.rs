use resilient::resilient;

#[resilient]
fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

#[resilient]
async fn refund(order: &u32) -> std::io::Result<u32> {
    Ok(*order)
}

static TABLE: [fn(u32) -> std::io::Result<u32>; 1] = [charge];

async fn each(orders: &[u32], visit: impl AsyncFn(&u32) -> std::io::Result<u32>) -> std::io::Result<u32> {
    let mut sum = 0;
    for order in orders {
        sum += visit(order).await?;
    }
    Ok(sum)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(TABLE[0](1).unwrap(), 1);
    assert_eq!([1, 2].into_iter().map(charge).sum::<std::io::Result<u32>>().unwrap(), 3);
    assert_eq!(each(&[1, 2], refund).await.unwrap(), 3);
}
