use std::sync::Mutex;

use super::*;
use crate::event::{EventKind, Events};

fn counts(events: &Arc<Events>) -> (Arc<Mutex<u32>>, crate::event::Subscription) {
    let heard = Arc::new(Mutex::new(0));
    let hears = Arc::clone(&heard);
    let listening = events.subscribe(move |_| *hears.lock().unwrap() += 1);
    (heard, listening)
}

fn tell(events: &Events) {
    events.tell("op", EventKind::Reloaded);
}

#[test]
fn of_two_who_begin_to_listen_at_once_both_hear() {
    explore(|| {
        let events = Arc::new(Arc::new(Events::default()));
        let other = beside(&events, |events| counts(events));
        let mine = counts(&events);
        let others = answer(other);
        tell(&events);
        assert_eq!([&mine, &others].map(|(heard, _)| *heard.lock().unwrap()), [1, 1]);
    });
}

#[test]
fn one_that_stays_hears_what_is_told_while_another_goes() {
    explore(|| {
        let events = Arc::new(Arc::new(Events::default()));
        let (stays, _listening) = counts(&events);
        let (goes, listening) = counts(&events);
        let other = beside(&events, |events| tell(events));
        drop(listening);
        answer(other);
        assert_eq!(*stays.lock().unwrap(), 1);
        let heard = *goes.lock().unwrap();
        tell(&events);
        assert_eq!((*stays.lock().unwrap(), *goes.lock().unwrap()), (2, heard));
    });
}

#[test]
fn the_last_who_goes_while_another_comes_leaves_it_heard() {
    explore(|| {
        let events = Arc::new(Arc::new(Events::default()));
        let (_, listening) = counts(&events);
        let other = beside(&events, |events| counts(events));
        drop(listening);
        let (heard, _listening) = answer(other);
        assert!(events.heard());
        tell(&events);
        assert_eq!(*heard.lock().unwrap(), 1);
    });
}

#[test]
fn a_listener_may_stop_listening_while_it_hears() {
    explore(|| {
        let events = Arc::new(Arc::new(Events::default()));
        let own = Arc::new(Mutex::new(None));
        let stops = Arc::clone(&own);
        let listening = events.subscribe(move |_| {
            let listening = stops.lock().unwrap().take();
            drop(listening);
        });
        *own.lock().unwrap() = Some(listening);
        let other = beside(&events, |events| tell(events));
        tell(&events);
        answer(other);
        assert!(own.lock().unwrap().is_none());
    });
}
