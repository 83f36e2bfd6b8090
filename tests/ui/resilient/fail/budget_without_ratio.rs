use resilient::resilient;

#[resilient(budget(per_second = 1))]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
}
