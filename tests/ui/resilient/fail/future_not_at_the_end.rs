use resilient::resilient;

#[resilient]
fn charge() -> impl Future<Output = std::io::Result<u32>> {
    std::future::ready(Ok(1))
}

fn main() {
    drop(charge());
}
