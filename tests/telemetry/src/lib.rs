//! What the tests of this package share: what an operator scrapes, read back, the table of metrics, exported spans,
//! and an error.

mod fault;
pub mod traces;

use std::collections::{BTreeMap, BTreeSet};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use resilient::metrics::{DURATION_BUCKETS, Metrics};

pub use fault::{Answer, Fault};

/// A recorder of its own, as an exporter would make it.
///
/// # Panics
///
/// Never: the buckets are there.
pub fn recorder() -> (PrometheusRecorder, PrometheusHandle) {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &DURATION_BUCKETS);
    let recorder = builder.expect("there are buckets").build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

/// Metrics on a recorder of their own.
#[derive(Debug)]
pub struct Counted {
    /// What counts.
    pub metrics: Metrics,
    handle: PrometheusHandle,
}

impl Counted {
    /// Counts from now on.
    pub fn begin(builder: resilient::metrics::Builder) -> Self {
        let (recorder, handle) = recorder();
        Self { metrics: builder.install_with(recorder), handle }
    }

    /// What a scrape finds; gauges as they were left.
    pub fn scraped(&self) -> Exposition {
        Exposition::read(&self.handle.render())
    }

    /// What a scrape finds, with gauges brought up to date.
    pub fn scrape(&self) -> Exposition {
        self.metrics.update_gauges();
        self.scraped()
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self::begin(resilient::metrics::builder())
    }
}

/// A series: its name and its labels in the order of their names, as `name{label="value"}`.
pub type Series = String;

/// Prometheus' text format, read back.
#[derive(Debug, Default)]
pub struct Exposition {
    /// The text itself.
    pub text: String,
    /// The kind of each metric.
    pub kinds: BTreeMap<String, String>,
    /// What each metric is described as.
    pub help: BTreeMap<String, String>,
    /// The labels of each metric's series; those of a histogram without `le`.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// Every value.
    pub values: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Reads what an exporter has written.
    ///
    /// # Panics
    ///
    /// Where it is not in the format.
    pub fn read(text: &str) -> Self {
        let mut read = Self { text: text.to_owned(), ..Self::default() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                read.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                read.help.insert(name.to_owned(), help.to_owned());
            } else {
                read.sample(line);
            }
        }
        read
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) =
            series.strip_suffix('}').and_then(|it| it.split_once('{')).unwrap_or((series, ""));
        let mut labels: Vec<_> = labels.split(',').filter(|label| !label.is_empty()).collect();
        labels.sort_unstable();
        let own = |suffix| name.strip_suffix(suffix).filter(|own| self.kinds.contains_key(*own));
        let metric = ["_bucket", "_sum", "_count"].into_iter().find_map(own).unwrap_or(name);
        let known = self.labels.entry(metric.to_owned()).or_default();
        let names = labels.iter().map(|label| label.split_once('=').expect(line).0);
        known.extend(names.filter(|name| *name != "le").map(str::to_owned));
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.values.insert(format!("{name}{labels}"), value.parse().expect(line));
    }

    /// The value of a series, in thousandths; `None` where there is none.
    pub fn value(&self, series: &str) -> Option<i64> {
        self.values.get(series).copied().map(thousandths)
    }

    /// The series of a metric that are not zero, without the metric's name, in thousandths.
    pub fn of(&self, metric: &str) -> BTreeMap<&str, i64> {
        let labels = |series: &'_ Series| series.strip_prefix(metric).is_some_and(|it| it.starts_with('{'));
        let own = self.values.iter().filter(|(series, value)| labels(series) && **value != 0.0);
        own.map(|(series, value)| (&series[metric.len()..], thousandths(*value))).collect()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "figures of tests are small")]
fn thousandths(value: f64) -> i64 {
    (value * 1e3).round() as i64
}

/// A line of the table of metrics.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// `counter`, `gauge`, `histogram`
    pub kind: String,
    /// `count` or `seconds`
    pub unit: String,
    /// The names of its labels.
    pub labels: BTreeSet<String>,
    /// What it tells.
    pub what: String,
}

/// The table in the documentation of `resilient::metrics`.
///
/// # Panics
///
/// Where a line of it has not five columns.
pub fn table() -> BTreeMap<String, Row> {
    let source = include_str!("../../../resilient-runtime/src/telemetry/metrics/mod.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `resilient_"));
    let row = |line: &str| {
        let cells: Vec<_> =
            line.trim_end_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let [name, kind, unit, labels, what] = <[String; 5]>::try_from(cells).expect("five columns");
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (format!("resilient_{name}"), Row { kind, unit, labels, what })
    };
    rows.map(row).collect()
}
