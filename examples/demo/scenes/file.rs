//! A folder that is missing, a file that is in the way. `#[file_resilient]` on `std::io::Result`, which fits as it is.

use std::fs;
use std::io;
use std::path::Path;

use resilient::{StopReason, file_resilient};

use crate::tour::Tour;
use crate::world::World;

/// Sync. Only a missing folder is worth another attempt.
#[file_resilient(operation_name = "save_model", retry_if = |error: &io::Error| error.kind() == io::ErrorKind::NotFound)]
fn save_model(path: &Path, model: &[u8]) -> io::Result<()> {
    fs::write(path, model)
}

/// Async. Every error is worth another attempt: nothing else is said.
#[file_resilient(operation_name = "load_model")]
async fn load_model(path: &Path) -> io::Result<Vec<u8>> {
    tokio::fs::read(path).await
}

pub(crate) fn play_sync(tour: &Tour, world: &World) -> anyhow::Result<()> {
    tour.scene(
        "A folder that is missing",
        "the target's folder does not exist; then it stands where the file belongs",
        "saved as soon as the folder is there; what no retry can mend ends at once",
    );
    let folder = world.folder.path().join("models");
    let made = folder.clone();
    let _mending =
        tour.mend_after("save_model", 2, ("disk", "the folder is made"), || drop(fs::create_dir(made)));
    save_model(&folder.join("lamp.bin"), b"weights")?;
    tour.expect("saved at the third attempt", tour.succeeded_at("save_model", 3));

    let error = save_model(&folder, b"weights");
    tour.expect("a folder in the file's place is not retried", error.is_err());
    tour.expect("it ends after one attempt", tour.ended("save_model") == Some((1, StopReason::NotRetryable)));
    Ok(())
}

pub(crate) async fn play(tour: &Tour, world: &World) -> anyhow::Result<()> {
    let (saved, moved) = (world.folder.path().join("models/lamp.bin"), world.folder.path().join("lamp.old"));
    fs::rename(&saved, &moved)?;
    let target = saved.clone();
    let _mending =
        tour.mend_after("load_model", 1, ("disk", "the file is back"), || drop(fs::rename(moved, target)));
    let model = load_model(&saved).await?;
    tour.expect("a file that was moved away is read when it is back", model == b"weights");
    Ok(())
}
