//! What `dashboards/` asks for is there: names, labels and values of the table, in queries that Prometheus understands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use resilient::{State, resilient};
use resilient_telemetry_tests::{Counted, Row, table};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards")
}

fn alerts() -> String {
    fs::read_to_string(folder().join("resilient.alerts.yml")).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join("resilient.grafana.json")).unwrap()).unwrap()
}

/// Every text in it, with the key it stands under.
fn texts<'j>(json: &'j Value, under: &'j str, found: &mut Vec<(&'j str, &'j str)>) {
    match json {
        Value::String(text) => found.push((under, text)),
        Value::Array(all) => all.iter().for_each(|one| texts(one, under, found)),
        Value::Object(all) => all.iter().for_each(|(key, one)| texts(one, key, found)),
        _ => {}
    }
}

/// The queries of the dashboard, those of its variables included.
fn queries(dashboard: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    texts(dashboard, "", &mut found);
    found.into_iter().filter(|(key, _)| matches!(*key, "expr" | "definition")).map(|(_, text)| text).collect()
}

/// The words of a text, each with what follows it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins = move |at: usize| at == 0 || !text[..at].ends_with(is_word);
    text.char_indices().filter(move |(at, letter)| is_word(*letter) && begins(*at)).map(move |(at, _)| {
        let rest = &text[at..];
        rest.split_at(rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()))
    })
}

/// The metric that a series belongs to.
fn metric<'t>(table: &'t BTreeMap<String, Row>, series: &str) -> Option<(&'t String, &'t Row)> {
    let histogram = |suffix| {
        let own = series.strip_suffix(suffix).and_then(|own| table.get_key_value(own));
        own.filter(|(_, row)| row.kind == "histogram")
    };
    let plain = table.get_key_value(series).filter(|(_, row)| row.kind != "histogram");
    plain.or_else(|| ["_bucket", "_sum", "_count"].into_iter().find_map(histogram))
}

/// Each matcher of a selector: `state=~"open|forced_open"` is `state` with the two values.
fn matchers(rest: &str) -> Vec<(&str, Vec<&str>)> {
    let Some(inside) = rest.strip_prefix('{').and_then(|it| it.split_once('}')) else { return Vec::new() };
    let each = inside.0.split(',').map(str::trim).filter(|matcher| !matcher.is_empty());
    each.map(|matcher| {
        let (label, value) = matcher.split_once(['=', '!']).unwrap();
        (label, value.trim_start_matches(['=', '~']).trim_matches('"').split('|').collect())
    })
    .collect()
}

/// The words that a label of ours may have; any where it carries names.
fn values(label: &str) -> Option<BTreeSet<&'static str>> {
    let states =
        [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];
    let words: &[&str] = match label {
        "state" => {
            return Some(states.map(State::as_str).into_iter().chain(["active", "idle", "stuck"]).collect());
        }
        "from" | "to" => return Some(states.map(State::as_str).into()),
        "outcome" => &["success", "failure", "ignored", "refused", "cancelled"],
        "status" => &["healthy", "degraded", "unhealthy", "unknown"],
        "reason" => &["recovered"],
        _ => return None,
    };
    Some(words.iter().copied().collect())
}

fn check(query: &str, table: &BTreeMap<String, Row>, shown: &mut BTreeSet<String>) {
    let mut labels: BTreeSet<&str> = ["job", "instance", "le", "alertname"].into();
    for (series, rest) in words(query).filter(|(word, _)| word.starts_with("resilient_")) {
        let (name, row) =
            metric(table, series).unwrap_or_else(|| panic!("{series} is not in the table: {query}"));
        shown.insert(name.clone());
        labels.extend(row.labels.iter().map(String::as_str));
        for (label, asked) in matchers(rest) {
            let known = label == "job" || row.labels.contains(label);
            assert!(known, "{name} has no label {label}: {query}");
            if let Some(values) = values(label) {
                assert!(
                    asked.iter().all(|value| values.contains(value)),
                    "{label} is never {asked:?}: {query}"
                );
            }
        }
    }
    let lists = words(query).filter(|(word, _)| matches!(*word, "by" | "on" | "group_left"));
    for (_, rest) in lists {
        let listed = rest.trim_start().strip_prefix('(').and_then(|it| it.split_once(')')).unwrap().0;
        for label in listed.split(',').map(str::trim).filter(|label| !label.is_empty()) {
            assert!(labels.contains(label), "nothing has the label {label}: {query}");
        }
    }
}

/// The alerts of the file by name, each with its lines.
fn rules(text: &str) -> BTreeMap<&str, &str> {
    let begun = text.split("- alert: ").skip(1);
    begun.map(|rule| rule.split_once('\n').unwrap()).collect()
}

