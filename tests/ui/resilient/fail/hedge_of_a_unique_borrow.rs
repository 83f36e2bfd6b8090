use resilient::resilient;

#[resilient(hedge, idempotent = true)]
async fn charge(seen: &mut Vec<u32>, order: u32) -> std::io::Result<u32> {
    seen.push(order);
    Ok(order)
}

fn main() {
    drop(charge(&mut Vec::new(), 1));
}
