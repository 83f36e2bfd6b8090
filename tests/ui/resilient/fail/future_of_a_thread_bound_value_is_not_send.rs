use resilient::resilient;
use std::rc::Rc;

#[resilient]
async fn charge() -> std::io::Result<u32> {
    let order = Rc::new(1);
    std::future::ready(()).await;
    Ok(*order)
}

fn send(_: impl Send) {}

fn main() {
    send(charge());
}
