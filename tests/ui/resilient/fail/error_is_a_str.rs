use resilient::resilient;

#[resilient]
async fn charge() -> Result<u32, &'static str> {
    Err("declined")
}

fn main() {
    drop(charge());
}
