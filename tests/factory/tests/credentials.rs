//! Credentials by name: where they are looked for, what is refused of them, and that nobody sees one.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use resilient::factory::credentials::{
    ConfigurationErrors, CredentialStore, Credentials, ExposeSecret, SecretString,
};
use resilient::factory::startup::{Component, Components, StartError, Status};
use resilient::factory::{Asked, BoxError, BoxFuture, Factory, FactoryError};
use resilient::testing::Scope;

const SEED: &str = r#"
environment: { name: dev, debug: true }
exchanges:
  mexc:
    api_key: "${MEXC_API_KEY}"
    secret_key: "${MEXC_SECRET_KEY}"
    base_url: "https://api.mexc.com"
  gateio:
    api_key: "${GATEIO_API_KEY}"
    secret_key: "${GATEIO_SECRET_KEY}"
    base_url: "${GATEIO_URL:https://api.gateio.ws/api/v4}"
network:
  request_timeout: 10.0
  connect_timeout: 5.0
  max_retries: 3
  retry_delay: 1.0
rate_limiting:
  mexc_requests_per_second: 18
  gateio_requests_per_second: 15
"#;

fn read(secret: Option<&SecretString>) -> &str {
    secret.map_or("", |secret| secret.expose_secret())
}

fn keys(credentials: &Credentials) -> (&str, &str) {
    (read(credentials.api_key()), read(credentials.secret_key()))
}

fn inside<R>(variables: &[(&str, &str)], body: impl FnOnce() -> R) -> R {
    let builder = variables.iter().fold(Scope::builder(), |scope, (name, value)| scope.env(*name, *value));
    let scope = builder.build();
    let _inside = scope.enter();
    body()
}

/// A YAML double-quoted scalar, or a TOML basic string, of any text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c => write!(quoted, "\\U{:08X}", u32::from(c)).unwrap(),
        }
    }
    quoted.push('"');
    quoted
}

fn errors(result: Result<CredentialStore, ConfigurationErrors>) -> Vec<(String, Option<String>)> {
    let errors = result.unwrap_err();
    let pair = |error: &resilient::factory::credentials::ConfigurationError| {
        (error.message().to_owned(), error.setting_name().map(str::to_owned))
    };
    errors.errors().iter().map(pair).collect()
}

// What a component is given.

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
        .args(["--exact", "in_a_folder_with_a_dotenv", "--ignored"])
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

// What is refused.

