//! What the last minutes of one operation came to, in a fixed amount of memory.

use std::time::Duration;

use resilient_runtime::StopReason;
use serde::Serialize;

/// Of the history: 60 steps of 2 s.
const STEP: u64 = 2;
const STEPS: usize = 60;

/// Of rates and latencies: the last minute, in six parts.
const PART: u64 = 10;
const PARTS: usize = 6;

/// Four buckets for each doubling from 1 µs on, so what is told is off by a tenth at most; the last is beyond an hour.
const BUCKETS: usize = 4 * 32;

/// Counted since the page was made.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) calls: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// By the caller's own fault.
    pub(crate) ignored: u64,
    pub(crate) refused: u64,
    pub(crate) cancelled: u64,
    pub(crate) attempts: u64,
    pub(crate) timeouts: u64,
    pub(crate) retries: u64,
    pub(crate) hedges: u64,
    pub(crate) fallbacks: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Badly,
    Ignored,
    Refused,
    Cancelled,
}

impl Ended {
    pub(crate) fn of(reason: StopReason, ignored: bool) -> Self {
        match reason {
            _ if ignored => Self::Ignored,
            StopReason::Success => Self::Well,
            StopReason::Refused => Self::Refused,
            StopReason::Cancelled => Self::Cancelled,
            _ => Self::Badly,
        }
    }
}

/// The last minute.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Minute {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
    pub(crate) per_second: f64,
    /// Of failed calls, in those that ran.
    pub(crate) failure_rate: f64,
    /// Of calls that ended, waits included, in milliseconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// The last two minutes, oldest first, for a sparkline.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct History {
    pub(crate) step: u64,
    pub(crate) calls: Vec<u32>,
    /// Of these, failed or refused.
    pub(crate) bad: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) totals: Totals,
    parts: [Part; PARTS],
    steps: [Step; STEPS],
}

/// Which ten seconds it is about, and what they came to.
#[derive(Clone, Debug)]
struct Part {
    number: u64,
    calls: u32,
    failed: u32,
    refused: u32,
    took: [u32; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    number: u64,
    calls: u32,
    bad: u32,
}

impl Default for Figures {
    fn default() -> Self {
        let part = Part { number: 0, calls: 0, failed: 0, refused: 0, took: [0; BUCKETS] };
        Self {
            totals: Totals::default(),
            parts: [(); PARTS].map(|()| part.clone()),
            steps: [Step::default(); STEPS],
        }
    }
}

impl Figures {
    pub(crate) fn call(&mut self, now: Duration, ended: Ended, took: Option<Duration>) {
        let is_bad = matches!(ended, Ended::Badly | Ended::Refused);
        let totals = &mut self.totals;
        totals.calls += 1;
        match ended {
            Ended::Well => totals.succeeded += 1,
            Ended::Badly => totals.failed += 1,
            Ended::Ignored => totals.ignored += 1,
            Ended::Refused => totals.refused += 1,
            Ended::Cancelled => totals.cancelled += 1,
        }
        let part = self.part(now);
        part.calls = part.calls.saturating_add(1);
        part.failed = part.failed.saturating_add((ended == Ended::Badly).into());
        part.refused = part.refused.saturating_add((ended == Ended::Refused).into());
        // One that was refused or given up says nothing of how long an answer takes.
        if let Some(took) = took.filter(|_| !matches!(ended, Ended::Refused | Ended::Cancelled)) {
            let bucket = &mut part.took[bucket_of(took)];
            *bucket = bucket.saturating_add(1);
        }
        let number = now.as_secs() / STEP + 1;
        let step = &mut self.steps[slot(number, STEPS)];
        if step.number != number {
            *step = Step { number, ..Step::default() };
        }
        step.calls = step.calls.saturating_add(1);
        step.bad = step.bad.saturating_add(is_bad.into());
    }

    fn part(&mut self, now: Duration) -> &mut Part {
        // From 1: 0 is none.
        let number = now.as_secs() / PART + 1;
        let part = &mut self.parts[slot(number, PARTS)];
        if part.number != number {
            *part = Part { number, calls: 0, failed: 0, refused: 0, took: [0; BUCKETS] };
        }
        part
    }

