use resilient::track_service_health;

#[track_service_health("mail", degraded_response_time = "3s", unhealthy_response_time = "1s")]
async fn ping() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(ping());
}
