use resilient::circuit_breaker;

#[circuit_breaker]
async fn query() -> std::io::Result<u32> {
    Ok(1)
}

#[circuit_breaker()]
fn insert(sql: String) -> std::io::Result<String> {
    Ok(sql)
}

#[circuit_breaker(name = "database", failure_threshold = 3, recovery_timeout = 30, fallback = cached)]
fn update(sql: &mut String) -> Option<usize> {
    sql.push(';');
    Some(sql.len())
}

fn cached(sql: &mut String) -> Option<usize> {
    Some(sql.len())
}

struct Rows(Vec<u32>);

impl Rows {
    #[circuit_breaker(name = "database:rows")]
    async fn first(&mut self) -> std::io::Result<&mut u32> {
        self.0.first_mut().ok_or_else(|| std::io::Error::other("empty"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(query().await.unwrap(), 1);
    assert_eq!(insert("a".to_owned()).unwrap(), "a");
    assert_eq!(update(&mut String::new()), Some(1));
    assert_eq!(Rows(vec![1]).first().await.unwrap(), &1);
}
