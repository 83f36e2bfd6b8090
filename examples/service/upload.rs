//! Puts a file into a bucket, in parts, and says how far it is; then reads it back and compares.
//!
//! `cargo run -p service --bin upload -- FILE BUCKET`, with `PYNOMALY_S3_ENDPOINT`, `_S3_REGION`, `_S3_ACCESS_KEY_ID` and
//! `_S3_SECRET_ACCESS_KEY` saying where to.
#![allow(clippy::disallowed_methods, reason = "the clock of an application is its own")]

use std::path::Path;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use resilient::{Progress, s3_client};

const LOOK: &str = "{msg:12} [{bar:40}] {bytes} of {total_bytes}, {bytes_per_sec}";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: cargo run -p service --bin upload -- FILE BUCKET";
    let file = arguments.next().context(usage)?;
    let bucket = arguments.next().context(usage)?;
    let key = Path::new(&file).file_name().context("that is no file")?.to_string_lossy().into_owned();

    let store = s3_client()?;
    let bar = bar("uploading")?;
    let stored = store.upload_file_with(&file, &bucket, &key, follow(&bar)).await?;
    bar.finish();

    let folder = tempfile::tempdir()?;
    let copy = folder.path().join(&key);
    let bar = self::bar("downloading")?;
    store.download_file_with(&bucket, &key, &copy, follow(&bar)).await?;
    bar.finish();

    ensure!(std::fs::read(&file)? == std::fs::read(&copy)?, "what came back is something else");
    println!("{key}: {} bytes, the same there and back", stored.size);
    Ok(())
}

fn bar(what: &'static str) -> anyhow::Result<ProgressBar> {
    Ok(ProgressBar::new(0).with_message(what).with_style(ProgressStyle::with_template(LOOK)?))
}

/// Tells the bar of each part that is through.
fn follow(bar: &ProgressBar) -> impl FnMut(Progress) + Send + use<> {
    let bar = bar.clone();
    move |progress| {
        bar.set_length(progress.total.unwrap_or(progress.bytes));
        bar.set_position(progress.bytes);
    }
}
