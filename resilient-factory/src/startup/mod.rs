//! Start-up of components: each by name, with attempts and a time limit, many at once under a [`Strategy`]; and their end.
//!
//! [`Components`] has it all; a [`Component`] is what you write.

mod attempt;
mod batch;
mod builder;
mod closing;
mod component;
mod components;
mod error;
mod event;
mod flight;
mod held;
mod run;
mod standing;
mod strategy;
mod summary;

pub use batch::BatchError;
pub use builder::ComponentsBuilder;
pub use closing::CloseError;
pub use component::{Component, Status};
pub use components::{Components, Options};
pub use error::StartError;
pub use event::StartEvent;
pub use strategy::{Strategy, UnknownStrategy};
pub use summary::{InitResult, Summary};
