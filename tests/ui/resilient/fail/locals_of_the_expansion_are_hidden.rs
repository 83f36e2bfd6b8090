use resilient::resilient;

#[resilient]
async fn charge() -> std::io::Result<u32> {
    drop(call);
    Ok(1)
}

fn main() {
    drop(charge());
}
