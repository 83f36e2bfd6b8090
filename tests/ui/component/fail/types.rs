//! What a constructor returns is shared, and it is asked by a factory.
use std::sync::Arc;

use resilient::component;
use resilient::factory::{Asked, BoxError};

#[component("plain")]
fn plain(_: Asked) -> Result<u8, BoxError> {
    Ok(1)
}

#[component("no result")]
fn no_result(_: Asked) -> Arc<u8> {
    Arc::new(1)
}

#[component("asked for a text")]
async fn asked_for_a_text(_: String) -> Result<Arc<u8>, BoxError> {
    Ok(Arc::new(1))
}

fn main() {}
