//! What a failover gives: what was asked for, or openly something else.

use std::fmt;
use std::sync::Arc;

use super::error::FailoverError;

/// What a [`Failover`](crate::Failover) made: what was asked for, or something that stands in for it.
///
/// Of a strict failover, which is the default, it is always [`Requested`](Self::Requested).
#[must_use = "it may be something else than what was asked for"]
#[non_exhaustive]
pub enum Made<C: ?Sized> {
    /// What was asked for.
    Requested(Arc<C>),
    /// Something else.
    #[non_exhaustive]
    Fallback {
        /// What was made.
        made: Arc<C>,
        /// By which name.
        name: Arc<str>,
        /// What was asked for.
        wanted: Arc<str>,
        /// Why nobody made that.
        why: FailoverError,
    },
}

impl<C: ?Sized> Made<C> {
    /// The component, whatever it is.
    ///
    /// The trap: of a failover that is not strict, another kind than was asked for.
    pub fn any(self) -> Arc<C> {
        match self {
            Self::Requested(made) | Self::Fallback { made, .. } => made,
        }
    }

    /// The component, if it is what was asked for.
    ///
    /// # Errors
    ///
    /// Why nobody made it.
    pub fn requested(self) -> Result<Arc<C>, FailoverError> {
        match self {
            Self::Requested(made) => Ok(made),
            Self::Fallback { why, .. } => Err(why),
        }
    }

    /// Whether it is something else than what was asked for.
    pub fn is_fallback(&self) -> bool {
        matches!(self, Self::Fallback { .. })
    }
}

impl<C: ?Sized> Clone for Made<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Requested(made) => Self::Requested(Arc::clone(made)),
            Self::Fallback { made, name, wanted, why } => Self::Fallback {
                made: Arc::clone(made),
                name: Arc::clone(name),
                wanted: Arc::clone(wanted),
                why: why.clone(),
            },
        }
    }
}

/// A component may have no `Debug`, and may hold secrets.
impl<C: ?Sized> fmt::Debug for Made<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(_) => f.write_str("Requested(..)"),
            Self::Fallback { name, wanted, why, .. } => f
                .debug_struct("Fallback")
                .field("name", name)
                .field("wanted", wanted)
                .field("why", why)
                .finish_non_exhaustive(),
        }
    }
}
