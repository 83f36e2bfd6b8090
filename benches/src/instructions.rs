//! Instructions per call, by callgrind: the same in every run, however busy the machine is.

use std::process::Command;

/// Instructions per call of one path: what many calls take beyond what a few take.
pub(crate) fn per_call(path: &str) -> f64 {
    let (few, many) = (1_000, 21_000);
    (executed(path, many) - executed(path, few)) / f64::from(many - few)
}

fn executed(path: &str, calls: u32) -> f64 {
    let program = std::env::current_exe().expect("this program's own path");
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["calls", path, &calls.to_string()])
        .output()
        .expect("valgrind, which counts the instructions");
    let told = String::from_utf8_lossy(&valgrind.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = count.unwrap_or_else(|| panic!("valgrind said no count:\n{told}"));
    count.trim().parse().expect("a count")
}
