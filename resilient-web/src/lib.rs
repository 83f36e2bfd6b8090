//! The web side of [`resilient`](https://docs.rs/resilient): health, figures and a dashboard for axum, and a layer.
//!
//! Depend on `resilient` with the feature `axum`; it re-exports everything here as `resilient::web`.
#![forbid(unsafe_code)]

mod actions;
mod answer;
mod checks;
mod error;
mod events;
mod figures;
mod health;
mod layer;
mod operations;
mod page;
mod ring;
mod router;
mod scraped;
mod scrub;
mod stream;
mod watched;

pub use actions::InvalidToken;
pub use error::{WebError, refusal};
pub use layer::{StatusLayer, WithStatus};
pub use router::{ResilienceRouter, resilience_router};
