//! What the README of a list of ids promises, held against the files it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Checks the README beside `folder`'s tests: a line for each id from 1 to `last`; every test of an id named in the
/// id's own line; and every test, file and folder that is named there.
#[track_caller]
pub(crate) fn check(folder: &str, letter: char, last: u32) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = read(&root.join(folder).join("README.md"));
    let lines = lines_by_id(&readme, letter);
    let expected: Vec<_> = (1..=last).map(|id| format!("{letter}{id:02}")).collect();
    assert_eq!(lines.keys().map(|id| (*id).to_owned()).collect::<Vec<_>>(), expected, "a line for each id");

    let own = own_tests(&root.join(folder), letter);
    for test in &own {
        let id = test[..3].to_uppercase();
        assert!(words(lines[&*id]).any(|word| word == test), "the line of {id} does not name `{test}`");
    }
    for (id, line) in &lines {
        let mut names_something = false;
        let mut file = String::new();
        for word in words(line) {
            names_something = true;
            if word.contains('/') || Path::new(word).extension().is_some() {
                let path = root.join(word);
                assert!(path.exists(), "{id}: there is no `{word}`");
                file = if path.is_file() { read(&path) } else { String::new() };
            } else if is_test_of(word, letter) || !file.is_empty() {
                let is_there = own.iter().any(|test| test == word) || file.contains(&format!("fn {word}("));
                assert!(is_there, "{id}: there is no `{word}`, neither here nor in the file named before it");
            }
        }
        let here = line.split('|').nth(3).unwrap_or_default().trim();
        assert!(names_something || here.len() > 20, "{id} has neither a test nor a reason");
    }
}

/// The lines of the tables that begin with an id, each id once.
#[track_caller]
fn lines_by_id(readme: &str, letter: char) -> BTreeMap<&str, &str> {
    let mut lines = BTreeMap::new();
    for line in readme.lines() {
        let Some(id) = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next()) else { continue };
        if is_id(id, letter) {
            assert!(lines.insert(id, line).is_none(), "{id} has two lines");
        }
    }
    lines
}

fn is_id(word: &str, letter: char) -> bool {
    word.strip_prefix(letter).is_some_and(|id| id.len() == 2 && id.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether `word` begins as the tests of an id do: `f01_..`.
fn is_test_of(word: &str, letter: char) -> bool {
    word.split_once('_').is_some_and(|(id, _)| is_id(&id.to_uppercase(), letter) && id.to_uppercase() != id)
}

/// What stands between backticks.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn own_tests(folder: &Path, letter: char) -> Vec<String> {
    let mut tests = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of the tests") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let source = read(&path);
            let functions = source
                .lines()
                .filter_map(|line| line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn "));
            let names = functions.filter_map(|rest| rest.split('(').next());
            tests.extend(names.filter(|name| is_test_of(name, letter)).map(str::to_owned));
        }
    }
    tests
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
