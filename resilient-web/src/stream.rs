//! Events as they happen, to so many readers and no more.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{self, Trouble};
use crate::ring::{Batch, Entry};
use crate::router::Shared;
use crate::watched::Heard;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A sign of life where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long, and its reader comes back for the rest: a program that is to stop waits for no page.
const LIFE: Duration = Duration::from_secs(60);
/// Whoever takes nothing for this long has lost its place to others.
const IDLE: Duration = Duration::from_secs(45);
/// How soon its reader comes back.
const BACK_IN: Duration = Duration::from_secs(1);
/// What one answer holds.
const MOST: usize = 1000;
/// What is put into a stream at once.
const AT_ONCE: usize = 64;

/// The places of those who read streams.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Never given twice: whoever lost a place must not take another's for it.
    next: u64,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    number: u64,
    last: Duration,
}

/// A place, until it is dropped or another takes it.
#[derive(Debug)]
struct Taken {
    shared: Shared,
    number: u64,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Duration) -> Option<u64> {
        let mut rows = self.lock();
        if rows.places.len() >= self.most {
            let idle = rows.places.iter().position(|place| now.saturating_sub(place.last) > IDLE)?;
            rows.places.remove(idle);
        }
        let number = rows.next;
        rows.next += 1;
        rows.places.push(Place { number, last: now });
        Some(number)
    }

    /// Whether the place is still one's own.
    fn keep(&self, number: u64, now: Duration) -> bool {
        let mut rows = self.lock();
        let place = rows.places.iter_mut().find(|place| place.number == number);
        place.map(|place| place.last = now).is_some()
    }

    fn leave(&self, number: u64) {
        self.lock().places.retain(|place| place.number != number);
    }
}

impl Taken {
    fn is_kept(&self) -> bool {
        self.shared.places.keep(self.number, self.shared.heard().here.now())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shared.places.leave(self.number);
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    events: Vec<&'a Entry>,
    last: u64,
    lost: u64,
}

/// `GET /resilience/events`: those after `since`, or the stream where that is what is accepted.
pub(crate) async fn events(State(shared): State<Shared>, request: Request) -> Response {
    let accepts = request.headers().get_all(header::ACCEPT).iter();
    if accepts.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/event-stream")) {
        return streamed(shared, &request);
    }
    let Batch { entries, lost, last } = shared.heard().ring.after(since(request.uri()), MOST);
    answer::json(StatusCode::OK, &Shown { events: entries.iter().map(AsRef::as_ref).collect(), last, lost })
}

/// `GET /resilience/events/stream`.
pub(crate) async fn stream(State(shared): State<Shared>, request: Request) -> Response {
    streamed(shared, &request)
}

fn streamed(shared: Shared, request: &Request) -> Response {
    let now = shared.heard().here.now();
    let Some(number) = shared.places.take(now) else {
        let title = "As many read the stream of events as may; ask for `?since=` instead";
        let trouble = Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", title);
        return trouble.retry_after(Some(Duration::from_secs(10))).into_response();
    };
    let resumed = request.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()?.parse().ok());
    let since = resumed.unwrap_or_else(|| since(request.uri()));
    let place = Taken { shared, number };
    let mut response = Sse::new(told(place, since)).into_response();
    answer::harden(response.headers_mut());
    // A proxy that collects answers would hold them back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The number in `?since=`; 0 is all there is.
fn since(uri: &Uri) -> u64 {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "since").find_map(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Nothing waits for a reader: each comes for what is there when it can take more, and is told what it missed.
fn told(place: Taken, since: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    struct Telling {
        place: Taken,
        heard: Arc<Heard>,
        since: u64,
        ready: std::vec::IntoIter<Event>,
        until: Instant,
    }
    let heard = Arc::clone(place.shared.heard());
    let hello = vec![Event::default().retry(BACK_IN).comment("the last events, and those to come")];
    // Counted on tokio's clock: what waits is a timer of its.
    let until = sleep(LIFE).deadline();
    let telling = Telling { heard, place, since, ready: hello.into_iter(), until };
    unfold(telling, async |mut telling| {
        if let Some(event) = telling.ready.next() {
            return Some((Ok(event), telling));
        }
        let mut newest = telling.heard.ring.watch();
        if !telling.place.is_kept() || telling.until.elapsed() > Duration::ZERO {
            return None;
        }
        let mut batch = telling.heard.ring.after(telling.since, AT_ONCE);
        if batch.entries.is_empty() && batch.lost == 0 {
            let alive = sleep(KEEP_ALIVE).deadline().min(telling.until);
            newest.mark_unchanged();
            let is_there = *newest.borrow() > telling.since;
            if !is_there && timeout_at(alive, newest.changed()).await.is_err() {
                return Some((Ok(Event::default().comment("")), telling));
            }
            batch = telling.heard.ring.after(telling.since, AT_ONCE);
        }
        telling.since = batch.last;
        telling.ready = sse(&batch).into_iter();
        let event = telling.ready.next().unwrap_or_else(|| Event::default().comment(""));
        Some((Ok(event), telling))
    })
}

fn sse(batch: &Batch) -> Vec<Event> {
    let mut events = Vec::with_capacity(batch.entries.len() + 1);
    if batch.lost > 0 {
        events.push(Event::default().event("lost").data(format!(r#"{{"lost":{}}}"#, batch.lost)));
    }
    events.extend(batch.entries.iter().map(|entry| {
        let data = serde_json::to_string(&**entry).unwrap_or_default();
        Event::default().id(entry.id.to_string()).data(data)
    }));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_nobody_uses_is_given_to_another() {
        let places = Places::new(2);
        let second = Duration::from_secs;
        let (first, other) = (places.take(second(0)).unwrap(), places.take(second(0)).unwrap());
        assert_eq!(places.take(second(1)), None);
        assert!(places.keep(other, second(40)));
        let third = places.take(second(50)).unwrap();
        assert!(!places.keep(first, second(50)), "its place is gone");
        assert!(places.keep(other, second(50)) && places.keep(third, second(50)));
        places.leave(other);
        assert!(places.take(second(50)).is_some());
        assert_eq!(places.take(second(50)), None);
    }

    #[test]
    fn the_number_to_go_on_from_is_found_in_the_query() {
        for (uri, number) in [("/x", 0), ("/x?since=7", 7), ("/x?a=b&since=8", 8), ("/x?since=hunter2", 0)] {
            assert_eq!(since(&uri.parse().unwrap()), number);
        }
    }
}
