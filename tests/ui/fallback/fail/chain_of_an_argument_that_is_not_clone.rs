use resilient::fallback;

struct Order(u32);

#[fallback(chain = [cached, spare])]
fn charge(order: Order) -> Option<u32> {
    Some(order.0)
}

fn cached(order: Order) -> Option<u32> {
    Some(order.0)
}

fn spare(order: Order) -> Option<u32> {
    Some(order.0)
}

fn main() {
    drop(charge(Order(1)));
    drop((cached(Order(1)), spare(Order(1))));
}
