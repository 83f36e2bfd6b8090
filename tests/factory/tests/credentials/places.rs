//! What a component is given, and from where.

use resilient::factory::credentials::{CredentialStore, Credentials};
use resilient::testing::Scope;

use crate::{SEED, heard, inside, keys};

#[test]
fn x04_the_credentials_of_each_exchange_are_those_of_the_configuration() {
    let variables = [
        ("MEXC_API_KEY", "mx0vglKp2sQe8TzY"),
        ("MEXC_SECRET_KEY", "e5f1c0a9d8b7463521aa"),
        ("GATEIO_API_KEY", "gate-key-0123456"),
        ("GATEIO_SECRET_KEY", "gate-secret-0123456789"),
    ];
    let toml = "[exchanges.mexc]\napi_key = '${MEXC_API_KEY}'\nsecret_key = '${MEXC_SECRET_KEY}'\n\
                [exchanges.gateio]\napi_key = '${GATEIO_API_KEY}'\nsecret_key = '${GATEIO_SECRET_KEY}'\n";
    inside(&variables, || {
        for store in [CredentialStore::from_yaml(SEED).unwrap(), CredentialStore::from_toml(toml).unwrap()] {
            for name in ["mexc", "MEXC", "Mexc"] {
                let credentials = store.credentials(name).unwrap();
                assert_eq!(keys(&credentials), ("mx0vglKp2sQe8TzY", "e5f1c0a9d8b7463521aa"));
                assert!(credentials.has_private_access());
            }
            let credentials = store.credentials("gateio").unwrap();
            assert_eq!(keys(&credentials), ("gate-key-0123456", "gate-secret-0123456789"));
            assert!(store.warnings().is_empty());
            assert_eq!(store.names(), ["gateio", "mexc"]);
        }
    });
}

#[test]
fn x14_without_credentials_access_is_public_and_no_error() {
    inside(&[], || {
        let read = CredentialStore::from_yaml(SEED).unwrap();
        for (store, name) in [(&read, "mexc"), (&read, "kraken"), (&CredentialStore::new(), "mexc")] {
            let credentials = store.credentials(name).unwrap();
            assert!(!credentials.has_private_access());
            assert_eq!(keys(&credentials), ("", ""));
            assert_eq!(credentials.preview(), "***");
            assert_eq!(credentials.to_string(), "public mode only");
            assert!(credentials.validate().is_empty());
        }
    });
    assert!(!Credentials::new("only-an-api-key", "").has_private_access());
    assert!(!Credentials::new("", "only-a-secret-key").has_private_access());
}

#[test]
fn code_comes_before_the_environment_and_the_environment_before_the_file() {
    let yaml = "exchanges: { mexc: { api_key: key-of-the-file, secret_key: secret-of-the-file } }";
    let variables = [("MEXC_API_KEY", "key-of-the-shell"), ("MEXC_SECRET_KEY", "secret-of-the-shell")];
    inside(&[], || {
        let store = CredentialStore::from_yaml(yaml).unwrap();
        assert_eq!(keys(&store.credentials("mexc").unwrap()), ("key-of-the-file", "secret-of-the-file"));
    });
    inside(&variables, || {
        let store = CredentialStore::from_yaml(yaml).unwrap();
        let shell = ("key-of-the-shell", "secret-of-the-shell");
        assert_eq!(keys(&store.credentials("mexc").unwrap()), shell);
        assert_eq!(keys(&CredentialStore::new().credentials("Mexc").unwrap()), shell);
        let store = store.with("MEXC", Credentials::new("key-of-the-code", "secret-of-the-code"));
        assert_eq!(keys(&store.credentials("mexc").unwrap()), ("key-of-the-code", "secret-of-the-code"));
        let store = store.with("mexc", Credentials::public());
        assert!(!store.credentials("mexc").unwrap().has_private_access());
    });
}

