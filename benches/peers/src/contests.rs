//! What is compared: for each part the plain work, ours, and every peer that has the part.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use layered::Service as _;
use recloser::AsyncRecloser;
use throttle_net::{Backoff, Retry, RetryAction, Trip};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_retry2::RetryError;
use tower::{Service, ServiceExt};

use crate::ours;
use crate::peers::{
    DAY, LIMIT, by_circuitbreaker_rs, by_failsafe, by_recloser, by_seatbelt, by_throttle_net,
    by_tower_resilience, governor,
};
use crate::work::{Answer, Fault, flaky, poll_first, waiting, work, work_async};
use crate::{calls, driven};

pub type Calls = Box<dyn Fn(u32) + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The work without a guard.
    Plain,
    /// What nobody can be quicker than, by hand.
    Floor,
    Ours,
    Peer,
    /// A peer that leaves out what the part is there for, so that it is no measure.
    Less,
}

pub struct Entry {
    pub who: &'static str,
    pub side: Side,
    pub calls: Calls,
}

/// One part, measured for everybody who has it.
pub struct Contest {
    pub part: &'static str,
    pub entries: Vec<Entry>,
    /// Also from two threads at once.
    pub contended: bool,
}

impl Contest {
    fn new(part: &'static str) -> Self {
        Self { part, entries: Vec::new(), contended: false }
    }

    fn contended(mut self) -> Self {
        self.contended = true;
        self
    }

    fn with(mut self, side: Side, who: &'static str, calls: Calls) -> Self {
        self.entries.push(Entry { who, side, calls });
        self
    }

    fn plain(self, calls: Calls) -> Self {
        self.with(Side::Plain, "plain call", calls)
    }

    fn ours(self, calls: Calls) -> Self {
        self.with(Side::Ours, "resilient", calls)
    }

    fn peer(self, who: &'static str, calls: Calls) -> Self {
        self.with(Side::Peer, who, calls)
    }
}

pub fn all() -> Vec<Contest> {
    vec![
        closed_sync(),
        closed_async(),
        refused_sync(),
        refused_async(),
        half_open(),
        stack_ready(),
        stack_pending(),
        retry(),
        rate_limit(),
        bulkhead(),
        budget(),
        count_window(),
        count_window_flaky(),
        time_window(),
        time_window_flaky(),
        everything(),
    ]
}

/// Fails until the circuit is open, and makes sure that it is.
fn opened<T>(guarded: T, call: impl Fn(&T, u32) -> Answer) -> T {
    let refused = (0..1_000).any(|_| call(&guarded, u32::MAX) == Err(Fault::Refused));
    assert!(refused, "it never opened");
    assert_eq!(call(&guarded, 1), Err(Fault::Refused));
    guarded
}

/// Fails until the circuit is open, waits for its end, and makes sure that calls pass.
fn probing<T>(guarded: T, call: impl Fn(&T, u32) -> Answer) -> T {
    for _ in 0..1_000 {
        if call(&guarded, u32::MAX) == Err(Fault::Refused) {
            break;
        }
    }
    std::thread::sleep(HALF_OPEN_AFTER * 3);
    assert_eq!(call(&guarded, 1), Ok(1), "it lets a probe through");
    guarded
}

const HALF_OPEN_AFTER: Duration = Duration::from_millis(50);

/// Makes the future of one attempt of the hand-written stack.
async fn by_hand<Answering>(breaker: &by_failsafe::Consecutive, attempt: impl Fn() -> Answering) -> Answer
where
    Answering: Future<Output = Answer>,
{
    let limited = || async {
        let limited = async { timeout(LIMIT, attempt()).await.unwrap_or(Err(Fault::Own)) };
        failsafe::futures::CircuitBreaker::call(breaker, limited).await.map_err(by_failsafe::fault)
    };
    let backoff = ExponentialBuilder::default().with_max_times(2).with_jitter();
    limited.retry(backoff).when(|fault| *fault == Fault::Own).await
}

/// The same of throttle-net alone.
async fn by_throttle_net<Answering>(
    (retry, breaker): &(Retry, throttle_net::CircuitBreaker<by_throttle_net::Unlimited>),
    attempt: impl Fn() -> Answering,
) -> Answer
where
    Answering: Future<Output = Answer>,
{
    let limited = || async {
        let limited =
            || async { throttle_net::resilience::timeout(LIMIT, attempt()).await.unwrap_or(Err(Fault::Own)) };
        breaker.call(limited).await.map_err(by_throttle_net::fault)
    };
    let classify = |fault: &Fault| match fault {
        Fault::Own => RetryAction::Retry,
        Fault::Refused => RetryAction::GiveUp,
    };
    retry.run(limited, classify).await
}

