use resilient::track_service_health;

trait Mail {
    #[track_service_health("mail")]
    fn ping(&self);
}

struct Smtp;

impl Mail for Smtp {
    fn ping(&self) {}
}

fn main() {
    Smtp.ping();
}
