//! The way back of a factory that is not well.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Factory;
use super::error::FactoryError;
use super::health::FactoryState;

impl<C, X, O> Factory<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// Clears the cache and tries whether the factory is well again, with `name` as the probe; while that lasts it is
    /// [`Recovering`](FactoryState::Recovering). A component that is made heals it, whatever it was. A failure makes it
    /// failed, with a `last_error` that begins with `Recovery failed:`.
    ///
    /// The probe is a [`create`](Self::create): what it makes is kept. A bad request and a future that is dropped leave the
    /// health as it was.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); for an unknown name nothing is cleared.
    pub async fn clear_cache_and_recover(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let _known = self.inner.constructor(name)?;
        let probing = self.inner.told.probe();
        self.clear_cache();
        let made = self.create(name, options).await;
        probing.ended(&made);
        made
    }

    /// As [`clear_cache_and_recover`](Self::clear_cache_and_recover), on this thread.
    ///
    /// # Errors
    ///
    /// As [`create_blocking`](Self::create_blocking); for an unknown name nothing is cleared.
    pub fn clear_cache_and_recover_blocking(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let _known = self.inner.constructor(name)?;
        let probing = self.inner.told.probe();
        self.clear_cache();
        let made = self.create_blocking(name, options);
        probing.ended(&made);
        made
    }

    /// A request to a factory that is not well is its probe, unless there is one: else each would abandon what the others
    /// wait for.
    pub(crate) async fn create_recovering(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let Some(probing) = self.inner.told.probe_alone() else { return self.create(name, options).await };
        self.clear_cache();
        let made = self.create(name, options).await;
        probing.ended(&made);
        made
    }

    pub(crate) fn create_recovering_blocking(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let Some(probing) = self.inner.told.probe_alone() else { return self.create_blocking(name, options) };
        self.clear_cache();
        let made = self.create_blocking(name, options);
        probing.ended(&made);
        made
    }

    pub(crate) fn state(&self) -> FactoryState {
        self.inner.told.state()
    }

    /// Something else than what was asked for was made here.
    pub(crate) fn count_fallback(&self) {
        self.inner.told.fallbacks.fetch_add(1, Ordering::Relaxed);
    }
}
