//! Credentials by name, from the environment, YAML and TOML.
