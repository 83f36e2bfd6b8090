//! Settings besides keys, and names that are nearly those of settings.

use std::time::Duration;

use resilient::factory::credentials::CredentialStore;

use crate::{SEED, heard, inside};

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

#[test]
fn of_very_many_warnings_a_hundred_are_given_and_each_once() {
    let sections = |section: &dyn Fn(u32) -> String| {
        let sections: String = (0..200).map(|at| ["  ", &section(at), "\n"].concat()).collect();
        let store =
            inside(&[], || CredentialStore::from_yaml(&["exchanges:\n", &sections].concat())).unwrap();
        store.warnings().to_vec()
    };
    assert_eq!(sections(&|at| format!("n{at}: {{ secret: x }}")).len(), 100);
    assert_eq!(sections(&|at| format!("n{at}: {{ it: \"${{UNSET_{at}}}\" }}")).len(), 100);

    // Two names that variables spell alike.
    let alike = "exchanges: { gate-io: { secret: x }, gate_io: { secret: x } }";
    let store = inside(&[], || CredentialStore::from_yaml(alike)).unwrap();
    assert_eq!(store.warnings().len(), 1, "{:?}", store.warnings());
}
