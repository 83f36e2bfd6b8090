//! What is refused, all of it at once.

use std::sync::{Arc, Mutex};

use resilient::factory::credentials::{ConfigurationErrors, CredentialStore, Credentials};
use resilient::factory::startup::{Component, Components, StartError, Status};
use resilient::factory::{Asked, BoxError, BoxFuture, Factory, FactoryError};

use crate::inside;

fn errors(result: Result<CredentialStore, ConfigurationErrors>) -> Vec<(String, Option<String>)> {
    let errors = result.unwrap_err();
    let pair = |error: &resilient::factory::credentials::ConfigurationError| {
        (error.message().to_owned(), error.setting_name().map(str::to_owned))
    };
    errors.errors().iter().map(pair).collect()
}
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
fn a_key_that_cannot_be_read_is_one_mistake_and_its_pair_is_not_another() {
    let yaml = "exchanges: { okx: { api_key: [1, 2], secret_key: secret-of-the-file } }";
    let error = inside(&[], || CredentialStore::from_yaml(yaml)).unwrap_err();
    assert_eq!(error.to_string(), "OKX_API_KEY must be one value, no list and no table");
}

#[test]
fn what_is_missing_is_told_for_all_names_at_once_before_anything_is_made() {
    let store = CredentialStore::new()
        .with("mexc", Credentials::new("key-of-the-code", "secret-of-the-code"))
        .with("okx", Credentials::new("key-of-the-code", ""))
        .with("kraken", Credentials::new("", "secret-of-the-code"));
    inside(&[], || {
        assert!(store.check(["mexc", "nobody"]).is_ok());
        let errors = store.check(["mexc", "OKX", "Kraken"]).unwrap_err();
        let settings: Vec<_> = errors.errors().iter().map(|error| error.setting_name().unwrap()).collect();
        assert_eq!(settings, ["OKX_SECRET_KEY", "KRAKEN_API_KEY"]);
    });
}

#[test]
fn a_mistake_of_a_later_line_has_its_own_line_and_column() {
    let toml = CredentialStore::from_toml("a = 1\nb = hunter2").unwrap_err().to_string();
    assert!(toml.starts_with("the text:2:5: the TOML cannot be read"), "{toml}");
    let yaml = CredentialStore::from_yaml("a: 1\nb: @hunter2").unwrap_err().to_string();
    assert_eq!(yaml, "the text:2:4: the YAML cannot be read: unexpected character");
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
