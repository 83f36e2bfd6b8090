//! Credentials by name, from code, the environment, YAML and TOML.
//!
//! A [`CredentialStore`] finds a component's [`Credentials`] and its [`ExchangeConfig`]; a factory's constructors ask it by
//! the name they are asked for. Nothing here shows a secret: not `Debug`, not `Display`, no error, no event.
//!
//! ```
//! # use resilient_factory as factory;
//! use factory::credentials::{ConfigurationErrors, CredentialStore, Credentials};
//! use factory::{Asked, Factory};
//!
//! struct Exchange {
//!     credentials: Credentials,
//! }
//!
//! let store = CredentialStore::new().with("mexc", Credentials::new("mx0vglKp2sQe8TzY", "e5f1c0a9d8b7463521aa"));
//! let exchanges: Factory<Exchange, CredentialStore> = Factory::builder("exchanges").context(store).build()?;
//! exchanges.register("mexc", |asked: Asked<CredentialStore>| {
//!     let credentials = asked.context.credentials(&asked.name)?;
//!     Ok::<_, ConfigurationErrors>(Exchange { credentials })
//! })?;
//! assert!(exchanges.create_blocking("mexc", &())?.credentials.has_private_access());
//! # Ok::<(), factory::FactoryError>(())
//! ```

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
