//! Scripts of operations, made of numbers: a fuzzer's bytes, or what a property test draws and shrinks.

use std::fmt;
use std::time::Duration;

/// A number that choices are drawn from, digit by digit; 0 is the first choice everywhere, so that what a property test
/// shrinks becomes plain.
pub(crate) struct Draw(u64);

impl Draw {
    /// One of `0..choices`.
    pub(crate) fn below(&mut self, choices: u64) -> u64 {
        let digit = self.0 % choices;
        self.0 /= choices;
        digit
    }

    pub(crate) fn index(&mut self, choices: usize) -> usize {
        usize::try_from(self.below(choices as u64)).unwrap_or_default()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// One of `choices`, or none as often as each of them.
    pub(crate) fn some_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.index(choices.len() + 1);
        at.checked_sub(1).map(|at| choices[at])
    }
}

/// What can be done to a part: how it begins, and each operation that may follow.
pub(crate) trait Operations {
    type Setup: fmt::Debug + Clone;
    type Operation: fmt::Debug + Clone;

    fn setup(draw: &mut Draw) -> Self::Setup;
    fn operation(draw: &mut Draw) -> Self::Operation;
    /// Plays the script on the part and on its reference in step.
    ///
    /// # Panics
    ///
    /// When the two differ, or an invariant is broken.
    fn play(setup: &Self::Setup, operations: &[Self::Operation]);
}

#[derive(Clone)]
pub(crate) struct Script<O: Operations> {
    setup: O::Setup,
    operations: Vec<O::Operation>,
}

impl<O: Operations> Script<O> {
    pub(crate) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut numbers = numbers.into_iter().map(Draw);
        let setup = O::setup(&mut numbers.next().unwrap_or(Draw(0)));
        Self { setup, operations: numbers.map(|mut number| O::operation(&mut number)).collect() }
    }

    /// Eight bytes a number; what is left over says nothing.
    #[cfg(fuzzing)]
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let (numbers, _) = bytes.as_chunks::<8>();
        Self::of(numbers.iter().map(|number| u64::from_le_bytes(*number)))
    }

    pub(crate) fn play(&self) {
        O::play(&self.setup, &self.operations);
    }
}

impl<O: Operations> fmt::Debug for Script<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setup)?;
        self.operations.iter().enumerate().try_for_each(|(n, operation)| writeln!(f, "{n:>4} {operation:?}"))
    }
}

/// How far time moves before an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passing {
    Not,
    By(Duration),
    /// To the nearest instant ahead at which something ends, and by so many nanoseconds past it.
    ToTheEdge(i64),
}

impl Passing {
    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        const MS: u64 = 1_000_000;
        // No multiple of a period or a bucket.
        const LONG: u64 = (1 << 62) + 12_345_678_901;
        match draw.below(8) {
            0 => Self::Not,
            1..=3 => Self::ToTheEdge(draw.one_of(&[0, -1, 1])),
            4 => Self::By(Duration::from_nanos(1 + draw.below(3))),
            5 | 6 => {
                Self::By(Duration::from_nanos(draw.one_of(&[1, 10, 50, 100]) * MS * (1 + draw.below(10))))
            }
            _ => Self::By(Duration::from_nanos(draw.one_of(&[1_000 * MS, 3_600_000 * MS, LONG]))),
        }
    }

    /// Where `now` gets to; `edges` are the instants at which something ends.
    pub(crate) fn from(self, now: u64, edges: impl IntoIterator<Item = u64>) -> u64 {
        match self {
            Self::Not => now,
            Self::By(span) => now.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
            Self::ToTheEdge(past) => {
                let ahead = edges.into_iter().filter(|edge| *edge > now).min();
                ahead.map_or(now, |edge| edge.saturating_add_signed(past).max(now))
            }
        }
    }
}

#[cfg(test)]
pub(crate) use tiers::{hold, sequences};

#[cfg(test)]
mod tiers {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestError, TestRunner};

    use super::{Operations, Script};

    /// The number of sequences to play instead of the few of a short run.
    const SEQUENCES: &str = "RESILIENT_SEQUENCES";

    /// So many as the environment says, or the few of a short run.
    #[allow(clippy::disallowed_methods, reason = "a test's own size")]
    pub(crate) fn sequences(short: u32) -> u32 {
        let written = std::env::var(SEQUENCES).ok();
        written.map_or(short, |cases| cases.parse().expect("a number of sequences"))
    }

    /// Plays random scripts of up to `longest` operations.
    #[allow(clippy::disallowed_methods, reason = "how long it took")]
    pub(crate) fn hold<O: Operations>(part: &str, short: u32, longest: usize) {
        let cases = sequences(short);
        let config =
            Config { cases, failure_persistence: None, max_shrink_iters: 50_000, ..Config::default() };
        let scripts = prop::collection::vec(any::<u64>(), 1..longest).prop_map(Script::<O>::of);
        let (began, operations, sequences) = (std::time::Instant::now(), Cell::new(0), Cell::new(0));
        let (ended, first) = (Cell::new(true), Cell::new(None));
        let played = TestRunner::new(config).run(&scripts, |script| {
            if !ended.replace(false) && first.get().is_none() {
                first.set(Some((sequences.get(), began.elapsed())));
            }
            sequences.set(sequences.get() + 1);
            operations.set(operations.get() + script.operations.len());
            script.play();
            ended.set(true);
            Ok(())
        });
        if let Err(TestError::Fail(why, script)) = played {
            println!("{part}: found after {:?}", first.get());
            panic!("{part} and its reference differ: {why}\n{script:?}");
        }
        let (took, operations) = (began.elapsed().as_secs_f64(), operations.get());
        println!("{part}: {cases} sequences of {operations} operations agree, {took:.1} s");
    }
}
