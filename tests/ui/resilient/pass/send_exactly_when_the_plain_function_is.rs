use resilient::resilient;
use std::rc::Rc;

/// Whether a value is `Send`, found without asking for it: the inherent method is there only if it is.
struct Asked<T>(T);

trait Otherwise {
    fn is_send(&self) -> bool {
        false
    }
}

impl<T> Otherwise for Asked<T> {}

impl<T: Send> Asked<T> {
    fn is_send(&self) -> bool {
        true
    }
}

#[resilient]
async fn movable(order: String, tag: &str) -> std::io::Result<usize> {
    tokio::task::yield_now().await;
    Ok(order.len() + tag.len())
}

#[resilient]
async fn takes_rc(order: Rc<u32>) -> std::io::Result<u32> {
    tokio::task::yield_now().await;
    Ok(*order)
}

#[resilient]
async fn holds_rc(order: u32) -> std::io::Result<u32> {
    let held = Rc::new(order);
    tokio::task::yield_now().await;
    Ok(*held)
}

#[resilient]
async fn forgets_rc(order: u32) -> std::io::Result<u32> {
    let held = *Rc::new(order);
    tokio::task::yield_now().await;
    Ok(held)
}

#[resilient(enable_retry = false)]
async fn moves(order: String) -> std::io::Result<String> {
    tokio::task::yield_now().await;
    Ok(order)
}

#[resilient]
async fn returns_rc(order: u32) -> std::io::Result<Rc<u32>> {
    Ok(Rc::new(order))
}

#[resilient(fallback = another_rc)]
async fn falls_back_to_rc(order: u32) -> Rc<u32> {
    Rc::new(order)
}

async fn another_rc(order: u32) -> Rc<u32> {
    Rc::new(order)
}

fn main() {
    assert!(Asked(movable(String::new(), "")).is_send());
    assert!(!Asked(takes_rc(Rc::new(1))).is_send());
    assert!(!Asked(holds_rc(1)).is_send());
    assert!(Asked(forgets_rc(1)).is_send());
    assert!(Asked(moves(String::new())).is_send());
    assert!(Asked(returns_rc(1)).is_send());
    assert!(Asked(falls_back_to_rc(1)).is_send());
}
