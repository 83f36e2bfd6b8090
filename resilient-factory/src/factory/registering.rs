//! Constructors that come while the program runs.

use std::hash::Hash;
use std::sync::Arc;

use super::Factory;
use super::asked::Asked;
use super::builder::checked;
use super::constructor::Constructor;
use super::error::FactoryError;
use super::table::Entry;
use crate::BoxError;

impl<C, X, O> Factory<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// Makes components of that name with a sync constructor from now on: a plugin's.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Taken`]; [`FactoryError::Invalid`] for a name that is empty, has a control character, or more than
    /// 128 characters.
    pub fn register<R, E>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Result<(), FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.add(&name.into(), Constructor::sync(constructor))
    }

    /// As [`register`](Self::register), with an async constructor. Its future is dropped at the time limit of its attempt, and
    /// when nobody waits any more.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_async<R, E, F>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Result<(), FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.add(&name.into(), Constructor::asynchronous(constructor))
    }

    fn add(&self, name: &str, constructor: Constructor<C, X, O>) -> Result<(), FactoryError> {
        let name = checked(&self.inner.id, name)?;
        self.register_all(vec![(name, Entry { constructor, is_plugin: true })])
    }

    pub(super) fn register_all(&self, entries: Vec<(Arc<str>, Entry<C, X, O>)>) -> Result<(), FactoryError> {
        let refused = self.inner.table.register(entries);
        refused.map_err(|name| FactoryError::Taken { factory: Arc::clone(&self.inner.id), name })
    }

    /// Puts a sync constructor into the place of what has that name; true if anything had. What the old one made is not
    /// given out any more; those who have it keep it.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Invalid`], as [`register`](Self::register).
    pub fn replace<R, E>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Result<bool, FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.put(&name.into(), Constructor::sync(constructor))
    }

    /// As [`replace`](Self::replace), with an async constructor.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace).
    pub fn replace_async<R, E, F>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Result<bool, FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.put(&name.into(), Constructor::asynchronous(constructor))
    }

    fn put(&self, name: &str, constructor: Constructor<C, X, O>) -> Result<bool, FactoryError> {
        let name = checked(&self.inner.id, name)?;
        let (replaced, _left) = self.inner.table.replace(&name, Entry { constructor, is_plugin: true });
        Ok(replaced.is_some())
    }
}
