//! Constructors that come together, or not at all.

use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use resilient_runtime::__private::Harmless;

use super::Factory;
use super::asked::Asked;
use super::attempt::Panicked;
use super::builder::checked;
use super::constructor::Constructor;
use super::error::FactoryError;
use super::table::Entry;
use crate::BoxError;

/// Something that adds constructors to a [`Factory`] when it is loaded, see [`Factory::load`].
pub struct Plugin<C: ?Sized, X = (), O = ()> {
    name: String,
    load: Box<Load<C, X, O>>,
}

type Load<C, X, O> = dyn FnOnce(&mut Registrations<C, X, O>) -> Result<(), BoxError>;

impl<C: ?Sized, X, O> Plugin<C, X, O> {
    /// A plugin of that name, which registers its constructors with what it is given, or fails.
    pub fn new<E: Into<BoxError>>(
        name: impl Into<String>,
        load: impl FnOnce(&mut Registrations<C, X, O>) -> Result<(), E> + 'static,
    ) -> Self {
        Self { name: name.into(), load: Box::new(move |into| load(into).map_err(Into::into)) }
    }
}

impl<C: ?Sized, X, O> fmt::Debug for Plugin<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The constructors of a [`Plugin`], which are registered once it has loaded.
pub struct Registrations<C: ?Sized, X = (), O = ()>(Vec<(String, Constructor<C, X, O>)>);

impl<C, X, O> Registrations<C, X, O>
where
    C: ?Sized + 'static,
    X: 'static,
    O: 'static,
{
    /// Makes components of that name with a sync constructor.
    pub fn register<R, E>(
        &mut self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> &mut Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.0.push((name.into(), Constructor::sync(constructor)));
        self
    }

    /// Makes components of that name with an async constructor.
    pub fn register_async<R, E, F>(
        &mut self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> &mut Self
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.0.push((name.into(), Constructor::asynchronous(constructor)));
        self
    }
}

impl<C: ?Sized, X, O> fmt::Debug for Registrations<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl<C, X, O> Factory<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// Loads plugins. One that fails, panics, or wants a name that is taken is skipped, with a warning in the log and all
    /// of its constructors; the others load. The names of those that failed are returned, each with the reason.
    ///
    /// ```
    /// # mod resilient { pub use resilient_factory as factory; }
    /// use resilient::factory::{BoxError, Factory, FactoryError, Plugin};
    ///
    /// let numbers: Factory<u32> = Factory::new("numbers")?;
    /// let failed = numbers.load([
    ///     Plugin::new("small", |into| {
    ///         into.register("one", |_| Ok::<_, BoxError>(1)).register("two", |_| Ok::<_, BoxError>(2));
    ///         Ok::<_, BoxError>(())
    ///     }),
    ///     Plugin::new("large", |_| Err("its library is missing")),
    /// ]);
    /// assert_eq!(numbers.names(), ["one", "two"]);
    /// assert!(numbers.is_plugin("two"));
    /// assert_eq!(failed[0].0, "large");
    /// assert_eq!(failed[0].1.to_string(), "its library is missing");
    /// # Ok::<(), FactoryError>(())
    /// ```
    pub fn load(&self, plugins: impl IntoIterator<Item = Plugin<C, X, O>>) -> Vec<(String, BoxError)> {
        let load = |Plugin { name, load }| {
            let error = self.load_one(load).err()?;
            tracing::warn!(
                target: "resilient",
                factory = self.id(),
                plugin = name,
                error = %Harmless(&error),
                "a plugin of factory '{}' was skipped",
                self.id(),
            );
            Some((name, error))
        };
        plugins.into_iter().filter_map(load).collect()
    }

    fn load_one(&self, load: Box<Load<C, X, O>>) -> Result<(), BoxError> {
        let mut registrations = Registrations(Vec::new());
        let loaded = catch_unwind(AssertUnwindSafe(|| load(&mut registrations)));
        loaded.map_err(|payload| Panicked::new("the plugin", payload))??;
        let entries = registrations.0.into_iter().map(|(name, constructor)| {
            Ok((checked(&self.inner.id, &name)?, Entry { constructor, is_plugin: true }))
        });
        self.register_all(entries.collect::<Result<_, FactoryError>>()?)?;
        Ok(())
    }
}
