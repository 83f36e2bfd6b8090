//! How many retries and hedges a target may be sent on top of its first attempts.

use std::fmt;
use std::time::Duration;

use crate::clock::{Moment, nanos};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, Whole};

/// What retries and hedges of one target are paid from, so that they do not multiply the load on what is down.
///
/// Default: [`Budget::Tokens`]. A call that finds the budget empty makes no further attempt: its caller gets the last
/// real error, and [`EventKind::BudgetExhausted`](crate::EventKind::BudgetExhausted) is told.
///
/// The trap: a budget belongs to the target, not to the call. All functions of one operation name spend the same one.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::Budget;
///
/// assert_eq!(Budget::default(), Budget::Tokens);
/// let fifth = Budget::Ratio { ratio: 0.2, per_second: 1.0 };
/// assert_eq!(fifth.to_string(), "ratio = 0.2, per_second = 1");
/// ```
///
/// The figures of [`Budget::Tokens`] are those of the AWS SDKs ("standard" retry mode); [`Budget::Ratio`] is
/// Finagle's `RetryBudget`, tower's `TpsBudget`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Retries are bounded by `max_attempts` alone (`budget = "none"`).
    None,
    /// 500 tokens; a retry takes 5, one that succeeds gives them back, a first attempt that succeeds adds 1
    /// (`budget = "default"`).
    #[default]
    Tokens,
    /// A share of the last 10 seconds' calls (`budget(ratio = 0.2, per_second = 1)`).
    Ratio {
        /// Retries that each call earns, when its first attempt ends: 0.2 is one retry for five calls.
        ratio: f64,
        /// Retries per second that are there without any calls.
        per_second: f64,
    },
}

impl Budget {
    /// Everything that is wrong with it, each as `parameter must be …`.
    pub(crate) fn problems(self) -> Vec<String> {
        let Self::Ratio { ratio, per_second } = self else { return Vec::new() };
        let mut problems = Vec::new();
        if !(0.0..=1_000.0).contains(&ratio) {
            problems.push("ratio must be between 0.0 and 1000.0".to_owned());
        }
        if !(0.0..=1e6).contains(&per_second) {
            problems.push("per_second must be between 0.0 and 1000000.0".to_owned());
        }
        problems
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Tokens => f.write_str("default"),
            Self::Ratio { ratio, per_second } => write!(f, "ratio = {ratio}, per_second = {per_second}"),
        }
    }
}

/// The budget that stands behind a name: where retries and hedges are paid from.
///
/// In lines of its own, so that what is written beside it does not make a full budget dear to look at.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct BudgetCore {
    purse: Purse,
    name: &'static str,
}

#[derive(Debug)]
enum Purse {
    Endless,
    Tokens { left: AtomicU32, capacity: u32, retry_cost: u32 },
    Recent(Recent),
}

impl BudgetCore {
    const CAPACITY: u32 = 500;
    const RETRY_COST: u32 = 5;
    const TTL: Duration = Duration::from_secs(10);

    pub(crate) fn new(name: &'static str, budget: Budget) -> Self {
        match budget {
            Budget::None => Self { purse: Purse::Endless, name },
            Budget::Tokens => Self::tokens(name, Self::CAPACITY, Self::RETRY_COST),
            Budget::Ratio { ratio, per_second } => Self::ratio(name, ratio, per_second, Self::TTL),
        }
    }

    pub(crate) fn tokens(name: &'static str, capacity: u32, retry_cost: u32) -> Self {
        Self { purse: Purse::Tokens { left: AtomicU32::new(capacity), capacity, retry_cost }, name }
    }

