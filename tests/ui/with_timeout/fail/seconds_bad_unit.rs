use resilient::with_timeout;

#[with_timeout(seconds = "5 parsecs")]
async fn render() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(render());
}
