//! Following a settings file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

use crate::profile::{ConfigErrors, SettingsFile};
use crate::runtime::Runtime;
use crate::sync::plain::atomic::{AtomicBool, Ordering};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// So long a new content must stay the same: whoever writes may not be done.
const SETTLE: Duration = Duration::from_millis(100);

/// Reads this TOML file of settings, puts it in force, and follows it: what is written to it later is in force about
/// half a second after, as by [`reload`](crate::reload).
///
/// Its tables, keys and place among the sources: [`Builder::settings_file`](crate::Builder::settings_file). A thread of
/// its own reads the file every 500 ms, whatever the scope's clock says, and takes a new content when it has stayed the
/// same for 100 ms. So it does not matter how the file changes: in place, replaced by rename as editors do, by way of a
/// symbolic link as a mounted Kubernetes `ConfigMap`, or on a file system that tells nobody.
///
/// A new content with anything wrong in it changes nothing, and neither does a file that is gone: both are told as
/// [`EventKind::BadConfiguration`](crate::EventKind::BadConfiguration), once. A good one is told as
/// [`EventKind::Reloaded`](crate::EventKind::Reloaded).
///
/// The traps: dropping the guard ends it, `let _ = watch(..)` at once; the values stay. Operations made by
/// [`ResilienceConfig`](crate::ResilienceConfig) that the file names must have been made before.
///
/// ```no_run
/// # use resilient_runtime as resilient;
/// # fn main() -> Result<(), resilient_runtime::ConfigErrors> {
/// let _watch = resilient::watch("resilience.toml")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Everything that is wrong with the file and the environment, all at once; then nothing is changed and nothing
/// followed.
pub fn watch(path: impl AsRef<Path>) -> Result<Watch, ConfigErrors> {
    let runtime = Runtime::current();
    let file = SettingsFile::read(path.as_ref());
    runtime.try_configure(|origins| origins.file = Some(file.clone()))?;
    let stopped = Arc::new(AtomicBool::new(false));
    let follow = {
        let stopped = Arc::clone(&stopped);
        move || Follower { runtime, known: file, stopped }.follow()
    };
    match thread::Builder::new().name("resilient-watch".to_owned()).spawn(follow) {
        Ok(handle) => Ok(Watch { stopped, thread: handle.thread().clone() }),
        Err(error) => {
            let message = format!("the file is read, but not followed: no thread ({})", error.kind());
            Err(ConfigErrors::from_messages(&path.as_ref().display().to_string(), [message]))
        }
    }
}

/// A settings file is followed until this is dropped; see [`watch`].
#[must_use = "the file is followed no longer when the guard is dropped"]
pub struct Watch {
    stopped: Arc<AtomicBool>,
    thread: Thread,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Not joined: a listener that is being told may wait for whoever drops this.
        self.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

struct Follower {
    runtime: Runtime,
    known: SettingsFile,
    stopped: Arc<AtomicBool>,
}

impl Follower {
    fn follow(mut self) {
        while self.waits(LOOK) {
            let mut seen = self.known.read_again();
            while seen != self.known {
                if !self.waits(SETTLE) {
                    return;
                }
                let now = self.known.read_again();
                if now == seen {
                    self.known = seen.clone();
                    if !self.runtime.reads(&seen) {
                        // Another file took its place.
                        return;
                    }
                    // What is wrong was told.
                    drop(self.runtime.try_configure(|origins| origins.file = Some(seen.clone())));
                    break;
                }
                seen = now;
            }
        }
    }

    /// Whether it goes on after that time.
    fn waits(&self, span: Duration) -> bool {
        if !self.is_stopped() {
            thread::park_timeout(span);
        }
        !self.is_stopped()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
