//! The deadline of the call that is running, in the hands of the code it runs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use thiserror::Error;

use crate::clock::{Clock, Moment};
use crate::error::printable;
use crate::runtime::{Runtime, scopes_are_active};
use crate::timeout::{Ambient, current_deadline};

/// A point in time by which work must be done: that of the guarded call that is running, or one of your own.
///
/// [`current`](Self::current) is the nearest limit of all calls around the code, inside a function with `deadline`, or
/// a sync one whose time limit is kept in place. Use it to bound what the library cannot: a socket's read timeout, a
/// statement's timeout. [`after`](Self::after), [`from_grpc_timeout`](Self::from_grpc_timeout) and
/// [`from_millis`](Self::from_millis) make one; [`attach_to`](Self::attach_to) and [`within`](Self::within) put it
/// around code, so that every guarded call in there keeps to it.
///
/// The trap: a task or thread spawned inside does not inherit it. Spawn [`Deadline::attach`]`(future)`, and give a
/// thread the deadline to run [`within`](Self::within).
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::Deadline;
/// use std::time::Duration;
///
/// assert!(Deadline::current().is_none()); // not inside a guarded call
///
/// let deadline = Deadline::after(Duration::from_secs(2));
/// let limit = deadline.within(|| Deadline::current().map(|around| around.remaining()));
/// assert!(limit.is_some_and(|limit| limit <= Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Moment,
    clock: Clock,
}

impl Deadline {
    /// The nearest limit of the calls around this code; `None` outside every limited call.
    pub fn current() -> Option<Self> {
        let at = current_deadline();
        (at != Moment::NEVER).then(|| Self { at, clock: clock() })
    }

    /// The deadline that is so far away from now; further than about 584 years is never.
    ///
    /// Inside a [`Scope`](crate::testing::Scope) it is on the scope's clock.
    pub fn after(span: Duration) -> Self {
        let clock = clock();
        Self { at: clock.now().saturating_add(span), clock }
    }

    /// The deadline of a request that came with the header `grpc-timeout`, counted from now.
    ///
    /// The header's value is 1 to 8 digits and a unit: `H` hours, `M` minutes, `S` seconds, `m` milliseconds,
    /// `u` microseconds, `n` nanoseconds. Zero is taken too, and has passed.
    ///
    /// The trap: call it when the request arrives, since the value says how long and not until when.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::Deadline;
    /// use std::time::Duration;
    ///
    /// let deadline = Deadline::from_grpc_timeout("100m")?;
    /// assert!(deadline.remaining() <= Duration::from_millis(100));
    ///
    /// let error = Deadline::from_grpc_timeout("100ms").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "`100ms` is no gRPC timeout: `s` is not a unit; write 1 to 8 digits and one of H, M, S, m, u, n, as in 100m"
    /// );
    /// # Ok::<(), resilient_runtime::InvalidGrpcTimeout>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidGrpcTimeout`], which says what is wrong with the value.
    ///
    /// Source: the `Timeout` header of [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
    #[inline]
    pub fn from_grpc_timeout(value: &str) -> Result<Self, InvalidGrpcTimeout> {
        parse_grpc_timeout(value).map(Self::after)
    }

    /// The deadline of a request that came with so many milliseconds, in a header such as `x-timeout-ms`; counted from
    /// now.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::Deadline;
    ///
    /// let deadline = Deadline::from_millis("1500".parse()?);
    /// assert!(deadline.as_millis() <= 1500);
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    pub fn from_millis(millis: u64) -> Self {
        Self::after(Duration::from_millis(millis))
    }

