use resilient::retry_with_backoff;
use std::rc::Rc;

#[derive(Debug)]
struct OwnError;

#[retry_with_backoff(max_retries = 2, base_delay = "1ms")]
fn own_error(calls: &mut u32) -> Result<u32, OwnError> {
    *calls += 1;
    if *calls < 3 { Err(OwnError) } else { Ok(*calls) }
}

#[retry_with_backoff]
async fn nothing() {}

#[retry_with_backoff]
async fn number(id: Rc<u32>) -> u32 {
    *id
}

#[retry_with_backoff(failure_if = Option::is_none, base_delay = 0, max_attempts = 2)]
fn option(calls: &mut u32) -> Option<u32> {
    *calls += 1;
    None
}

#[retry_with_backoff]
fn text<E>(id: u32) -> Result<String, E> {
    Ok(id.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(own_error(&mut 0).unwrap(), 3);
    nothing().await;
    assert_eq!(number(Rc::new(1)).await, 1);
    let mut calls = 0;
    assert_eq!((option(&mut calls), calls), (None, 2));
    assert_eq!(text::<()>(1).unwrap(), "1");
}
