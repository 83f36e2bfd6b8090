//! A settings file is one more source of numbers, and is followed while the program runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use resilient::testing::{Flaky, Scope};
use resilient::{
    ConfigErrors, EventKind, ResilienceConfig, ResilienceError, Settings, Subscription, builder,
    database_resilient, explain, reload, resilient, subscribe, watch,
};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("down")]
    Down,
    #[error("refused: {0}")]
    Refused(String),
}

impl From<ResilienceError> for Fault {
    fn from(refused: ResilienceError) -> Self {
        Self::Refused(refused.kind().to_string())
    }
}

type Backend = Flaky<u32, Fault>;

fn failing(times: u32) -> Backend {
    Flaky::failing(times, Fault::Down).then(1)
}

#[database_resilient(operation_name = "file_load", failure_threshold = 100, base_delay = "1s")]
fn load(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

#[resilient(operation_name = "file_plain", enable_circuit_breaker = false)]
fn plain(backend: &Backend) -> Result<u32, Fault> {
    backend.call()
}

/// Attempts that `load` makes of a call that fails.
fn attempts() -> u32 {
    let backend = failing(100);
    assert_eq!(load(&backend), Err(Fault::Down));
    backend.calls()
}

fn value(operation: &str, parameter: &str) -> (String, String) {
    let explanation = explain(operation).unwrap();
    let row = explanation.parameters().iter().find(|row| row.parameter() == parameter).unwrap();
    (row.value(), row.source().to_string())
}

/// A folder with one settings file.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn with(text: &str) -> Self {
        let it = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(it.file(), text).unwrap();
        it
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("resilience.toml")
    }

    /// As an editor does it.
    fn replace(&self, text: &str) {
        let beside = self.folder.path().join(".resilience.toml.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.file()).unwrap();
    }

    /// In place, by one write of as much text as there was: no other content is ever seen.
    fn overwrite(&self, text: &str) {
        use std::io::Write;

        assert_eq!(fs::metadata(self.file()).unwrap().len(), text.len() as u64);
        fs::OpenOptions::new().write(true).open(self.file()).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// `<file>:<line>`
    fn line(&self, line: usize) -> String {
        format!("{}:{line}", self.file().display())
    }
}

#[track_caller]
fn lines(errors: &ConfigErrors, folder: &Folder) -> Vec<String> {
    let file = format!("{}:", folder.file().display());
    errors.problems().iter().map(|problem| problem.to_string().replace(&file, "")).collect()
}

/// What was put in force (`None`), or why it was not.
type Told = Option<String>;

/// What is told of reloads in this scope, as it is told.
fn listen() -> (Subscription, Receiver<Told>) {
    let (send, receive) = channel();
    let subscription = subscribe(move |event| {
        let told = match &event.kind {
            EventKind::Reloaded => None,
            EventKind::BadConfiguration { message } => Some(message.clone()),
            _ => return,
        };
        let _ = send.send(told);
    });
    (subscription, receive)
}

/// The next thing told; the file is looked at twice a second, and a busy machine gets its time.
#[track_caller]
fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(60)).expect("nothing was told of the file")
}

#[test]
fn each_source_has_its_place_around_the_file() {
    let folder = Folder::with(
        "[profiles.database]\ntimeout = 11\nmax_attempts = 12\nmax_delay = '13s'\n\n[profiles.default]\n\
         success_threshold = 9\nmax_recovery_timeout = '9m'\n\n[operations.file_load]\nbase_delay = '1500ms'\n\
         exponential_base = 3\n",
    );
    let scope = Scope::builder()
        .env("PYNOMALY_DATABASE_TIMEOUT", "21")
        .env("PYNOMALY_OP_FILE_LOAD_EXPONENTIAL_BASE", "4")
        .env("PYNOMALY_DEFAULT_SUCCESS_THRESHOLD", "8")
        .profile("database", Settings::new().max_attempts(31).max_delay(32).recovery_timeout(33))
        .build();
    let _inside = scope.enter();
    builder().settings_file(folder.file()).init().unwrap();
    for (parameter, shown, source) in [
        ("exponential_base", "4", "PYNOMALY_OP_FILE_LOAD_EXPONENTIAL_BASE".to_owned()),
        ("base_delay", "1s 500ms", folder.line(11)),
        ("failure_threshold", "100", "attribute".to_owned()),
        ("timeout", "21s", "PYNOMALY_DATABASE_TIMEOUT".to_owned()),
        ("max_attempts", "12", folder.line(3)),
        ("max_delay", "13s", folder.line(4)),
        ("recovery_timeout", "33s", "database profile".to_owned()),
        ("success_threshold", "8", "PYNOMALY_DEFAULT_SUCCESS_THRESHOLD".to_owned()),
        ("max_recovery_timeout", "9m", folder.line(8)),
    ] {
        assert_eq!(value("file_load", parameter), (shown.to_owned(), source), "{parameter}");
    }
    assert_eq!(attempts(), 12);
}

