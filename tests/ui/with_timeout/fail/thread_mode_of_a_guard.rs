use resilient::with_timeout;
use std::sync::MutexGuard;

#[with_timeout(5, timeout_mode = "thread")]
fn render(page: MutexGuard<'static, String>) -> std::io::Result<usize> {
    Ok(page.len())
}

fn main() {
    drop(render as fn(MutexGuard<'static, String>) -> std::io::Result<usize>);
}
