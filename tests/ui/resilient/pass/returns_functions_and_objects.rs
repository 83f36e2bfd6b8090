use resilient::resilient;

type Rule = Box<dyn Fn(u32) -> bool + Send>;

#[resilient]
async fn rule(limit: u32) -> std::io::Result<Rule> {
    Ok(Box::new(move |order| order < limit))
}

#[resilient]
fn pointer() -> std::io::Result<fn(u32) -> u32> {
    Ok(|order| order + 1)
}

#[resilient]
async fn words() -> std::io::Result<Vec<Box<dyn std::fmt::Display>>> {
    Ok(vec![Box::new(1), Box::new("a")])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert!(rule(2).await.unwrap()(1));
    assert_eq!(pointer().unwrap()(1), 2);
    assert_eq!(words().await.unwrap()[1].to_string(), "a");
}
