//! Variables in values.

use proptest::prelude::*;
use resilient::factory::credentials::CredentialStore;

use crate::{inside, keys, read, substituted};

#[test]
fn d002_11_quotes_colons_and_line_ends_in_a_value_change_nothing_and_numbers_keep_their_text() {
    let odd = "k\"e'y: {a}\n  secret_key: \"injected\" # [x]\\u0041 %TAG & * ! | >";
    let text = "exchanges:\n  mexc:\n    a: ${ODD}\n    b: \"x${ODD}y\"\n    api_key: 00123456789012345678901234567890\n    secret_key: 0x12345678901\n    c: 1_000\n    d: 2024-01-01\n    e: no\n    f: 1e3\n    g: .5\n    h: +12\n";
    let store = inside(&[("ODD", odd)], || CredentialStore::from_yaml(text)).unwrap();
    let config = store.exchange_config("mexc");
    assert_eq!(config.setting("a"), Some(odd));
    assert_eq!(config.setting("b").unwrap(), format!("x{odd}y"));
    let plain = ["c", "d", "e", "f", "g", "h"].map(|name| config.setting(name).unwrap());
    assert_eq!(plain, ["1_000", "2024-01-01", "no", "1e3", ".5", "+12"]);
    let credentials = inside(&[], || store.credentials("mexc")).unwrap();
    assert_eq!(keys(&credentials), ("00123456789012345678901234567890", "0x12345678901"));

    let text = "[exchanges.mexc]\na = '${ODD}'\napi_key = 12345678901234567890123\nsecret_key = 0x1234567890\nd = 1979-05-27\ne = false\n";
    let store = inside(&[("ODD", odd)], || CredentialStore::from_toml(text)).unwrap();
    let config = store.exchange_config("mexc");
    let plain = ["a", "d", "e"].map(|name| config.setting(name).unwrap());
    assert_eq!(plain, [odd, "1979-05-27", "false"]);
    assert_eq!(read(inside(&[], || store.credentials("mexc")).unwrap().api_key()), "12345678901234567890123");
}

#[test]
fn a_reference_is_a_name_with_a_default_or_without_and_anything_else_after_dollar_brace_is_refused() {
    let variables = [("VAR", "value"), ("_v1", "under"), ("HAS", "${VAR}")];
    for (written, expected) in [
        ("${VAR}", Some("value")),
        ("a${VAR}b${_v1}c", Some("avaluebunderc")),
        ("${ VAR }", Some("value")),
        ("${VAR:default}", Some("value")),
        ("${NONE:default}", Some("default")),
        ("${NONE:a:b}", Some("a:b")),
        ("${NONE:http://h:1/?q=$x#y{}", Some("http://h:1/?q=$x#y{")),
        ("${NONE: spaced }", Some(" spaced ")),
        ("${NONE:}", Some("")),
        ("${NONE}", Some("")),
        ("${HAS}", Some("${VAR}")),
        ("$VAR $ $$ {VAR} }", Some("$VAR $ $$ {VAR} }")),
        ("$${VAR}", Some("${VAR}")),
        ("$$${VAR}", Some("$${VAR}")),
        ("$${", Some("${")),
        ("${", None),
        ("${VAR", None),
        ("${}", None),
        ("${ }", None),
        ("${:default}", None),
        ("${1VAR}", None),
        ("${VAR-default}", None),
        ("${МЕХС}", None),
        ("${NONE:${VAR}}", None),
        ("${A${VAR}}", None),
        ("${NONE:$${VAR}}", None),
    ] {
        assert_eq!(substituted(written, &variables).as_deref(), expected, "{written}");
    }
    let error = inside(&[], || CredentialStore::from_yaml("exchanges: { mexc: { api_key: \"${hunter2\" } }"));
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "MEXC_API_KEY has a `${` that names no variable: write `${NAME}` or `${NAME:default}`, and `$${` for the text `${`"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d002_11_any_value_of_a_variable_arrives_as_it_is(value in "\\PC*|(\\$|\\{|\\}|:|VAR|\"|'|\n|#| ){0,20}") {
        let variables = [("VAR", value.as_str())];
        prop_assert_eq!(substituted("${VAR}", &variables), Some(value.clone()));
        prop_assert_eq!(substituted("<${VAR:x}>${NONE:y}", &variables), Some(format!("<{value}>y")));
    }

    #[test]
    fn any_text_can_be_written_with_its_dollar_braces_doubled(value in any::<String>(), odd in "[$\\{\\}:A ]{0,30}") {
        for value in [value, odd] {
            let value = value.replace('\u{FEFF}', "");
            let written = value.replace("${", "$${");
            prop_assert_eq!(substituted(&written, &[("A", "wrong")]), Some(value));
        }
    }

    #[test]
    fn any_text_is_substituted_or_refused(text in "([$\\{\\}: ]|A|B_2|[a-z]|é|\\PC){0,60}") {
        let _ = substituted(&text, &[("A", "${A}"), ("B_2", "")]);
        let _ = CredentialStore::from_yaml(&text);
        let _ = CredentialStore::from_toml(&text);
        if !text.contains("${") {
            prop_assert_eq!(substituted(&text, &[]), Some(text));
        }
    }
}
