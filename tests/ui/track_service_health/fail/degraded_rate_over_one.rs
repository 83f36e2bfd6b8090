use resilient::track_service_health;

#[track_service_health("mail", degraded_error_rate = 5)]
async fn ping() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(ping());
}
