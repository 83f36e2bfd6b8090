//! arcly-http's breaker attribute.

use arcly_http::__macro_support::BreakerOpen;
use arcly_http::prelude::circuit_breaker;

use crate::work::{Answer, Fault, work};

impl From<BreakerOpen> for Fault {
    fn from(_: BreakerOpen) -> Self {
        Self::Refused
    }
}

#[circuit_breaker(threshold = 5, cooldown = "60s")]
#[inline(never)]
pub async fn closed(n: u32) -> Answer {
    work(n)
}

#[circuit_breaker(threshold = 5, cooldown = "24h")]
#[inline(never)]
pub async fn open(n: u32) -> Answer {
    work(n)
}