    /// The last minute, or as much of it as there was since `began`.
    pub(crate) fn minute(&self, now: Duration, began: Duration) -> Minute {
        let current = now.as_secs() / PART + 1;
        let oldest = (current + 1).saturating_sub(PARTS as u64);
        let mut took = [0_u64; BUCKETS];
        let mut minute = Minute::default();
        for part in self.parts.iter().filter(|part| (oldest.max(1)..=current).contains(&part.number)) {
            minute.calls += u64::from(part.calls);
            minute.failed += u64::from(part.failed);
            minute.refused += u64::from(part.refused);
            took.iter_mut().zip(&part.took).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        let first = Duration::from_secs((oldest.max(1) - 1) * PART).max(began);
        let span = now.saturating_sub(first).as_secs_f64().max(1.0);
        minute.per_second = minute.calls as f64 / span;
        let ran = minute.calls - minute.refused;
        minute.failure_rate = if ran == 0 { 0.0 } else { minute.failed as f64 / ran as f64 };
        let percentile = |share| percentile(&took, share);
        (minute.p50, minute.p95, minute.p99) = (percentile(0.5), percentile(0.95), percentile(0.99));
        minute
    }

    /// `None` where there was no call in it.
    pub(crate) fn history(&self, now: Duration) -> Option<History> {
        let current = now.as_secs() / STEP + 1;
        let mut history =
            History { step: STEP, calls: Vec::with_capacity(STEPS), bad: Vec::with_capacity(STEPS) };
        for back in (0..STEPS as u64).rev() {
            let number = current.saturating_sub(back);
            let step = self.steps[slot(number, STEPS)];
            let there = number != 0 && step.number == number;
            history.calls.push(if there { step.calls } else { 0 });
            history.bad.push(if there { step.bad } else { 0 });
        }
        history.calls.iter().any(|calls| *calls != 0).then_some(history)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than `of`")]
fn slot(number: u64, of: usize) -> usize {
    (number % of as u64) as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and BUCKETS")]
fn bucket_of(took: Duration) -> usize {
    let micros = (took.as_nanos() as f64 / 1e3).max(1.0);
    ((micros.log2() * 4.0) as usize).min(BUCKETS - 1)
}

/// The middle of the bucket that the share falls into, in milliseconds.
fn percentile(took: &[u64; BUCKETS], share: f64) -> Option<f64> {
    let all: u64 = took.iter().sum();
    let mut sum = 0;
    let reaches = |count: &u64| {
        sum += count;
        sum as f64 >= share * all as f64
    };
    let bucket = took.iter().position(reaches).filter(|_| all > 0)?;
    let micros = ((bucket as f64 + 0.5) / 4.0).exp2();
    Some(two_digits(micros / 1e3))
}

/// What is known of it.
fn two_digits(value: f64) -> f64 {
    let scale = 10_f64.powf(1.0 - value.log10().floor());
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn after(seconds: u64) -> Duration {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let mut figures = Figures::default();
        for second in 0..600 {
            figures.call(after(second), Ended::Well, None);
            figures.call(after(second), if second % 2 == 0 { Ended::Badly } else { Ended::Refused }, None);
        }
        let minute = figures.minute(after(600), START);
        assert!((1.9..=2.1).contains(&minute.per_second), "{minute:?}");
        assert!((0.3..=0.36).contains(&minute.failure_rate), "a refused call is none that ran: {minute:?}");
        assert_eq!((figures.totals.calls, figures.totals.succeeded), (1200, 600));
        assert_eq!((figures.totals.failed, figures.totals.refused), (300, 300));
        let later = figures.minute(after(700), START);
        assert_eq!((later.calls, later.per_second), (0, 0.0));
    }

    #[test]
    fn a_young_program_is_not_divided_by_a_whole_minute() {
        let mut figures = Figures::default();
        for _ in 0..50 {
            figures.call(after(4), Ended::Well, None);
        }
        let minute = figures.minute(after(5), START);
        assert!((9.0..=11.0).contains(&minute.per_second), "{minute:?}");
    }

    #[test]
    fn percentiles_are_off_by_a_tenth_at_most() {
        for millis in [0.002, 0.7, 3.0, 45.0, 1_234.0, 60_000.0] {
            let mut figures = Figures::default();
            for n in 0..100 {
                let took = Duration::from_secs_f64(millis / 1e3 * if n < 96 { 1.0 } else { 8.0 });
                figures.call(START, Ended::Well, Some(took));
            }
            let minute = figures.minute(START, START);
            let near = |value: Option<f64>, wanted: f64| (value.unwrap() / wanted - 1.0).abs() < 0.12;
            assert!(near(minute.p50, millis) && near(minute.p95, millis), "{millis}: {minute:?}");
            assert!(near(minute.p99, millis * 8.0), "{millis}: {minute:?}");
        }
        let mut refused = Figures::default();
        refused.call(START, Ended::Refused, Some(Duration::ZERO));
        assert_eq!(refused.minute(START, START).p50, None);
    }

    #[test]
    fn the_longest_and_the_shortest_time_have_a_bucket() {
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_history_is_of_two_minutes_oldest_first() {
        let mut figures = Figures::default();
        figures.call(after(0), Ended::Well, None);
        figures.call(after(118), Ended::Badly, None);
        let history = figures.history(after(118)).unwrap();
        assert_eq!((history.calls.len(), history.calls[0], history.calls[59]), (60, 1, 1));
        assert_eq!((history.bad[0], history.bad[59]), (0, 1));
        let history = figures.history(after(120)).unwrap();
        assert_eq!(history.calls.iter().sum::<u32>(), 1);
        assert!(figures.history(after(1000)).is_none());
    }

    #[test]
    fn the_beginning_of_time_is_no_special_case() {
        let mut figures = Figures::default();
        assert_eq!(figures.minute(Duration::ZERO, Duration::ZERO).calls, 0);
        assert!(figures.history(Duration::ZERO).is_none());
        figures.call(Duration::ZERO, Ended::Well, None);
        assert_eq!(figures.minute(Duration::ZERO, Duration::ZERO).calls, 1);
        assert_eq!(figures.history(Duration::ZERO).unwrap().calls[59], 1);
    }
}
