use resilient::resilient;

#[resilient(base_delay = "1ms")]
async fn charge(mut orders: Vec<u32>, (mut low, high): (u32, u32)) -> std::io::Result<Vec<u32>> {
    low += high;
    orders.push(low);
    let fresh = orders.clone();
    orders.clear();
    if fresh.len() == 1 { Ok(fresh) } else { Err(std::io::Error::other("changed twice")) }
}

#[resilient]
fn refund(mut order: u32) -> std::io::Result<u32> {
    order += 1;
    Ok(order)
}

#[resilient(base_delay = "1ms")]
async fn keep(mut left: &str, seen: &mut Vec<usize>) -> std::io::Result<()> {
    seen.push(left.len());
    left = &left[1..];
    if seen.len() < 2 { Err(std::io::Error::other(left.to_owned())) } else { Ok(()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge(Vec::new(), (1, 2)).await.unwrap(), [3]);
    assert_eq!(refund(1).unwrap(), 2);
    let mut seen = Vec::new();
    keep("ann", &mut seen).await.unwrap();
    assert_eq!(seen, [3, 3], "each attempt starts from the argument as it came");
}
