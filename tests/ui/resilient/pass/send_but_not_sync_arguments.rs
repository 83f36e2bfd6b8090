use resilient::resilient;
use std::cell::Cell;
use std::sync::mpsc::Receiver;

#[resilient]
async fn charge(
    count: Cell<u32>,
    orders: Receiver<u32>,
    rule: Box<dyn Fn(u32) -> bool + Send>,
) -> std::io::Result<u32> {
    count.set(count.get() + 1);
    tokio::task::yield_now().await;
    let order = orders.recv().map_err(std::io::Error::other)?;
    tokio::task::yield_now().await;
    Ok(if rule(order) { count.get() } else { 0 })
}

#[resilient]
async fn generic<T: Send + Clone>(value: T) -> std::io::Result<T> {
    tokio::task::yield_now().await;
    Ok(value.clone())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (send, orders) = std::sync::mpsc::channel();
    send.send(1).unwrap();
    let charged = tokio::spawn(charge(Cell::new(1), orders, Box::new(|order| order == 1)));
    assert_eq!(charged.await.unwrap().unwrap(), 2);
    assert_eq!(tokio::spawn(generic(Cell::new(1))).await.unwrap().unwrap().get(), 1);
}
