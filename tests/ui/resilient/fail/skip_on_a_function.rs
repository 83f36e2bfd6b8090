use resilient::resilient;

#[resilient(skip)]
fn charge() -> std::io::Result<()> {
    Ok(())
}

fn main() {
    drop(charge());
}