#[test]
fn at_the_start_what_is_wrong_is_an_error_and_the_rest_is_in_force() {
    let folder = Folder::with(
        "[operations.file_load]\nmax_attempts = 'many'\njitter = false\nbudgets = 1\n\n[operations.file_plain]\n\
         failure_threshold = 3\nbulkhead.max_concurrent = 3\n\n[operations.\"file plan\"]\n",
    );
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = builder().settings_file(folder.file()).init().unwrap_err();
    let mut told = lines(&errors, &folder);
    told.sort_unstable();
    let begins = [
        "10:13: no operation has this name; did you mean [operations.file_plain]?",
        "2:16: `many` is a text; write a whole number from 1 on (3); using the next lower source",
        "4:1: no parameter has this name; did you mean budget?",
        "7:1: `file_plain` (",
        "8:10: `file_plain` (",
    ];
    assert_eq!(told.len(), begins.len(), "{errors}");
    for (line, begin) in told.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert!(told[3].ends_with("has no circuit breaker layer; it is ignored"), "{errors}");
    assert_eq!(value("file_load", "jitter"), ("false".into(), folder.line(3)));
    assert_eq!(attempts(), 3);
    assert_eq!(plain(&failing(0)), Ok(1));
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_the_start() {
    let folder = Folder::with("");
    fs::remove_file(folder.file()).unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    for errors in [
        builder().settings_file(folder.file()).init().unwrap_err(),
        reload().unwrap_err(),
        watch(folder.file()).unwrap_err(),
    ] {
        let [problem] = errors.problems() else { panic!("{errors}") };
        assert_eq!(Path::new(problem.source_name()), folder.file());
        assert!(problem.to_string().contains("the file cannot be read (entity not found)"), "{problem}");
    }
    assert_eq!(attempts(), 3);
}

#[test]
fn a_reload_by_hand_reads_the_file_too() {
    let folder = Folder::with("[operations.file_load]\nmax_attempts = 4\n");
    let scope = Scope::new();
    let _inside = scope.enter();
    builder().settings_file(folder.file()).init().unwrap();
    assert_eq!(attempts(), 4);
    folder.replace("[operations.file_load]\nmax_attempts = 5\n");
    assert_eq!(attempts(), 4);
    reload().unwrap();
    assert_eq!(attempts(), 5);
    folder.replace("[operations.file_load]\nmax_attempts = 6\ntimeout = 0\n");
    let errors = reload().unwrap_err();
    assert_eq!(errors.problems().len(), 1);
    assert!(errors.to_string().ends_with("; nothing is changed"), "{errors}");
    assert_eq!(attempts(), 5);
}

#[test]
fn an_operation_made_in_code_has_its_table_too() {
    let folder = Folder::with("[operations.file_made]\nmax_attempts = 4\n");
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = watch(folder.file()).unwrap_err();
    assert!(errors.to_string().contains("no operation has this name"), "{errors}");
    let made = ResilienceConfig::new("file_made").failure_threshold(100).build().unwrap();
    let attempts = || {
        let backend = failing(100);
        assert_eq!(made.call(|| backend.call()), Err(Fault::Down));
        backend.calls()
    };
    assert_eq!(attempts(), 3);
    let _guard = watch(folder.file()).unwrap();
    assert_eq!(attempts(), 4);
}

#[test]
fn an_operation_of_the_file_beats_the_master_switch_as_its_variable_does() {
    let folder = Folder::with(
        "[operations.file_load]\nenable_retry = true\n\n[profiles.default]\nenable_retry = true\n",
    );
    let scope = Scope::builder().env("PYNOMALY_RESILIENCE_ENABLED", "false").build();
    let _inside = scope.enter();
    builder().settings_file(folder.file()).init().unwrap();
    assert_eq!(attempts(), 3);
    assert_eq!(value("file_plain", "enable_retry").0, "false");
}

#[test]
fn a_file_that_is_written_or_replaced_is_followed_until_the_guard_is_dropped() {
    let folder = Folder::with("[operations.file_load]\nmax_attempts = 2\n");
    let scope = Scope::new();
    let _inside = scope.enter();
    let (_subscription, told) = listen();
    let guard = watch(folder.file()).unwrap();
    assert_eq!((next(&told), attempts()), (None, 2));
    folder.overwrite("[operations.file_load]\nmax_attempts = 4\n");
    assert_eq!((next(&told), attempts()), (None, 4));
    folder.replace("[operations.file_load]\nmax_attempts = 5\n");
    assert_eq!((next(&told), attempts()), (None, 5));
    drop(guard);
    folder.replace("[operations.file_load]\nmax_attempts = 6\n");
    // Two looks would have come.
    assert_eq!(told.recv_timeout(Duration::from_millis(1200)).ok(), None);
    assert_eq!(attempts(), 5);
    reload().unwrap();
    assert_eq!(attempts(), 6, "whoever asks gets what is there");
}

#[test]
fn a_wrong_content_is_told_once_and_changes_nothing_until_it_is_mended() {
    let folder = Folder::with("[operations.file_load]\nmax_attempts = 2\n");
    let scope = Scope::new();
    let _inside = scope.enter();
    let (_subscription, told) = listen();
    let _guard = watch(folder.file()).unwrap();
    assert_eq!(next(&told), None);
    folder.replace("[operations.file_load]\nmax_attempts = 9\nbase_delay = 'hunter2 and more'\n");
    let message = next(&told).unwrap();
    assert!(message.contains(&format!("{}:14: the value is not a duration", folder.line(3))), "{message}");
    assert!(message.ends_with("; nothing is changed") && !message.contains("hunter2"), "{message}");
    assert_eq!(attempts(), 2);
    folder.replace("[operations.file_load\n");
    let message = next(&told).unwrap();
    assert!(message.contains(&folder.line(1)) && message.contains("the TOML cannot be read"), "{message}");
    fs::remove_file(folder.file()).unwrap();
    let message = next(&told).unwrap();
    assert!(message.contains("cannot be read (entity not found)"), "{message}");
    assert_eq!(attempts(), 2, "a file that is gone takes nothing with it");
    folder.replace("[operations.file_load]\nmax_attempts = 9\n");
    assert_eq!((next(&told), attempts()), (None, 9));
}

#[cfg(unix)]
#[test]
fn a_link_that_points_elsewhere_is_a_change() {
    let folder = Folder::with("");
    let (one, two) = (folder.folder.path().join("one"), folder.folder.path().join("two"));
    for (at, attempts) in [(&one, 2), (&two, 4)] {
        fs::create_dir(at).unwrap();
        let text = format!("[operations.file_load]\nmax_attempts = {attempts}\n");
        fs::write(at.join("resilience.toml"), text).unwrap();
    }
    let (data, fresh) = (folder.folder.path().join("data"), folder.folder.path().join("fresh"));
    std::os::unix::fs::symlink(&one, &data).unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let (_subscription, told) = listen();
    let _guard = watch(data.join("resilience.toml")).unwrap();
    assert_eq!((next(&told), attempts()), (None, 2));
    std::os::unix::fs::symlink(&two, &fresh).unwrap();
    fs::rename(fresh, data).unwrap();
    assert_eq!((next(&told), attempts()), (None, 4));
}

#[test]
fn a_second_file_takes_the_place_of_the_first() {
    let (first, second) = (
        Folder::with("[operations.file_load]\nmax_attempts = 2\n"),
        Folder::with("[profiles.api]\ntimeout = 1\n"),
    );
    let scope = Scope::new();
    let _inside = scope.enter();
    let (_subscription, told) = listen();
    let (_one, _two) = (watch(first.file()).unwrap(), watch(second.file()).unwrap());
    assert_eq!((next(&told), next(&told)), (None, None));
    assert_eq!(attempts(), 3, "what the first said is no longer said");
    first.replace("[operations.file_load]\nmax_attempts = 4\n");
    second.replace("[operations.file_load]\nmax_attempts = 5\n");
    assert_eq!((next(&told), attempts()), (None, 5));
    assert_eq!(told.recv_timeout(Duration::from_millis(1200)).ok(), None);
    assert_eq!(attempts(), 5);
}

#[test]
fn a_listener_may_drop_the_guard() {
    let folder = Folder::with("");
    let scope = Scope::new();
    let _inside = scope.enter();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (_subscription, told) = listen();
    let within = std::sync::Arc::clone(&kept);
    let _dropping = subscribe(move |event| {
        if matches!(event.kind, EventKind::Reloaded) {
            drop(within.lock().unwrap().take());
        }
    });
    let guard = watch(folder.file()).unwrap();
    *kept.lock().unwrap() = Some(guard);
    assert_eq!(next(&told), None);
    folder.replace("[operations.file_load]\nmax_attempts = 4\n");
    assert_eq!(next(&told), None);
    folder.replace("[operations.file_load]\nmax_attempts = 5\n");
    assert_eq!(told.recv_timeout(Duration::from_millis(1200)).ok(), None);
    assert_eq!(attempts(), 4);
}

/// Whatever the file holds, nothing of it is told but short plain values, and nothing of it takes long.
#[test]
fn s11_a_file_that_is_too_large_too_deep_or_no_text_is_refused() {
    const SECRET: &str = "hunter2-hunter2-hunter2";
    let line = format!("{SECRET} = \"{SECRET}\"\n");
    let contents = [
        line.repeat(100_000),
        format!("a = {}", "[".repeat(500_000)),
        format!("a = {}1{}", "{ a = ".repeat(100_000), " }".repeat(100_000)),
        format!("{} = 1", "a.".repeat(200_000) + "a"),
        "[profiles.database]\ntimeout = ".to_owned() + &"9".repeat(1_000_000),
        "[profiles.database]\ntimeout = \"".to_owned() + &"1s".repeat(400_000) + "x\"",
        line.clone() + &line,
        format!("{SECRET}\n\"{SECRET}\n= {SECRET}\n[{SECRET}\n'''{SECRET}\n"),
        format!("[profiles]\n{SECRET} = 1\n[profiles.{SECRET}]\n[operations.{SECRET}]\n[{SECRET}]\n"),
        format!("[profiles.database]\n{SECRET} = 1\ntimeout = \"{SECRET}\"\nbulkhead = {{ {SECRET} = 1 }}\n"),
        format!(
            "[profiles.database]\nbudget = {{ {SECRET} = 1 }}\njitter = \"{SECRET}\"\ntimeout = [\"{SECRET}\"]\n"
        ),
        format!("a = \"\\q{SECRET}\"\nb = 0x{SECRET}\nc = 2026-{SECRET}\n\u{1b}{SECRET}\n"),
    ];
    for content in contents {
        let folder = Folder::with(&content);
        let scope = Scope::new();
        let _inside = scope.enter();
        let errors = builder().settings_file(folder.file()).init().expect_err("none of it is settings");
        let told = format!("{errors} {errors:?} {:?} {:?}", errors.problems(), scope.events());
        assert!(told.len() < 200_000, "{} bytes are told", told.len());
        let beginning: String = content.chars().take(60).collect();
        assert!(!told.contains(SECRET), "a secret of `{beginning}` is shown in {told}");
        assert_eq!(value("file_load", "timeout").0, "30s");
    }
    let folder = Folder::with("");
    fs::write(folder.file(), b"[profiles.database]\ntimeout = \"\xff\xfe\"").unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = builder().settings_file(folder.file()).init().unwrap_err();
    assert!(errors.to_string().contains("is not UTF-8"), "{errors}");
}

#[test]
fn s07_the_path_of_a_settings_file_is_printed_without_its_tricks() {
    let folder = Folder::with("");
    let path = folder.file().with_file_name("a\u{1b}[31m\n\u{202e}.toml");
    fs::write(&path, "[profiles.database]\ntimeout = \"7s\"\nmax_attempts = 0\n").unwrap();
    let scope = Scope::new();
    let _inside = scope.enter();
    let errors = builder().settings_file(&path).init().unwrap_err();
    let (_, source) = value("file_load", "timeout");
    for told in [source, errors.problems()[0].to_string()] {
        assert!(told.contains("a\\u{1b}[31m\\n\\u{202e}.toml:"), "{told}");
    }
}
