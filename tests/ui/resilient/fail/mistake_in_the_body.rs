use resilient::resilient;

#[resilient]
async fn charge(order: u32) -> std::io::Result<u32> {
    Ok(ordre)
}

fn main() {
    drop(charge(1));
}
