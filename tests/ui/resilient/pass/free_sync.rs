use resilient::resilient;
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

#[resilient(max_attempts = 3, base_delay = "1ms", jitter = false)]
fn charge(order: u32) -> std::io::Result<u32> {
    if CALLS.fetch_add(1, Ordering::Relaxed) < 2 {
        return Err(std::io::Error::other("busy"));
    }
    Ok(order)
}

fn main() {
    assert_eq!(charge(7).unwrap(), 7);
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
}
