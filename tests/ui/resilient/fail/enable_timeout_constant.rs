use resilient::resilient;

const LIMITED: bool = false;

#[resilient(enable_timeout = LIMITED)]
async fn charge() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(charge());
}
