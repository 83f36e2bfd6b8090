use resilient::resilient;

#[resilient]
async fn charge(orders: impl Iterator<Item = u32> + Clone, tag: impl AsRef<str>) -> std::io::Result<String> {
    Ok(format!("{}{}", tag.as_ref(), orders.clone().sum::<u32>()))
}

#[resilient]
fn refund(each: impl Fn(u32) -> u32, fast: &dyn Fn() -> u32) -> std::io::Result<u32> {
    Ok(each(fast()))
}

#[resilient]
async fn visit(seen: &mut impl Extend<u32>) -> std::io::Result<()> {
    seen.extend([1]);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(charge([1, 2].into_iter(), "sum ").await.unwrap(), "sum 3");
    assert_eq!(refund(|order| order + 1, &|| 1).unwrap(), 2);
    let mut seen = Vec::new();
    visit(&mut seen).await.unwrap();
    assert_eq!(seen, [1]);
}