fn throttle_net_stack() -> (Retry, throttle_net::CircuitBreaker<by_throttle_net::Unlimited>) {
    let retry = Retry::new(Backoff::exponential(Duration::from_secs(1), 2.0)).max_attempts(3);
    (retry, by_throttle_net::consecutive(DAY))
}

fn tower_call<S>(service: &mut S, n: u32, fault: fn(S::Error) -> Fault) -> Answer
where
    S: Service<u32, Response = u32>,
{
    driven!(async { service.ready().await.map_err(fault)?.call(n).await.map_err(fault) })
}

fn closed_sync() -> Contest {
    let failsafe = by_failsafe::breaker();
    let recloser = by_recloser::breaker(DAY);
    let circuitbreaker = by_circuitbreaker_rs::breaker(DAY);
    let throttle = by_throttle_net::consecutive(DAY);
    Contest::new("breaker closed, sync")
        .contended()
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::closed(n)))
        .peer(
            "failsafe",
            calls!(|n| failsafe::CircuitBreaker::call(&failsafe, || work(n)).map_err(by_failsafe::fault)),
        )
        .peer("recloser", calls!(|n| recloser.call(|| work(n)).map_err(by_recloser::fault)))
        .peer(
            "circuitbreaker-rs",
            calls!(|n| circuitbreaker.call(|| work(n)).map_err(by_circuitbreaker_rs::fault)),
        )
        .peer("throttle-net", calls!(|n| by_throttle_net::call(&throttle, n, work)))
}

fn closed_async() -> Contest {
    let tower = by_tower_resilience::breaker(by_tower_resilience::consecutive(DAY), work_async);
    let seatbelt = by_seatbelt::breaker(work_async);
    let failsafe = by_failsafe::breaker();
    let recloser = AsyncRecloser::from(by_recloser::breaker(DAY));
    let circuitbreaker = by_circuitbreaker_rs::breaker(DAY);
    let throttle = by_throttle_net::consecutive(DAY);
    let contest = Contest::new("breaker closed, async")
        .contended()
        .plain(calls!(|n| driven!(work_async(n))))
        .ours(calls!(|n| driven!(ours::closed_async(n))))
        .peer("tower-resilience", calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::fault)))
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer(
            "failsafe",
            calls!(|n| driven!(failsafe::futures::CircuitBreaker::call(&failsafe, work_async(n)))
                .map_err(by_failsafe::fault)),
        )
        .peer("recloser", calls!(|n| driven!(recloser.call(work_async(n))).map_err(by_recloser::fault)))
        .peer(
            "circuitbreaker-rs",
            calls!(
                |n| driven!(circuitbreaker.call_async(|| work_async(n))).map_err(by_circuitbreaker_rs::fault)
            ),
        )
        .peer(
            "throttle-net",
            calls!(|n| driven!(throttle.call(|| work_async(n))).map_err(by_throttle_net::fault)),
        );
    #[cfg(feature = "arcly")]
    let contest = contest.peer("arcly-http", calls!(|n| driven!(crate::peers::by_arcly::closed(n))));
    contest
}

fn refused_sync() -> Contest {
    let failsafe = opened(by_failsafe::breaker(), |breaker, n| {
        failsafe::CircuitBreaker::call(breaker, || work(n)).map_err(by_failsafe::fault)
    });
    let recloser =
        opened(by_recloser::breaker(DAY), |breaker, n| breaker.call(|| work(n)).map_err(by_recloser::fault));
    let circuitbreaker = opened(by_circuitbreaker_rs::breaker(DAY), |breaker, n| {
        breaker.call(|| work(n)).map_err(by_circuitbreaker_rs::fault)
    });
    let throttle =
        opened(by_throttle_net::consecutive(DAY), |breaker, n| by_throttle_net::call(breaker, n, work));
    Contest::new("open, refused, sync")
        .contended()
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::open(n)))
        .with(Side::Ours, "resilient, refusal kept whole", calls!(|n| ours::open_kept(n)))
        .peer(
            "failsafe",
            calls!(|n| failsafe::CircuitBreaker::call(&failsafe, || work(n)).map_err(by_failsafe::fault)),
        )
        .peer("recloser", calls!(|n| recloser.call(|| work(n)).map_err(by_recloser::fault)))
        .peer(
            "circuitbreaker-rs",
            calls!(|n| circuitbreaker.call(|| work(n)).map_err(by_circuitbreaker_rs::fault)),
        )
        .peer("throttle-net", calls!(|n| by_throttle_net::call(&throttle, n, work)))
}

