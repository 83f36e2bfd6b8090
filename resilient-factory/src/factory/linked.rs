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

/// A function that `#[component]` can list. `M` is what tells its types.
#[diagnostic::on_unimplemented(
    message = "`#[component]` lists `fn(Asked<X, O>) -> Result<Arc<C>, E>`, and this is another function",
    label = "takes or returns something else",
    note = "it takes `resilient::factory::Asked`, and returns the component in an `Arc`, or an error that can be boxed (`E: Into<Box<dyn Error + Send + Sync>>`)"
)]
pub trait SyncConstructor<M> {
    /// As the list has it.
    fn erased(self) -> Box<dyn Any>;
}

// Else the compiler would go on to what this needs, and leave our sentence out.
#[diagnostic::do_not_recommend]
impl<F, C, X, O, E> SyncConstructor<fn(Asked<X, O>) -> Result<Arc<C>, E>> for F
where
    F: Fn(Asked<X, O>) -> Result<Arc<C>, E> + Send + Sync + 'static,
    C: ?Sized + 'static,
    X: 'static,
    O: 'static,
    E: Into<BoxError>,
{
    /// As the list has it.
    fn erased(self) -> Box<dyn Any> {
        Box::new(Constructor::<C, X, O>::sync(self))
    }
}

/// An async function that `#[component]` can list. `M` is what tells its types.
#[diagnostic::on_unimplemented(
    message = "`#[component]` lists `async fn(Asked<X, O>) -> Result<Arc<C>, E>` whose future is `Send`, and this is another function",
    label = "takes or returns something else, or its future is not `Send`",
    note = "it takes `resilient::factory::Asked`, and returns the component in an `Arc`, or an error that can be boxed (`E: Into<Box<dyn Error + Send + Sync>>`)"
)]
pub trait AsyncConstructor<M> {
    /// As the list has it.
    fn erased(self) -> Box<dyn Any>;
}

#[diagnostic::do_not_recommend]
impl<F, R, C, X, O, E> AsyncConstructor<(R, fn(Asked<X, O>) -> Result<Arc<C>, E>)> for F
where
    F: Fn(Asked<X, O>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Arc<C>, E>> + Send + 'static,
    C: ?Sized + 'static,
    X: 'static,
    O: 'static,
    E: Into<BoxError>,
{
    fn erased(self) -> Box<dyn Any> {
        Box::new(Constructor::<C, X, O>::asynchronous(self))
    }
}

/// A sync constructor, for the list.
pub fn sync<M>(constructor: impl SyncConstructor<M>) -> Box<dyn Any> {
    constructor.erased()
}

/// An async constructor, for the list.
pub fn asynchronous<M>(constructor: impl AsyncConstructor<M>) -> Box<dyn Any> {
    constructor.erased()
}

/// The constructors of the list that make exactly such components.
pub(super) fn linked<C: ?Sized + 'static, X: 'static, O: 'static>()
-> impl Iterator<Item = (&'static Linked, Constructor<C, X, O>)> {
    inventory::iter::<Linked>.into_iter().filter_map(|linked| {
        let constructor = (linked.constructor)().downcast::<Constructor<C, X, O>>().ok()?;
        Some((linked, *constructor))
    })
}
