//! The last things that happened, so many of them and no more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// One thing that happened, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    /// Seconds since 1970.
    pub(crate) at: f64,
    pub(crate) operation: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// How many of its kind it stands for: itself, and those that came too fast after the one before.
    pub(crate) times: u32,
    #[serde(flatten)]
    pub(crate) change: Option<Change>,
}

/// A breaker's change of state.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) breaker: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) reason: String,
    pub(crate) retry_after: Option<f64>,
}

/// What a reader gets: what it has not seen yet, oldest first.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// How many it has missed: they were pushed out before it came for them.
    pub(crate) lost: u64,
    /// Where it goes on.
    pub(crate) last: u64,
}

/// Two lanes, so that a storm of refusals does not push out the change that began it.
#[derive(Debug)]
pub(crate) struct Ring {
    lanes: Mutex<Lanes>,
    newest: watch::Sender<u64>,
    capacity: usize,
    first: u64,
}

#[derive(Debug)]
struct Lanes {
    next: u64,
    changes: VecDeque<Arc<Entry>>,
    others: VecDeque<Arc<Entry>>,
}

impl Ring {
    /// Numbers begin at `first`: greater than any that a reader may have from the program that ran here before.
    pub(crate) fn new(capacity: usize, first: u64) -> Self {
        let lanes = Lanes { next: first, changes: VecDeque::new(), others: VecDeque::new() };
        let newest = watch::Sender::new(first.saturating_sub(1));
        Self { lanes: Mutex::new(lanes), newest, capacity: capacity.max(1), first }
    }

    /// Adds what `make` makes of its number.
    pub(crate) fn push(&self, make: impl FnOnce(u64) -> Entry) {
        let mut lanes = self.lock();
        let id = lanes.next;
        lanes.next += 1;
        let entry = Arc::new(make(id));
        let lane = if entry.change.is_some() { &mut lanes.changes } else { &mut lanes.others };
        let pushed_out = if lane.len() >= self.capacity { lane.pop_front() } else { None };
        lane.push_back(entry);
        self.newest.send_replace(id);
        drop(lanes);
        drop(pushed_out);
    }

    /// What came after number `since`, the oldest `most` of it.
    pub(crate) fn after(&self, since: u64, most: usize) -> Batch {
        let lanes = self.lock();
        // A number that was not given yet is another program's: all there is, is new.
        let since = if since >= lanes.next { 0 } else { since };
        let begin = since.max(self.first - 1);
        let unseen = |lane: &VecDeque<Arc<Entry>>| lane.partition_point(|entry| entry.id <= since);
        let (from_changes, from_others) = (unseen(&lanes.changes), unseen(&lanes.others));
        let mut changes = lanes.changes.range(from_changes..).peekable();
        let mut others = lanes.others.range(from_others..).peekable();
        let mut entries = Vec::new();
        while entries.len() < most {
            let next = match (changes.peek(), others.peek()) {
                (Some(change), Some(other)) if change.id < other.id => changes.next(),
                (Some(_), None) => changes.next(),
                _ => others.next(),
            };
            let Some(next) = next else { break };
            entries.push(Arc::clone(next));
        }
        let is_whole = changes.peek().is_none() && others.peek().is_none();
        let last = match entries.last() {
            Some(entry) if !is_whole => entry.id,
            _ => lanes.next - 1,
        };
        let missed = (last - begin).saturating_sub(entries.len() as u64);
        Batch { entries, lost: missed, last }
    }

    /// The number of the newest entry, and of each that comes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ring: &Ring, is_change: bool) {
        ring.push(|id| Entry {
            id,
            at: 0.0,
            operation: "op",
            kind: "kind",
            text: String::new(),
            times: 1,
            change: is_change.then(|| Change {
                breaker: "db",
                from: "closed",
                to: "open",
                reason: String::new(),
                retry_after: None,
            }),
        });
    }

    fn ids(batch: &Batch) -> Vec<u64> {
        batch.entries.iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn a_storm_pushes_out_no_change_and_the_reader_is_told_what_it_missed() {
        let ring = Ring::new(3, 101);
        push(&ring, true);
        for _ in 0..10 {
            push(&ring, false);
        }
        push(&ring, true);
        let batch = ring.after(0, 100);
        assert_eq!(ids(&batch), [101, 109, 110, 111, 112]);
        assert_eq!((batch.lost, batch.last), (7, 112));
        let batch = ring.after(111, 100);
        assert_eq!((ids(&batch), batch.lost), (vec![112], 0));
        let batch = ring.after(112, 100);
        assert_eq!((ids(&batch), batch.lost, batch.last), (vec![], 0, 112));
    }

    #[test]
    fn a_reader_that_takes_a_few_at_a_time_gets_all_of_them_once() {
        let ring = Ring::new(100, 1);
        for n in 0..50 {
            push(&ring, n % 7 == 0);
        }
        let (mut since, mut seen) = (0, Vec::new());
        loop {
            let batch = ring.after(since, 4);
            assert_eq!(batch.lost, 0);
            if batch.entries.is_empty() {
                break;
            }
            seen.extend(ids(&batch));
            since = batch.last;
        }
        assert_eq!(seen, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_of_an_earlier_program_begins_anew() {
        let ring = Ring::new(10, 1001);
        push(&ring, false);
        for since in [0, 7, 5000] {
            let batch = ring.after(since, 100);
            assert_eq!((ids(&batch), batch.lost), (vec![1001], 0), "since {since}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_the_newest() {
        let ring = Ring::new(10, 1);
        let mut newest = ring.watch();
        push(&ring, false);
        newest.changed().await.unwrap();
        assert_eq!(*newest.borrow_and_update(), 1);
    }
}
