use resilient::resilient;

async fn a(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

async fn b(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

#[resilient(fallback = a, fallback_chain = [a, b])]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(order)
}

fn main() {
    drop(charge(1));
    drop((a(1), b(1)));
}
