use resilient::resilient;

struct Order(u32);

#[resilient(key = order)]
async fn charge(order: Order) -> std::io::Result<u32> {
    Ok(order.0)
}

fn main() {
    drop(charge(Order(1)));
}
