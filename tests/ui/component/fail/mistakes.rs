//! All that is wrong with what is written, each at its word.
use std::sync::Arc;

use resilient::component;
use resilient::factory::{Asked, BoxError};

#[component]
fn without_a_name(_: Asked) -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

#[component(nmae = "mexc")]
fn with_a_wrong_key(_: Asked) -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

#[component("mexc")]
fn of_nothing() -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

#[component("mexc")]
fn to_nothing(_: Asked) {}

#[component("mexc")]
fn of_any_type<T>(_: Asked<T>) -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

#[component("mexc")]
struct Mexc;

fn main() {}
