//! A file that is not there until it is whole.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// A file beside the one it becomes. Dropped before, it is gone.
pub(super) struct Temporary {
    file: Option<File>,
    /// Removed when dropped.
    path: Option<PathBuf>,
    becomes: PathBuf,
}

impl Temporary {
    pub(super) async fn beside(becomes: &Path) -> io::Result<Self> {
        let name = becomes.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut own = std::ffi::OsString::from(".");
        own.push(name);
        own.push(format!(".{:016x}.part", fastrand::u64(..)));
        let path = becomes.with_file_name(own);
        let file = File::options().write(true).create_new(true).open(&path).await?;
        Ok(Self { file: Some(file), path: Some(path), becomes: becomes.to_owned() })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Puts it where it belongs, in one step, with all of it on the disk before.
    pub(super) async fn keep(mut self) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.flush().await?;
            file.sync_all().await?;
        }
        if let Some(path) = &self.path {
            fs::rename(path, &self.becomes).await?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be removed is told by nobody: there is an error or nobody waits.
            let _ = std::fs::remove_file(path);
        }
    }
}
