use resilient::track_service_health;

#[track_service_health("mail", window = "30s")]
async fn ping() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(ping());
}
