//! The layer around services of tower: functions, and hyper's own client against a real server.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use resilient::http::{Method, Request, Response};
use resilient::testing::Scope;
use resilient::{OperationLayer, ResilienceConfig, ResilienceError, State, keyed_breaker};
use resilient_clients_tests::{Reply, Upstream};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn config(name: &str) -> ResilienceConfig {
    ResilienceConfig::new(name).max_attempts(3).base_delay("1ms").jitter(false).timeout("5s")
}

/// A service that fails so often, and what it was called with.
fn flaky(
    failures: u32,
    calls: &Arc<AtomicU32>,
) -> impl Service<String, Response = String, Error = io::Error, Future: Send> + Clone + Send + 'static {
    let calls = Arc::clone(calls);
    service_fn(move |request: String| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move { if call < failures { Err(io::Error::other("down")) } else { Ok(request + "!") } }
    })
}

#[tokio::test]
async fn a_failed_call_is_made_again_with_a_copy_of_the_request() {
    let calls = Arc::default();
    let layer = OperationLayer::new(config("tower.copies").build().unwrap());
    let answer = layer.layer(flaky(2, &calls)).oneshot("hello".to_owned()).await;
    assert_eq!(answer.unwrap(), "hello!");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_last_error_is_boxed_and_a_refusal_is_found_in_it() {
    let calls = Arc::default();
    let layer = OperationLayer::new(config("tower.boxed").failure_threshold(3).build().unwrap());
    let mut service = layer.layer(flaky(u32::MAX, &calls));
    let error = service.ready().await.unwrap().call(String::new()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "down");
    let error = service.ready().await.unwrap().call(String::new()).await.unwrap_err();
    assert!(ResilienceError::find(&*error).is_some_and(ResilienceError::is_circuit_open));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_error_of_ones_own_is_what_the_rules_judge() {
    #[derive(Debug, PartialEq)]
    enum Own {
        Io,
        Refused,
    }
    impl From<io::Error> for Own {
        fn from(_: io::Error) -> Self {
            Self::Io
        }
    }
    impl From<ResilienceError> for Own {
        fn from(_: ResilienceError) -> Self {
            Self::Refused
        }
    }
    let calls = Arc::default();
    let operation =
        config("tower.own").retry_if(|error: &Own| *error != Own::Io).failure_threshold(1).build();
    let service = OperationLayer::new(operation.unwrap()).with_error::<Own>().layer(flaky(9, &calls));
    assert_eq!(service.clone().oneshot(String::new()).await, Err(Own::Io));
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the rule says not to try again");
    assert_eq!(service.oneshot(String::new()).await, Err(Own::Refused));
}

#[derive(Debug, PartialEq)]
struct NotClone(u32);

#[tokio::test]
async fn what_is_not_clone_is_copied_by_a_function_or_sent_once() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |request: NotClone| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        ready(if call == 0 { Err(io::Error::other("down")) } else { Ok(request.0) })
    });
    let layer = OperationLayer::new(config("tower.copied").build().unwrap());
    let copied = layer.with_copy(|request: &NotClone| NotClone(request.0)).layer(service.clone());
    assert_eq!(copied.oneshot(NotClone(7)).await.unwrap(), 7);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 2);

    let scope = Scope::builder()
        .env("PYNOMALY_OP_TOWER_ONCE_ENABLE_RETRY", "true")
        .env("PYNOMALY_OP_TOWER_ONCE_MAX_ATTEMPTS", "9")
        .build();
    let answer = scope.run(async {
        let failing = config("tower_once").failure_if(|answer: &u32| *answer > 0);
        OperationLayer::once(failing).unwrap().layer(service).oneshot(NotClone(7)).await
    });
    assert!(answer.await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 1, "whatever the variables say");
}

/// Ready each second time it is asked, and only then to be called.
struct Shy {
    asked: u32,
    calls: Arc<AtomicU32>,
}

/// That it is ready is no other's.
impl Clone for Shy {
    fn clone(&self) -> Self {
        Self { asked: 0, calls: Arc::clone(&self.calls) }
    }
}

impl Service<()> for Shy {
    type Response = ();
    type Error = io::Error;
    type Future = Ready<io::Result<()>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.asked += 1;
        if self.asked % 2 == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert!(self.asked > 0 && self.asked.is_multiple_of(2), "called without being ready");
        self.asked = 0;
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        ready(if call < 2 { Err(io::Error::other("down")) } else { Ok(()) })
    }
}

#[tokio::test]
async fn no_attempt_calls_a_service_that_is_not_ready() {
    let shy = Shy { asked: 0, calls: Arc::default() };
    let layer = OperationLayer::new(config("tower.shy").build().unwrap());
    layer.layer(shy.clone()).oneshot(()).await.unwrap();
    assert_eq!(shy.calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_call_that_is_refused_or_ends_gives_back_what_being_ready_held() {
    let calls = Arc::default();
    let limited = ConcurrencyLimit::new(flaky(u32::MAX, &calls), 1);
    let operation = config("tower.permits").failure_threshold(3).build().unwrap();
    let mut service = OperationLayer::new(operation).layer(limited);
    for _ in 0..4 {
        let ready = tokio::time::timeout(Duration::from_secs(5), service.ready()).await;
        assert!(ready.expect("the permit is back").unwrap().call(String::new()).await.is_err());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3, "the last three were refused");
}

#[tokio::test]
async fn an_attempt_is_cut_off_at_its_limit() {
    let service = service_fn(|(): ()| std::future::pending::<io::Result<()>>());
    let operation = config("tower.slow").timeout("20ms").max_attempts(2).build().unwrap();
    let error = OperationLayer::new(operation).layer(service).oneshot(()).await.unwrap_err();
    assert!(ResilienceError::find(&*error).is_some_and(ResilienceError::is_timeout));
}

fn host(request: &Request<Full<Bytes>>) -> String {
    request.uri().authority().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn hypers_own_client_has_a_breaker_for_each_host() {
    let (dead, alive) = (Upstream::start(), Upstream::start());
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let operation = config("tower.hyper")
        .failure_threshold(3)
        .keyed()
        .failure_if(|answer: &Response<hyper::body::Incoming>| answer.status().is_server_error())
        .build();
    let service = OperationLayer::new(operation.unwrap()).with_key(host).layer(client);
    let send = async |url: String| -> Result<(u16, Bytes), BoxError> {
        let request = Request::builder().method(Method::PUT).uri(url).body(Full::from("hello"))?;
        let answer = service.clone().oneshot(request).await?;
        Ok((answer.status().as_u16(), answer.into_body().collect().await?.to_bytes()))
    };

    dead.script([Reply::status(503), Reply::closed()]);
    assert_eq!(send(dead.url("/x")).await.unwrap(), (200, "ok".into()));
    let asked = dead.asked();
    assert_eq!(asked.iter().map(|asked| &*asked.body).collect::<Vec<_>>(), [b"hello"; 3]);

    dead.stop();
    assert!(send(dead.url("/x")).await.is_err());
    let error = send(dead.url("/x")).await.unwrap_err();
    assert!(ResilienceError::find(&*error).is_some_and(ResilienceError::is_circuit_open), "{error}");
    assert_eq!(send(alive.url("/x")).await.unwrap().0, 200);
    let open = keyed_breaker("tower.hyper", &dead.address().to_string()).unwrap();
    assert_eq!(open.state(), State::Open);
}
