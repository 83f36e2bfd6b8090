use crate::counters::Counters;

/// A count that many threads may add to without sharing a cache line.
#[derive(Debug, Default)]
pub struct Tally(Counters<1>);

impl Tally {
    #[inline]
    pub fn add_one(&self) {
        self.0.add(0_usize);
    }

    #[inline]
    pub fn sum(&self) -> u64 {
        self.0.sum(0_usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_that_are_gone_have_counted_stays_counted() {
        let tally = Tally::default();
        for threads in 1..=3 {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|| (0..500).for_each(|_| tally.add_one()));
                }
            });
            assert_eq!(tally.sum(), threads * 10_000);
        }
    }
}
