//! One scene per file: annotated functions first, then what happens to them.

pub(crate) mod breaker;
pub(crate) mod busy_api;
pub(crate) mod cache;
pub(crate) mod database;
pub(crate) mod file;
pub(crate) mod hanging_api;
pub(crate) mod model;
pub(crate) mod operator;
pub(crate) mod stacked;
pub(crate) mod thread;
