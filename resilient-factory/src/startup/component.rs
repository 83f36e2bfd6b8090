//! What a component is, to whoever starts, watches and closes it.

use std::fmt;
use std::future::ready;
use std::time::Duration;

use serde::Serialize;

use crate::{BoxError, BoxFuture};

/// How soon the default [`Component::status_changed`] looks again.
const GLANCE: Duration = Duration::from_millis(10);

/// How a component stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Status {
    /// It is not there yet.
    Connecting,
    /// It works.
    Active,
    /// It is being closed.
    Closing,
    /// It was started, or closed, and does not work.
    Inactive,
    /// It failed.
    Error,
}

impl Status {
    /// As tables and logs spell it: `ACTIVE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Active => "ACTIVE",
            Self::Closing => "CLOSING",
            Self::Inactive => "INACTIVE",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that is started, is active for a while, and is closed: a connection, a client, a worker.
///
/// Its constructor, registered with the factory, gives it what it needs; [`start`](Self::start) is where it connects. It is
/// up once its [`status`](Self::status) is [`Status::Active`], which may be later than `start` ends.
///
/// The trap: [`close`](Self::close) is called on every instance that is not kept, so also on one that was never started, or
/// whose start was cut off in the middle. It must cope with that, and with being called while others still hold the
/// instance.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use resilient::factory::startup::{Component, Status};
/// use resilient::factory::{BoxError, BoxFuture};
///
/// #[derive(Default)]
/// struct Feed {
///     connected: AtomicBool,
/// }
///
/// impl Component for Feed {
///     fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
///         Box::pin(async {
///             self.connected.store(true, Ordering::SeqCst);
///             Ok(())
///         })
///     }
///
///     fn status(&self) -> Status {
///         if self.connected.load(Ordering::SeqCst) { Status::Active } else { Status::Connecting }
///     }
///
///     fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
///         Box::pin(async {
///             self.connected.store(false, Ordering::SeqCst);
///             Ok(())
///         })
///     }
/// }
///
/// let feed: Box<dyn Component> = Box::new(Feed::default());
/// assert_eq!(feed.status(), Status::Connecting);
/// ```
pub trait Component: Send + Sync + 'static {
    /// Connects. It may end before the component is active, when something in the background goes on.
    ///
    /// # Errors
    ///
    /// Whatever kept it from starting; another attempt follows, on a new instance, unless a
    /// [`BadRequest`](crate::BadRequest) is in it.
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>>;

    /// How it stands now. Asked often: it reads a field and asks nobody.
    fn status(&self) -> Status;

    /// Ends when the status may have changed. Default: after 10 ms.
    ///
    /// A wake-up that comes too early or is missed does no harm: the status is read again after each, and every 100 ms.
    fn status_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(GLANCE))
    }

    /// Gives back what it holds.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; it counts as closed all the same.
    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>>;

    /// Does beforehand what the first use would do: fills pools, loads caches. Default: nothing.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the component stays as it is.
    fn prewarm(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(ready(Ok(())))
    }

    /// Whether it was given credentials for what is private. Default: no.
    fn has_private(&self) -> bool {
        false
    }

    /// What else the table of a [`Summary`](super::Summary) says of it, such as `2 symbols`. Default: nothing.
    ///
    /// The trap: the table is logged, so no secret belongs there.
    fn details(&self) -> Option<String> {
        None
    }
}
