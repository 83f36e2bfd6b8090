//! What is printed while components start: a line for each thing that happens, and below them who is on the way.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::{Style, Term, pad_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use resilient::factory::startup::StartEvent;

pub(crate) struct Progress {
    began: Instant,
    term: Term,
    /// Spinners are for people; a file or a log gets the lines only.
    spinners: Option<MultiProgress>,
    on_the_way: Mutex<BTreeMap<String, OnTheWay>>,
}

#[derive(Default)]
struct OnTheWay {
    bar: Option<ProgressBar>,
    /// Its instance was closed, which is told together with the reason.
    is_closed: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let term = Term::stdout();
        let attended = term.is_term() && !console::is_dumb();
        let spinners = attended.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
        Self { began: instant(), term, spinners, on_the_way: Mutex::default() }
    }

    /// A line, above the spinners.
    pub(crate) fn line(&self, text: impl Display) {
        let text = text.to_string();
        // A reader that has gone away (`| head`) is no reason to stop.
        let _ = match &self.spinners {
            Some(spinners) => spinners.suspend(|| self.term.write_line(&text)),
            None => self.term.write_line(&text),
        };
    }

    pub(crate) fn heading(&self, text: &str) {
        self.line(format!("\n{}", Style::new().bold().apply_to(text)));
    }

    /// A text of any length: as many lines as it takes on a terminal.
    pub(crate) fn note(&self, text: impl Display) {
        let width =
            if self.spinners.is_some() { usize::from(self.term.size().1).max(40) } else { usize::MAX };
        let mut line = "  ".to_owned();
        for word in text.to_string().split(' ') {
            if line.chars().count() + word.chars().count() + 1 > width {
                self.line(std::mem::replace(&mut line, "    ".to_owned()));
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(line);
    }

    /// A line with the time and a symbol.
    pub(crate) fn mark(&self, symbol: &str, style: &Style, who: &str, text: impl Display) {
        let at = Style::new().dim().apply_to(format!("{:>6.2} s", self.began.elapsed().as_secs_f64()));
        let symbol = style.apply_to(pad_str(symbol, 2, console::Alignment::Left, None).into_owned());
        self.line(format!("{at}  {symbol} {who:<9} {text}"));
    }

    pub(crate) fn event(&self, event: &StartEvent) {
        let (green, red, yellow, dim) =
            (Style::new().green(), Style::new().red(), Style::new().yellow(), Style::new().dim());
        match event {
            StartEvent::RunBegan { strategy, requested, .. } => {
                self.mark("▶", &dim, strategy.as_str(), format!("{requested} at once"));
            }
            StartEvent::RoundBegan { round, names, .. } => {
                self.mark("↻", &yellow, "round", format!("{round}, for {}", names.join(", ")));
            }
            StartEvent::AttemptBegan { name, attempt, .. } => {
                self.shows(name, format!("{name:<9} attempt {attempt} ..."));
            }
            StartEvent::AttemptFailed { name, attempt, error, .. } => {
                // The name is in the column before.
                let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                let closed = if self.take_closed(name) { ", closed" } else { "" };
                self.mark("✘", &red, name, format!("attempt {attempt}: {why}{closed}"));
                self.shows(name, format!("{name:<9} waits for attempt {}", attempt + 1));
            }
            StartEvent::Active { name, attempts, took, .. } => {
                self.leaves(name);
                let attempts = if *attempts == 1 { String::new() } else { format!(", attempt {attempts}") };
                self.mark("✔", &green, name, format!("active after {}{attempts}", seconds(*took)));
            }
            StartEvent::Failed { name, attempts, .. } => {
                self.leaves(name);
                let plural = if *attempts == 1 { "" } else { "s" };
                self.mark("■", &red, name, format!("given up after {attempts} attempt{plural}"));
            }
            StartEvent::Closed { name, error: None, .. } if self.is_on_the_way(name) => {}
            StartEvent::Closed { name, error, .. } => {
                let how = error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
                self.mark("○", &dim, name, format!("closed{how}"));
            }
            StartEvent::RunEnded { successful, requested, took, .. } => {
                let left = std::mem::take(&mut *self.on_the_way());
                for (name, left) in left {
                    left.ends();
                    self.mark("○", &dim, &name, "closed on its way");
                }
                self.mark("■", &dim, "end", format!("{successful} of {requested} after {}", seconds(*took)));
            }
            _ => {}
        }
    }

    fn on_the_way(&self) -> MutexGuard<'_, BTreeMap<String, OnTheWay>> {
        self.on_the_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shows(&self, name: &str, text: String) {
        let mut on_the_way = self.on_the_way();
        let one = on_the_way.entry(name.to_owned()).or_default();
        let Some(spinners) = &self.spinners else { return };
        let bar = one.bar.get_or_insert_with(|| {
            let bar = spinners.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("          {spinner:.cyan}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        bar.set_message(text);
    }

    fn is_on_the_way(&self, name: &str) -> bool {
        self.on_the_way().get_mut(name).map(|one| one.is_closed = true).is_some()
    }

    fn take_closed(&self, name: &str) -> bool {
        self.on_the_way().get_mut(name).is_some_and(|one| std::mem::take(&mut one.is_closed))
    }

    fn leaves(&self, name: &str) {
        let left = self.on_the_way().remove(name);
        if let Some(left) = left {
            left.ends();
        }
    }
}

impl OnTheWay {
    fn ends(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// The example's own stopwatch.
#[expect(clippy::disallowed_methods, reason = "what is printed is not what is proven")]
fn instant() -> Instant {
    Instant::now()
}
