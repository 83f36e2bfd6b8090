//! Start-up of components: each by name, with attempts and a time limit, many at once under a [`Strategy`]; and their end.
//!
//! [`Components`] has it all; a [`Component`] is what you write.

mod attempt;
mod builder;
mod closing;
mod component;
mod components;
mod error;
mod event;
mod flight;
mod run;
mod standing;
mod strategy;
mod summary;

pub use builder::ComponentsBuilder;
pub use component::{Component, Status};
pub use components::{Components, Options};
pub use error::{BatchError, CloseError, StartError};
pub use event::StartEvent;
pub use strategy::{Strategy, UnknownStrategy};
pub use summary::{InitResult, Summary};
