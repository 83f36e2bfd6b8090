use resilient::file_resilient;

#[file_resilient(base_delay = -0.5)]
async fn read() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(read());
}