#[test]
fn the_four_warnings_are_those_of_the_seed_and_stop_nothing() {
    let cases: [(&str, &str, &[&str]); 7] = [
        ("", "", &[]),
        ("0123456789", "01234567890123456789", &[]),
        ("012345678", "", &["API key appears too short"]),
        ("0123456789 ", "", &["API key contains spaces"]),
        ("", "0123456789012345678", &["Secret key appears too short"]),
        ("", "0123456789 01234567890", &["Secret key contains spaces"]),
        (
            "a b",
            "c d",
            &[
                "API key appears too short",
                "API key contains spaces",
                "Secret key appears too short",
                "Secret key contains spaces",
            ],
        ),
    ];
    for (api, secret, warnings) in cases {
        assert_eq!(Credentials::new(api, secret).validate(), warnings, "{api:?} {secret:?}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_at_once_with_the_setting_to_look_at() {
    let yaml = "
exchanges:
  mexc: { api_key: 0123456789ab }
  gateio: { secret_key: 0123456789ab }
  kraken: { api_key: short, secret_key: \"with a space in it\" }
  okx: { api_key: [1, 2], rate_limit_per_second: 101 }
network: { request_timeout: 61, connect_timeout: soon, max_retries: -1, retry_delay: -2 }
rate_limiting: { mexc_requests_per_second: 0 }
";
    let said = |message: &str, setting: &str| (message.to_owned(), Some(setting.to_owned()));
    let mut expected = vec![
        said("REQUEST_TIMEOUT must be between 0 and 60 seconds, got 61", "REQUEST_TIMEOUT"),
        said(
            "CONNECT_TIMEOUT must be more than 0 seconds, got no length of time (write seconds, or a unit: 250ms)",
            "CONNECT_TIMEOUT",
        ),
        said("MAX_RETRIES must be a whole number, got -1", "MAX_RETRIES"),
        said("RETRY_DELAY must be 0 seconds or more, got -2", "RETRY_DELAY"),
        said("MEXC_RATE_LIMIT_PER_SECOND must be between 1 and 100, got 0", "MEXC_RATE_LIMIT_PER_SECOND"),
        said("OKX_API_KEY must be one value, no list and no table", "OKX_API_KEY"),
        said("OKX_RATE_LIMIT_PER_SECOND must be between 1 and 100, got 101", "OKX_RATE_LIMIT_PER_SECOND"),
        said("GATEIO_SECRET_KEY configured but GATEIO_API_KEY is missing", "GATEIO_API_KEY"),
        said("KRAKEN_API_KEY appears to be too short (minimum 10 characters)", "KRAKEN_API_KEY"),
        said("KRAKEN_SECRET_KEY contains invalid whitespace characters", "KRAKEN_SECRET_KEY"),
        said("MEXC_API_KEY configured but MEXC_SECRET_KEY is missing", "MEXC_SECRET_KEY"),
    ];
    let mut found = errors(inside(&[], || CredentialStore::from_yaml(yaml)));
    let text = inside(&[], || CredentialStore::from_yaml(yaml)).unwrap_err().to_string();
    assert!(text.starts_with("11 settings cannot be used\n  "), "{text}");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn of_very_many_mistakes_a_hundred_are_told() {
    let sections: String =
        (0..2_000).map(|at| ["  n", &at.to_string(), ": { api_key: short }\n"].concat()).collect();
    let errors =
        inside(&[], || CredentialStore::from_yaml(&["exchanges:\n", &sections].concat())).unwrap_err();
    assert_eq!(errors.errors().len(), 101);
    assert_eq!(errors.errors()[100].to_string(), "there is more that is wrong");
}

#[test]
fn a_file_that_cannot_be_read_says_where_and_why_and_quotes_nothing_of_it() {
    let cases = [
        (CredentialStore::from_yaml("exchanges:\n  mexc: {api_key: hunter2hunter2\n"), "the text:"),
        (CredentialStore::from_yaml("exchanges: @hunter2hunter2"), "the text:1:12: the YAML cannot be read"),
        (
            CredentialStore::from_yaml("a: 1\n---\nb: hunter2hunter2"),
            "the text:2:1: the YAML cannot be read: there is more than one document",
        ),
        (CredentialStore::from_yaml("? [hunter2]\n: 1"), "a name has to be a text"),
        (
            CredentialStore::from_yaml("&a hunter2: 1\nb: *a"),
            "an alias inside of what it stands for, or of a name",
        ),
        (CredentialStore::from_yaml("a: *hunter2"), "the YAML cannot be read"),
        (CredentialStore::from_yaml("a: 1\na: hunter2hunter2"), "a name is written twice in one table"),
        (
            CredentialStore::from_yaml("exchanges: { mexc: hunter2hunter2 }"),
            "the section of MEXC must be a table",
        ),
        (CredentialStore::from_yaml("exchanges: [hunter2hunter2]"), "`exchanges` must be a table"),
        (CredentialStore::from_yaml("exchanges: { mexc: ~, MEXC: ~ }"), "MEXC has two sections"),
        (CredentialStore::from_toml("api_key = hunter2hunter2"), "the text:1:11: the TOML cannot be read"),
        (CredentialStore::from_toml("[exchanges]\nmexc = 'hunter2hunter2'"), "must be a table"),
    ];
    for (result, part) in cases {
        let error = result.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(part), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for empty in ["", "# nothing\n", "exchanges:", "null"] {
        assert_eq!(CredentialStore::from_yaml(empty).unwrap().names(), Vec::<String>::new());
    }
}

#[test]
fn a_file_is_read_by_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "[exchanges.mexc]\napi_key = 'mx0vglKp2sQe8TzY'\nsecret_key = 'e5f1c0a9d8b7463521aa'\n";
    let yaml = "exchanges: { mexc: { api_key: mx0vglKp2sQe8TzY, secret_key: e5f1c0a9d8b7463521aa } }";
    for (name, content) in [("a.yaml", yaml), ("a.yml", yaml), ("a.toml", toml), ("A.YAML", yaml)] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(CredentialStore::from_file(&path).unwrap().has_credentials("mexc"), "{name}");
    }
    std::fs::write(folder.path().join("a.json"), "{}").unwrap();
    std::fs::write(folder.path().join("huge.yaml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    std::fs::write(folder.path().join("odd.toml"), b"\xFF").unwrap();
    std::fs::create_dir(folder.path().join("folder.toml")).unwrap();
    for (name, part) in [
        ("a.json", "name it `.yaml`, `.yml` or `.toml`"),
        ("none.yaml", "cannot be read (entity not found)"),
        ("huge.yaml", "is larger than 1 MiB"),
        ("odd.toml", "is not UTF-8"),
        ("folder.toml", "is no file"),
    ] {
        let error = CredentialStore::from_file(folder.path().join(name)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.setting_name().is_none());
    }
}

#[tokio::test]
async fn d002_02_a_configuration_that_cannot_be_used_is_not_tried_again() {
    let store = CredentialStore::new().with("mexc", Credentials::new("mx0vglKp2sQe8TzY", ""));
    let factory: Factory<Credentials, CredentialStore> =
        Factory::builder("d002-02").context(store).build().unwrap();
    let attempts = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&attempts);
    let constructor = move |asked: Asked<CredentialStore>| {
        *counted.lock().unwrap() += 1;
        Ok::<_, BoxError>(asked.context.credentials(&asked.name)?)
    };
    factory.register("mexc", constructor).unwrap();
    let error = factory.create("mexc", &()).await.unwrap_err();
    assert!(matches!(error, FactoryError::BadRequest { .. }), "{error}");
    assert_eq!(*attempts.lock().unwrap(), 1);
    assert_eq!(
        error.to_string(),
        "factory 'd002-02' cannot make 'mexc' as it was asked to: MEXC_API_KEY configured but MEXC_SECRET_KEY is missing"
    );
}

/// It looks for its credentials when it starts.
struct Late(Arc<CredentialStore>);

impl Component for Late {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.0.credentials("okx")?;
            Ok(())
        })
    }

    fn status(&self) -> Status {
        Status::Connecting
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn d002_02_nor_is_one_that_is_found_out_when_components_start() {
    let half = || Credentials::new("", "secret-of-the-code");
    let store = CredentialStore::new().with("mexc", half()).with("okx", half());
    let factory: Factory<Late, CredentialStore> =
        Factory::builder("d002-02-start").context(store).build().unwrap();
    let early = |asked: Asked<CredentialStore>| {
        asked.context.credentials(&asked.name)?;
        Ok::<_, BoxError>(Late(asked.context))
    };
    factory.register("mexc", early).unwrap();
    factory.register("okx", |asked: Asked<CredentialStore>| Ok::<_, BoxError>(Late(asked.context))).unwrap();
    let exchanges = Components::new(factory).unwrap();
    for name in ["mexc", "okx"] {
        let error = exchanges.create(name).await.err().unwrap();
        assert!(matches!(error, StartError::BadRequest { .. }), "{error:?}");
        let upper = name.to_uppercase();
        assert_eq!(
            error.to_string(),
            format!("{name} cannot be created: {upper}_SECRET_KEY configured but {upper}_API_KEY is missing")
        );
        assert_eq!(exchanges.results().last().unwrap().attempts, 1);
    }
}

// Settings besides keys.

#[test]
fn settings_have_the_defaults_of_the_seed_and_a_section_comes_before_what_is_said_for_all() {
    let plain = CredentialStore::new();
    for (name, limit) in [("mexc", Some(18)), ("GATEIO", Some(15)), ("kraken", None)] {
        let config = plain.exchange_config(name);
        assert_eq!(config.request_timeout, Duration::from_secs(10));
        assert_eq!(config.connect_timeout, Duration::from_secs(5));
        assert_eq!(config.max_retries, 3);
        assert_eq!(config.retry_delay, Duration::from_secs(1));
        assert_eq!(config.rate_limit_per_second, limit);
    }
    let yaml = "
exchanges:
  mexc: { request_timeout: 250ms, rate_limit_per_second: 7, base_url: \"${URL:http://a:1/}\", symbols: [BTC, ETH], ws: { url: wss://b } }
  okx:
network: { request_timeout: 60, retry_delay: 0, max_retries: 5.0, connect_timeout: \"${CONNECT}\" }
rate_limiting: { mexc_requests_per_second: 9, OKX_requests_per_second: 100 }
";
    let store = inside(&[("CONNECT", "0.5")], || CredentialStore::from_yaml(yaml)).unwrap();
    let mexc = store.exchange_config("Mexc");
    assert_eq!(mexc.request_timeout, Duration::from_millis(250));
    assert_eq!((mexc.max_retries, mexc.retry_delay), (5, Duration::ZERO));
    assert_eq!(mexc.connect_timeout, Duration::from_millis(500));
    assert_eq!(mexc.rate_limit_per_second, Some(7));
    assert_eq!(mexc.setting("base_url"), Some("http://a:1/"));
    assert_eq!(mexc.setting("api_key"), None);
    let names: Vec<_> = mexc.setting_names().collect();
    assert_eq!(names, ["base_url", "symbols.0", "symbols.1", "ws.url"]);
    for name in ["okx", "unheard-of"] {
        let other = store.exchange_config(name);
        assert_eq!(other.request_timeout, Duration::from_secs(60));
        assert_eq!(other.rate_limit_per_second, (name == "okx").then_some(100));
    }
}

// What nobody sees.

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

/// Everything that is told to `tracing`, as text.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl tracing::Subscriber for Heard {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields<'a>(&'a mut String);
        impl tracing::field::Visit for Fields<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                write!(self.0, " {field}={value:?}").unwrap();
            }
        }
        let mut heard = self.0.lock().unwrap();
        write!(heard, "\n{}", event.metadata().level()).unwrap();
        event.record(&mut Fields(&mut heard));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn heard(body: impl FnOnce()) -> String {
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), body);
    heard.0.lock().unwrap().clone()
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

#[test]
fn a_warning_about_a_missing_variable_names_it_and_one_with_a_default_is_not_missing() {
    let mut store = None;
    let yaml = "exchanges: { mexc: { a: \"${GONE}\", b: \"${ABSENT:}\", c: \"${EMPTY:full}\" } }";
    let log = heard(|| inside(&[("EMPTY", "")], || store = CredentialStore::from_yaml(yaml).ok()));
    let store = store.unwrap();
    assert_eq!(store.warnings(), ["environment variable GONE not set: MEXC_A gets an empty value"]);
    assert!(log.contains("WARN") && log.contains("variable=GONE"), "{log}");
    let config = store.exchange_config("mexc");
    assert_eq!([config.setting("a"), config.setting("b"), config.setting("c")], [Some(""); 3]);
}

#[test]
fn a_name_that_is_nearly_ours_or_what_others_call_it_is_warned_of() {
    let yaml = "
exchange: {}
exchanges:
  mexc: { key: 0123456789, API_SECRET: 0123456789, timeout: 3, passphrase: x, base_url: y, websocket_url: z }
  okx: { api_key: 0123456789, secret_key: 0123456789, secret: other, api_key_2: other }
network: { request_timout: 5, max_attempts: 3, proxy: none }
rate_limiting: { mexc: 3 }
";
    let store = inside(&[], || CredentialStore::from_yaml(yaml)).unwrap();
    assert_eq!(
        store.warnings(),
        [
            "`request_timout` in `network` is none of ours: did you mean `request_timeout`?",
            "`max_attempts` in `network` is none of ours: did you mean `max_retries`?",
            "`mexc` in `rate_limiting` is not read: write `<name>_requests_per_second`",
            "`key` in the section of MEXC is none of ours: did you mean `api_key`?",
            "`API_SECRET` in the section of MEXC is none of ours: did you mean `secret_key`?",
            "`timeout` in the section of MEXC is none of ours: did you mean `request_timeout`?",
        ]
    );
    let store = inside(&[], || CredentialStore::from_yaml("exchange: { mexc: ~ }")).unwrap();
    assert_eq!(store.warnings(), ["`exchange` in the text is none of ours: did you mean `exchanges`?"]);
    assert!(inside(&[], || CredentialStore::from_yaml(SEED)).unwrap().warnings().len() == 4);
}

// Variables in values.

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

/// What one value becomes, or `None` when it is refused.
fn substituted(value: &str, variables: &[(&str, &str)]) -> Option<String> {
    let text = format!("exchanges: {{ mexc: {{ it: {} }} }}", quoted(value));
    let store = inside(variables, || CredentialStore::from_yaml(&text)).ok()?;
    Some(store.exchange_config("mexc").setting("it").unwrap().to_owned())
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
    fn d002_11_any_value_of_a_variable_arrives_as_it_is(value in "\\PC*|(\\$|\\{|\\}|:|VAR|\"|'|\n|#| ){0,20}") {
        let variables = [("VAR", value.as_str())];
        prop_assert_eq!(substituted("${VAR}", &variables), Some(value.clone()));
        prop_assert_eq!(substituted("<${VAR:x}>${NONE:y}", &variables), Some(format!("<{value}>y")));
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
