use resilient::resilient;

#[resilient(max_atempts = 3)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
