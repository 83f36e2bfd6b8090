//! S19, S21 and S27: what can be read off the source.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Without the lines that are comments.
fn code(path: &Path) -> String {
    let source = fs::read_to_string(path).expect("a source");
    source.lines().filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// Every package of the lock file, with its version as numbers.
fn locked() -> Vec<(String, Vec<u64>)> {
    let lock = read("Cargo.lock");
    let mut packages = Vec::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("name = ") else { continue };
        let version = lines.next().and_then(|line| line.strip_prefix("version = ")).expect("a version");
        let plain = version.trim_matches('"').split(['-', '+']).next().unwrap_or_default();
        let numbers = plain.split('.').map(|number| number.parse().expect("a number")).collect();
        packages.push((name.trim_matches('"').to_owned(), numbers));
    }
    packages
}

#[test]
fn s19_no_version_with_a_known_hole_is_locked() {
    let packages = locked();
    assert!(packages.len() > 20);
    for (name, floor) in [
        ("tokio", [1, 53, 1]),
        ("tracing-subscriber", [0, 3, 20]),
        ("h2", [0, 4, 16]),
        ("sqlx", [0, 8, 1]),
        ("rustls-webpki", [0, 103, 12]),
    ] {
        for (_, version) in packages.iter().filter(|(package, _)| package == name) {
            assert!(version.as_slice() >= &floor[..], "{name} {version:?}");
        }
    }
    for banned in ["openssl-sys", "serde-pickle", "serde_pickle", "bincode"] {
        assert!(!packages.iter().any(|(package, _)| package == banned), "{banned}");
    }
    let checked = read("deny.toml");
    for floor in [
        "h2@<0.4.16",
        "sqlx@<0.8.1",
        "tracing-subscriber@<0.3.20",
        "tokio@<1.53.1",
        "openssl-sys",
        "serde-pickle",
    ] {
        assert!(checked.contains(&format!("crate = \"{floor}\"")), "deny.toml lets {floor} pass");
    }
    for rule in ["wildcards = \"deny\"", "unknown-registry = \"deny\"", "unknown-git = \"deny\""] {
        assert!(checked.contains(rule), "deny.toml has no {rule}");
    }
}

/// What a macro reads while a program is built is what its author wrote: no file, no variable, no network, no process.
#[test]
fn s21_the_macros_read_and_write_nothing() {
    let macros = root().join("resilient-macros/src");
    for path in sources(macros.clone()).into_iter().filter(|path| !path.starts_with(macros.join("tests"))) {
        let source = code(&path);
        for word in [
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "SystemTime",
            "Instant",
            "env!(",
            "include_bytes!",
            "include!(",
        ] {
            assert!(!source.contains(word), "{} says {word}", path.display());
        }
    }
    assert!(!root().join("resilient-macros/build.rs").exists());
    assert!(read("resilient-macros/src/lib.rs").contains("#![forbid(unsafe_code)]"));
}

/// The only `unsafe` of the library is where the architecture says it is, and no expansion has any.
#[test]
fn s21_unsafe_code_is_where_it_is_said_to_be() {
    let mut places = Vec::new();
    for folder in ["resilient-runtime/src", "src"] {
        for path in sources(root().join(folder)) {
            if ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|word| code(&path).contains(word)) {
                places.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    let told = read("ARCHITECTURE.md");
    for place in places {
        let name = place.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(told.contains(&format!("`unsafe` (`{name}`)")), "{} is unsafe", place.display());
    }
}

#[test]
fn s27_whoever_finds_a_hole_is_told_where_to_report_it() {
    let policy = read("SECURITY.md");
    for part in [
        "## Supported versions",
        "## Reporting",
        "within 7 days",
        "private",
        "## Threat model",
        "Trusted",
        "Untrusted",
    ] {
        assert!(policy.contains(part), "SECURITY.md says nothing of {part}");
    }
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').expect("major.minor.patch").0;
    assert!(policy.contains(&format!("{version}.x")), "SECURITY.md says nothing of {version}");
}
