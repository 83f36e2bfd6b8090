//! What is written into a log, by `tracing`.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::sync::Once;

use resilient::factory::startup::Strategy;
use tracing::field::{Field, Visit};

use super::toy::{Act, Close, World, alone};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// What is told on a thread is that thread's, if it listens.
struct PerThread;

impl PerThread {
    /// One for the whole process: whether a line is wanted is remembered for all threads, and a subscriber that comes and
    /// goes would race with the other tests.
    fn listen() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(Self).expect("nobody else listens");
            tracing::callsite::rebuild_interest_cache();
        });
        LINES.set(Some(Vec::new()));
    }
}

impl tracing::Subscriber for PerThread {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                let mut line = event.metadata().level().to_string();
                event.record(&mut Fields(&mut line));
                lines.push(line);
            }
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {field}={value}");
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_says_what_became_of_whom_and_nothing_that_a_component_says_of_itself() {
    PerThread::listen();
    alone(async |_| {
        let world = World::of(&[("MEXC", &[Act::Fails])]);
        let toys = world.builder().max_attempts(1).build().unwrap();
        world.closes("MEXC", Close::Fails);
        assert!(toys.create_all(["MEXC", "forged\nname"], Strategy::ContinueOnError).await.is_err());
    })
    .await;
    let lines = LINES.with_borrow_mut(Option::take).unwrap();
    let ours: Vec<_> = lines.iter().filter(|line| line.contains("component")).cloned().collect();
    assert_eq!(
        ours,
        [
            "INFO message=components start requested=2 strategy=continue",
            "ERROR message=component is given up component=forged\\nname attempts=0 reason=unknown",
            "DEBUG message=component starts component=MEXC attempt=1",
            "WARN message=component did not close well component=MEXC reason=error",
            "WARN message=component did not start component=MEXC attempt=1 reason=error",
            "ERROR message=component is given up component=MEXC attempts=1 reason=error",
            "INFO message=components have started requested=2 successful=0 took=0.0",
        ]
    );
    assert!(lines.iter().all(|line| !line.contains("refused") && !line.contains("socket")), "{lines:?}");
}
