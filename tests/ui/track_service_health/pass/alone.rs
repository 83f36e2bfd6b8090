use resilient::track_service_health;
use std::rc::Rc;

#[derive(Debug, PartialEq)]
struct OwnError;

#[track_service_health("mail")]
async fn ping(to: String) -> String {
    to
}

#[track_service_health(service_name = "mail", degraded_error_rate = 0.1, unhealthy_error_rate = 0.5)]
fn send(to: &str) -> Result<usize, OwnError> {
    if to.is_empty() { Err(OwnError) } else { Ok(to.len()) }
}

#[track_service_health("mail:rc", window = 10, min_samples = 1, max_age = "1m", degraded_response_time = 0.5)]
fn local(to: Rc<str>) -> Rc<str> {
    to
}

#[track_service_health("mail:nothing", ignore = OwnError)]
fn nothing() -> Result<(), OwnError> {
    Err(OwnError)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(ping("ann".to_owned()).await, "ann");
    assert_eq!(send(""), Err(OwnError));
    assert_eq!(&*local("ann".into()), "ann");
    assert_eq!(nothing(), Err(OwnError));
    assert!(resilient::service_health("mail").is_ok());
}
