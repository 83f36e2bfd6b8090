use resilient::track_service_health;

#[track_service_health("mail", failure_threshold = 3)]
async fn ping() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(ping());
}
