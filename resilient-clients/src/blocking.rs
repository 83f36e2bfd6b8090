//! Async code for callers that are not: one thread with a tokio runtime, shared by all clients of the process.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use resilient_runtime::__private::carried;
use tokio::runtime::{Builder, Handle};
use tokio::task::unconstrained;

/// Why nothing was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unable {
    /// It would be waited for on the thread that does the work, for ever.
    WaitsForItself,
    /// The system gives no thread, or no way to wait for sockets.
    NoThread(io::ErrorKind),
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitsForItself => f.write_str(
                "a blocking client was called from within a blocking client's own work, as in a callback: \
                 call the async one there",
            ),
            Self::NoThread(why) => write!(f, "the thread of the blocking clients cannot be started: {why}"),
        }
    }
}

impl std::error::Error for Unable {}

struct Worker {
    handle: Handle,
    thread: thread::ThreadId,
}

fn worker() -> Result<&'static Worker, Unable> {
    static WORKER: OnceLock<Result<Worker, io::ErrorKind>> = OnceLock::new();
    WORKER.get_or_init(|| start().map_err(|why| why.kind())).as_ref().map_err(|why| Unable::NoThread(*why))
}

fn start() -> io::Result<Worker> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let running = thread::Builder::new()
        .name("resilient-clients".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(Worker { handle, thread: running.thread().id() })
}

/// What `future` comes to, on the worker, under the deadline, scope and span of this call.
///
/// It may be called anywhere but on the worker itself: a worker of a tokio runtime is blocked like any other thread.
#[allow(dead_code, reason = "some clients wait in the other way only")]
pub(crate) fn wait<F>(future: F) -> Result<F::Output, Unable>
where
    F: Future<Output: Send> + Send + 'static,
{
    let Worker { handle, thread } = worker()?;
    if thread::current().id() == *thread {
        return Err(Unable::WaitsForItself);
    }
    let (tell, told) = mpsc::sync_channel(1);
    let future = carried(future);
    let running = handle.spawn(async move {
        let _ = tell.send(future.await);
    });
    if let Ok(output) = told.recv() {
        return Ok(output);
    }
    // It panicked before it could tell.
    let (tell, told) = mpsc::sync_channel(1);
    handle.spawn(async move {
        let _ = tell.send(running.await);
    });
    match told.recv() {
        Ok(Err(ended)) if ended.is_panic() => resume_unwind(ended.into_panic()),
        _ => Err(Unable::NoThread(io::ErrorKind::BrokenPipe)),
    }
}

/// What `future` comes to, polled on this thread: for what borrows from its caller. Sockets and timers are the worker's.
#[allow(dead_code, reason = "some clients wait in the other way only")]
pub(crate) fn wait_here<F: Future>(future: F) -> Result<F::Output, Unable> {
    struct Parked(Thread);

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let Worker { handle, thread } = worker()?;
    if thread::current().id() == *thread {
        return Err(Unable::WaitsForItself);
    }
    let _sockets = handle.enter();
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut cx = Context::from_waker(&waker);
    // The budget of a task around this call would never be given anew.
    let mut future = pin!(unconstrained(future));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return Ok(output),
            Poll::Pending => thread::park(),
        }
    }
}

/// Does it on the worker, and nobody waits for it.
#[cfg(feature = "s3")]
pub(crate) fn detach(future: impl Future<Output = ()> + Send + 'static) {
    if let Ok(worker) = worker() {
        worker.handle.spawn(future);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use resilient_runtime::__private::text;
    use resilient_runtime::Deadline;
    use resilient_runtime::testing::Scope;

    use super::*;

    #[test]
    fn many_threads_wait_for_one_worker_and_each_gets_its_own() {
        let threads: Vec<_> = (0..8).map(|n| thread::spawn(move || wait(async move { n * 2 }))).collect();
        let all: Vec<_> = threads.into_iter().map(|it| it.join().unwrap().unwrap()).collect();
        assert_eq!(all, [0, 2, 4, 6, 8, 10, 12, 14]);
    }

    #[test]
    fn the_deadline_around_the_call_is_around_the_work() {
        assert!(!wait(async { Deadline::current().is_some() }).unwrap());
        let deadline = Deadline::after(Duration::from_secs(9));
        assert!(deadline.within(|| wait(async { Deadline::current().is_some() })).unwrap());
    }

    #[test]
    fn the_scope_around_the_call_is_around_the_work() {
        let asked = || wait(async { text("DATABASE_URL").is_some() });
        let scope = Scope::builder().env("PYNOMALY_DATABASE_URL", "sqlite:x").build();
        let inside = scope.enter();
        assert_eq!(asked(), Ok(true));
        drop(inside);
        assert_eq!(asked(), Ok(false));
    }

    #[tokio::test]
    async fn a_worker_of_a_tokio_runtime_may_wait() {
        assert_eq!(wait(async { 7 }), Ok(7));
    }

    #[tokio::test]
    async fn what_borrows_is_waited_for_in_place_with_the_workers_timers_and_without_end() {
        let borrowed = String::from("borrowed");
        let work = async {
            // More than one task may do before it has to yield.
            for _ in 0..1_000 {
                tokio::task::consume_budget().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            wait_here(async { borrowed.len() })
        };
        assert_eq!(wait_here(work), Ok(Ok(8)));
        assert_eq!(wait(async { wait_here(async { 7 }) }), Ok(Err(Unable::WaitsForItself)));
    }

    #[test]
    fn the_worker_does_not_wait_for_itself() {
        assert_eq!(wait(async { wait(async { 7 }) }), Ok(Err(Unable::WaitsForItself)));
    }

    #[test]
    fn a_panic_is_the_callers_and_the_worker_goes_on() {
        let panicked = catch_unwind(AssertUnwindSafe(|| wait(async { panic!("on purpose") })));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
        assert_eq!(wait(async { 7 }), Ok(7));
    }
}
