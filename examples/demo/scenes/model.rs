//! Work that is expensive. `#[ml_resilient]`: 2 attempts and no more, each with 300 s.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::ensure;
use resilient::{StopReason, ml_resilient};

use crate::tour::Tour;

/// How often somebody else will turn out to have the card.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Sync, on a worker thread; `anyhow::Error` takes the library's errors too. The profile would wait 5 s.
#[ml_resilient(operation_name = "train_model", max_attempts = 2, base_delay = "600ms")]
fn train_model(samples: Vec<(f64, f64)>) -> anyhow::Result<f64> {
    reserve_card()?;
    let step = |slope: f64| samples.iter().map(|(x, y)| (y - slope * x) * x).sum::<f64>();
    Ok((0..20_000).fold(0.0, |slope, _| slope + 1e-4 * step(slope)))
}

/// Async, and too expensive to be done twice.
#[ml_resilient(operation_name = "embed_text", max_attempts = 1)]
async fn embed_text(text: &str) -> anyhow::Result<usize> {
    tokio::task::yield_now().await;
    reserve_card()?;
    Ok(text.split_whitespace().count())
}

fn reserve_card() -> anyhow::Result<()> {
    let taken = TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    ensure!(!taken, "out of memory: somebody else has the card");
    Ok(())
}

pub(crate) fn play_sync(tour: &Tour) -> anyhow::Result<()> {
    tour.scene(
        "Work that is expensive",
        "the card is taken, once",
        "training gets a second attempt; `max_attempts = 1` gets none",
    );
    TAKEN.store(1, Ordering::Relaxed);
    let slope = train_model((1..=10).map(|x| (f64::from(x), 3.0 * f64::from(x))).collect())?;
    tour.say(format!("the caller gets: a slope of {slope:.3}"));
    tour.expect(
        "trained at the second attempt",
        tour.succeeded_at("train_model", 2) && (slope - 3.0).abs() < 1e-6,
    );
    Ok(())
}

pub(crate) async fn play(tour: &Tour) -> anyhow::Result<()> {
    TAKEN.store(1, Ordering::Relaxed);
    let failed = embed_text("one two three").await;
    tour.expect(
        "one attempt only, and the error is the function's own",
        match failed {
            Err(error) => error.to_string().starts_with("out of memory"),
            Ok(_) => false,
        },
    );
    tour.expect("the reason is told", tour.ended("embed_text") == Some((1, StopReason::Attempts)));
    tour.expect("asked again, it works", embed_text("one two three").await? == 3);
    Ok(())
}
