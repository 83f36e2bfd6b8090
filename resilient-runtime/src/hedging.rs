//! Hedging in the hands of its user: one operation several times, or several operations, and the first good answer.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::caught::Caught;
use crate::clock::Moment;
use crate::context::Context;
use crate::deadline::time_left;
use crate::error::ResilienceError;
use crate::event::EventKind;
use crate::hedge::{Answer, HedgeDelay, Hedged, Judged, Latency, Race};
use crate::outcome::Class;
use crate::policy::Hedging;
use crate::profile::ConfigErrors;
use crate::runtime::{Runtime, Surroundings, WORKERS};
use crate::timeout::pool::{Lent, MAX_WORKERS};

/// Starts another attempt beside one that does not answer, and takes the first good answer.
///
/// Defaults: one hedge at most; named `hedge` in events and errors. An attempt that fails is followed by the next at
/// once. When all are bad the primary's answer is given: that of the attempt that was started first.
///
/// The trap: attempts overlap, so the operation must be idempotent. Hedging a payment may pay twice.
///
/// A `Hedge` is never changed: each `with_*` gives a new one. Copies share what `HedgeDelay::P95` has measured; until
/// 20 calls have answered nothing is known, and [`call_async`](Self::call_async) starts no hedge.
///
/// ```
/// # use resilient_runtime as resilient;
/// use resilient::Hedge;
/// use std::time::Duration;
///
/// # async fn fetch() -> Result<u32, std::io::Error> { Ok(42) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let hedge = Hedge::new(Duration::from_millis(100)).with_max_hedges(2);
/// let answer = hedge.call_async(fetch).await?;
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Hedge {
    name: &'static str,
    delay: HedgeDelay,
    max_hedges: u32,
    latency: Arc<Latency>,
    context: Arc<Context>,
}

impl Hedge {
    /// A hedge that starts after `delay`: a [`Duration`] or a [`HedgeDelay`].
    ///
    /// It takes its clock and its listeners from the scope it is made in.
    pub fn new(delay: impl Into<HedgeDelay>) -> Self {
        Self {
            name: "hedge",
            delay: delay.into(),
            max_hedges: 1,
            latency: Arc::default(),
            context: Arc::clone(Runtime::current().context()),
        }
    }

    /// Starts hedges after `delay`.
    pub fn with_delay(mut self, delay: impl Into<HedgeDelay>) -> Self {
        self.delay = delay.into();
        self
    }

    /// Starts at most so many attempts beside the first; 0 starts none. A race of several operations has its own
    /// number: theirs.
    pub fn with_max_hedges(mut self, max_hedges: u32) -> Self {
        self.max_hedges = max_hedges;
        self
    }

    /// The name in events and errors. It is kept for the life of the process: code gives it, requests never do.
    ///
    /// # Errors
    ///
    /// What is wrong with the name.
    pub fn with_name(mut self, name: &str) -> Result<Self, ConfigErrors> {
        self.name = crate::name::intern(name)
            .map_err(|invalid| ConfigErrors::from_messages("hedge", vec![invalid.to_string()]))?;
        Ok(self)
    }

    /// It as a layer; what it measures is shared.
    pub(crate) fn hedging(&self) -> Hedging {
        let Self { delay, max_hedges, latency, .. } = self;
        Hedging { delay: *delay, max_hedges: *max_hedges, latency: Arc::clone(latency) }
    }

    /// The name in events and errors.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// When a hedge starts.
    pub fn delay(&self) -> HedgeDelay {
        self.delay
    }

    /// How many attempts may be started beside the first.
    pub fn max_hedges(&self) -> u32 {
        self.max_hedges
    }

