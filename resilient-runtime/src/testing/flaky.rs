//! An operation that fails, succeeds, dawdles and hangs by a script.

use std::fmt;
use std::future;
use std::time::Duration;

use super::ambient_clock;
use crate::sync::plain::atomic::{AtomicU32, Ordering};

/// A scripted operation for tests: says what it ends with, call by call, and counts its calls.
///
/// Steps are played in the order they are written. When the script is over its last step repeats for ever.
/// Calls take no time unless [`Flaky::takes`] says so. It is shared by reference, also between threads.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::testing::Flaky;
///
/// #[derive(Clone, Debug, PartialEq)]
/// enum MyErr {
///     Down,
/// }
///
/// let backend = Flaky::failing(2, MyErr::Down).then(42);
/// assert_eq!(backend.call(), Err(MyErr::Down));
/// assert_eq!(backend.call(), Err(MyErr::Down));
/// assert_eq!(backend.call(), Ok(42));
/// assert_eq!(backend.call(), Ok(42));
/// assert_eq!(backend.calls(), 4);
/// ```
///
/// Values that cannot be cloned, a step that panics:
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::testing::Flaky;
/// use std::io;
///
/// let file = Flaky::<Vec<u8>, io::Error>::new()
///     .fail_times(3, || io::Error::other("disk is gone"))
///     .fail_times(1, || panic!("disk is on fire"))
///     .then_ok(Vec::new);
/// assert!(file.call().is_err());
/// ```
pub struct Flaky<T, E> {
    script: Vec<Step<T, E>>,
    calls: AtomicU32,
}

struct Step<T, E> {
    times: u32,
    takes: Duration,
    end: End<T, E>,
}

enum End<T, E> {
    Answers(Box<dyn Fn() -> Result<T, E> + Send + Sync>),
    Hangs,
}

impl<T> Flaky<T, String> {
    /// Fails `times` times with a text, for tests that do not care about the error. Same as
    /// `Flaky::failing(times, "scripted failure".to_owned())`.
    pub fn fails(times: u32) -> Self {
        Self::failing(times, "scripted failure".to_owned())
    }
}

impl<T, E> Flaky<T, E> {
    /// An empty script; it needs a step before it is called.
    #[must_use]
    pub const fn new() -> Self {
        Self { script: Vec::new(), calls: AtomicU32::new(0) }
    }

    /// A script that begins with `times` failures.
    pub fn failing(times: u32, error: E) -> Self
    where
        E: Clone + Send + Sync + 'static,
    {
        Self::new().fail_times(times, move || error.clone())
    }

    /// Then fails `times` times.
    pub fn fail_times(self, times: u32, error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        self.step(times, End::Answers(Box::new(move || Err(error()))))
    }

    /// Then succeeds `times` times.
    pub fn ok_times(self, times: u32, value: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.step(times, End::Answers(Box::new(move || Ok(value()))))
    }

    /// Then fails once; for ever, if it is the last step.
    pub fn then_err(self, error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        self.fail_times(1, error)
    }

    /// Then succeeds once; for ever, if it is the last step.
    pub fn then_ok(self, value: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.ok_times(1, value)
    }

