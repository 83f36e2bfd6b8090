use resilient::file_resilient;

#[file_resilient(jitter = "ful")]
async fn read() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(read());
}
