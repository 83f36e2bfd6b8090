//! The caller's own mistake.

use std::error::Error;
use std::fmt;

use resilient_runtime::__private::find;

use crate::BoxError;

/// What a constructor returns to say that what it was asked for makes no sense: the caller's mistake.
///
/// It may be anywhere among the sources of the constructor's error. It is told at once, as
/// [`FactoryError::BadRequest`](crate::FactoryError::BadRequest): no attempt follows, no other factory is asked, and the
/// factory's health knows nothing of it.
///
/// The trap: whatever is not said to be the caller's mistake is taken for the factory's failure.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{Asked, BadRequest, Factory, FactoryError};
///
/// let buffers: Factory<Vec<u8>, (), usize> = Factory::new("buffers")?;
/// buffers.register("heap", |asked: Asked<(), usize>| {
///     if asked.options > 1 << 20 {
///         return Err(BadRequest::new("a buffer has at most 1 MiB"));
///     }
///     Ok(vec![0; asked.options])
/// })?;
///
/// let error = buffers.create_blocking("heap", &usize::MAX).unwrap_err();
/// assert!(matches!(error, FactoryError::BadRequest { .. }));
/// assert_eq!(
///     error.to_string(),
///     "factory 'buffers' cannot make 'heap' as it was asked to: a buffer has at most 1 MiB"
/// );
/// # Ok::<(), FactoryError>(())
/// ```
#[derive(Debug)]
pub struct BadRequest(BoxError);

impl BadRequest {
    /// The mistake in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into().into())
    }

    /// The mistake that another error describes.
    pub fn because(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }

    /// The one that `error` is, or has among its sources.
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        find(error)
    }

    /// Whether an error, or one of those behind it, says that the caller made a mistake. A configuration that cannot be used
    /// is one: another attempt finds it as it is.
    pub(crate) fn is_in(error: &(dyn Error + 'static)) -> bool {
        #[cfg(feature = "credentials")]
        if find::<crate::credentials::ConfigurationErrors>(error).is_some()
            || find::<crate::credentials::ConfigurationError>(error).is_some()
        {
            return true;
        }
        Self::find(error).is_some()
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BadRequest {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
