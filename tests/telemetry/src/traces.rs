//! Spans as an OpenTelemetry exporter gets them.

use std::fmt::Write as _;

use opentelemetry::trace::{SpanId, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

/// A subscriber that exports every span when it closes, and what it has exported.
#[derive(Debug)]
pub struct Traces {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
}

impl Default for Traces {
    fn default() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        Self { exporter, provider }
    }
}

impl Traces {
    /// What spans are sent to.
    pub fn subscriber(&self) -> Dispatch {
        self.subscriber_of(LevelFilter::TRACE, "")
    }

    /// What spans of these levels, whose targets begin so, are sent to.
    pub fn subscriber_of(&self, level: LevelFilter, target: &str) -> Dispatch {
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("tests"));
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        let layer = layer.with_target(false).with_level(false);
        let target = target.to_owned();
        let wanted = filter_fn(move |metadata| metadata.target().starts_with(&target));
        Dispatch::new(tracing_subscriber::registry().with(level).with(wanted).with(layer))
    }

    /// Runs what it is given with the subscriber, and gives what was exported.
    pub fn of(run: impl FnOnce()) -> String {
        let traces = Self::default();
        tracing::dispatcher::with_default(&traces.subscriber(), run);
        traces.tree()
    }

    /// Every span that has ended, as it was exported.
    ///
    /// # Panics
    ///
    /// When the exporter's lock is broken.
    pub fn spans(&self) -> Vec<SpanData> {
        let mut spans = self.exporter.get_finished_spans().expect("the exporter has them");
        spans.sort_by_key(|span| span.start_time);
        spans
    }

    /// Every span that has ended: a line each, below its parent, in the order of their beginnings, and `! ..` for what was
    /// told in it.
    pub fn tree(&self) -> String {
        let spans = self.spans();
        let known = |id: SpanId| spans.iter().any(|span| span.span_context.span_id() == id);
        let mut tree = String::new();
        for root in spans.iter().filter(|span| !known(span.parent_span_id)) {
            branch(&spans, root, 0, &mut tree);
        }
        tree
    }
}

fn branch(spans: &[SpanData], span: &SpanData, depth: usize, tree: &mut String) {
    let indent = "  ".repeat(depth);
    let mut said: Vec<_> = span.attributes.iter().map(|it| format!(" {}={}", it.key, it.value)).collect();
    said.sort_unstable();
    let status = match span.status {
        Status::Unset => "",
        Status::Ok => " OK",
        Status::Error { .. } => " ERROR",
    };
    _ = writeln!(tree, "{indent}{}{}{status}", span.name, said.concat());
    for event in span.events.iter() {
        _ = writeln!(tree, "{indent}  ! {}", event.name);
    }
    let id = span.span_context.span_id();
    for child in spans.iter().filter(|other| other.parent_span_id == id) {
        branch(spans, child, depth + 1, tree);
    }
}
