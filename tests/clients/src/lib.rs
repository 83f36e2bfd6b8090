//! What the tests of the clients stand on: a server of one's own, and a proxy that does its connections harm.
#![allow(clippy::missing_panics_doc, reason = "what does not work here is a failed test")]

pub mod certified;
pub mod fake_node;
pub mod mariadb;
pub mod moto;
pub mod postgres;
pub mod printed;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod upstream;
pub mod waiting;

pub use certified::Certified;
pub use fake_node::FakeNode;
pub use printed::printed;
pub use process::{Place, Process, Recipe};
pub use proxy::{Fault, Proxy};
pub use upstream::{Asked, Reply, Upstream};
pub use waiting::{now, until, until_async};
