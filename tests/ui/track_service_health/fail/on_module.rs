use resilient::track_service_health;

#[track_service_health("mail")]
mod mail {
    pub(crate) fn ping() {}
}

fn main() {
    mail::ping();
}
