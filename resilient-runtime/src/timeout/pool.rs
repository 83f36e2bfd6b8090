//! The reused threads behind `timeout_mode = "thread"`.
//!
//! A running call cannot be stopped from outside. What can be bounded is how long its caller waits: the call
//! runs on a thread of this pool and the caller leaves when its time is up. The call goes on to its end, its
//! late result is dropped where it was made, and the thread comes back to the pool.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::sync::Whole;
use crate::sync::plain::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sync::plain::{Condvar, Mutex};

/// How many threads the process lends out at most, calls that outlived their caller included.
pub(crate) const MAX_WORKERS: usize = 512;

/// How long a thread waits for its next call before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// How a call on a pool thread came back to its caller.
pub(crate) enum Outcome<R> {
    /// It returned in time.
    Done(R),
    /// The limit passed first. The call is still running and its result will be dropped.
    Late,
    /// It panicked in time; the message is printed already, so hand this to `std::panic::resume_unwind`.
    Panicked(Box<dyn Any + Send>),
    /// It never ran: every thread is taken, or the system gives no more.
    Refused,
}

/// Threads that run one call at a time each. Made once, for the whole process.
pub(crate) struct Pool {
    most: usize,
    idle_for: Duration,
    crew: Mutex<Crew>,
    stuck: AtomicUsize,
}

/// Invariant: `resting` holds exactly the living workers that nobody has handed a call to.
struct Crew {
    alive: usize,
    hired: u64,
    /// Newest last. The newest is taken first, so that the oldest can age out.
    resting: Vec<Arc<Worker>>,
}

impl Crew {
    /// A thread has ended, or never began.
    fn lose_one(&mut self) {
        self.alive -= 1;
    }
}

/// Where one thread finds its next call.
struct Worker {
    next: Mutex<Option<Job>>,
    filled: Condvar,
}

/// Runs the caller's call, says how it ended and puts the worker back into `resting`; never unwinds.
type Job = Box<dyn FnOnce(&'static Pool, &Arc<Worker>) + Send>;

/// Where one caller finds its answer.
struct Reply<R> {
    state: Mutex<Answer<R>>,
    given: Condvar,
}

enum Answer<R> {
    Awaited,
    Given(thread::Result<R>),
    /// The caller has left, by its limit or with the answer.
    Unwanted,
}

impl Pool {
    /// A pool of at most `most` threads, none of them started yet.
    pub(crate) const fn new(most: usize) -> Self {
        Self::with_idle(most, IDLE)
    }

    const fn with_idle(most: usize, idle_for: Duration) -> Self {
        let crew = Crew { alive: 0, hired: 0, resting: Vec::new() };
        Self { most, idle_for, crew: Mutex::new(crew), stuck: AtomicUsize::new(0) }
    }

    /// Runs `job` on a pool thread and waits for it, `limit` at most.
    ///
    /// What `job` owns is dropped on the pool thread, when the work really ends: a slot or permit that must
    /// outlive a caller who left belongs in there.
    pub(crate) fn run<R: Send + 'static>(
        &'static self,
        limit: Duration,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<R> {
        let reply = Arc::new(Reply { state: Mutex::new(Answer::Awaited), given: Condvar::new() });
        let asked = Arc::clone(&reply);
        let handed = self.hand(Box::new(move |pool, worker| {
            let result = catch_unwind(AssertUnwindSafe(job));
            asked.give(result, pool, worker);
        }));
        if handed { reply.wait(limit, self) } else { Outcome::Refused }
    }

    /// Runs `job` on a pool thread and waits for nothing: whoever wants its result lets it send that. `None` when
    /// there is no thread to be had. A panic in `job` ends there.
    pub(crate) fn lend(&'static self, job: impl FnOnce() + Send + 'static) -> Option<Lent> {
        let stage = Arc::new(AtomicU8::new(RUNNING));
        let seen = Arc::clone(&stage);
        let handed = self.hand(Box::new(move |pool, worker| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
                mem::forget(payload);
            }
            if seen.swap(ENDED, Ordering::AcqRel) == LEFT {
                pool.stuck.fetch_sub(1, Ordering::Relaxed);
            }
            pool.rest(worker);
        }));
        handed.then(|| Lent { pool: self, stage })
    }

    /// Threads that run a call now, late ones included.
    pub(crate) fn active(&self) -> usize {
        let crew = self.crew.lock().whole();
        crew.alive - crew.resting.len()
    }

    /// Threads that wait for a call.
    pub(crate) fn idle(&self) -> usize {
        self.crew.lock().whole().resting.len()
    }

    /// Calls that still run although their caller has left; part of [`Pool::active`].
    pub(crate) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// False when there is no thread to be had; `job` is dropped then.
    fn hand(&'static self, job: Job) -> bool {
        let mut crew = self.crew.lock().whole();
        if let Some(worker) = crew.resting.pop() {
            drop(crew);
            *worker.next.lock().whole() = Some(job);
            worker.filled.notify_one();
            return true;
        }
        if crew.alive >= self.most {
            return false;
        }
        crew.alive += 1;
        crew.hired += 1;
        let number = crew.hired;
        drop(crew);

        let worker = Arc::new(Worker { next: Mutex::new(Some(job)), filled: Condvar::new() });
        let started = thread::Builder::new()
            .name(format!("resilient-worker-{number}"))
            .spawn(move || self.serve(&worker));
        if started.is_err() {
            self.crew.lock().whole().lose_one();
        }
        started.is_ok()
    }

    /// The life of one thread.
    fn serve(&'static self, worker: &Arc<Worker>) {
        while let Some(job) = worker.next(self.idle_for).or_else(|| self.leave_or_stay(worker)) {
            job(self, worker);
        }
    }

    /// `None`: the worker is off the books and its thread ends. A worker that is no longer among the resting
    /// has been picked by a caller, whose call is about to arrive.
    fn leave_or_stay(&self, worker: &Arc<Worker>) -> Option<Job> {
        let mut crew = self.crew.lock().whole();
        if let Some(place) = crew.resting.iter().position(|resting| Arc::ptr_eq(resting, worker)) {
            crew.resting.remove(place);
            crew.lose_one();
            return None;
        }
        drop(crew);
        worker.next(Duration::MAX)
    }

    fn rest(&self, worker: &Arc<Worker>) {
        self.crew.lock().whole().resting.push(Arc::clone(worker));
    }
}

