//! Errors and futures whose types nobody names.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

/// Any error, as constructors and components give it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A future that a `dyn` trait can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