    /// What is left of it; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.at.since(self.clock.now())
    }

    /// Whether it has passed.
    pub fn is_expired(&self) -> bool {
        self.remaining().is_zero()
    }

    /// What is left of it, as the header `grpc-timeout` of a request says it: in the finest unit that fits 8 digits,
    /// rounded down, and `0n` only once it has passed.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::Deadline;
    /// use resilient::testing::Scope;
    /// use std::time::Duration;
    ///
    /// let scope = Scope::new(); // its clock stands still
    /// let _inside = scope.enter();
    /// assert_eq!(Deadline::after(Duration::from_millis(1500)).to_grpc_timeout(), "1500000u");
    /// assert_eq!(Deadline::after(Duration::ZERO).to_grpc_timeout(), "0n");
    /// ```
    pub fn to_grpc_timeout(&self) -> String {
        let left = self.remaining().as_nanos();
        let (unit, nanos) =
            UNITS.into_iter().find(|(_, nanos)| left / nanos <= MOST).unwrap_or(UNITS[UNITS.len() - 1]);
        format!("{}{unit}", (left / nanos).min(MOST))
    }

    /// What is left of it in milliseconds, for a header such as `x-timeout-ms`: rounded down, but 0 only once it has
    /// passed, since many a receiver reads 0 as "no limit".
    ///
    /// The trap: for that reason do not send what [`is_expired`](Self::is_expired).
    pub fn as_millis(&self) -> u64 {
        let left = self.remaining();
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if left.is_zero() { 0 } else { millis.max(1) }
    }

    /// `future` under the deadline around this call, wherever it is polled: for a task that is spawned. Without a
    /// deadline around, it is `future` and nothing else.
    ///
    /// The trap: the future itself is not cut off at the deadline, the guarded calls in it are.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::Deadline;
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let deadline = Deadline::after(Duration::from_secs(2));
    /// let work = async {
    ///     let bare = tokio::spawn(async { Deadline::current().is_some() });
    ///     let attached = tokio::spawn(Deadline::attach(async { Deadline::current().is_some() }));
    ///     (bare.await, attached.await)
    /// };
    /// let (bare, attached) = deadline.attach_to(work).await;
    /// assert_eq!((bare?, attached?), (false, true));
    /// # Ok::<(), tokio::task::JoinError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach<F: Future>(future: F) -> WithDeadline<F> {
        WithDeadline { deadline: Self::current(), future }
    }

    /// `future` under this deadline, or the one around it where that is nearer: for what serves a request that came
    /// with its own.
    ///
    /// The trap: the future itself is not cut off at the deadline, the guarded calls in it are. See
    /// [`attach`](Self::attach) for an example.
    pub fn attach_to<F: Future>(&self, future: F) -> WithDeadline<F> {
        WithDeadline { deadline: Some(self.clone()), future }
    }

    /// Runs `body` under this deadline, or the one around it where that is nearer.
    ///
    /// The trap: `body` is not cut off at the deadline, the guarded calls in it are.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::Deadline;
    ///
    /// let handed_on = |timeout: &str| {
    ///     let deadline = Deadline::from_grpc_timeout(timeout)?;
    ///     Ok(deadline.within(|| Deadline::current().map(|around| around.to_grpc_timeout())))
    /// };
    /// assert!(handed_on("5S")?.is_some());
    /// # Ok::<(), resilient_runtime::InvalidGrpcTimeout>(())
    /// ```
    pub fn within<R>(&self, body: impl FnOnce() -> R) -> R {
        let _around = Ambient::enter(self.here());
        body()
    }

    /// It on the clock of the code that is running: what was made inside a test's scope may be met outside it.
    fn here(&self) -> Moment {
        if matches!(self.clock, Clock::System { .. }) && !scopes_are_active() {
            return self.at;
        }
        let clock = clock();
        if clock.is(&self.clock) { self.at } else { clock.now().saturating_add(self.remaining()) }
    }
}

/// What the deadline around this code leaves, by the clock it is on: a handle made outside of a scope has another.
pub(crate) fn time_left() -> Option<Duration> {
    Deadline::current().map(|around| around.remaining())
}

fn clock() -> Clock {
    Runtime::current().context().clock.clone()
}

