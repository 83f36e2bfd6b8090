//! One kind of component, made by name: who gets which, and what they are told when there is none.

mod attempts;
mod builds;
mod cache;
mod health;
mod names;
mod storm;

use resilient::factory::{BoxError, Factory};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[allow(clippy::disallowed_methods, reason = "the runtime's time, which is paused")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// A constructor's calls, counted.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a factory makes its components from, up or down.
#[derive(Clone, Default)]
struct Source {
    is_down: Arc<AtomicBool>,
    calls: Calls,
}

impl Source {
    fn goes(&self, up: bool) {
        self.is_down.store(!up, Ordering::SeqCst);
    }

    fn make(&self) -> Result<u32, BoxError> {
        let call = self.calls.next();
        if self.is_down.load(Ordering::SeqCst) { Err("it is down".into()) } else { Ok(call) }
    }

    /// A factory of one attempt a build, whose options only tell components apart.
    fn factory(&self, id: &str) -> Factory<u32, (), u32> {
        let source = self.clone();
        Factory::<u32, _, _>::builder(id)
            .max_attempts(1)
            .register("number", move |_| source.make())
            .build()
            .unwrap()
    }
}

/// A factory whose waits are short and exact.
fn quick<O>(id: &str) -> Factory<u32, (), O>
where
    O: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
{
    Factory::<u32, _, _>::builder(id)
        .layers(|operation| operation.base_delay("100ms").jitter(false))
        .build()
        .unwrap()
}
