//! recloser.

use crate::work::Fault;
use recloser::{Error, Recloser};
use std::time::Duration;

pub fn breaker(wait: Duration) -> Recloser {
    Recloser::custom().error_rate(0.5).closed_len(100).half_open_len(1 << 27).open_wait(wait).build()
}

pub fn fault(error: Error<Fault>) -> Fault {
    match error {
        Error::Inner(fault) => fault,
        Error::Rejected => Fault::Refused,
    }
}
