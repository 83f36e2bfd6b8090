//! The retry budget's rules: tokens in a purse, or a list of what was earned and spent.

use std::time::Duration;

use crate::reference::nanos;

#[derive(Clone, Debug)]
pub(crate) enum Budget {
    Tokens {
        left: u64,
        capacity: u64,
        retry_cost: u64,
    },
    /// In millionths of a retry.
    Ratio {
        earned: i128,
        reserve: i128,
        ttl: Duration,
        payments: Vec<(u64, i128)>,
    },
}

const RETRY: i128 = 1_000_000;

impl Budget {
    pub(crate) fn tokens(capacity: u32, retry_cost: u32) -> Self {
        Self::Tokens { left: capacity.into(), capacity: capacity.into(), retry_cost: retry_cost.into() }
    }

    /// `ratio` in thousandths.
    pub(crate) fn ratio(ratio: u32, per_second: u32, ttl: Duration) -> Self {
        let reserve = i128::from(per_second) * RETRY * i128::from(nanos(ttl)) / 1_000_000_000;
        Self::Ratio { earned: i128::from(ratio) * RETRY / 1_000, reserve, ttl, payments: Vec::new() }
    }

    pub(crate) fn reset(&mut self) {
        match self {
            Self::Tokens { left, capacity, .. } => *left = *capacity,
            Self::Ratio { payments, .. } => payments.clear(),
        }
    }

    pub(crate) fn withdraw(&mut self, now: u64) -> bool {
        if !self.affords(now) {
            return false;
        }
        match self {
            Self::Tokens { left, retry_cost, .. } => *left -= *retry_cost,
            Self::Ratio { payments, .. } => payments.push((now, -RETRY)),
        }
        true
    }

    pub(crate) fn affords(&self, now: u64) -> bool {
        match self {
            Self::Tokens { left, retry_cost, .. } => left >= retry_cost,
            Self::Ratio { .. } => self.balance(now) >= RETRY,
        }
    }

    /// A retry succeeded.
    pub(crate) fn refund(&mut self) {
        if let Self::Tokens { left, capacity, retry_cost } = self {
            *left = (*left + *retry_cost).min(*capacity);
        }
    }

    /// A first attempt ended, well or not.
    pub(crate) fn first_attempt(&mut self, now: u64, succeeded: bool) {
        match self {
            Self::Tokens { left, capacity, .. } => {
                *left = (*left + u64::from(succeeded)).min(*capacity);
            }
            Self::Ratio { earned, payments, .. } => payments.push((now, *earned)),
        }
    }

    pub(crate) fn available(&self, now: u64) -> u32 {
        match self {
            Self::Tokens { left, .. } => u32::try_from(*left).unwrap_or(u32::MAX),
            Self::Ratio { .. } => u32::try_from(self.balance(now).max(0) / RETRY).unwrap_or(u32::MAX),
        }
    }

    /// The instants at which something is forgotten.
    pub(crate) fn edges(&self) -> Vec<u64> {
        let Self::Ratio { ttl, payments, .. } = self else { return Vec::new() };
        let slot = (nanos(*ttl) / 10).max(1);
        payments.iter().map(|(at, _)| (at / slot).saturating_add(10).saturating_mul(slot)).collect()
    }

    /// Time is cut into tenths of `ttl`; what is ten of them old is forgotten.
    fn balance(&self, now: u64) -> i128 {
        let Self::Ratio { reserve, ttl, payments, .. } = self else { return 0 };
        let slot = (nanos(*ttl) / 10).max(1);
        let recent = payments.iter().filter(|(at, _)| now / slot - at / slot < 10);
        reserve + recent.map(|(_, units)| units).sum::<i128>()
    }
}
