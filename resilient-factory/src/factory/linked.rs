//! Constructors that the linker lists, see `#[component]`.

use std::any::Any;
use std::sync::Arc;

use super::asked::Asked;
use super::constructor::Constructor;
use crate::BoxError;

/// One constructor of the list.
#[derive(Debug)]
pub struct Linked {
    pub(super) name: &'static str,
    file: &'static str,
    line: u32,
    /// A `Constructor` of some types.
    constructor: fn() -> Box<dyn Any>,
}

inventory::collect!(Linked);

impl Linked {
    /// What the attribute prints.
    #[must_use]
    pub const fn new(
        name: &'static str,
        file: &'static str,
        line: u32,
        constructor: fn() -> Box<dyn Any>,
    ) -> Self {
        Self { name, file, line, constructor }
    }

    /// `src/mexc.rs:12`
    pub(super) fn at(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A sync constructor, for the list.
pub fn sync<C, X, O, E>(
    make: impl Fn(Asked<X, O>) -> Result<Arc<C>, E> + Send + Sync + 'static,
) -> Box<dyn Any>
where
    C: ?Sized + 'static,
    X: 'static,
    O: 'static,
    E: Into<BoxError>,
{
    Box::new(Constructor::<C, X, O>::sync(make))
}

/// An async constructor, for the list.
pub fn asynchronous<C, X, O, E, F>(make: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static) -> Box<dyn Any>
where
    C: ?Sized + 'static,
    X: 'static,
    O: 'static,
    E: Into<BoxError>,
    F: Future<Output = Result<Arc<C>, E>> + Send + 'static,
{
    Box::new(Constructor::<C, X, O>::asynchronous(make))
}

/// The constructors of the list that make exactly such components.
pub(super) fn linked<C: ?Sized + 'static, X: 'static, O: 'static>()
-> impl Iterator<Item = (&'static Linked, Constructor<C, X, O>)> {
    inventory::iter::<Linked>.into_iter().filter_map(|linked| {
        let constructor = (linked.constructor)().downcast::<Constructor<C, X, O>>().ok()?;
        Some((linked, *constructor))
    })
}
