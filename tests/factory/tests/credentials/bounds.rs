//! What a text may cost whoever reads it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use resilient::factory::credentials::{ConfigurationErrors, CredentialStore};

use crate::inside;

const MIB: usize = 1 << 20;

/// What is wrong with one of which a part is as large as it may be, and with one that is larger by one.
fn at_the_limit(
    most: usize,
    read: impl Fn(usize) -> Result<CredentialStore, ConfigurationErrors>,
) -> (Option<String>, Option<String>) {
    let wrong = |size| read(size).err().map(|error| error.to_string());
    (wrong(most), wrong(most + 1))
}

#[test]
fn a_limit_is_the_most_that_is_read() {
    let comment = |length: usize| ["#".repeat(length - 1), "\n".to_owned()].concat();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let of_file = |length| {
        std::fs::write(&file, comment(length)).unwrap();
        CredentialStore::from_file(&file)
    };
    let large = |what: &str| (None, Some(format!("{what} is larger than 1 MiB")));
    assert_eq!(at_the_limit(MIB, |length| CredentialStore::from_yaml(&comment(length))), large("the text"));
    assert_eq!(at_the_limit(MIB, |length| CredentialStore::from_toml(&comment(length))), large("the text"));
    assert_eq!(at_the_limit(MIB, of_file), large(&file.display().to_string()));

    // The list and the table it is in are values, too.
    let values = |count: usize| format!("a = [{}]", "1,".repeat(count - 2));
    let many = (None, Some("the text: there are more than 10000 values".to_owned()));
    assert_eq!(at_the_limit(10_000, |count| CredentialStore::from_toml(&values(count))), many);

    let named = |length: usize| format!("exchanges: {{ {}: ~ }}", "n".repeat(length));
    let (fits, longer) = at_the_limit(100, |length| CredentialStore::from_yaml(&named(length)));
    assert_eq!((fits, longer.as_deref()), (None, Some("a name under `exchanges` has 1 to 100 bytes")));
    let nameless = CredentialStore::from_yaml("exchanges: { \"\": ~ }").unwrap_err();
    assert_eq!(nameless.to_string(), "a name under `exchanges` has 1 to 100 bytes");

    let path = |length: usize| format!("exchanges: {{ a: {{ {}: [1] }} }}", "n".repeat(length - 2));
    let (fits, longer) = at_the_limit(500, |length| CredentialStore::from_yaml(&path(length)));
    assert_eq!((fits, longer.as_deref()), (None, Some("the path to a setting is longer than 500 bytes")));
}

#[test]
fn what_variables_make_is_four_mebibytes_at_most_in_one_value_and_in_all() {
    let big = "x".repeat(MIB);
    let one = |more: &str| format!("exchanges: {{ mexc: {{ it: \"{}{more}\" }} }}", "${BIG}".repeat(4));
    let many =
        |more: &str| format!("exchanges: {{ mexc: {{ it: [{} \"{more}\"] }} }}", "\"${BIG}\", ".repeat(4));
    for texts in [[one(""), one("x")], [many(""), many("x")]] {
        let [fits, longer] = texts.map(|text| inside(&[("BIG", &big)], || CredentialStore::from_yaml(&text)));
        assert!(fits.is_ok());
        let error = longer.unwrap_err().to_string();
        assert!(error.ends_with("has variables that make the values longer than 4 MiB in all"), "{error}");
    }
}

#[test]
fn what_anchors_copy_counts_by_its_texts_its_names_and_its_values() {
    const MOST: usize = 4 << 20;
    let wrong = |text: &str| CredentialStore::from_yaml(text).err().map(|error| error.to_string());
    let is_bounded = |text: &str| wrong(text).is_some_and(|wrong| wrong.contains("copy more than 4 MiB"));
    // Each copy of a text counts as 16 bytes more than it has: one for the anchor, seven for what stands for it.
    let texts = |length: usize| format!("a: &a {}\nb: [{}]", "x".repeat(length), "*a, ".repeat(7));
    assert_eq!(wrong(&texts(MOST / 8 - 16)), None);
    assert!(is_bounded(&texts(MOST / 8 - 15)));
    let names = format!("a: &a {{ {}: ~ }}\nb: [{}]", "n".repeat(600_000), "*a, ".repeat(7));
    assert!(is_bounded(&names));
    let nested: String = (0..60).map(|level: u32| ["&a", &level.to_string(), " ["].concat()).collect();
    let values = format!("a: {nested}{}{}", "~, ".repeat(9_000), "]".repeat(60));
    assert!(is_bounded(&values));
}

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
