//! What a text may cost whoever reads it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use resilient::factory::credentials::CredentialStore;

use crate::inside;

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the time that work takes: linear is under a second here, quadratic is many minutes"
)]
fn a_megabyte_of_anything_is_read_or_refused_in_no_time() {
    let unit = ["${", "${A:", "$${", "${A}", "$", "${A:}", "}", "${ ", "${A:$"];
    let mut texts: Vec<String> = unit
        .iter()
        .map(|unit| format!("exchanges: {{ mexc: {{ it: \"{}\" }} }}", unit.repeat(1_000_000 / unit.len())))
        .collect();
    texts.extend(
        [
            "[", "{", "- ", "? ", "a: ", "&a ", "!a ", "* ", "'", "\"", "|\n ", "%A\n", "---\n", "{a: ",
            "[? ", "- a\n", "\t", ",", "x\n", "a:\n",
        ]
        .iter()
        .map(|unit| unit.repeat(1_000_000 / unit.len())),
    );
    texts.push((0..1_000).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]).collect());
    texts.push("exchanges: &a [*a]".to_owned());
    for text in &texts {
        let began = Instant::now();
        let read = [CredentialStore::from_yaml(text).is_ok(), CredentialStore::from_toml(text).is_ok()];
        let took = began.elapsed();
        assert!(
            took < Duration::from_secs(60),
            "{took:?} for {:?}.. ({read:?})",
            &text[..40.min(text.len())]
        );
    }
}

#[test]
fn what_variables_multiply_is_bounded_and_a_warning_is_given_once() {
    let large = "x".repeat(1 << 20);
    let text = format!("exchanges: {{ mexc: {{ it: \"{}\" }} }}", "${BIG}".repeat(100_000));
    let error = inside(&[("BIG", &large)], || CredentialStore::from_yaml(&text)).unwrap_err();
    assert_eq!(error.to_string(), "MEXC_IT has variables that make the values longer than 4 MiB in all");
    let store = inside(&[], || CredentialStore::from_yaml(&text)).unwrap();
    assert_eq!(store.warnings(), ["environment variable BIG not set: MEXC_IT gets an empty value"]);
}

#[test]
fn aliases_are_followed_and_what_they_multiply_is_bounded() {
    let yaml = "
defaults: &defaults { request_timeout: 2, base_url: http://default }
exchanges:
  mexc: { <<: *defaults, base_url: http://mexc }
  okx: { <<: [*defaults], api_key: &key mx0vglKp2sQe8TzY, secret_key: *key }
";
    let store = inside(&[], || CredentialStore::from_yaml(yaml)).unwrap();
    let mexc = store.exchange_config("mexc");
    assert_eq!(
        (mexc.request_timeout, mexc.setting("base_url")),
        (Duration::from_secs(2), Some("http://mexc"))
    );
    assert_eq!(store.exchange_config("okx").setting("base_url"), Some("http://default"));
    assert!(inside(&[], || store.has_credentials("okx")));

    let mut laughs = "l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let above = level - 1;
        writeln!(laughs, "l{level}: &l{level} [{}]", format!("*l{above}, ").repeat(9)).unwrap();
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(9_000));
    let names = format!("exchanges: {{ a: {{ {}: [{}] }} }}", "n".repeat(300_000), "1, ".repeat(9_000));
    for (text, part) in [
        (laughs, "more than 10000 values"),
        (long, "copy more than 4 MiB"),
        (names, "the path to a setting is longer than 500 bytes"),
        (format!("a: {}", "[".repeat(65)), "nested more than 64 deep"),
        ("a: &a [*a]".to_owned(), "an alias inside of what it stands for"),
    ] {
        let error = CredentialStore::from_yaml(&text).unwrap_err().to_string();
        assert!(error.contains(part) && error.len() < 300, "{error:.300}");
    }
}
