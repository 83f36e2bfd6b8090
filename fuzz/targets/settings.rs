//! What operators write: variables of any name and value, `.env` files, settings files. Nothing panics, every mistake
//! can be printed on one line of a log, and no value that may be a secret is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resilient_runtime::testing::Scope;
use resilient_runtime::{ConfigErrors, ResilienceConfig, Settings, reset_resilience_state, validate};

/// Never shown: `!` is in no value that a message repeats.
const SECRET: &str = "s3cret!";

/// A message is for one line of a log, and is not the place for what may be a secret.
fn fit_for_a_log(errors: &ConfigErrors, secrets: bool) {
    for problem in errors.problems() {
        let line = problem.to_string();
        let unprintable = |c: char| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c);
        assert!(!line.contains(unprintable), "{line:?}");
        assert!(!secrets || !line.contains(SECRET), "a secret in {line:?}");
        assert!(line.len() < 4_000, "{} bytes", line.len());
    }
}

/// Lines of `NAME=value`; a name that begins with a dot gets the prefix.
fn variables(text: &str, secrets: bool) {
    let mut scope = Scope::builder().seed(1);
    for line in text.lines().take(40) {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let name = name.strip_prefix('.').map_or(name.to_owned(), |rest| format!("PYNOMALY_{rest}"));
        let value = if secrets { format!("{SECRET}{value}") } else { value.to_owned() };
        scope = scope.env(name, value);
    }
    let scope = scope.profile("payments", Settings::new()).build();
    let _inside = scope.enter();
    let operation = ResilienceConfig::new("pay")
        .operation_type("payments")
        .failure_rate(0.5)
        .bulkhead_max_concurrent(2)
        .rate_limit_rate(5)
        .deadline("10s")
        .build();
    match &operation {
        Ok(operation) => {
            let explained = operation.explain().expect("it was resolved").to_string();
            assert!(!secrets || !explained.contains(SECRET), "a secret in {explained:?}");
            let answer: Result<u8, std::io::Error> = operation.call(|| Ok(1));
            let _ = answer;
        }
        Err(errors) => fit_for_a_log(errors, secrets),
    }
    if let Err(errors) = validate() {
        fit_for_a_log(&errors, secrets);
        let json = serde_json::to_string(errors.problems()).expect("problems are texts");
        serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON");
    }
    let health = resilient_runtime::resilience_health().to_json();
    serde_json::from_str::<serde_json::Value>(&health).expect("it is JSON");
    reset_resilience_state();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind % 4 == 2 {
        return resilient_runtime::fuzzing::dotenv(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match kind % 4 {
        0 => variables(text, false),
        1 if !text.contains("s3cret") => variables(text, true),
        _ => resilient_runtime::fuzzing::settings_file(text),
    }
});
