//! What all copies of a factory share, and one build.

use std::cell::Cell;
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use resilient_runtime::__private::{Here, nearest};
use resilient_runtime::{Class, Classify, HealthCheck, ResilienceError, ResilientOperation};

use super::asked::Asked;
use super::attempt::{Failure, RetryIf};
use super::constructor::Constructor;
use super::error::FactoryError;
use super::flight::{Flight, Outcome};
use super::table::{Found, Named, Table};
use super::told::Told;
use super::waits::{Build, Wait, wait_for};

pub(super) struct Inner<C: ?Sized, X, O> {
    pub(super) id: Arc<str>,
    pub(super) context: Arc<X>,
    pub(super) operation: ResilientOperation,
    pub(super) retry_if: Option<Box<RetryIf>>,
    pub(super) table: Table<C, X, O>,
    pub(super) here: Here,
    pub(super) told: Told,
    /// Held for as long as the factory is to be checked.
    pub(super) check: OnceLock<HealthCheck>,
}

/// Somebody who waits for a build.
pub(super) struct Asker<'a, C, X, O>
where
    C: ?Sized,
    O: Clone + Eq + Hash,
{
    pub(super) inner: &'a Inner<C, X, O>,
    pub(super) flight: Arc<Flight<C, X, O>>,
}

impl<C, X, O> Drop for Asker<'_, C, X, O>
where
    C: ?Sized,
    O: Clone + Eq + Hash,
{
    fn drop(&mut self) {
        self.inner.table.leave(&self.flight);
    }
}

/// A build that made nothing.
pub(super) enum Unmade {
    /// That is so for everybody.
    Failed(FactoryError),
    /// The deadline around the caller passed, of which the others know nothing.
    OutOfTime(FactoryError),
}

impl Unmade {
    pub(super) fn into_error(self) -> FactoryError {
        match self {
            Self::Failed(error) | Self::OutOfTime(error) => error,
        }
    }
}

impl<C, X, O> Inner<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    pub(super) fn constructor(&self, name: &str) -> Result<Named<C, X, O>, FactoryError> {
        self.table.constructor(name).ok_or_else(|| self.unknown(name))
    }

    pub(super) fn find(&self, name: &str, options: &O) -> Result<Found<C, X, O>, FactoryError> {
        self.table.find(name, options).ok_or_else(|| self.unknown(name))
    }

    #[cold]
    pub(super) fn unknown(&self, name: &str) -> FactoryError {
        let known = self.table.names();
        let nearest = nearest(name, known.iter().map(String::as_str));
        FactoryError::Unknown {
            factory: Arc::clone(&self.id),
            name: name.into(),
            known: known.into(),
            nearest,
        }
    }

    pub(super) fn async_only(&self, name: &Arc<str>) -> FactoryError {
        FactoryError::AsyncOnly { factory: Arc::clone(&self.id), name: Arc::clone(name) }
    }

    pub(super) fn out_of_time(&self, name: &Arc<str>) -> FactoryError {
        let operation = self.operation.name();
        self.refused(name, ResilienceError::DeadlineExceeded { operation, limit: None })
    }

    pub(super) fn refused(&self, name: &Arc<str>, refused: ResilienceError) -> FactoryError {
        FactoryError::Refused {
            factory: Arc::clone(&self.id),
            name: Arc::clone(name),
            source: Arc::new(refused),
        }
    }

    pub(super) fn wait_for(&self, build: Build, name: &Arc<str>) -> Result<Wait, FactoryError> {
        let factory = Arc::clone(&self.id);
        wait_for(build).ok_or_else(|| FactoryError::WaitsForItself { factory, name: Arc::clone(name) })
    }

    pub(super) fn hit(&self, component: Arc<C>) -> Arc<C> {
        self.told.hits.add_one();
        component
    }

    pub(super) fn shared(&self, outcome: Outcome<C>) -> Outcome<C> {
        self.told.hits.add_one();
        outcome
    }

    pub(super) fn land(&self, flight: &Flight<C, X, O>, made: Result<Arc<C>, Unmade>) -> Outcome<C> {
        match made {
            Ok(component) => self.table.land(flight, Ok(component)),
            Err(Unmade::Failed(error)) => self.table.land(flight, Err(error)),
            Err(Unmade::OutOfTime(error)) => Err(error),
        }
    }

    pub(super) fn asked(&self, name: &Arc<str>, options: &O) -> Asked<X, O> {
        Asked { name: Arc::clone(name), context: Arc::clone(&self.context), options: options.clone() }
    }

    pub(super) async fn attempts(
        &self,
        name: &Arc<str>,
        constructor: &Constructor<C, X, O>,
        options: &O,
        build: Build,
    ) -> Result<Arc<C>, Unmade> {
        let attempts = AtomicU32::new(0);
        let made = self.operation.call_async(|| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let making = constructor.clone().run_async(self.asked(name, options), build);
            async { making.await.map_err(|error| Failure::of(error, self.retry_if.as_deref())) }
        });
        let made = made.await;
        self.ended(name, attempts.into_inner(), made)
    }

    pub(super) fn attempts_blocking(
        &self,
        name: &Arc<str>,
        constructor: &Constructor<C, X, O>,
        options: &O,
        build: Build,
    ) -> Result<Arc<C>, Unmade> {
        if constructor.is_async() {
            return Err(Unmade::Failed(self.async_only(name)));
        }
        let attempts = Cell::new(0);
        let made = self.operation.call(|| {
            attempts.set(attempts.get() + 1);
            let made = constructor.run(self.asked(name, options), build);
            let made = made.unwrap_or_else(|| Err("it is async".into()));
            made.map_err(|error| Failure::of(error, self.retry_if.as_deref()))
        });
        self.ended(name, attempts.get(), made)
    }

    /// One construction, without a layer; with what another is good for.
    pub(super) async fn once(
        &self,
        name: &Arc<str>,
        constructor: Constructor<C, X, O>,
        options: &O,
        build: Build,
    ) -> Result<Arc<C>, (Unmade, Class)> {
        let made = constructor.run_async(self.asked(name, options), build).await;
        let made = made.map_err(|error| Failure::of(error, self.retry_if.as_deref()));
        let class = made.as_ref().map_or_else(Classify::class, |_| Class::Transient);
        self.ended(name, 1, made).map_err(|unmade| (unmade, class))
    }

    /// What a build has come to: told to its health, and to its caller.
    fn ended(&self, name: &Arc<str>, attempts: u32, made: Result<Arc<C>, Failure>) -> Result<Arc<C>, Unmade> {
        let failure = match made {
            Ok(component) => {
                self.told.succeeded();
                return Ok(component);
            }
            Err(failure) => failure,
        };
        let factory = Arc::clone(&self.id);
        let name = Arc::clone(name);
        let unmade = match failure {
            Failure::Constructor(source, Class::Caller) => FactoryError::BadRequest { factory, name, source },
            Failure::Constructor(source, _) => {
                self.told.erred(&source);
                FactoryError::Failed { factory, name, attempts, source }
            }
            Failure::Refused(ResilienceError::DeadlineExceeded { limit: None, .. }) => {
                return Err(Unmade::OutOfTime(self.out_of_time(&name)));
            }
            Failure::Refused(refused) if refused.is_timeout() || refused.is_injected() => {
                self.told.erred(&refused);
                FactoryError::Failed { factory, name, attempts, source: Arc::new(refused) }
            }
            Failure::Refused(refused) => {
                if refused.is_deadline_exceeded() {
                    self.told.erred(&refused);
                }
                self.refused(&name, refused)
            }
        };
        Err(Unmade::Failed(unmade))
    }
}
