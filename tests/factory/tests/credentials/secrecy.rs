//! What nobody sees.

use std::fmt::Write;

use proptest::prelude::*;
use resilient::factory::credentials::{CredentialStore, Credentials};

use crate::{heard, inside, keys};

#[test]
fn x15_a_preview_shows_at_most_a_quarter_of_the_key() {
    for (key, preview) in [
        ("", "***"),
        ("abcdefgh", "***"),
        ("abcdefghi", "a...i"),
        ("abcdefghijklmnop", "ab...op"),
        ("abcdefghijklmnopqrstuvwxyz012345", "abcd...2345"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "abcd...6789"),
        ("ключ-ключ-ключ-ключ", "кл...юч"),
        ("\x1b[2Jabcdefghijklmnop", "\u{FFFD}[...op"),
    ] {
        assert_eq!(Credentials::new(key, "a-secret-that-is-long-enough").preview(), preview);
    }
}

#[test]
fn x15_no_secret_is_in_logs_debug_output_errors_or_the_summary() {
    // With what may be shown of a key cut out of the middle.
    let secrets = ["HUNTERkey2345", "HUNTERsecret2345678901", "HUNTERpassphrase"];
    let yaml = "exchanges:\n  mexc: { api_key: \"${K}\", secret_key: \"${S}\", passphrase: \"${P}\" }\n  okx: { api_key: \"${U}\" }\n";
    let variables =
        [("K", secrets[0]), ("S", secrets[1]), ("P", secrets[2]), ("KRAKEN_API_KEY", "HUNTERalone")];
    let mut said = String::new();
    let log = heard(|| {
        inside(&variables, || {
            let store = CredentialStore::from_yaml(yaml).unwrap();
            let credentials = store.credentials("mexc").unwrap();
            assert_eq!(keys(&credentials), (secrets[0], secrets[1]));
            let config = store.exchange_config("mexc");
            assert_eq!(config.setting("passphrase"), Some(secrets[2]));
            let refused = store.credentials("kraken").unwrap_err();
            let store = store.with("okx", Credentials::new("HUNTER 2", "HUNTER2"));
            let also = store.credentials("okx").unwrap_err();
            write!(said, "{credentials} {credentials:?} {credentials:#?} {store:?} {store:#?} ").unwrap();
            write!(said, "{config:?} {config:#?} {refused} {refused:?} {also} {also:?} ").unwrap();
            write!(said, "{} {:?}", credentials.preview(), store.warnings()).unwrap();
            let summary = store.safe_summary();
            assert_eq!(
                serde_json::to_string(&summary).unwrap(),
                r#"{"mexc_credentials_configured":true,"okx_credentials_configured":false}"#
            );
            for bad in
                ["exchanges: { mexc: { api_key: \"${K} ${\" } }", "a: ${K\n b: - HUNTER", "x: !HUNTER @"]
            {
                if let Err(error) = CredentialStore::from_yaml(bad) {
                    write!(said, "{error} {error:?}").unwrap();
                }
            }
        });
    });
    assert!(log.contains("component=\"mexc\" api_key=\"H...5\""), "{log}");
    assert!(log.contains("variable=U setting=OKX_API_KEY"), "{log}");
    assert!(!said.contains("HUNTER") && !said.contains("2345"), "{said}");
    assert!(!log.contains("HUNTER") && !log.contains("2345"), "{log}");
}

#[test]
fn d002_09_debug_shows_no_key_previews_are_small_at_debug_level_and_never_of_the_secret() {
    let credentials = Credentials::new("0123456789abcdef", "fedcba9876543210fedc");
    assert_eq!(format!("{credentials:?}"), "Credentials { api_key: [redacted], secret_key: [redacted] }");
    assert_eq!(
        format!("{:?}", Credentials::new("0123456789abcdef", "")),
        "Credentials { api_key: [redacted], secret_key: [missing] }"
    );
    // 9 to 15 characters, of which the seed showed 8.
    for length in 9..16 {
        let key = &"0123456789abcdef"[..length];
        let preview = Credentials::new(key, "fedcba9876543210fedc").preview();
        assert_eq!(preview.len() - "...".len(), 2, "{preview}");
    }
    let store = CredentialStore::new().with("mexc", credentials);
    let log = heard(|| drop(store.credentials("mexc")));
    assert!(log.contains("DEBUG message=private access component=\"mexc\" api_key=\"01...ef\""), "{log}");
    assert!(!log.contains("INFO") && !log.contains("fe...dc"), "{log}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn x15_the_preview_of_any_key_reveals_a_quarter_of_it_at_most(key in any::<String>(), long in "[ -~]{0,200}") {
        for key in [key, long] {
            let preview = Credentials::new(key.as_str(), "").preview();
            let length = key.chars().count();
            if length <= 8 {
                prop_assert_eq!(preview, "***");
                continue;
            }
            let shown = (preview.chars().count() - 3) / 2;
            prop_assert!(shown * 2 * 4 <= length && shown >= 1, "{} of {}", preview, key);
            let chars: Vec<char> = preview.chars().collect();
            prop_assert_eq!(&chars[shown..shown + 3], ['.'; 3].as_slice());
        }
    }

    #[test]
    fn x15_no_error_about_a_text_that_was_damaged_anywhere_quotes_a_secret_of_it(
        at in 0..200usize,
        cut in 0..8usize,
        put in "[\"'{}\\[\\]:$#&*!|>%@` \n,=-]{0,3}",
    ) {
        const YAML: &str = "exchanges:\n  mexc: { api_key: HUNTERkey123456, secret_key: \"HUNTERsecret123456 ${NONE}\" }\n  okx:\n    api_key: HUNTERkey123456\n    secret_key: 'HUNTERsecret123456'\n    base_url: x\n";
        const TOML: &str = "[exchanges.mexc]\napi_key = \"HUNTERkey123456\"\nsecret_key = 'HUNTERsecret123456 ${NONE}'\n[exchanges.okx]\napi_key = \"\"\"HUNTERkey123456\"\"\"\nsecret_key = \"HUNTERsecret123456\"\n";
        for (text, is_yaml) in [(YAML, true), (TOML, false)] {
            let at = at.min(text.len());
            let damaged = [&text[..at], put.as_str(), &text[(at + cut).min(text.len())..]].concat();
            let read = if is_yaml { CredentialStore::from_yaml } else { CredentialStore::from_toml };
            let mut said = String::new();
            let log = heard(|| match inside(&[], || read(&damaged)) {
                Ok(store) => said = format!("{store:?} {:?} {:?}", store.warnings(), store.safe_summary()),
                Err(errors) => said = format!("{errors} {errors:?}"),
            });
            prop_assert!(!said.contains("HUNTER") && !log.contains("HUNTER"), "{}\n{}\n{}", damaged, said, log);
        }
    }
}
