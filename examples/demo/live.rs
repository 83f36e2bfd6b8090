//! What is printed while the tour runs: one line for each event of the library, and a bar while something waits.

use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::{Style, Term, pad_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use resilient::{Class, Event, EventKind, HealthStatus, State, StopReason, TripReason};

/// A symbol and its colour.
struct Mark(&'static str, Style);

/// The one writer to the terminal.
pub(crate) struct Live {
    began: Instant,
    term: Term,
    /// Bars and reading pauses are for people; a file or a log gets plain lines only.
    attended: bool,
    now: Mutex<Now>,
}

/// What the next line depends on.
#[derive(Default)]
struct Now {
    bar: Option<ProgressBar>,
    /// The attempt that was cut off last: its failure is told already.
    cut: Option<(&'static str, u32)>,
    quiet: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        let term = Term::stdout();
        let attended = term.is_term() && !console::is_dumb();
        Self { began: instant(), term, attended, now: Mutex::default() }
    }

    pub(crate) fn is_attended(&self) -> bool {
        self.attended
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// One line, as it is.
    pub(crate) fn raw(&self, text: impl Display) {
        let mut now = self.now();
        clear(&mut now);
        // A reader that has gone away (`| head`) is no reason to stop.
        let _ = self.term.write_line(&text.to_string());
    }

    /// A line of the world that is being broken: `server    GET /charge: 503`.
    pub(crate) fn world(&self, who: &str, text: impl Display) {
        let dim = Style::new().dim();
        let text = dim.apply_to(text.to_string());
        self.line(&Mark("·", dim.clone()), who, text);
    }

    /// One event of the library.
    pub(crate) fn event(&self, event: &Event) {
        let told = self.now().tells(event).then(|| describe(&event.kind)).flatten();
        if let Some((mark, text)) = told {
            let who = match &event.kind {
                EventKind::Transition { breaker: who, .. }
                | EventKind::ServiceHealthChanged { service: who, .. } => who,
                _ => event.operation,
            };
            self.line(&mark, who, text);
        }
        if let EventKind::RetryScheduled { attempt, delay } = event.kind {
            self.bar(
                delay,
                format!("attempt {} in", attempt + 1),
                format!("attempt {} is running", attempt + 1),
            );
        }
    }

    /// First attempts that succeed are not worth a line until this is called with `false`.
    pub(crate) fn quiet(&self, quiet: bool) {
        self.now().quiet = quiet;
    }

    /// A bar that fills within `span`, and stays with the word `after` until the next line.
    pub(crate) fn bar(&self, span: Duration, until: String, after: String) {
        if !self.attended {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let draw = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = match span.checked_sub(state.elapsed()) {
                Some(left) => write!(out, "{} {until} {}", drawn(state.elapsed(), span), seconds(left)),
                None => write!(out, "{after}"),
            };
        };
        if let Ok(style) = ProgressStyle::with_template("           {spinner:.cyan}  {wait}") {
            bar.set_style(style.with_key("wait", draw));
        }
        bar.enable_steady_tick(Duration::from_millis(60));
        let mut now = self.now();
        clear(&mut now);
        now.bar = Some(bar);
    }

    /// A word that stays until the next line.
    pub(crate) fn spin(&self, word: &str) {
        self.bar(Duration::ZERO, String::new(), word.to_owned());
    }

    fn line(&self, mark: &Mark, who: &str, text: impl Display) {
        let at = Style::new().dim().apply_to(format!("{:>7.2} s", self.elapsed().as_secs_f64()));
        let symbol = mark.1.apply_to(pad_str(mark.0, 2, console::Alignment::Left, None).into_owned());
        // An operation without a name of its own is called by its path; its last word says enough here.
        let who = who.rsplit("::").next().unwrap_or(who);
        self.raw(format!("{at}  {symbol} {who:<16} {text}"));
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clear(now: &mut Now) {
    if let Some(bar) = now.bar.take() {
        bar.finish_and_clear();
    }
}

impl Now {
    /// Whether the event deserves a line.
    fn tells(&mut self, event: &Event) -> bool {
        match event.kind {
            EventKind::AttemptTimedOut { attempt, .. } => {
                self.cut = Some((event.operation, attempt));
                true
            }
            EventKind::AttemptFailed { attempt, .. } => self.cut.take() != Some((event.operation, attempt)),
            EventKind::AttemptSucceeded { attempt: 1, .. } => !self.quiet,
            _ => true,
        }
    }
}

/// How an event reads.
fn describe(kind: &EventKind) -> Option<(Mark, String)> {
    let (green, red, yellow, cyan) =
        (Style::new().green(), Style::new().red(), Style::new().yellow(), Style::new().cyan());
    let after =
        |took: &Option<Duration>| took.map_or_else(String::new, |took| format!(" after {}", span(took)));
    Some(match kind {
        EventKind::AttemptSucceeded { attempt, took } => {
            (Mark("✔", green), format!("attempt {attempt} succeeded{}", after(took)))
        }
        EventKind::AttemptFailed { attempt, took, .. } => {
            (Mark("✘", red), format!("attempt {attempt} failed{}", after(took)))
        }
        EventKind::AttemptIgnored { attempt, class: Class::Contention } => {
            (Mark("○", yellow), format!("attempt {attempt}: another caller in its way, not counted"))
        }
        EventKind::AttemptIgnored { attempt, .. } => {
            (Mark("○", yellow), format!("attempt {attempt}: the caller's own fault, not counted"))
        }
        EventKind::AttemptTimedOut { attempt, limit } => {
            (Mark("⏱", red), format!("attempt {attempt} cut off at its limit of {}", span(*limit)))
        }
        EventKind::RetryScheduled { attempt, delay: Duration::ZERO } => {
            (Mark("↻", yellow), format!("attempt {} follows at once", attempt + 1))
        }
        EventKind::RetryScheduled { attempt, delay } => {
            (Mark("↻", yellow), format!("attempt {} follows in {}", attempt + 1, span(*delay)))
        }
        EventKind::Refused { kind, retry_after } => {
            let next =
                retry_after.map_or_else(String::new, |wait| format!("; next attempt in {}", span(wait)));
            (Mark("⛔", red), format!("not called: {kind}{next}"))
        }
        // These say nothing that the line before did not say.
        EventKind::Finished { reason: StopReason::Success | StopReason::Refused, .. }
        | EventKind::Finished { reason: StopReason::Attempts, attempts: 1, .. } => return None,
        EventKind::Finished { reason: StopReason::Attempts, attempts, .. } => {
            (Mark("■", red), format!("given up after {attempts} attempts"))
        }
        EventKind::Finished { reason, .. } => (Mark("■", red), format!("given up: {reason}")),
        EventKind::FallbackUsed => (Mark("⤷", cyan), "the fallback answers instead".to_owned()),
        EventKind::Transition { from, to, reason, .. } => {
            let colour = match to {
                State::Closed => green,
                State::Open | State::ForcedOpen => red,
                _ => yellow,
            };
            let to = colour.clone().bold().apply_to(to.to_string());
            (Mark("●", colour), format!("{from} -> {to}: {}", why(*reason)))
        }
        EventKind::ServiceHealthChanged { from, to, .. } => {
            let colour = match to {
                HealthStatus::Healthy => green,
                HealthStatus::Unhealthy => red,
                _ => yellow,
            };
            let to = colour.clone().bold().apply_to(to.to_string());
            (Mark("♥", colour), format!("service {from} -> {to}"))
        }
        EventKind::BadConfiguration { message } => (Mark("!", red), message.clone()),
        _ => return None,
    })
}

/// A breaker's reason, short enough for its line.
fn why(reason: TripReason) -> String {
    match reason {
        TripReason::RecoveryTimeout => "time for a probe".to_owned(),
        reason => reason.to_string(),
    }
}

fn drawn(elapsed: Duration, span: Duration) -> String {
    const CELLS: usize = 24;
    let part = elapsed.as_secs_f64() / span.as_secs_f64().max(f64::EPSILON);
    let filled = (1..=CELLS).filter(|cell| *cell as f64 <= part * CELLS as f64).count();
    let full = Style::new().cyan().apply_to("━".repeat(filled));
    let rest = Style::new().dim().apply_to("╌".repeat(CELLS - filled));
    format!("{full}{rest}")
}

/// A duration for people: `12 ms`, `1.04 s`.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs_f64() {
        short if short < 0.001 => format!("{} µs", span.as_micros()),
        short if short < 1.0 => format!("{} ms", span.as_millis()),
        whole if whole.fract() < 0.005 => format!("{whole:.0} s"),
        long => format!("{long:.2} s"),
    }
}

/// A duration that is counted down: always as wide.
fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

/// The tour's own stopwatch; the library's clock is not asked what it is supposed to prove.
#[expect(
    clippy::disallowed_methods,
    reason = "the library reads its clock in one place, the tour in this one"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
