//! What threads meet at: locks, atomics, statics that change. They are std's, save in a build that explores
//! interleavings (`--cfg resilient_loom`, `--cfg resilient_shuttle`). Nothing else imports them.

use std::sync::{LockResult, PoisonError};

pub(crate) use imp::{Condvar, Mutex, MutexGuard, OnceBox, RwLock, atomic, statics, thread_local};

/// Nothing of the user's runs under a lock, so one whose holder panicked guards a whole state all the same.
pub(crate) trait Whole<G> {
    fn whole(self) -> G;
}

impl<G> Whole<G> for LockResult<G> {
    #[inline]
    fn whole(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

/// std's in every build: for statics whose constructor must be const, for threads that really wait, and for a word of
/// which a thread only asks whether it put there what is there.
pub(crate) mod plain {
    pub(crate) use std::sync::{Condvar, Mutex, OnceLock, atomic};

    pub(crate) use once_cell::sync::Lazy;
}

#[cfg(not(any(resilient_loom, resilient_shuttle)))]
mod imp {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
    pub(crate) use std::thread_local;

    pub(crate) use once_cell::race::OnceBox;

    /// Statics that every interleaving begins with anew.
    macro_rules! statics {
        ($($(#[$doc:meta])* static $name:ident: $of:ty = $init:expr;)+) => {
            $($(#[$doc])* static $name: $of = $init;)+
        };
    }
    pub(crate) use statics;
}

#[cfg(resilient_shuttle)]
mod imp {
    pub(crate) use once_cell::race::OnceBox;
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
    pub(crate) use shuttle::thread_local;

    macro_rules! statics {
        ($($(#[$doc:meta])* static $name:ident: $of:ty = $init:expr;)+) => {
            shuttle::lazy_static! { $($(#[$doc])* static ref $name: $of = $init;)+ }
        };
    }
    pub(crate) use statics;
}

#[cfg(resilient_loom)]
mod imp {
    use std::sync::OnceLock;

    use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};

    macro_rules! statics {
        ($($(#[$doc:meta])* static $name:ident: $of:ty = $init:expr;)+) => {
            loom::lazy_static! { $($(#[$doc])* static ref $name: $of = $init;)+ }
        };
    }
    pub(crate) use statics;

    macro_rules! per_thread {
        ($(static $name:ident: $of:ty = const $init:block;)+) => {
            loom::thread_local! { $(static $name: $of = $init;)+ }
        };
    }
    pub(crate) use per_thread as thread_local;

    /// [`once_cell::race::OnceBox`], which publishes through an atomic that loom does not see. Here the racers make
    /// theirs in places of their own and the first to say so wins.
    #[derive(Debug)]
    pub(crate) struct OnceBox<T> {
        made: [OnceLock<T>; loom::MAX_THREADS],
        racers: std::sync::atomic::AtomicUsize,
        /// One more than the winner's place.
        winner: AtomicUsize,
    }

    impl<T> Default for OnceBox<T> {
        fn default() -> Self {
            let made = std::array::from_fn(|_| OnceLock::new());
            Self { made, racers: std::sync::atomic::AtomicUsize::new(0), winner: AtomicUsize::new(0) }
        }
    }

    impl<T> OnceBox<T> {
        pub(crate) fn get(&self) -> Option<&T> {
            let winner = self.winner.load(Ordering::Acquire).checked_sub(1)?;
            self.made[winner].get()
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> Box<T>) -> &T {
            if let Some(made) = self.get() {
                return made;
            }
            let place = self.racers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mine = self.made[place].get_or_init(|| *make());
            let won = self.winner.compare_exchange(0, place + 1, Ordering::AcqRel, Ordering::Acquire);
            won.map_or_else(|winner| self.made[winner - 1].get().unwrap_or(mine), |_| mine)
        }
    }
}
