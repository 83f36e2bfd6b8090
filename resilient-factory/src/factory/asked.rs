//! What a constructor is given.

use std::fmt;
use std::sync::Arc;

/// What was asked of a [`Factory`](crate::Factory), as its constructors see it: owned, so that an async one needs no
/// lifetimes. Each attempt gets its own.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{Asked, BoxError, Factory};
///
/// struct Greeter(String);
///
/// let greeters: Factory<Greeter, (), String> = Factory::new("greeters")?;
/// greeters.register("polite", |asked: Asked<(), String>| {
///     Ok::<_, BoxError>(Greeter(format!("Good morning, {}", asked.options)))
/// })?;
/// assert_eq!(greeters.create_blocking("polite", &"Ada".to_owned())?.0, "Good morning, Ada");
/// # Ok::<(), resilient::factory::FactoryError>(())
/// ```
#[non_exhaustive]
pub struct Asked<X = (), O = ()> {
    /// The name it was asked for by: that of the constructor.
    pub name: Arc<str>,
    /// What the factory was given for all of its constructors.
    pub context: Arc<X>,
    /// What the caller wants it to be like.
    pub options: O,
}

impl<X, O: Clone> Clone for Asked<X, O> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            context: Arc::clone(&self.context),
            options: self.options.clone(),
        }
    }
}

/// Context and options may be secret.
impl<X, O> fmt::Debug for Asked<X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("name", &self.name).finish_non_exhaustive()
    }
}
