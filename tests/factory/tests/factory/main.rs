//! One kind of component, made by name: who gets which, and what they are told when there is none.

mod builds;
mod names;

#[allow(clippy::disallowed_methods, reason = "the runtime's time, which is paused")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