    /// Runs `operation` until an attempt gives `Ok`. Those that lose are dropped where they wait, before the answer is
    /// given; dropping this future drops them all. A panic goes on through the caller.
    ///
    /// An answer that is there at once costs neither an allocation nor a timer.
    ///
    /// # Errors
    ///
    /// The first attempt's, when all fail.
    ///
    /// # Panics
    ///
    /// When the operation does, and where it has to wait outside a tokio runtime with time enabled.
    pub async fn call_async<T, E, F>(&self, operation: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_async_judged(operation, |answer| answer.is_err().then_some(Class::Transient)).await
    }

    /// [`Hedge::call_async`] with a rule of one's own about what is good: `None` is a good answer,
    /// [`Class::Transient`] one that another attempt may better, and any other class ends the call with that answer.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::{Class, Hedge};
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// # async fn fetch() -> io::Result<u32> { Err(io::ErrorKind::NotFound.into()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let answer = Hedge::new(Duration::from_millis(100))
    ///     .call_async_judged(fetch, |answer| match answer {
    ///         Ok(_) => None,
    ///         Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Class::Caller),
    ///         Err(_) => Some(Class::Transient),
    ///     })
    ///     .await;
    /// assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::NotFound);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first attempt's, when all fail, or that of an attempt that ended the call.
    ///
    /// # Panics
    ///
    /// As [`Hedge::call_async`].
    pub async fn call_async_judged<T, E, F>(
        &self,
        operation: impl Fn() -> F,
        judge: impl Fn(&Result<T, E>) -> Option<Class>,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (delay, max_hedges) = self.limits();
        let measure = self.measure();
        let mut starts = Starts::new(self);
        let (operation, judge) = (&operation, &judge);
        let lane = |number| {
            starts.tell(number);
            async move {
                let answer = operation().await;
                let judged = judged(judge(&answer));
                (answer, judged)
            }
        };
        let (answer, judged) = Hedged::new(delay, max_hedges, lane, || true).await;
        self.measured(measure, judged);
        answer
    }

