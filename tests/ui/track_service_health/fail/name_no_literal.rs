use resilient::track_service_health;

const MAIL: &str = "mail";

#[track_service_health(MAIL)]
async fn ping() -> std::io::Result<u32> {
    Ok(1)
}

fn main() {
    drop(ping());
}
