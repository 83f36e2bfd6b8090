//! A runtime in the hands of what outlives the call that made it: a page, a layer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Runtime, scopes_are_active};
use crate::clock::{Bell, Moment};

/// The runtime it was made in: a scope's, or the process's.
#[derive(Clone, Debug)]
pub struct Here(Runtime);

impl Here {
    /// Of the code that is running.
    pub fn current() -> Self {
        Self(Runtime::current())
    }

    /// Runs `body` in it.
    pub fn within<R>(&self, body: impl FnOnce() -> R) -> R {
        let _inside = self.is_elsewhere().then(|| self.0.enter());
        body()
    }

    /// Runs `future` in it, wherever that is polled.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        // As in `Scope::run`; of the process's nothing is announced, since where no scope is there is nowhere else.
        let _announced = (!self.0.is_process()).then(Runtime::announce);
        let mut future = pin!(future);
        poll_fn(|cx| self.within(|| future.as_mut().poll(cx))).await
    }

    /// The time since its clock began: exact, and never back.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.context().clock.now().as_nanos())
    }

    /// As [`now`](Self::now), or the kernel's last tick: past by a few milliseconds at most, at a fourth of the price.
    pub fn lately(&self) -> Duration {
        Duration::from_nanos(self.0.context().clock.lately().as_nanos())
    }

    /// Waits for `future` on this thread, at most for `limit`. On a tokio worker the other tasks are handed over first.
    ///
    /// The trap: a future of this thread's own runtime, which gets no further while the thread waits.
    pub fn wait_blocking<F: Future>(&self, future: F, limit: Option<Duration>) -> Option<F::Output> {
        let clock = &self.0.context().clock;
        let over = limit.map_or(Moment::NEVER, |limit| clock.now().saturating_add(limit));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        // Else a task whose budget is spent would be told to come back for ever.
        let mut future = pin!(tokio::task::unconstrained(future));
        let mut is_over = false;
        loop {
            if let Poll::Ready(output) = self.within(|| future.as_mut().poll(&mut cx)) {
                return Some(output);
            }
            if is_over {
                return None;
            }
            is_over = !clock.wait_blocking(&bell, over);
        }
    }

    /// Seconds since 1970, for people.
    pub fn unix_time(&self) -> f64 {
        let clock = &self.0.context().clock;
        clock.unix_seconds(clock.now())
    }

    fn is_elsewhere(&self) -> bool {
        !self.0.is_process() || scopes_are_active()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scope;

    #[test]
    fn what_another_thread_sends_is_waited_for_and_what_nobody_sends_is_not() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let here = Here::current();
        let sender = std::thread::spawn(move || send.send(7));
        assert_eq!(here.wait_blocking(receive, None), Some(Ok(7)));
        sender.join().unwrap().unwrap();

        let scope = Scope::new();
        let _inside = scope.enter();
        let here = Here::current();
        let began = here.now();
        let never = std::future::pending::<()>();
        assert_eq!(here.wait_blocking(never, Some(Duration::from_millis(20))), None);
        assert_eq!(here.now(), began + Duration::from_millis(20));
    }

    #[tokio::test]
    async fn what_was_made_in_a_scope_is_there_wherever_it_runs() {
        let scope = Scope::builder().env("PYNOMALY_RESILIENCE_TOKEN", "of the scope").build();
        let token = || crate::__private::text("RESILIENCE_TOKEN").map(|text| text.value);
        let here = scope.run(async { Here::current() }).await;
        let process = Here::current();
        let moved = here.clone();
        let spawned = tokio::spawn(async move { moved.run(async { token() }).await }).await.unwrap();
        assert_eq!(spawned.as_deref(), Some("of the scope"));
        assert_eq!(here.within(token).as_deref(), Some("of the scope"));
        assert_eq!(here.within(|| process.within(token)), None);
        assert_eq!(token(), None);
    }
}
