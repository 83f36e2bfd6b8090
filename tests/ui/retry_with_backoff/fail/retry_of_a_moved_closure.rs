use resilient::retry_with_backoff;

#[retry_with_backoff]
fn download(write: impl FnOnce()) -> std::io::Result<()> {
    write();
    Ok(())
}

fn main() {
    drop(download(|| {}));
}