pin_project! {
    /// A future under a [`Deadline`]; see [`Deadline::attach`] and [`Deadline::attach_to`].
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct WithDeadline<F> {
        deadline: Option<Deadline>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for WithDeadline<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _around = this.deadline.as_ref().map(|deadline| Ambient::enter(deadline.here()));
        this.future.poll(cx)
    }
}

/// The most that 8 digits can say.
const MOST: u128 = 99_999_999;

/// The units of `grpc-timeout` in nanoseconds, finest first.
const UNITS: [(char, u128); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

#[inline]
fn parse_grpc_timeout(value: &str) -> Result<Duration, InvalidGrpcTimeout> {
    let wrong = |wrong| Err(InvalidGrpcTimeout { value: shown(value), wrong });
    let Some(written) = value.chars().next_back() else { return wrong("it is empty".to_owned()) };
    let Some((_, nanos)) = UNITS.into_iter().find(|(unit, _)| *unit == written) else {
        let no_unit = if written.is_ascii_digit() {
            "it has no unit".to_owned()
        } else {
            format!("`{}` is not a unit", printable(written.encode_utf8(&mut [0; 4])))
        };
        return wrong(no_unit);
    };
    let digits = &value[..value.len() - written.len_utf8()];
    if digits.is_empty() {
        return wrong("it has no number".to_owned());
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong(format!("`{}` is not a number", shown(digits)));
    }
    match digits.parse::<u128>() {
        Ok(number) if digits.len() <= 8 => {
            let nanos = number.saturating_mul(nanos);
            Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
        }
        _ => wrong(format!("it has {} digits", digits.len())),
    }
}

/// The beginning of what somebody sent, which is at most nine letters where it is right.
#[inline]
fn shown(text: &str) -> String {
    printable(text).chars().take(32).collect()
}

/// A value of the header `grpc-timeout` that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{value}` is no gRPC timeout: {wrong}; write 1 to 8 digits and one of H, M, S, m, u, n, as in 100m")]
pub struct InvalidGrpcTimeout {
    value: String,
    wrong: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_is_shown_in_a_line() {
        for strange in ["\u{1d}".repeat(128) + "M", "🦀".repeat(1_000) + "S", "9".repeat(1_000_000)] {
            let why = parse_grpc_timeout(&strange).unwrap_err().to_string();
            assert!(why.len() < 400, "{}: {why}", why.len());
        }
    }

    #[test]
    fn every_unit_of_grpc_is_read() {
        for (text, nanos) in [
            ("1H", 3_600_000_000_000),
            ("2M", 120_000_000_000),
            ("5S", 5_000_000_000),
            ("100m", 100_000_000),
            ("7u", 7_000),
            ("0n", 0),
            ("00000012n", 12),
            ("99999999S", 99_999_999_000_000_000),
            ("99999999H", u64::MAX),
        ] {
            assert_eq!(parse_grpc_timeout(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_grpc_timeout_that_is_none_says_what_is_wrong() {
        for (text, wrong) in [
            ("", "it is empty"),
            ("m", "it has no number"),
            ("100", "it has no unit"),
            ("100ms", "`s` is not a unit"),
            ("100s", "`s` is not a unit"),
            ("5ü", "`ü` is not a unit"),
            ("5\n", "`\\n` is not a unit"),
            ("+5S", "`+5` is not a number"),
            ("-5S", "`-5` is not a number"),
            ("1.5S", "`1.5` is not a number"),
            (" 5S", "` 5` is not a number"),
            ("٣S", "`٣` is not a number"),
            ("123456789S", "it has 9 digits"),
        ] {
            assert_eq!(parse_grpc_timeout(text).unwrap_err().wrong, wrong, "{text:?}");
        }
        let endless = "9".repeat(1_000_000) + "S";
        assert!(parse_grpc_timeout(&endless).unwrap_err().to_string().len() < 300);
    }
}