    /// Runs different operations for one answer: the first begins at once, each other one a delay after the one before
    /// it or when that one failed. The first `Ok` wins and the others are dropped; one that panics has failed. Not
    /// one of them is polled before its turn, and those after the winner never are.
    ///
    /// With [`HedgeDelay::P95`], as long as nothing is known, each begins when the one before it has failed.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::{Hedge, ResilienceError};
    /// use std::time::Duration;
    ///
    /// # async fn fetch(replica: &str) -> Result<String, ResilienceError> { Ok(replica.to_owned()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ResilienceError> {
    /// let hedge = Hedge::new(Duration::from_millis(100));
    /// let answer = hedge.race([fetch("replica-1"), fetch("replica-2")]).await?;
    /// assert_eq!(answer, "replica-1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first operation's, when all fail; where that one panicked, the next one's that gave an error.
    /// [`ResilienceError::NoOperations`] when there are none.
    ///
    /// # Panics
    ///
    /// When every operation does, and as [`Hedge::call_async`].
    pub async fn race<T, E, F>(&self, operations: impl IntoIterator<Item = F>) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<ResilienceError>,
    {
        let operations: Vec<F> = operations.into_iter().collect();
        let Some(others) = operations.len().checked_sub(1) else { return Err(self.no_operations().into()) };
        let mut operations = operations.into_iter();
        let measure = self.measure();
        let mut starts = Starts::new(self);
        let lane = |number| {
            starts.tell(number);
            Caught::new(operations.next().expect("a race starts no more lanes than it has"))
        };
        let delay = self.known_delay().unwrap_or(Duration::MAX);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let answer = Hedged::new(delay, others, lane, || true).await;
        self.measured(measure, answer.judged());
        answer.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// [`Hedge::call_async`] for a sync operation, each attempt on a worker thread.
    ///
    /// The trap: a thread cannot be stopped. The caller returns with the first `Ok` or at the deadline around it; the
    /// attempts that lose run to their ends, and what they give is dropped there.
    ///
    /// # Errors
    ///
    /// The first attempt's, when all fail; [`ResilienceError::DeadlineExceeded`] at the deadline around the call;
    /// [`ResilienceError::QueueTimeout`] when no worker thread could be had.
    ///
    /// # Panics
    ///
    /// When the operation does.
    pub fn call<T, E>(&self, operation: impl Fn() -> Result<T, E> + Send + Sync + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<ResilienceError> + Send + 'static,
    {
        let (delay, max_hedges) = self.limits();
        let operation = Arc::new(operation);
        let lanes = std::iter::repeat_with(move || {
            let operation = Arc::clone(&operation);
            move || operation()
        });
        self.on_threads(delay, max_hedges, Panics::GoOn, lanes)
    }

    /// [`Hedge::race`] for sync operations, each on a worker thread; see [`Hedge::call`] for what becomes of those
    /// that lose.
    ///
    /// ```
    /// # use resilient_runtime as resilient;
    /// use resilient::{Hedge, ResilienceError};
    /// use std::time::Duration;
    ///
    /// type Operation = Box<dyn FnOnce() -> Result<u32, ResilienceError> + Send>;
    ///
    /// let slow = || { std::thread::sleep(Duration::from_millis(200)); Ok(1) };
    /// let operations: [Operation; 2] = [Box::new(slow), Box::new(|| Ok(2))];
    /// let answer = Hedge::new(Duration::from_millis(10)).race_blocking(operations)?;
    /// assert_eq!(answer, 2);
    /// # Ok::<(), ResilienceError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Hedge::race`] and [`Hedge::call`].
    ///
    /// # Panics
    ///
    /// When every operation does.
    pub fn race_blocking<T, E, F>(&self, operations: impl IntoIterator<Item = F>) -> Result<T, E>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<ResilienceError> + Send + 'static,
    {
        let operations: Vec<F> = operations.into_iter().collect();
        let Some(others) = operations.len().checked_sub(1) else { return Err(self.no_operations().into()) };
        let delay = self.known_delay().unwrap_or(Duration::MAX);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        self.on_threads(delay, others, Panics::Fail, operations.into_iter())
    }

    fn on_threads<T, E, F>(
        &self,
        delay: Duration,
        max_hedges: u32,
        panics: Panics,
        lanes: impl Iterator<Item = F>,
    ) -> Result<T, E>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<ResilienceError> + Send + 'static,
    {
        let measure = self.measure();
        let mut starts = Starts::new(self);
        let mut race = Race::new(delay, max_hedges);
        let mut lanes = (0..).zip(lanes);
        let (answers, ended) = mpsc::channel();
        let mut lent: Vec<Lent> = Vec::new();
        let answer = loop {
            let (number, answer) = match next_answer(&ended, race.wait()) {
                Next::Answer(answer) => answer,
                Next::Deadline => return Err(self.deadline_exceeded().into()),
                Next::Lane => {
                    match lanes
                        .next()
                        .and_then(|(number, lane)| Some((number, lend(number, lane, &answers)?)))
                    {
                        Some((number, lane)) => {
                            lent.push(lane);
                            race.start();
                            starts.tell(number);
                        }
                        None if lent.is_empty() => return Err(self.no_worker().into()),
                        None => race.stop(),
                    }
                    match race.over() {
                        ControlFlow::Break(answer) => break answer,
                        ControlFlow::Continue(()) => continue,
                    }
                }
            };
            let answer = match (panics, answer) {
                (Panics::GoOn, Err(payload)) => resume_unwind(payload),
                (_, answer) => answer,
            };
            if let ControlFlow::Break(answer) = race.answered(number, answer) {
                break answer;
            }
        };
        self.measured(measure, answer.judged());
        answer.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

impl Hedge {
    /// The delay, where it is known.
    fn known_delay(&self) -> Option<Duration> {
        match self.delay {
            HedgeDelay::Fixed(delay) => Some(delay),
            HedgeDelay::P95 => self.latency.p95(),
        }
    }

    /// The delay, and how many hedges may start by it.
    fn limits(&self) -> (Duration, u32) {
        self.known_delay().map_or((Duration::MAX, 0), |delay| (delay, self.max_hedges))
    }

    /// When the call began, where its length matters.
    fn measure(&self) -> Option<Moment> {
        (self.delay == HedgeDelay::P95).then(|| self.context.clock.now())
    }

    fn measured(&self, began: Option<Moment>, judged: Judged) {
        if let Some(began) = began.filter(|_| judged == Judged::Good) {
            self.latency.record(self.context.clock.now().since(began));
        }
    }

    fn no_operations(&self) -> ResilienceError {
        ResilienceError::NoOperations { name: self.name }
    }

    fn deadline_exceeded(&self) -> ResilienceError {
        ResilienceError::DeadlineExceeded { operation: self.name, limit: None }
    }

    fn no_worker(&self) -> ResilienceError {
        ResilienceError::QueueTimeout { operation: self.name, workers: MAX_WORKERS }
    }
}

/// What a caller that waits for lanes on threads is woken by.
enum Next<A> {
    Answer(A),
    Lane,
    Deadline,
}

/// Waits on this thread for an answer, until the next lane is due or the deadline passes.
fn next_answer<A>(answers: &Receiver<A>, wait: Option<Duration>) -> Next<A> {
    let left = time_left();
    let (patience, at_its_end) = match (wait, left) {
        (Some(wait), Some(left)) if left <= wait => (left, Next::Deadline),
        (None, Some(left)) => (left, Next::Deadline),
        (Some(wait), _) => (wait, Next::Lane),
        // The caller holds a sender, so the channel does not close.
        (None, None) => (Duration::MAX, Next::Deadline),
    };
    match answers.recv_timeout(patience) {
        Ok(answer) => Next::Answer(answer),
        Err(_) => at_its_end,
    }
}

/// What a lane's panic is.
#[derive(Clone, Copy)]
enum Panics {
    /// The caller's.
    GoOn,
    /// A failure of that lane.
    Fail,
}

/// Tells of hedges as they start.
struct Starts<'h> {
    hedge: &'h Hedge,
    last: Moment,
}

impl<'h> Starts<'h> {
    fn new(hedge: &'h Hedge) -> Self {
        Self { hedge, last: Moment::NEVER }
    }

    fn tell(&mut self, number: u32) {
        let Context { events, clock, .. } = &*self.hedge.context;
        if !events.could_be_heard() {
            return;
        }
        let now = clock.now();
        if number > 0 {
            let kind =
                EventKind::HedgeStarted { attempt: number.saturating_add(1), after: now.since(self.last) };
            events.tell(self.hedge.name, kind);
        }
        self.last = now;
    }
}

fn judged(class: Option<Class>) -> Judged {
    match class {
        None => Judged::Good,
        Some(Class::Transient | Class::Contention) => Judged::BAD,
        Some(Class::Permanent | Class::Caller) => Judged::Final,
    }
}

/// How an operation ended that may have panicked.
type Ended<T, E> = thread::Result<Result<T, E>>;

impl<T, E> Answer for Ended<T, E> {
    fn judged(&self) -> Judged {
        match self {
            Ok(Ok(_)) => Judged::Good,
            Ok(Err(_)) => Judged::BAD,
            Err(_) => Judged::Nothing,
        }
    }
}

/// Starts a lane on a worker thread, in the surroundings of this one.
fn lend<T, E, F>(number: u32, operation: F, answers: &Sender<(u32, Ended<T, E>)>) -> Option<Lent>
where
    F: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (surroundings, answers) = (Surroundings::capture(), answers.clone());
    WORKERS.lend(move || {
        let work = || surroundings.within(Moment::NEVER, operation);
        // Nobody may wait for it any more: it is dropped here then.
        let _ = answers.send((number, catch_unwind(AssertUnwindSafe(work))));
    })
}
