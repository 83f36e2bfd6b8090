//! Where policies lie, and the one word by which a call follows its own.
#![allow(unsafe_code, reason = "one word for what is either never freed or counted")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::policy::Policy;

/// A policy where it lies. One that lasts is never freed; any other is in an `Arc` that a [`PolicyRef`] made.
#[derive(Debug)]
pub(crate) struct Held {
    policy: Policy,
    lasts: bool,
}

impl Held {
    /// Keeps a policy for as long as the process lives.
    pub(crate) fn lasting(policy: Policy) -> &'static Self {
        Box::leak(Box::new(Self { policy, lasts: true }))
    }
}

impl Deref for Held {
    type Target = Policy;

    #[inline]
    fn deref(&self) -> &Policy {
        &self.policy
    }
}

/// The policy that a call follows: the process's, which lasts, or that of a test's scope, a key or an operation in
/// code, which is counted. One word, since every guarded future carries it.
pub(crate) struct PolicyRef(NonNull<Held>);

// SAFETY: it is a `&'static Held` or an `Arc<Held>`.
unsafe impl Send for PolicyRef where Arc<Held>: Send {}
// SAFETY: as above.
unsafe impl Sync for PolicyRef where Arc<Held>: Sync {}

impl PolicyRef {
    /// One that lasts.
    #[inline]
    pub(crate) fn lasting(held: &'static Held) -> Self {
        Self(NonNull::from(held))
    }

    /// One that goes with the last that follows it.
    pub(crate) fn counted(policy: Policy) -> Self {
        let held = Arc::into_raw(Arc::new(Held { policy, lasts: false }));
        // SAFETY: what an `Arc` points to is not at null.
        Self(unsafe { NonNull::new_unchecked(held.cast_mut()) })
    }

    /// It is never freed.
    #[inline]
    pub(crate) fn lasts(&self) -> bool {
        self.held().lasts
    }

    #[inline]
    fn held(&self) -> &Held {
        // SAFETY: it points to what is never freed, or to what is counted and of which this is a count.
        unsafe { self.0.as_ref() }
    }
}

impl Deref for PolicyRef {
    type Target = Policy;

    #[inline]
    fn deref(&self) -> &Policy {
        self.held()
    }
}

impl Clone for PolicyRef {
    fn clone(&self) -> Self {
        if !self.lasts() {
            // SAFETY: what does not last was made by `counted`, from an `Arc`.
            unsafe { Arc::increment_strong_count(self.0.as_ptr()) };
        }
        Self(self.0)
    }
}

impl Drop for PolicyRef {
    #[inline]
    fn drop(&mut self) {
        if !self.lasts() {
            // SAFETY: what does not last was made by `counted`, from an `Arc`, and this is a count of it.
            drop(unsafe { Arc::from_raw(self.0.as_ptr()) });
        }
    }
}

impl fmt::Debug for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
