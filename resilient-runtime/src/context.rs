//! What every part of one runtime shares: its clock, its listeners, its luck.

use std::sync::Arc;

use crate::clock::Clock;
use crate::event::Events;
use crate::sync::{Mutex, Whole};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) clock: Clock,
    pub(crate) events: Arc<Events>,
    #[cfg(feature = "chaos")]
    pub(crate) chaos: crate::chaos::Active,
    luck: Luck,
}

#[derive(Debug)]
enum Luck {
    PerThread,
    Seeded(Mutex<fastrand::Rng>),
}

impl Context {
    pub(crate) fn system() -> Self {
        Self::with(Clock::system(), Luck::PerThread)
    }

    pub(crate) fn seeded(clock: Clock, seed: u64) -> Self {
        let luck = Luck::Seeded(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self::with(clock, luck)
    }

    fn with(clock: Clock, luck: Luck) -> Self {
        Self {
            clock,
            events: Arc::default(),
            #[cfg(feature = "chaos")]
            chaos: crate::chaos::Active::default(),
            luck,
        }
    }

    /// Whether anyone wants to hear of healthy attempts, or to spoil them.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        #[cfg(feature = "chaos")]
        if self.chaos.is_on() {
            return true;
        }
        self.events.heard()
    }

    /// A draw in [0, 1).
    pub(crate) fn luck(&self) -> f64 {
        match &self.luck {
            Luck::PerThread => fastrand::f64(),
            Luck::Seeded(rng) => rng.lock().whole().f64(),
        }
    }
}
