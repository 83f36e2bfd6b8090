//! Credentials by name: where they are looked for, what is refused of them, and that nobody sees one.

mod bounds;
mod places;
mod refusals;
mod secrecy;
mod settings;
mod substitution;

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use resilient::factory::credentials::{CredentialStore, Credentials, ExposeSecret, SecretString};
use resilient::testing::Scope;

pub(crate) const SEED: &str = r#"
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

pub(crate) fn read(secret: Option<&SecretString>) -> &str {
    secret.map_or("", |secret| secret.expose_secret())
}

pub(crate) fn keys(credentials: &Credentials) -> (&str, &str) {
    (read(credentials.api_key()), read(credentials.secret_key()))
}

pub(crate) fn inside<R>(variables: &[(&str, &str)], body: impl FnOnce() -> R) -> R {
    let builder = variables.iter().fold(Scope::builder(), |scope, (name, value)| scope.env(*name, *value));
    let scope = builder.build();
    let _inside = scope.enter();
    body()
}

/// A YAML double-quoted scalar, or a TOML basic string, of any text.
pub(crate) fn quoted(text: &str) -> String {
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

/// Everything that is told to `tracing`, as text.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<String>>);

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

pub(crate) fn heard(body: impl FnOnce()) -> String {
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), body);
    heard.0.lock().unwrap().clone()
}

/// What one value becomes, or `None` when it is refused.
pub(crate) fn substituted(value: &str, variables: &[(&str, &str)]) -> Option<String> {
    let text = format!("exchanges: {{ mexc: {{ it: {} }} }}", quoted(value));
    let store = inside(variables, || CredentialStore::from_yaml(&text)).ok()?;
    Some(store.exchange_config("mexc").setting("it").unwrap().to_owned())
}
