use resilient::ml_resilient;

#[ml_resilient(slow_call_rate = 50, slow_call_duration = "5s")]
async fn predict() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(predict());
}