    pub(crate) fn ratio(name: &'static str, ratio: f64, per_second: f64, ttl: Duration) -> Self {
        Self { purse: Purse::Recent(Recent::new(ratio, per_second, ttl)), name }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Begins again as if just made.
    pub(crate) fn reset(&self) {
        match &self.purse {
            Purse::Endless => {}
            Purse::Tokens { left, capacity, .. } => left.store(*capacity, Ordering::Relaxed),
            Purse::Recent(recent) => recent.slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed)),
        }
    }

    /// Takes what one retry or one hedge costs; false, and nothing taken, where that is not there. The clock is read
    /// only where time matters, here and in `deposit`.
    pub(crate) fn withdraw(&self, now: impl FnOnce() -> Moment) -> bool {
        match &self.purse {
            Purse::Endless => true,
            Purse::Tokens { left, retry_cost, .. } => {
                let rest = |left: u32| left.checked_sub(*retry_cost);
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
            }
            Purse::Recent(recent) => recent.withdraw(now()),
        }
    }

    /// Whether one retry could be paid for.
    pub(crate) fn affords(&self, now: impl FnOnce() -> Moment) -> bool {
        match &self.purse {
            Purse::Endless => true,
            Purse::Tokens { left, retry_cost, .. } => left.load(Ordering::Relaxed) >= *retry_cost,
            Purse::Recent(recent) => recent.balance(now()) >= RETRY,
        }
    }

    /// Gives back what the last retry of a call took: it succeeded.
    pub(crate) fn refund(&self) {
        if let Purse::Tokens { left, capacity, retry_cost } = &self.purse {
            pay_in(left, *retry_cost, *capacity);
        }
    }

    /// A first attempt succeeded, just now or as of the last tick: what it earns is spent for seconds.
    #[inline]
    pub(crate) fn deposit(&self, now: impl FnOnce() -> Moment) {
        match &self.purse {
            Purse::Endless => {}
            Purse::Tokens { left, capacity, .. } => {
                if left.load(Ordering::Relaxed) != *capacity {
                    pay_in(left, 1, *capacity);
                }
            }
            Purse::Recent(recent) => recent.deposit(now()),
        }
    }

    /// A first attempt failed: of a ratio, the call has earned its share all the same.
    pub(crate) fn earn(&self, now: impl FnOnce() -> Moment) {
        if let Purse::Recent(recent) = &self.purse {
            recent.deposit(now());
        }
    }

    /// How many tokens there can be; a ratio and an endless one have no such number.
    #[cfg(feature = "metrics")]
    pub(crate) fn capacity(&self) -> Option<u32> {
        match &self.purse {
            Purse::Tokens { capacity, .. } => Some(*capacity),
            Purse::Endless | Purse::Recent(_) => None,
        }
    }

    /// It never ends.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.purse, Purse::Endless)
    }

    /// The tokens that are left; of a ratio, the retries.
    pub(crate) fn available(&self, now: impl FnOnce() -> Moment) -> u32 {
        match &self.purse {
            Purse::Endless => u32::MAX,
            Purse::Tokens { left, .. } => left.load(Ordering::Relaxed),
            Purse::Recent(recent) => u32::try_from(recent.balance(now()).max(0) / RETRY).unwrap_or(u32::MAX),
        }
    }
}

#[cold]
fn pay_in(left: &AtomicU32, tokens: u32, capacity: u32) {
    let more = |left: u32| Some(left.saturating_add(tokens).min(capacity));
    let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
}

/// One retry, in the units a ratio is counted in.
const RETRY: i64 = 1_000_000;

const SLOTS: usize = 10;

/// What was earned and spent lately, in ten slots of time. What was spent is forgotten as late as what was earned, so
/// that the retries of any `ttl` are at most the share of that time's calls and the reserve.
#[derive(Debug)]
struct Recent {
    slots: [AtomicU64; SLOTS],
    slot_nanos: u64,
    earned: i64,
    reserve: i64,
    /// Held to look at the balance and take from it in one step. Deposits pass it by.
    spending: Mutex<()>,
}

impl Recent {
    fn new(ratio: f64, per_second: f64, ttl: Duration) -> Self {
        Self {
            slots: Default::default(),
            slot_nanos: (nanos(ttl) / SLOTS as u64).max(1),
            earned: units(ratio),
            reserve: units(per_second * ttl.as_secs_f64()),
            spending: Mutex::default(),
        }
    }

    fn deposit(&self, now: Moment) {
        if self.earned != 0 {
            self.add(self.slot(now), self.earned);
        }
    }

    fn withdraw(&self, now: Moment) -> bool {
        let spending = self.spending.lock().whole();
        let granted = self.balance(now) >= RETRY;
        if granted {
            self.add(self.slot(now), -RETRY);
        }
        drop(spending);
        granted
    }

    fn balance(&self, now: Moment) -> i64 {
        let slot = self.slot(now);
        let words = self.slots.iter().map(|word| word.load(Ordering::Relaxed));
        words.map(|word| Slot::of(word).units_at(slot)).fold(self.reserve, i64::saturating_add)
    }

    fn slot(&self, now: Moment) -> u64 {
        now.as_nanos() / self.slot_nanos
    }

    fn add(&self, slot: u64, units: i64) {
        let at = usize::try_from(slot % SLOTS as u64).unwrap_or_default();
        let add = |word| Some(Slot::of(word).plus(slot, units).word());
        let _ = self.slots[at].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
fn units(retries: f64) -> i64 {
    (retries * RETRY as f64).round() as i64
}

/// A slot of time and the units earned less those spent in it, which fit one word together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    /// Which one, modulo 2^24: the shortest slots come round in 19 days.
    number: u64,
    units: i64,
}

impl Slot {
    const NUMBERS: u64 = (1 << 24) - 1;
    const UNIT_BITS: u32 = 40;
    const MOST: i64 = (1 << (Self::UNIT_BITS - 1)) - 1;