fn refused_async() -> Contest {
    let tower = by_tower_resilience::breaker(by_tower_resilience::consecutive(DAY), work_async);
    let tower = opened(tower, |breaker, n| tower_call(&mut breaker.clone(), n, by_tower_resilience::fault));
    let seatbelt = opened(by_seatbelt::breaker(work_async), |breaker, n| driven!(breaker.execute(n)));
    let failsafe = opened(by_failsafe::breaker(), |breaker, n| {
        driven!(failsafe::futures::CircuitBreaker::call(breaker, work_async(n))).map_err(by_failsafe::fault)
    });
    let recloser = opened(AsyncRecloser::from(by_recloser::breaker(DAY)), |breaker, n| {
        driven!(breaker.call(work_async(n))).map_err(by_recloser::fault)
    });
    let contest = Contest::new("open, refused, async")
        .plain(calls!(|n| driven!(work_async(n))))
        .ours(calls!(|n| driven!(ours::open_async(n))))
        .with(
            Side::Ours,
            "resilient with retry and time limit, refusal kept whole",
            calls!(|n| driven!(ours::open_full_kept(n))),
        )
        .peer("tower-resilience", calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::fault)))
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer(
            "failsafe",
            calls!(|n| driven!(failsafe::futures::CircuitBreaker::call(&failsafe, work_async(n)))
                .map_err(by_failsafe::fault)),
        )
        .peer("recloser", calls!(|n| driven!(recloser.call(work_async(n))).map_err(by_recloser::fault)));
    #[cfg(feature = "arcly")]
    let contest = {
        use crate::peers::by_arcly;
        opened((), |(), n| driven!(by_arcly::open(n)));
        contest.peer("arcly-http", calls!(|n| driven!(by_arcly::open(n))))
    };
    contest
}

fn half_open() -> Contest {
    let recloser = probing(by_recloser::breaker(HALF_OPEN_AFTER), |breaker, n| {
        breaker.call(|| work(n)).map_err(by_recloser::fault)
    });
    let circuitbreaker = probing(by_circuitbreaker_rs::breaker(HALF_OPEN_AFTER), |breaker, n| {
        breaker.call(|| work(n)).map_err(by_circuitbreaker_rs::fault)
    });
    let throttle = probing(by_throttle_net::consecutive(HALF_OPEN_AFTER), |breaker, n| {
        by_throttle_net::call(breaker, n, work)
    });
    let tower = by_tower_resilience::breaker(by_tower_resilience::consecutive(HALF_OPEN_AFTER), work_async);
    let tower = probing(tower, |breaker, n| tower_call(&mut breaker.clone(), n, by_tower_resilience::fault));
    Contest::new("half-open, a probe that succeeds")
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::half_open(n)))
        .with(
            Side::Less,
            "recloser (lets every caller through)",
            calls!(|n| recloser.call(|| work(n)).map_err(by_recloser::fault)),
        )
        .peer(
            "circuitbreaker-rs",
            calls!(|n| circuitbreaker.call(|| work(n)).map_err(by_circuitbreaker_rs::fault)),
        )
        .peer("throttle-net", calls!(|n| by_throttle_net::call(&throttle, n, work)))
        .peer("tower-resilience", calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::fault)))
}

fn stack_ready() -> Contest {
    let tower = by_tower_resilience::stack(work_async);
    let seatbelt = by_seatbelt::stack(work_async);
    let hand = by_failsafe::breaker();
    let throttle = throttle_net_stack();
    Contest::new("retry + breaker + time limit, ready")
        .contended()
        .plain(calls!(|n| driven!(work_async(n))))
        .with(Side::Floor, "poll first, arm when pending", calls!(|n| driven!(poll_first(work_async(n)))))
        .ours(calls!(|n| driven!(ours::full(n))))
        .peer(
            "tower-resilience",
            calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::stack_fault)),
        )
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer("backon > failsafe > tokio timeout", calls!(|n| driven!(by_hand(&hand, || work_async(n)))))
        .peer("throttle-net", calls!(|n| driven!(by_throttle_net(&throttle, || work_async(n)))))
}

