use resilient::with_timeout;

#[with_timeout(enable_timeout = false)]
async fn render() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(render());
}
