use resilient::resilient;

struct Order(u32);

#[resilient(enable_retry = false, fallback = cached)]
async fn charge(order: Order) -> Option<u32> {
    let taken = order;
    Some(taken.0)
}

async fn cached(order: Order) -> Option<u32> {
    Some(order.0)
}

fn main() {
    drop(charge(Order(1)));
    drop(cached(Order(1)));
}
