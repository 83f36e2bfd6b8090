use resilient::ml_resilient;

#[ml_resilient(clone(model))]
async fn predict() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(predict());
}
