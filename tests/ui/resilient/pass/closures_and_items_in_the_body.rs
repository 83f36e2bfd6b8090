use resilient::{resilient, retry_with_backoff};

#[resilient]
async fn charge(orders: Vec<u32>) -> std::io::Result<u32> {
    const BASE: u32 = 1;
    use std::io::Result as Answer;
    #[retry_with_backoff]
    fn checked(order: u32) -> Answer<u32> {
        fn add(order: u32) -> u32 {
            return order + BASE;
        }
        Ok(add(order))
    }
    let count = async |order: u32| -> Answer<u32> { checked(order) };
    let mut sum = 0;
    for order in &orders {
        sum += count(*order).await?;
    }
    let all = orders.iter().try_fold(sum, |sum, order| -> Answer<u32> {
        if *order == 0 {
            return Ok(sum);
        }
        Ok(sum + order)
    })?;
    async { Ok(all) }.await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(vec![1, 2]).await.unwrap(), 8);
}
