//! Server-sent events, as a browser reads them.

use std::time::Duration;

use axum::Router;
use axum::http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use resilient::testing::Scope;
use resilient::{
    BreakerConfig, CircuitBreaker, ResilienceConfig, ResilienceError, ResilienceRouter, resilience_router,
};
use resilient_web_tests::Served;
use serde_json::Value;
use tokio::time::{sleep, timeout};

async fn served(router: impl FnOnce() -> Router) -> (Scope, Served) {
    let scope = Scope::new();
    let app = scope.run(async { router() }).await;
    (scope, Served::new(app).await)
}

/// What a stream told so far.
struct Reader {
    response: Response<Incoming>,
    text: String,
}

impl Reader {
    async fn open(served: &Served, path: &str, headers: &[(&str, &str)]) -> Self {
        let response = served.send(Method::GET, path, headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// Reads on until `word` was told.
    async fn until(&mut self, word: &str) -> &str {
        let reads = async {
            while !self.text.contains(word) {
                let frame = self.response.frame().await.expect("the stream goes on").unwrap();
                self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
            }
        };
        let told = timeout(Duration::from_secs(5), reads).await;
        assert!(told.is_ok(), "{word} is not in {}", self.text);
        &self.text
    }

    fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens_with_a_number_to_resume_from() {
    let (scope, served) = served(resilience_router).await;
    let breaker = scope.run(async { CircuitBreaker::new("db", BreakerConfig::new()).unwrap() }).await;
    breaker.force_open();
    let mut reader = Reader::open(&served, "/resilience/events", &[("accept", "text/event-stream")]).await;
    assert!(reader.until("forced_open").await.contains("retry: 1000\n"));
    breaker.close();
    reader.until(r#""to":"closed""#).await;
    let events = reader.events();
    assert_eq!(events.len(), 2);
    let number = events[0]["id"].to_string();
    assert!(reader.text.contains(&format!("id: {number}\n")));
    // As `EventSource` does after the connection was lost.
    let resumed = [("last-event-id", number.as_str())];
    let mut resumed = Reader::open(&served, "/resilience/events/stream?since=0", &resumed).await;
    resumed.until("closed").await;
    assert_eq!(resumed.events(), [events[1].clone()]);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_lost() {
    let (scope, served) = served(|| ResilienceRouter::builder().events(8).build()).await;
    scope
        .run(async {
            for n in 0..100 {
                let operation = ResilienceConfig::new(format!("op-{n}")).enable_retry(false).build().unwrap();
                let down = async || Err::<(), _>(ResilienceError::Isolated { name: "elsewhere" });
                operation.call_async(down).await.unwrap_err();
            }
        })
        .await;
    let mut reader = Reader::open(&served, "/resilience/events/stream", &[]).await;
    let text = reader.until("op-99").await;
    assert!(text.contains("event: lost\ndata: {\"lost\":92}\n"), "{text}");
    assert_eq!(reader.events().len(), 1 + 8);
}

#[tokio::test]
async fn only_so_many_read_at_a_time_and_who_leaves_makes_room() {
    let (scope, served) = served(|| ResilienceRouter::builder().streams(2).build()).await;
    let breaker = scope.run(async { CircuitBreaker::new("db", BreakerConfig::new()).unwrap() }).await;
    let first = Reader::open(&served, "/resilience/events/stream", &[]).await;
    let _second = Reader::open(&served, "/resilience/events/stream", &[]).await;
    let third = served.get("/resilience/events/stream").await;
    assert_eq!((third.status.as_u16(), third.header("retry-after")), (503, "10"));
    assert_eq!(served.get("/resilience/events").await.status, 200, "asking goes on");
    drop(first);
    // That it left is noticed when something is told.
    let again = async {
        while served.send(Method::GET, "/resilience/events/stream", &[]).await.status() != 200 {
            breaker.force_open();
            breaker.close();
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(5), again).await.expect("the place is free again");
}