    fn of(word: u64) -> Self {
        let shift = u64::BITS - Self::UNIT_BITS;
        let units = i64::from_ne_bytes((word << shift).to_ne_bytes()) >> shift;
        Self { number: word >> Self::UNIT_BITS, units }
    }

    fn word(self) -> u64 {
        let units = u64::from_ne_bytes(self.units.clamp(-Self::MOST, Self::MOST).to_ne_bytes());
        self.number << Self::UNIT_BITS | units & ((1 << Self::UNIT_BITS) - 1)
    }

    /// What it counts for in slot `now`: nothing once it is ten slots old, or not yet begun.
    fn units_at(self, now: u64) -> i64 {
        if now.wrapping_sub(self.number) & Self::NUMBERS < SLOTS as u64 { self.units } else { 0 }
    }

    fn plus(self, now: u64, units: i64) -> Self {
        let number = now & Self::NUMBERS;
        let before = if self.number == number { self.units } else { 0 };
        Self { number, units: before.saturating_add(units) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> impl Fn() -> Moment {
        move || Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_slot_fits_one_word() {
        for units in [0, 1, -1, RETRY, -RETRY, Slot::MOST, -Slot::MOST] {
            for number in [0, 1, Slot::NUMBERS] {
                let slot = Slot { number, units };
                assert_eq!(Slot::of(slot.word()), slot);
            }
        }
        let most = Slot { number: 7, units: Slot::MOST };
        assert_eq!(Slot::of(most.plus(7, i64::MAX).word()), most);
        assert_eq!(Slot::of(most.plus(7, i64::MIN).word()).units, -Slot::MOST);
    }

    #[test]
    fn a_slot_counts_for_ten_slots() {
        let slot = Slot { number: Slot::NUMBERS, units: 5 };
        let now = u64::from(u32::MAX) & !Slot::NUMBERS | Slot::NUMBERS;
        let counted: Vec<i64> = [now - 1, now, now + 9, now + 10].map(|now| slot.units_at(now)).into();
        assert_eq!(counted, [0, 5, 5, 0]);
    }

    #[test]
    fn tokens_are_taken_whole_and_never_pass_the_capacity() {
        let budget = BudgetCore::tokens("t", 12, 5);
        assert!(budget.withdraw(at(0)) && budget.withdraw(at(0)));
        assert!(!budget.withdraw(at(0)));
        assert_eq!(budget.available(at(0)), 2);
        budget.refund();
        budget.deposit(at(0));
        assert_eq!(budget.available(at(0)), 8);
        budget.refund();
        assert_eq!(budget.available(at(0)), 12);
        budget.deposit(at(0));
        assert_eq!(budget.available(at(0)), 12);
    }

    #[test]
    fn no_budget_is_no_bound() {
        let budget = BudgetCore::new("n", Budget::None);
        assert!((0..10_000).all(|_| budget.withdraw(|| panic!("no clock is needed"))));
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn a_gauge_leaves_out_what_never_ends() {
        let of = [Budget::None, Budget::Tokens, Budget::Ratio { ratio: 0.2, per_second: 1.0 }];
        let seen =
            of.map(|budget| BudgetCore::new("n", budget)).map(|core| (core.is_endless(), core.capacity()));
        assert_eq!(seen, [(true, None), (false, Some(500)), (false, None)]);
    }

    #[test]
    fn what_was_spent_of_the_reserve_comes_back_after_the_ttl() {
        let budget = BudgetCore::ratio("r", 0.0, 1.0, Duration::from_secs(10));
        assert_eq!((0..20).filter(|_| budget.withdraw(at(0))).count(), 10);
        budget.deposit(at(9_999));
        assert!(!budget.withdraw(at(9_999)));
        assert_eq!(budget.available(at(10_000)), 10);
    }

    #[test]
    fn a_clock_turned_back_neither_earns_nor_panics() {
        let budget = BudgetCore::ratio("r", 1.0, 0.0, Duration::from_secs(1));
        budget.deposit(at(60_000));
        assert!(!budget.withdraw(at(1_000)));
        budget.deposit(at(1_000));
        assert!(budget.withdraw(at(1_000)));
        let never = || Moment::NEVER;
        assert_eq!((budget.withdraw(never), budget.available(never)), (false, 0));
    }

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        for budget in
            [BudgetCore::tokens("t", 500, 5), BudgetCore::ratio("r", 0.5, 10.0, Duration::from_secs(10))]
        {
            let granted = AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for _ in 0..1_000 {
                            granted.fetch_add(u32::from(budget.withdraw(at(5_000))), Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(granted.into_inner(), 100, "{budget:?}");
        }
    }
}