    /// Then succeeds with a copy of `value`; for ever, if it is the last step.
    pub fn then(self, value: T) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        self.then_ok(move || value.clone())
    }

    /// Then never ends; only [`Flaky::call_async`] can play this.
    pub fn then_hang(self) -> Self {
        self.step(1, End::Hangs)
    }

    /// How long the step before takes, each time it is played. Default: no time.
    ///
    /// Under a [`Scope`](super::Scope) a sync call moves the scope's clock and returns at once, an async call waits on
    /// tokio's clock; without one it really takes that long.
    ///
    /// # Panics
    ///
    /// When there is no step yet.
    pub fn takes(mut self, span: Duration) -> Self {
        let step = self.script.last_mut().expect("`takes` goes after the step that it makes slow");
        step.takes = span;
        self
    }

    /// Plays the next step on this thread.
    ///
    /// # Errors
    ///
    /// The step's.
    ///
    /// # Panics
    ///
    /// When the script is empty or the step hangs.
    pub fn call(&self) -> Result<T, E> {
        let step = self.next();
        match &step.end {
            End::Answers(answer) => {
                if !step.takes.is_zero() {
                    ambient_clock().sleep_blocking(step.takes);
                }
                answer()
            }
            End::Hangs => panic!("a step that hangs is played by `call_async`, which can be dropped"),
        }
    }

    /// Plays the next step; it is taken (and counted) at the first poll.
    ///
    /// # Errors
    ///
    /// The step's.
    ///
    /// # Panics
    ///
    /// When the script is empty.
    pub async fn call_async(&self) -> Result<T, E> {
        let step = self.next();
        match &step.end {
            End::Answers(answer) => {
                if !step.takes.is_zero() {
                    ambient_clock().sleep(step.takes).await;
                }
                answer()
            }
            End::Hangs => future::pending().await,
        }
    }

    /// How many calls were begun, those that were dropped or still hang included.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn step(mut self, times: u32, end: End<T, E>) -> Self {
        self.script.push(Step { times, takes: Duration::ZERO, end });
        self
    }

    fn next(&self) -> &Step<T, E> {
        let mut past = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut last = None;
        for step in self.script.iter().filter(|step| step.times > 0) {
            if past < step.times {
                return step;
            }
            past -= step.times;
            last = Some(step);
        }
        last.expect("the script is empty: add a step, for example `.then_ok(|| 42)`")
    }
}

impl<T, E> Default for Flaky<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for Flaky<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flaky")
            .field("steps", &self.script.len())
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tokio::time::timeout;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn steps_come_in_their_order_and_the_last_one_repeats() {
        let flaky = Flaky::failing(2, "down").then(1).then_ok(|| 2).then_err(|| "gone");
        let answers: Vec<_> = (0..6).map(|_| flaky.call()).collect();
        assert_eq!(answers, [Err("down"), Err("down"), Ok(1), Ok(2), Err("gone"), Err("gone")]);
        assert_eq!(flaky.calls(), 6);
    }

    #[test]
    fn a_step_of_no_times_is_passed_over_even_at_the_end() {
        let flaky = Flaky::failing(0, "down").then(7).fail_times(0, || "never");
        assert_eq!((flaky.call(), flaky.call()), (Ok(7), Ok(7)));
    }

    #[test]
    fn the_text_error_needs_no_type_of_its_own() {
        let flaky = Flaky::fails(1).then_ok(|| 42);
        assert_eq!(flaky.call(), Err("scripted failure".to_owned()));
        assert_eq!(flaky.call(), Ok(42));
    }

    #[test]
    fn callers_on_many_threads_share_one_script() {
        let flaky = Flaky::failing(100, ()).then(());
        let failed: usize = thread::scope(|scope| {
            let callers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..50).filter(|_| flaky.call().is_err()).count())).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!((failed, flaky.calls()), (100, 200));
    }

    #[test]
    #[should_panic(expected = "the script is empty")]
    fn an_empty_script_says_what_is_missing() {
        let _ = Flaky::<u32, ()>::new().call();
    }

    #[test]
    #[should_panic(expected = "played by `call_async`")]
    fn a_hanging_step_cannot_be_played_in_place() {
        let _ = Flaky::<u32, ()>::new().then_hang().call();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_step_takes_its_time_and_a_hanging_one_never_ends() {
        fn assert_send<F: Future + Send>(future: F) -> F {
            future
        }
        let flaky = Flaky::<u32, _>::failing(1, "late").takes(5 * SECOND).then_hang();
        assert!(timeout(4 * SECOND, assert_send(flaky.call_async())).await.is_err());
        assert!(timeout(1000 * SECOND, flaky.call_async()).await.is_err());
        assert_eq!(flaky.calls(), 2);

        let flaky = Flaky::failing(1, "late").takes(5 * SECOND).then(1);
        assert_eq!(timeout(6 * SECOND, flaky.call_async()).await, Ok(Err("late")));
        assert_eq!(timeout(SECOND, flaky.call_async()).await, Ok(Ok(1)));
    }

    #[test]
    fn a_call_is_counted_when_it_is_first_polled() {
        let flaky = Flaky::<u32, ()>::new().then(1);
        drop(flaky.call_async());
        assert_eq!(flaky.calls(), 0);
    }
}
