//! What the service says, and to whom.

use std::io;
use std::process::{Command, Stdio};

#[test]
fn it_ends_quietly_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["--port", "0", "--load", "0"], &["--port", "0"]] {
        let (reads, writes) = io::pipe().unwrap();
        drop(reads);
        let ended = Command::new(env!("CARGO_BIN_EXE_service"))
            .args(arguments)
            .env("PYNOMALY_DATABASE_URL", format!("sqlite:{}", folder.path().join("shop.db").display()))
            .env("PYNOMALY_REDIS_URL", "redis://127.0.0.1:1")
            .stdout(writes)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.is_empty(), "{arguments:?}: {} {said}", ended.status);
    }
}