fn stack_pending() -> Contest {
    let tower = by_tower_resilience::stack(waiting);
    let seatbelt = by_seatbelt::stack(waiting);
    let hand = by_failsafe::breaker();
    let throttle = throttle_net_stack();
    Contest::new("retry + breaker + time limit, pending once")
        .plain(calls!(|n| driven!(waiting(n))))
        .with(Side::Floor, "poll first, arm when pending", calls!(|n| driven!(poll_first(waiting(n)))))
        .ours(calls!(|n| driven!(ours::full_waiting(n))))
        .peer(
            "tower-resilience",
            calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::stack_fault)),
        )
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer("backon > failsafe > tokio timeout", calls!(|n| driven!(by_hand(&hand, || waiting(n)))))
        .peer("throttle-net", calls!(|n| driven!(by_throttle_net(&throttle, || waiting(n)))))
}

/// A policy of tower's own, as its manual writes one.
#[derive(Clone)]
struct Attempts(u32);

impl tower::retry::Policy<u32, u32, Fault> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _n: &mut u32, answer: &mut Answer) -> Option<Self::Future> {
        if answer.is_ok() || self.0 == 0 {
            return None;
        }
        self.0 -= 1;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, n: &u32) -> Option<u32> {
        Some(*n)
    }
}

fn retry() -> Contest {
    let tower = tower::retry::Retry::new(Attempts(3), tower::service_fn(work_async));
    let resilience = {
        use tower::Layer;
        tower_resilience::retry::RetryLayer::<u32, u32, Fault>::builder()
            .max_attempts(4)
            .exponential_backoff(Duration::from_millis(100))
            .build()
            .layer(tower::service_fn(work_async))
    };
    let seatbelt = by_seatbelt::retry(work_async);
    let throttle = Retry::new(Backoff::exponential(Duration::from_millis(100), 2.0)).max_attempts(4);
    Contest::new("retry alone, async, ready")
        .plain(calls!(|n| driven!(work_async(n))))
        .ours(calls!(|n| driven!(ours::retry(n))))
        .with(Side::Ours, "resilient, sync", calls!(|n| ours::retry_sync(n)))
        .peer(
            "backon",
            calls!(|n| driven!(
                (|| work_async(n)).retry(ExponentialBuilder::default().with_max_times(3).with_jitter())
            )),
        )
        .peer(
            "tokio-retry2",
            calls!(|n| driven!(tokio_retry2::Retry::spawn(
                tokio_retry2::strategy::ExponentialBackoff::from_millis(100).take(3),
                || async move { work(n).map_err(RetryError::transient) },
            ))),
        )
        .peer("tower", calls!(tower, |n| tower_call(&mut tower, n, |fault| fault)))
        .peer("tower-resilience", calls!(resilience, |n| tower_call(&mut resilience, n, |fault| fault)))
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer(
            "throttle-net",
            calls!(|n| driven!(throttle.run(|| work_async(n), |_: &Fault| RetryAction::Retry))),
        )
}

fn rate_limit() -> Contest {
    let governor = governor();
    let throttle = throttle_net::Throttle::per_second(1_000_000_000);
    let resilience = {
        use tower::Layer;
        tower_resilience::ratelimiter::RateLimiterLayer::per_second(1_000_000_000)
            .build()
            .expect("the figures are right")
            .layer(tower::service_fn(work_async))
    };
    Contest::new("rate limit, let through")
        .contended()
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::limited(n)))
        .with(Side::Ours, "resilient's object", calls!(|_n| ours::LIMITER.try_acquire().is_ok()))
        .peer("governor", calls!(|_n| governor.check().is_ok()))
        .peer("throttle-net", calls!(|_n| throttle.try_acquire()))
        .peer("tower-resilience", calls!(resilience, |n| tower_call(&mut resilience, n, |_| Fault::Refused)))
}

fn bulkhead() -> Contest {
    let semaphore = Arc::new(Semaphore::new(10));
    let throttle = throttle_net::Bulkhead::new(10);
    let tower = tower::limit::ConcurrencyLimit::new(tower::service_fn(work_async), 10);
    let resilience = {
        use tower::Layer;
        tower_resilience::bulkhead::BulkheadLayer::builder()
            .max_concurrent_calls(10)
            .reject_when_full()
            .build()
            .expect("the figures are right")
            .layer(tower::service_fn(work_async))
    };
    Contest::new("bulkhead, let through")
        .contended()
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::isolated(n)))
        .with(Side::Ours, "resilient's object", calls!(|_n| ours::BULKHEAD.try_acquire().is_ok()))
        .peer("tokio's Semaphore", calls!(|_n| semaphore.try_acquire().is_ok()))
        .peer("throttle-net", calls!(|_n| throttle.try_acquire().is_some()))
        .peer("tower's ConcurrencyLimit", calls!(tower, |n| tower_call(&mut tower, n, |fault| fault)))
        .peer("tower-resilience", calls!(resilience, |n| tower_call(&mut resilience, n, |_| Fault::Refused)))
}

