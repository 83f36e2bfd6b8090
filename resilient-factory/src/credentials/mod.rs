//! Credentials by name, from code, the environment, YAML and TOML.
//!
//! A [`CredentialStore`] finds a component's [`Credentials`] and its [`ExchangeConfig`]; a factory's constructors ask it by
//! the name they are asked for. Nothing here shows a secret: not `Debug`, not `Display`, no error, no event.

mod document;
mod error;
mod pair;
mod reading;
mod settings;
mod store;
mod substitution;
mod yaml;

pub use error::{ConfigurationError, ConfigurationErrors};
pub use pair::Credentials;
pub use secrecy::{ExposeSecret, SecretString};
pub use settings::ExchangeConfig;
pub use store::CredentialStore;
