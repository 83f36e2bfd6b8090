//! The failover that code without one of its own uses: the process's, or one that was put around the code.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{LazyLock, PoisonError, RwLock};

use super::Failover;

/// Of each type, the process's own.
static DEFAULTS: LazyLock<RwLock<HashMap<TypeId, Box<dyn Any + Send + Sync>>>> =
    LazyLock::new(RwLock::default);

thread_local! {
    /// What was put around the code that runs, the innermost last.
    static AROUND: RefCell<Vec<Rc<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// The code that runs has a failover of its own until this is dropped, see [`Failover::enter`].
#[derive(Debug)]
#[must_use = "it ends when this is dropped"]
pub struct FailoverGuard {
    around: Rc<dyn Any>,
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

impl Drop for FailoverGuard {
    fn drop(&mut self) {
        let around = &self.around;
        // Whatever order guards are dropped in, each takes out its own; and what that drops is dropped outside the borrow.
        let ended = AROUND.with_borrow_mut(|all| {
            let at = all.iter().rposition(|known| Rc::ptr_eq(known, around))?;
            Some(all.remove(at))
        });
        drop(ended);
    }
}

impl<C, X, O> Failover<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Send + Sync + 'static,
{
    /// Makes this the one that code without one of its own uses, of these types; returns the one that was. Calls that are
    /// underway stay with theirs.
    pub fn set_default(self) -> Option<Self> {
        let mut defaults = DEFAULTS.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = defaults.insert(TypeId::of::<Self>(), Box::new(self));
        drop(defaults);
        replaced.and_then(|replaced| replaced.downcast().ok()).map(|replaced| *replaced)
    }

    /// The one that code without one of its own uses, of these types: what was put around the code, else the default;
    /// `None` where there is neither.
    pub fn current() -> Option<Self> {
        let around = AROUND
            .with_borrow(|all| all.iter().rev().find_map(|around| around.downcast_ref::<Self>().cloned()));
        around.or_else(|| {
            let defaults = DEFAULTS.read().unwrap_or_else(PoisonError::into_inner);
            defaults.get(&TypeId::of::<Self>())?.downcast_ref::<Self>().cloned()
        })
    }

    /// As [`current`](Self::current); where there is none, `default` makes the default. Of two that are made at once one stays.
    pub fn current_or_set(default: impl FnOnce() -> Self) -> Self {
        if let Some(current) = Self::current() {
            return current;
        }
        let made = default();
        let mut defaults = DEFAULTS.write().unwrap_or_else(PoisonError::into_inner);
        let kept = defaults.entry(TypeId::of::<Self>()).or_insert_with(|| Box::new(made.clone()));
        let kept = kept.downcast_ref::<Self>().cloned();
        drop(defaults);
        kept.unwrap_or(made)
    }

    /// Puts it around the code of this thread, until what is returned is dropped: for tests, each of which has its own.
    ///
    /// The trap: a future that is awaited meanwhile may go on where it is not; that is what [`run`](Self::run) is for.
    pub fn enter(&self) -> FailoverGuard {
        let around: Rc<dyn Any> = Rc::new(self.clone());
        AROUND.with_borrow_mut(|all| all.push(Rc::clone(&around)));
        FailoverGuard { around, _here: PhantomData }
    }

    /// Runs `future` with it around, wherever that is polled. What is spawned in there does not inherit it.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _around = self.enter();
            future.as_mut().poll(cx)
        })
        .await
    }
}
