use resilient::resilient;

#[resilient]
async fn charge(order: u32) -> std::io::Result<u32> {
    if order == 0 {
        return Ok("free");
    }
    Ok(order)
}

fn main() {
    drop(charge(1));
}