fn budget() -> Contest {
    use tower::retry::budget::{Budget as _, TpsBudget};
    let tower = TpsBudget::new(Duration::from_secs(10), 10, 0.2);
    let throttle = throttle_net::RetryBudget::new(0.2, 10);
    Contest::new("retry budget, a call that succeeds")
        .contended()
        .plain(calls!(|n| work(n)))
        .ours(calls!(|n| ours::with_budget(n)))
        .with(Side::Ours, "resilient, the budget of a default", calls!(|n| ours::retry_sync(n)))
        .with(Side::Ours, "resilient's object", calls!(|_n| ours::BUDGET.deposit()))
        .peer("tower's TpsBudget", calls!(|_n| tower.deposit()))
        .peer("throttle-net", calls!(|_n| throttle.deposit()))
}

fn ratio_of_calls() -> Trip {
    Trip::Ratio { window: 100, ratio: 0.5, min_calls: 20 }
}

fn failures_in_time() -> Trip {
    Trip::Windowed { failures: u32::MAX, period: Duration::from_secs(30) }
}

/// The same work, sync and async.
type Work = (fn(u32) -> Answer, fn(u32) -> std::future::Ready<Answer>);

fn count_window_of(part: &'static str, plain: Calls, ours: Calls, (work, work_async): Work) -> Contest {
    let recloser = by_recloser::breaker(DAY);
    let throttle = by_throttle_net::breaker(ratio_of_calls(), DAY);
    let tower = by_tower_resilience::breaker(by_tower_resilience::count_window(), work_async);
    Contest::new(part)
        .plain(plain)
        .ours(ours)
        .peer("recloser", calls!(|n| recloser.call(|| work(n)).map_err(by_recloser::fault)))
        .peer("throttle-net", calls!(|n| by_throttle_net::call(&throttle, n, work)))
        .peer("tower-resilience", calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::fault)))
}

fn time_window_of(part: &'static str, plain: Calls, ours: Calls, (work, work_async): Work) -> Contest {
    let failsafe = by_failsafe::over_time();
    let throttle = by_throttle_net::breaker(failures_in_time(), DAY);
    let seatbelt = by_seatbelt::breaker(work_async);
    let tower = by_tower_resilience::breaker(by_tower_resilience::time_window(), work_async);
    Contest::new(part)
        .plain(plain)
        .ours(ours)
        .peer(
            "failsafe",
            calls!(|n| failsafe::CircuitBreaker::call(&failsafe, || work(n)).map_err(by_failsafe::fault)),
        )
        .peer("throttle-net", calls!(|n| by_throttle_net::call(&throttle, n, work)))
        .peer("seatbelt", calls!(|n| driven!(seatbelt.execute(n))))
        .peer("tower-resilience", calls!(tower, |n| tower_call(&mut tower, n, by_tower_resilience::fault)))
}

fn healthy() -> Work {
    (work, |n| std::future::ready(work(n)))
}

fn failing_at_times() -> Work {
    (flaky, |n| std::future::ready(flaky(n)))
}

fn count_window() -> Contest {
    let part = "window of 100 calls";
    count_window_of(part, calls!(|n| work(n)), calls!(|n| ours::count_window(n)), healthy())
}

fn count_window_flaky() -> Contest {
    let part = "window of 100 calls, one in 20 fails";
    let ours = calls!(|n| ours::count_window_flaky(n));
    count_window_of(part, calls!(|n| flaky(n)), ours, failing_at_times())
}

fn time_window() -> Contest {
    let part = "window of 30 s";
    time_window_of(part, calls!(|n| work(n)), calls!(|n| ours::time_window(n)), healthy())
}

fn time_window_flaky() -> Contest {
    let part = "window of 30 s, one in 20 fails";
    let ours = calls!(|n| ours::time_window_flaky(n));
    time_window_of(part, calls!(|n| flaky(n)), ours, failing_at_times())
}

fn everything() -> Contest {
    Contest::new("every layer on")
        .plain(calls!(|n| work(n)))
        .with(Side::Ours, "resilient, sync", calls!(|n| ours::everything(n)))
        .with(Side::Ours, "resilient, async", calls!(|n| driven!(ours::everything_async(n))))
}
