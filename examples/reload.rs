//! Settings in a file that is followed while the program runs (feature `reload`).
//!
//! `cargo run --example reload` changes such a file under way, first well and then badly, and prints what is in force.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use resilient::{EventKind, retry_with_backoff};

#[retry_with_backoff(operation_name = "fetch", max_attempts = 3, base_delay = "1ms")]
fn fetch() -> io::Result<()> {
    Err(io::Error::other("down"))
}

fn in_force() -> Result<String, resilient::UnknownOperation> {
    let explanation = resilient::explain("fetch")?;
    let attempts = explanation.parameters().iter().find(|row| row.parameter() == "max_attempts");
    Ok(attempts
        .map_or_else(String::new, |row| format!("max_attempts is {}, by {}", row.value(), row.source())))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("resilience.toml");
    let (told, news) = mpsc::channel();
    let _listening = resilient::subscribe(move |event| match &event.kind {
        EventKind::Reloaded => drop(told.send("read anew".to_owned())),
        EventKind::BadConfiguration { message } => drop(told.send(format!("nothing is changed:\n{message}"))),
        _ => {}
    });

    std::fs::write(&file, "")?;
    println!("{}", in_force()?);
    let _watch = resilient::watch(&file)?;
    news.try_iter().for_each(drop);

    for content in ["[operations.fetch]\nmax_attempts = 5\n", "[operations.fetch]\nmax_atempts = 7\n"] {
        println!("\nThe file says:\n{content}");
        std::fs::write(&file, content)?;
        let news = news.recv_timeout(Duration::from_secs(5))?;
        println!("{}", news.replace(&*folder.path().to_string_lossy(), "."));
        println!("{}", in_force()?.replace(&*folder.path().to_string_lossy(), "."));
    }
    Ok(())
}
