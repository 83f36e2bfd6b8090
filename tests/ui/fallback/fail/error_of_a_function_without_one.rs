use resilient::fallback;

#[fallback(cached)]
fn charge(order: u32) -> Option<u32> {
    Some(order)
}

fn cached(order: u32, error: std::io::Error) -> Option<u32> {
    error.raw_os_error().map(|_| order)
}

fn main() {
    drop(charge(1));
    drop(cached(1, std::io::Error::other("")));
}