#[test]
fn keys_of_two_places_are_put_together_only_where_no_place_has_both() {
    let whole = "exchanges: { mexc: { api_key: key-of-the-file, secret_key: secret-of-the-file } }";
    let half = "exchanges: { mexc: { api_key: key-of-the-file } }";
    inside(&[("MEXC_SECRET_KEY", "secret-of-the-shell")], || {
        let store = CredentialStore::from_yaml(whole).unwrap();
        assert_eq!(keys(&store.credentials("mexc").unwrap()), ("key-of-the-file", "secret-of-the-file"));
        let store = CredentialStore::from_yaml(half).unwrap();
        assert_eq!(keys(&store.credentials("mexc").unwrap()), ("key-of-the-file", "secret-of-the-shell"));
        let error = CredentialStore::new().credentials("mexc").unwrap_err();
        assert_eq!(error.message(), "MEXC_SECRET_KEY configured but MEXC_API_KEY is missing");
    });
    let store = CredentialStore::new().with("mexc", Credentials::new("key-of-the-code", ""));
    assert_eq!(store.credentials("mexc").unwrap_err().setting_name(), Some("MEXC_SECRET_KEY"));
}

#[test]
fn half_a_pair_in_variables_is_told_where_it_is_another_than_that_of_the_file() {
    let yaml = "exchanges: { mexc: { api_key: key-of-the-file, secret_key: secret-of-the-file } }";
    for (variable, value, is_told) in [
        ("MEXC_API_KEY", "key-of-the-shell", true),
        ("MEXC_SECRET_KEY", "secret-of-the-shell", true),
        ("MEXC_API_KEY", "key-of-the-file", false),
        ("MEXC_SECRET_KEY", "secret-of-the-file", false),
    ] {
        inside(&[(variable, value)], || {
            let store = CredentialStore::from_yaml(yaml).unwrap();
            let log = heard(|| {
                let credentials = store.credentials("mexc").unwrap();
                assert_eq!(keys(&credentials), ("key-of-the-file", "secret-of-the-file"));
            });
            assert_eq!(
                log.contains("both keys are taken from the file"),
                is_told,
                "{variable}={value}: {log}"
            );
        });
    }
}

#[test]
fn a_variable_spells_what_is_no_letter_and_no_digit_as_an_underscore() {
    let variables = [("GATE_IO_API_KEY", "gate-key-0123456"), ("GATE_IO_SECRET_KEY", "gate-secret-0123456")];
    inside(&variables, || {
        assert!(CredentialStore::new().has_credentials("gate.io"));
        assert!(!CredentialStore::new().has_credentials("gateio"));
    });
}

#[test]
fn the_environment_of_the_process_comes_before_the_dotenv_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dotenv = "MEXC_API_KEY=key-of-the-dotenv\nMEXC_SECRET_KEY=secret-of-the-dotenv\n\
                  OKX_API_KEY=key-of-the-dotenv\nOKX_SECRET_KEY='secret of: the \"dotenv\"'\n";
    std::fs::write(folder.path().join(".env"), dotenv).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "places::in_a_folder_with_a_dotenv", "--ignored"])
        .current_dir(folder.path())
        .envs([("MEXC_API_KEY", "key-of-the-shell"), ("MEXC_SECRET_KEY", "secret-of-the-shell")])
        .env_remove("OKX_API_KEY")
        .env_remove("OKX_SECRET_KEY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "the one above runs it, in a process of its own"]
fn in_a_folder_with_a_dotenv() {
    let store = CredentialStore::from_yaml("exchanges: { it: { setting: \"${OKX_SECRET_KEY}\" } }").unwrap();
    assert_eq!(store.exchange_config("it").setting("setting"), Some("secret of: the \"dotenv\""));
    assert_eq!(keys(&store.credentials("mexc").unwrap()), ("key-of-the-shell", "secret-of-the-shell"));
    let refused = store.credentials("okx").unwrap_err();
    assert_eq!(refused.to_string(), "OKX_SECRET_KEY contains invalid whitespace characters");
}

#[test]
fn a_variable_that_changes_is_seen_after_a_reload() {
    let scope = Scope::new();
    let _inside = scope.enter();
    let store = CredentialStore::new();
    assert!(!store.has_credentials("mexc"));
    scope.set_env("MEXC_API_KEY", "mx0vglKp2sQe8TzY");
    scope.set_env("MEXC_SECRET_KEY", "e5f1c0a9d8b7463521aa");
    resilient::reload().unwrap();
    assert!(store.has_credentials("mexc"));
}
