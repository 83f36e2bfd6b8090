//! Doors for the fuzzer to what is read from files.
#![allow(missing_docs, reason = "not part of any release")]

use super::env::Environment;
use super::problem::Problem;
use super::{Profiles, settings_file as file};

const OPERATIONS: [&str; 3] = ["pay", "payments.charge", "crate::module::function"];

/// For one line of a log.
fn fit_for_a_log(problems: &[Problem]) {
    for problem in problems {
        let line = problem.to_string();
        assert!(!line.is_empty() && !line.contains(char::is_control) && line.len() < 4_000, "{line:?}");
    }
}

pub fn dotenv(content: &[u8]) {
    let mut profiles = Profiles::built_in();
    profiles.declare("payments");
    let parsed = Environment::from_dotenv(content).parse(None, &profiles, &OPERATIONS);
    fit_for_a_log(&parsed.problems);
}

pub fn settings_file(text: &str) {
    let mut profiles = Profiles::built_in();
    profiles.declare("payments");
    let (_, problems) = file::parse(text, &"resilience.toml".into(), &profiles, &OPERATIONS);
    fit_for_a_log(&problems);
}