/// The hold of a caller on a thread that it lent with [`Pool::lend`]. Dropped before the work has ended, the work
/// counts as stuck.
pub(crate) struct Lent {
    pool: &'static Pool,
    stage: Arc<AtomicU8>,
}

const RUNNING: u8 = 0;
const ENDED: u8 = 1;
const LEFT: u8 = 2;

impl Drop for Lent {
    fn drop(&mut self) {
        // Counted first, so that the worker cannot count itself out before.
        self.pool.stuck.fetch_add(1, Ordering::Relaxed);
        if self.stage.swap(LEFT, Ordering::AcqRel) == ENDED {
            self.pool.stuck.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Worker {
    fn next(&self, patience: Duration) -> Option<Job> {
        let next = self.next.lock().whole();
        let (mut next, _) = self.filled.wait_timeout_while(next, patience, |next| next.is_none()).whole();
        next.take()
    }
}

impl<R> Reply<R> {
    fn give(&self, result: thread::Result<R>, pool: &Pool, worker: &Arc<Worker>) {
        let mut state = self.state.lock().whole();
        if let Answer::Awaited = *state {
            // Resting before the answer is visible: a caller in a loop gets the same thread again.
            pool.rest(worker);
            *state = Answer::Given(result);
            drop(state);
            self.given.notify_one();
            return;
        }
        drop(state);
        // Dropping it runs the user's code, which may panic, and so may the drop of what that panic carries.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(result))) {
            mem::forget(payload);
        }
        pool.stuck.fetch_sub(1, Ordering::Relaxed);
        pool.rest(worker);
    }

    fn wait(&self, limit: Duration, pool: &Pool) -> Outcome<R> {
        let state = self.state.lock().whole();
        let (mut state, _) =
            self.given.wait_timeout_while(state, limit, |state| matches!(state, Answer::Awaited)).whole();
        match mem::replace(&mut *state, Answer::Unwanted) {
            Answer::Given(Ok(result)) => Outcome::Done(result),
            Answer::Given(Err(payload)) => Outcome::Panicked(payload),
            Answer::Awaited | Answer::Unwanted => {
                // Under the lock, so that the worker cannot count itself out first.
                pool.stuck.fetch_add(1, Ordering::Relaxed);
                Outcome::Late
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("most", &self.most)
            .field("active", &self.active())
            .field("idle", &self.idle())
            .field("stuck", &self.stuck())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::sync::mpsc;
    use std::thread::ThreadId;

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(5);

    fn pool(most: usize) -> &'static Pool {
        Box::leak(Box::new(Pool::new(most)))
    }

    fn here() -> ThreadId {
        thread::current().id()
    }

    #[track_caller]
    fn done<R>(outcome: Outcome<R>) -> R {
        match outcome {
            Outcome::Done(result) => result,
            Outcome::Late => panic!("late"),
            Outcome::Panicked(_) => panic!("panicked"),
            Outcome::Refused => panic!("refused"),
        }
    }

    /// Says on drop that it went, and on which thread.
    struct Traced(mpsc::Sender<ThreadId>);

    impl Drop for Traced {
        fn drop(&mut self) {
            let _ = self.0.send(here());
        }
    }

    #[test]
    fn a_call_runs_on_a_named_thread_and_its_result_comes_back() {
        let name = done(pool(1).run(LONG, || thread::current().name().map(str::to_owned)));
        assert_eq!(name.as_deref(), Some("resilient-worker-1"));
    }

    #[test]
    fn a_thousand_calls_in_a_row_need_one_thread() {
        let pool = pool(MAX_WORKERS);
        let threads: HashSet<ThreadId> = (0..1000).map(|_| done(pool.run(LONG, here))).collect();
        assert_eq!(threads.len(), 1);
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (0, 1, 0));
        assert_eq!(format!("{pool:?}"), "Pool { most: 512, active: 0, idle: 1, stuck: 0, .. }");
    }

    #[test]
    fn a_panic_is_handed_over_and_its_thread_serves_on() {
        let pool = pool(1);
        match pool.run(LONG, || panic!("scripted, expected in the output")) {
            Outcome::Panicked(payload) => {
                assert_eq!(payload.downcast_ref(), Some(&"scripted, expected in the output"));
            }
            _ => panic!("the panic was lost"),
        }
        assert_eq!(done(pool.run(LONG, || 7)), 7);
        assert_eq!(pool.crew.lock().whole().hired, 1);
    }

    #[test]
    fn a_lent_thread_counts_as_stuck_once_its_caller_has_left() {
        let pool = pool(1);
        let (finish, wait) = mpsc::channel::<()>();
        let lent = pool.lend(move || {
            wait.recv().unwrap();
            panic!("scripted, expected in the output");
        });
        assert!(lent.is_some());
        assert!(pool.lend(|| ()).is_none(), "its one thread is taken");
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (1, 0, 0));
        drop(lent);
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (1, 0, 1));
        finish.send(()).unwrap();
        while pool.idle() == 0 {
            thread::yield_now();
        }
        assert_eq!((pool.active(), pool.stuck()), (0, 0));
    }

    #[test]
    fn a_late_call_releases_its_caller_and_its_thread_returns_to_the_pool() {
        let pool = pool(1);
        let (finish, wait) = mpsc::channel::<()>();
        let (dropped, drops) = mpsc::channel();
        let outcome = pool.run(SHORT, move || {
            wait.recv().unwrap();
            Traced(dropped)
        });
        assert!(matches!(outcome, Outcome::Late));
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (1, 0, 1));
        assert!(matches!(pool.run(LONG, || ()), Outcome::Refused), "its one thread is still taken");

        finish.send(()).unwrap();
        let dropped_on = drops.recv_timeout(LONG).unwrap();
        let served_by = loop {
            match pool.run(LONG, here) {
                Outcome::Done(thread) => break thread,
                _ => thread::yield_now(),
            }
        };
        assert_eq!(dropped_on, served_by, "the late result was dropped on its own thread");
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (0, 1, 0));
    }

    #[test]
    fn a_late_result_whose_drop_panics_does_not_cost_the_thread() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("scripted, expected in the output");
            }
        }
        let pool = pool(1);
        let (finish, wait) = mpsc::channel::<()>();
        let outcome = pool.run(SHORT, move || {
            wait.recv().unwrap();
            Bomb
        });
        assert!(matches!(outcome, Outcome::Late));
        mem::forget(outcome);
        finish.send(()).unwrap();
        while pool.idle() == 0 {
            thread::yield_now();
        }
        done(pool.run(LONG, || ()));
        assert_eq!((pool.stuck(), pool.crew.lock().whole().hired), (0, 1));
    }

    #[test]
    fn sixty_four_callers_at_once_each_get_their_own_answer() {
        let pool = pool(64);
        let together = Arc::new(Barrier::new(64));
        thread::scope(|scope| {
            for caller in 0..64 {
                let together = Arc::clone(&together);
                scope.spawn(move || {
                    for round in 0..20 {
                        let together = Arc::clone(&together);
                        // Nobody returns before all 64 run: it takes 64 threads.
                        let answer = pool.run(LONG, move || {
                            together.wait();
                            (caller, round)
                        });
                        assert_eq!(done(answer), (caller, round));
                    }
                });
            }
        });
        assert_eq!(pool.crew.lock().whole().hired, 64);
        assert_eq!((pool.active(), pool.idle(), pool.stuck()), (0, 64, 0));
    }

    #[test]
    fn a_full_pool_refuses_and_drops_the_call_unrun() {
        let pool = pool(0);
        let (dropped, drops) = mpsc::channel();
        let traced = Traced(dropped);
        let outcome = pool.run(LONG, move || drop(traced));
        assert!(matches!(outcome, Outcome::Refused));
        assert_eq!(drops.try_recv(), Ok(here()));
    }

    #[test]
    fn the_newest_idle_thread_is_taken_first() {
        let pool = pool(2);
        let (inner, outer) = done(pool.run(LONG, move || (done(pool.run(LONG, here)), here())));
        assert_ne!(inner, outer);
        assert_eq!(done(pool.run(LONG, here)), outer, "the outer call ended last");
    }

    #[test]
    fn a_thread_without_work_ends_and_another_is_started_when_needed() {
        let pool: &'static Pool = Box::leak(Box::new(Pool::with_idle(1, Duration::from_millis(1))));
        let first = done(pool.run(LONG, here));
        while pool.idle() > 0 {
            thread::yield_now();
        }
        assert_eq!(pool.active(), 0);
        assert_ne!(done(pool.run(LONG, here)), first);
    }

    #[test]
    fn a_worker_that_times_out_while_it_is_picked_still_gets_the_call() {
        let pool: &'static Pool = Box::leak(Box::new(Pool::with_idle(2, Duration::ZERO)));
        for n in 0..2000 {
            assert_eq!(done(pool.run(LONG, move || n)), n);
        }
        assert_eq!(pool.stuck(), 0);
    }
}
