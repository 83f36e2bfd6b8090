use resilient::resilient;

#[resilient]
async fn charge<const N: usize>(orders: [u32; N]) -> std::io::Result<[u32; N]> {
    Ok(orders.map(|order| order + 1))
}

#[resilient]
fn refund<const N: usize, const LOUD: bool>(orders: &[u32; N]) -> std::io::Result<(usize, bool)> {
    Ok((orders.len().max(N), LOUD))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge([1, 2]).await.unwrap(), [2, 3]);
    assert_eq!(refund::<2, true>(&[1, 2]).unwrap(), (2, true));
}