#[test]
fn every_metric_label_and_value_of_the_dashboard_and_the_alerts_is_of_the_table_and_each_of_the_table_is_shown()
 {
    let (dashboard, alerts, table) = (dashboard(), alerts(), table());
    let mut shown = BTreeSet::new();
    for query in queries(&dashboard) {
        check(query, &table, &mut shown);
    }
    assert_eq!(shown, table.keys().cloned().collect());
    let rules = rules(&alerts);
    assert!(rules.len() >= 10, "{}", rules.len());
    for rule in rules.values() {
        let (query, annotations) = rule.split_once("annotations:").unwrap();
        check(query, &table, &mut shown);
        // Runbooks name metrics too, histograms as such.
        let known = |name: &str| metric(&table, name).is_some() || table.contains_key(name);
        let mut named =
            words(annotations).map(|(word, _)| word).filter(|word| word.starts_with("resilient_"));
        assert!(named.all(known), "{annotations}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_what_to_do() {
    for (name, rule) in rules(&alerts()) {
        assert!(name.starts_with("Resilient"), "{name}");
        for part in ["expr:", "severity:", "summary:", "description:", "runbook:"] {
            assert_eq!(rule.matches(part).count(), 1, "{name}: {part}");
        }
        let severity = rule.split("severity: ").nth(1).unwrap().split_whitespace().next().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
    }
}

#[test]
fn the_dashboard_is_whole_panels_beside_each_other_and_variables_that_exist() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            assert!((at("y")..at("y") + at("h")).all(|y| taken.insert((x, y))), "{title} lies over another");
        }
        if panel["type"] != "row" {
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
    let variables: Vec<_> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(variables, ["datasource", "job", "operation", "breaker"]);
    let mut found = Vec::new();
    texts(&dashboard, "", &mut found);
    for (_, text) in found.iter().filter(|(key, _)| *key != "value" && *key != "allValue") {
        for (at, _) in text.match_indices('$') {
            let name = words(text[at + 1..].trim_start_matches('{')).next().unwrap().0;
            let known = variables.contains(&name) || ["__rate_interval", "__all"].contains(&name);
            assert!(known, "${name} is no variable: {text}");
        }
    }
    let sources = found.iter().filter(|(key, _)| *key == "uid").map(|(_, uid)| *uid);
    let sources: BTreeSet<_> = sources.collect();
    assert_eq!(sources, ["${datasource}", "-- Grafana --", "resilient"].into());
}

fn promtool(arguments: &[&str], input: &str) -> Output {
    use std::io::Write as _;
    use std::process::Stdio;

    let mut tool = Command::new("promtool");
    tool.args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut started = tool.spawn().expect("promtool, of Debian's package prometheus");
    started.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    started.wait_with_output().unwrap()
}

fn succeeds(output: &Output) {
    let said =
        [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs promtool: scripts/test")]
fn prometheus_takes_the_rules_and_each_alert_fires_where_it_should_and_nowhere_else() {
    succeeds(&promtool(&["check", "rules", "resilient.alerts.yml"], ""));
    succeeds(&promtool(&["test", "rules", "../tests/telemetry/alerts.test.yml"], ""));
    let tests = fs::read_to_string(folder().join("../tests/telemetry/alerts.test.yml")).unwrap();
    for name in rules(&alerts()).into_keys() {
        assert!(tests.contains(name), "{name} has no test");
    }
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs promtool: scripts/test")]
fn prometheus_understands_every_query_of_the_dashboard() {
    let dashboard = dashboard();
    let queries: Vec<_> =
        queries(&dashboard).into_iter().filter(|query| !query.starts_with("label_values")).collect();
    let rule = |(at, query): (usize, &&str)| {
        let query = query.replace("$__rate_interval", "5m").replace("$job", ".*");
        let query = query.replace("$operation", ".*").replace("$breaker", ".*");
        format!("      - {{record: 'query_{at}', expr: '{query}'}}\n")
    };
    let rules: String = queries.iter().enumerate().map(rule).collect();
    let rules = format!("groups:\n  - name: dashboard\n    rules:\n{rules}");
    let file = std::env::temp_dir().join(format!("resilient-dashboard-{}.yml", std::process::id()));
    fs::write(&file, rules).unwrap();
    let output = promtool(&["check", "rules", file.to_str().unwrap()], "");
    fs::remove_file(&file).unwrap();
    succeeds(&output);
    let found = format!("{} rules found", queries.len());
    assert!(String::from_utf8_lossy(&output.stdout).contains(&found), "{output:?}");
}

#[resilient(
    operation_name = "linted",
    max_attempts = 2,
    base_delay = 0,
    bulkhead(max_concurrent = 2),
    rate_limit(rate = 9)
)]
fn linted() -> Result<(), Box<dyn std::error::Error>> {
    Err("down".into())
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs promtool: scripts/test")]
fn prometheus_reads_what_is_scraped_and_has_nothing_to_say_about_names_and_units() {
    let scope = resilient::testing::Scope::new();
    let _inside = scope.enter();
    let counted = Counted::default();
    (0..3).for_each(|_| drop(linted()));
    succeeds(&promtool(&["check", "metrics"], &counted.scrape().text));
}
