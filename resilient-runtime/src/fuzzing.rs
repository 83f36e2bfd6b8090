//! Doors for the fuzzer to what has none: `fuzz/` is built with `--cfg fuzzing`, and nothing else is.
#![allow(missing_docs, reason = "not part of any release")]

use crate::breaker::sequences::{OfTheBreaker, OfTheMachine, OfTheWindow};
use crate::bulkhead::sequences::{OfTheBulkhead, OfTheSlots};
pub use crate::profile::fuzzing::{dotenv, settings_file};
use crate::rate_limit::sequences::{OfTheAlgorithms, OfTheLimiter};
use crate::reference::{Operations, Script};
use crate::retry::sequences::OfTheBudget;

fn play<O: Operations>(bytes: &[u8]) {
    Script::<O>::of_bytes(bytes).play();
}

macro_rules! doors {
    ($($name:ident: $of:ty;)+) => {$(
        pub fn $name(bytes: &[u8]) {
            play::<$of>(bytes);
        }
    )+};
}

doors! {
    breaker: OfTheBreaker;
    breaker_machine: OfTheMachine;
    breaker_window: OfTheWindow;
    bulkhead: OfTheBulkhead;
    bulkhead_slots: OfTheSlots;
    rate_limit_algorithms: OfTheAlgorithms;
    rate_limiter: OfTheLimiter;
    retry_budget: OfTheBudget;
}
