//! The guide: announces scenes, records what the library tells, collects what did not hold.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use console::Style;
use resilient::{Event, EventKind, State, StopReason, Subscription, subscribe};

use crate::live::{Live, instant, span};

/// How long a person gets to read what a scene is about.
const READING: Duration = Duration::from_millis(1_500);

/// And what came of one expectation.
const GLANCE: Duration = Duration::from_millis(150);

/// Where text begins that is no event, and how wide it is.
const MARGIN: &str = "           ";
const WIDTH: usize = 68;

pub(crate) struct Tour {
    live: Arc<Live>,
    events: Arc<Mutex<Vec<Event>>>,
    scenes: Cell<u32>,
    broken: RefCell<Vec<String>>,
    held: Cell<usize>,
    _subscription: Subscription,
}

impl Tour {
    /// Starts to listen to the library.
    pub(crate) fn new(live: Arc<Live>) -> Self {
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let (screen, record) = (Arc::clone(&live), Arc::clone(&events));
        let subscription = subscribe(move |event| {
            screen.event(event);
            record.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        });
        Self {
            live,
            events,
            scenes: Cell::new(0),
            broken: RefCell::default(),
            held: Cell::new(0),
            _subscription: subscription,
        }
    }

    /// Announces a scene.
    pub(crate) fn scene(&self, title: &str, breaks: &str, expected: &str) {
        self.scenes.set(self.scenes.get() + 1);
        let heading = format!("━━ {} ━ {title} ", self.scenes.get());
        let rule = "━".repeat(80_usize.saturating_sub(heading.chars().count()));
        let dim = Style::new().dim();
        self.live.raw("");
        self.live.raw(Style::new().cyan().bold().apply_to(format!("{heading}{rule}")));
        self.live.raw(format!("   {}  {breaks}", dim.apply_to("breaks")));
        self.live.raw(format!("   {}  {expected}\n", dim.apply_to("expect")));
        self.pause(READING);
    }

    /// For people only. It holds up nobody else: the servers have threads of their own.
    fn pause(&self, span: Duration) {
        if self.live.is_attended() {
            thread::sleep(span);
        }
    }

    /// Says something between the events, in lines that fit.
    pub(crate) fn say(&self, text: impl Display) {
        let mut line = String::new();
        for word in text.to_string().split_inclusive(' ') {
            if line.len() + word.len() > WIDTH {
                self.live.raw(format!("{MARGIN}{}", line.trim_end()));
                line = String::from("  ");
            }
            line.push_str(word);
        }
        self.live.raw(format!("{MARGIN}{line}"));
    }

    /// Something that must be true; if it is not, the tour goes on and ends with exit code 1.
    pub(crate) fn expect(&self, what: impl Display, holds: bool) {
        if holds {
            self.held.set(self.held.get() + 1);
            self.live.raw(format!("{}  {what}", Style::new().green().bold().apply_to("     held")));
            self.pause(GLANCE);
        } else {
            self.live.raw(format!("{}  {what}", Style::new().red().bold().apply_to(" NOT HELD")));
            self.broken.borrow_mut().push(format!("scene {}: {what}", self.scenes.get()));
        }
    }

    /// A scene that could not be played to its end.
    pub(crate) fn check(&self, played: anyhow::Result<()>) {
        if let Err(error) = played {
            self.expect(format!("the scene is played to its end, but: {error:#}"), false);
        }
    }

    /// Waits, with a bar, in sync and async scenes alike.
    pub(crate) fn wait(&self, why: &str, how_long: Duration) {
        self.say(format!("{why}: {}", span(how_long)));
        self.live.bar(how_long, "for another".to_owned(), String::new());
        thread::sleep(how_long);
    }

    /// Plays `calls` without a line for each success at the first attempt.
    pub(crate) fn quietly<T>(&self, calls: impl FnOnce() -> T) -> T {
        self.live.quiet(true);
        let out = calls();
        self.live.quiet(false);
        out
    }

    /// Runs `mend` as soon as `operation` has failed `times` times, before its next attempt, and tells `how`.
    pub(crate) fn mend_after(
        &self,
        operation: &'static str,
        times: u32,
        how: (&'static str, &'static str),
        mend: impl FnOnce() + Send + 'static,
    ) -> Subscription {
        let left = Mutex::new((times, Some(mend)));
        let live = Arc::clone(&self.live);
        subscribe(move |event| {
            if event.operation == operation && matches!(event.kind, EventKind::AttemptFailed { .. }) {
                let (left, mend) = &mut *left.lock().unwrap_or_else(PoisonError::into_inner);
                *left = left.saturating_sub(1);
                if *left == 0
                    && let Some(mend) = mend.take()
                {
                    mend();
                    live.world(how.0, how.1);
                }
            }
        })
    }

    /// How many attempts the last call of `operation` took, and why there was no further one.
    pub(crate) fn ended(&self, operation: &str) -> Option<(u32, StopReason)> {
        self.last(|event| match event.kind {
            EventKind::Finished { attempts, reason, .. } if event.operation == operation => {
                Some((attempts, reason))
            }
            _ => None,
        })
    }

    /// Whether the last call of `operation` succeeded at attempt `attempts`.
    pub(crate) fn succeeded_at(&self, operation: &str, attempts: u32) -> bool {
        self.ended(operation) == Some((attempts, StopReason::Success))
    }

    /// The waits of `operation` between attempts, of all calls so far.
    pub(crate) fn waits(&self, operation: &str) -> Vec<Duration> {
        self.all(|event| match event.kind {
            EventKind::RetryScheduled { delay, .. } if event.operation == operation => Some(delay),
            _ => None,
        })
    }

    /// How many attempts of `operation` were cut off so far.
    pub(crate) fn cut_off(&self, operation: &str) -> usize {
        let cut = |event: &Event| {
            let hit = event.operation == operation && matches!(event.kind, EventKind::AttemptTimedOut { .. });
            hit.then_some(())
        };
        self.all(cut).len()
    }

    /// The states that `breaker` went through so far, the first one left out.
    pub(crate) fn states(&self, breaker: &str) -> Vec<State> {
        self.all(|event| match event.kind {
            EventKind::Transition { breaker: name, to, .. } if name == breaker => Some(to),
            _ => None,
        })
    }

    /// Whatever `pick` finds in the events so far.
    pub(crate) fn all<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(pick).collect()
    }

    fn last<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Option<T> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(pick)
    }

    /// The last word, and the exit code.
    pub(crate) fn end(&self) -> ExitCode {
        let broken = self.broken.borrow();
        let seconds = self.live.elapsed().as_secs_f64();
        self.live.raw("");
        if broken.is_empty() {
            let text = format!("All {} expectations held, in {seconds:.1} s.", self.held.get());
            self.live.raw(Style::new().green().bold().apply_to(text));
            return ExitCode::SUCCESS;
        }
        let all = self.held.get() + broken.len();
        let text = format!("{} of {all} expectations did not hold, in {seconds:.1} s:", broken.len());
        self.live.raw(Style::new().red().bold().apply_to(text));
        broken.iter().for_each(|what| self.live.raw(format!("   {what}")));
        ExitCode::FAILURE
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = instant();
    let out = work();
    (out, began.elapsed())
}

/// How long `work` takes.
pub(crate) async fn timed_async<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = instant();
    let out = work.await;
    (out, began.elapsed())
}

/// Asks until it is so, for a second at most.
pub(crate) fn soon(holds: impl Fn() -> bool) -> bool {
    (0..100).any(|_| {
        let so = holds();
        if !so {
            thread::sleep(Duration::from_millis(10));
        }
        so
    })
}
