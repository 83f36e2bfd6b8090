use resilient::resilient;

struct Client;

#[resilient]
impl Client {
    fn new() -> Self {
        Self
    }

    fn name(&self) -> &'static str {
        "client"
    }
}

fn main() {
    assert_eq!(Client::new().name(), "client");
}
