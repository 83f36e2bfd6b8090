//! What the routes answer, over real sockets.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use resilient::testing::Scope;
use resilient::{
    CheckReport, ResilienceConfig, ResilienceError, ResilienceRouter, api_resilient, breaker,
    database_resilient, register_health_check, resilience_router,
};
use resilient_web_tests::{Answer, Served};
use serde_json::{Value, json};
use tokio::time::sleep;

const TOKEN: &str = "correct-horse-battery";

#[database_resilient(operation_name = "load_user", max_attempts = 1, failure_threshold = 2)]
async fn load_user(well: bool) -> std::io::Result<u32> {
    if well { Ok(1) } else { Err(std::io::Error::other("password hunter2 was refused")) }
}

#[database_resilient(operation_name = "ledger", critical = true)]
async fn never_called() -> std::io::Result<()> {
    Ok(())
}

#[api_resilient(operation_name = "partner", key = host)]
async fn partner(host: &str) -> std::io::Result<usize> {
    Ok(host.len())
}

/// A scope and what is served in it.
async fn served(router: impl FnOnce() -> Router) -> (Scope, Served) {
    let scope = Scope::new();
    let app = scope.run(async { router() }).await;
    (scope, Served::new(app).await)
}

async fn open_load_user(scope: &Scope) {
    scope
        .run(async {
            for _ in 0..2 {
                load_user(false).await.unwrap_err();
            }
        })
        .await;
}

fn names(answer: &Answer) -> Vec<String> {
    let operations = answer.json()["operations"].clone();
    let name = |it: &Value| it["name"].as_str().unwrap_or_default().to_owned();
    operations.as_array().unwrap().iter().map(name).collect()
}

fn operation(answer: &Answer, name: &str) -> Value {
    let operations = answer.json()["operations"].clone();
    operations.as_array().unwrap().iter().find(|it| it["name"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn health_tells_status_resilience_and_each_client() {
    let (scope, served) = served(resilience_router).await;
    let well = served.get("/health").await;
    assert_eq!((well.status.as_u16(), &well.json()["status"]), (200, &json!("healthy")));
    assert_eq!(well.json()["clients"], json!({}));
    assert_eq!(well.json()["resilience"]["overall_health"], "healthy");
    assert!(well.json()["resilience"]["circuit_breakers"]["load_user"]["total_calls"].is_number());
    assert_eq!(well.header("cache-control"), "no-store");
    assert_eq!(well.header("x-content-type-options"), "nosniff");
    let (redis, database) = scope
        .run(async {
            (
                register_health_check("redis", async || CheckReport::degraded("the fallback serves")),
                register_health_check("database", async || {
                    CheckReport::unhealthy("cannot reach postgres://admin:hunter2@db/prod?sslkey=hunter2")
                }),
            )
        })
        .await;
    // What was found is kept a second.
    sleep(Duration::from_millis(1100)).await;
    let ill = served.get("/health").await;
    assert_eq!((ill.status.as_u16(), &ill.json()["status"]), (503, &json!("unhealthy")));
    assert_eq!(ill.json()["clients"]["redis"]["status"], "degraded");
    assert_eq!(ill.json()["clients"]["database"]["message"], "cannot reach postgres://db/prod");
    assert!(!ill.text.contains("hunter2"));
    drop(database);
    sleep(Duration::from_millis(1100)).await;
    let degraded = served.get("/health").await;
    assert_eq!((degraded.status.as_u16(), &degraded.json()["status"]), (200, &json!("degraded")));
    drop(redis);
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_are_one_check() {
    let (scope, served) = served(resilience_router).await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let _slow = scope
        .run(async {
            register_health_check("slow", move || {
                counted.fetch_add(1, Ordering::Relaxed);
                async {
                    sleep(Duration::from_millis(200)).await;
                    CheckReport::healthy()
                }
            })
        })
        .await;
    let served = Arc::new(served);
    let asking = (0..100).map(|_| {
        let served = Arc::clone(&served);
        tokio::spawn(async move { served.get("/health").await.json()["clients"]["slow"]["status"].clone() })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), "healthy");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn live_is_live_whatever_the_program_depends_on() {
    let (scope, served) = served(resilience_router).await;
    let _hangs = scope.run(async { register_health_check("hangs", pending) }).await;
    scope.run(async { breaker("ledger").unwrap().force_open() }).await;
    let live = served.get("/health/live").await;
    assert_eq!((live.status.as_u16(), live.json()), (200, json!({ "status": "alive" })));
}

#[tokio::test]
async fn ready_is_not_while_something_required_is_away_and_says_what() {
    let is_warm = Arc::new(AtomicBool::new(false));
    let warm = Arc::clone(&is_warm);
    let (scope, served) = served(move || {
        let ready = ResilienceRouter::builder().ready_when(move || warm.load(Ordering::Relaxed));
        ready.require("database").build()
    })
    .await;
    let because = async || {
        let ready = served.get("/health/ready").await;
        (ready.status.as_u16(), ready.json()["because"].clone())
    };
    let cold = "the program says that it is not";
    assert_eq!(because().await, (503, json!([cold, "database has no health check"])));
    let (database, _other) = scope
        .run(async {
            let unhealthy = async || CheckReport::unhealthy("down");
            (register_health_check("database", unhealthy), register_health_check("other", unhealthy))
        })
        .await;
    sleep(Duration::from_millis(1100)).await;
    is_warm.store(true, Ordering::Relaxed);
    assert_eq!(because().await, (503, json!(["database is unhealthy"])));
    drop(database);
    let _mended =
        scope.run(async { register_health_check("database", async || CheckReport::healthy()) }).await;
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(because().await, (200, Value::Null), "what is not required does not matter");
    scope.run(async { breaker("ledger").unwrap().force_open() }).await;
    assert_eq!(because().await, (503, json!(["a critical circuit breaker is open"])));
}

#[tokio::test]
async fn each_reason_not_to_be_ready_is_told_by_itself() {
    let ready = async |is_warm: bool, database: Option<CheckReport>, critical: bool| {
        let router =
            move || ResilienceRouter::builder().ready_when(move || is_warm).require("database").build();
        let (scope, served) = served(router).await;
        let answer = scope.run(async {
            let _check = database.map(|report| {
                register_health_check("database", move || {
                    let report = report.clone();
                    async { report }
                })
            });
            if critical {
                breaker("ledger").unwrap().force_open();
            }
            served.get("/health/ready").await
        });
        let answer = answer.await;
        (answer.status.as_u16(), answer.json()["because"].clone())
    };
    let well = || Some(CheckReport::healthy());
    assert_eq!(ready(true, well(), false).await, (200, Value::Null));
    assert_eq!(ready(true, Some(CheckReport::degraded("slow")), false).await, (200, Value::Null));
    let cold = "the program says that it is not";
    assert_eq!(ready(false, well(), false).await, (503, json!([cold])));
    assert_eq!(ready(true, None, false).await, (503, json!(["database has no health check"])));
    let down = Some(CheckReport::unhealthy("down"));
    assert_eq!(ready(true, down, false).await, (503, json!(["database is unhealthy"])));
    let open = json!(["a critical circuit breaker is open"]);
    assert_eq!(ready(true, well(), true).await, (503, open));
}

#[tokio::test]
async fn the_resilience_endpoints_have_the_keys_of_the_library_and_of_pynomaly() {
    let (scope, served) = served(resilience_router).await;
    open_load_user(&scope).await;
    let health = served.get("/health/resilience").await.json();
    assert_eq!(
        (&health["overall_health"], &health["open_breakers"]),
        (&json!("degraded"), &json!(["load_user"]))
    );
    assert_eq!(health["circuit_breakers"]["load_user"]["state"], "open");
    let metrics = served.get("/metrics/resilience").await.json();
    assert_eq!(metrics["circuit_breaker_states"]["load_user"], "open");
    assert_eq!(metrics["circuit_breaker_states"]["ledger"], "closed");
    assert_eq!(metrics["failure_rates"]["load_user"], 1.0);
    assert_eq!(metrics["total_calls"]["load_user"], 2);
    assert_eq!(metrics["overall_health"], "degraded");
    scope.run(async { breaker("ledger").unwrap().force_open() }).await;
    assert_eq!(served.get("/health/resilience").await.status, 503);
}

#[tokio::test]
async fn prometheus_is_told_by_a_recorder_of_the_routes_own() {
    let (scope, served) = served(resilience_router).await;
    scope.run(async { load_user(true).await.unwrap() }).await;
    open_load_user(&scope).await;
    let scraped = served.get("/metrics").await;
    assert_eq!(scraped.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        r#"resilient_calls_total{operation="load_user",outcome="success",reason="success"} 1"#,
        r#"resilient_breaker_state{breaker="load_user",state="open"} 1"#,
        r#"resilient_breaker_state{breaker="ledger",state="closed"} 1"#,
        r#"resilient_call_duration_seconds_bucket{operation="load_user",outcome="success",le="300"} 1"#,
        "# TYPE resilient_call_duration_seconds histogram",
    ] {
        assert!(scraped.text.lines().any(|told| told == line), "{line} is not in {}", scraped.text);
    }
    // Durations are looked through before anybody asks, or they would be kept.
    scope
        .run(async {
            for _ in 0..10_000 {
                partner("example.com").await.unwrap();
            }
        })
        .await;
    let text = served.get("/metrics").await.text;
    let count = r#"resilient_call_duration_seconds_count{operation="partner",outcome="success"} 10000"#;
    assert!(text.contains(count), "{text}");
    let without = ResilienceRouter::builder().metrics(false).build();
    let (_scope, without) = self::served(|| without).await;
    assert_eq!(without.get("/metrics").await.status, 404);
}

#[tokio::test]
async fn every_operation_is_listed_called_or_not_with_what_it_did() {
    let (scope, served) = served(resilience_router).await;
    let made = scope
        .run(async { ResilienceConfig::new("made-in-code").operation_type("cache").build().unwrap() })
        .await;
    assert!(names(&served.get("/resilience/operations").await).contains(&"ledger".to_owned()));
    scope
        .run(async {
            load_user(true).await.unwrap();
            made.call_async(async || Ok::<_, ResilienceError>(())).await.unwrap();
        })
        .await;
    open_load_user(&scope).await;
    scope.run(async { load_user(true).await.unwrap_err() }).await;
    sleep(Duration::from_millis(250)).await;
    let all = served.get("/resilience/operations").await;
    let load = operation(&all, "load_user");
    assert_eq!((&load["made"], &load["operation_type"]), (&json!("annotated"), &json!("database")));
    assert_eq!((&load["breaker"], &load["state"]["state"]), (&json!("load_user"), &json!("open")));
    assert_eq!(load["state"]["because"], "2 consecutive failures");
    assert!(load["state"]["retry_after"].as_f64().unwrap() > 25.0);
    let totals = &load["totals"];
    assert_eq!((&totals["calls"], &totals["succeeded"]), (&json!(4), &json!(1)));
    assert_eq!((&totals["failed"], &totals["refused"]), (&json!(2), &json!(1)));
    assert!(load["minute"]["per_second"].as_f64().unwrap() > 0.0);
    assert!(load["minute"]["p95"].as_f64().is_some());
    let sum =
        |of: &str| load["history"][of].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("calls"), sum("bad")), (4, 3));
    assert!(load["location"].as_str().unwrap().contains("endpoints.rs:"));
    let never = operation(&all, "ledger");
    assert_eq!((&never["totals"]["calls"], &never["history"]), (&json!(0), &Value::Null));
    let made = operation(&all, "made-in-code");
    assert_eq!((&made["made"], &made["operation_type"]), (&json!("configured"), &json!("cache")));
    assert_eq!((&made["totals"]["succeeded"], &made["state"]["state"]), (&json!(1), &json!("closed")));
    assert_eq!(all.json()["actions"], false);
}

#[tokio::test]
async fn a_breaker_that_is_kept_by_key_tells_how_many_and_never_which() {
    let (scope, served) = served(|| ResilienceRouter::builder().token(TOKEN).unwrap().build()).await;
    scope
        .run(async {
            partner("hunter2.example.com").await.unwrap();
            resilient::keyed_breaker("partner", "hunter2.example.com").unwrap().open();
        })
        .await;
    let mut seen = String::new();
    for path in [
        "/resilience/operations",
        "/resilience/breakers",
        "/resilience/events",
        "/resilience/config",
        "/health",
    ] {
        seen += &served.get(path).await.text;
    }
    assert!(!seen.contains("hunter2"), "{seen}");
    let partner = operation(&served.get("/resilience/operations").await, "partner");
    assert_eq!((&partner["state"]["keys"], &partner["state"]["open"]), (&json!(1), &json!(1)));
    let path = "/resilience/breakers/partner/";
    assert_eq!(served.post(&format!("{path}disable"), Some(TOKEN)).await.status, 409);
    let reset = served.post(&format!("{path}reset"), Some(TOKEN)).await;
    assert_eq!((reset.status.as_u16(), reset.json()), (200, json!({ "name": "partner", "keys": 1 })));
    assert_eq!(served.get("/resilience/breakers").await.json()["keyed"]["partner"]["open"], 0);
}

#[tokio::test]
async fn the_configuration_in_force_is_told_with_its_source() {
    let scope = Scope::builder().env("PYNOMALY_OP_LOAD_USER_TIMEOUT", "7").build();
    let app = scope
        .run(async {
            ResilienceConfig::new("made:in-code").timeout("3s").build().unwrap();
            resilience_router()
        })
        .await;
    let served = Served::new(app).await;
    let one = served.get("/resilience/config?operation=load_user").await.json();
    let row = |name: &str| {
        let rows = one["parameters"].as_array().unwrap();
        rows.iter().find(|row| row["parameter"] == name).cloned().unwrap()
    };
    assert_eq!(row("timeout")["value"], 7.0);
    assert!(row("timeout")["source"].to_string().contains("PYNOMALY_OP_LOAD_USER_TIMEOUT"));
    assert!(one["layers"].as_array().unwrap().contains(&json!("circuit breaker")));
    let made = served.get("/resilience/config?operation=made%3Ain-code").await.json();
    assert_eq!(made["operation"], "made:in-code");
    let all = served.get("/resilience/config").await;
    for name in ["load_user", "ledger", "partner", "made:in-code"] {
        let known = all.json()["operations"].as_array().unwrap().iter().any(|it| it["operation"] == name);
        assert!(known, "{name}");
    }
    assert_eq!(served.get("/resilience/config?operation=none").await.status, 404);
}

#[tokio::test]
async fn events_are_told_newest_last_and_from_a_number_on() {
    let (scope, served) = served(|| ResilienceRouter::builder().events(4).build()).await;
    open_load_user(&scope).await;
    let all = served.get("/resilience/events").await;
    assert!(!all.text.contains("hunter2"));
    let all = all.json();
    let events = all["events"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["attempt_failed", "transition"], "the second failure is within the first's second");
    let transition = &events[1];
    assert_eq!((&transition["breaker"], &transition["to"]), (&json!("load_user"), &json!("open")));
    assert_eq!(transition["reason"], "2 consecutive failures");
    assert_eq!(transition["id"], all["last"]);
    let rest = served.get(&format!("/resilience/events?since={}", events[0]["id"])).await.json();
    assert_eq!(rest["events"], json!([transition]));
    let none = served.get(&format!("/resilience/events?since={}", all["last"])).await.json();
    assert_eq!((&none["events"], &none["lost"]), (&json!([]), &json!(0)));
    let names: Vec<_> = (0..6).map(|n| format!("storm-{n}")).collect();
    scope
        .run(async {
            for name in &names {
                let operation = ResilienceConfig::new(name).enable_retry(false).build().unwrap();
                let down = async || Err::<(), _>(ResilienceError::Isolated { name: "elsewhere" });
                operation.call_async(down).await.unwrap_err();
            }
        })
        .await;
    let later = served.get("/resilience/events?since=0").await.json();
    assert_eq!(later["events"].as_array().unwrap().len(), 5, "four and the change: {later}");
    assert_eq!(later["lost"], 3);
    assert_eq!(later["events"][0], *transition);
}

#[tokio::test]
async fn what_stands_in_a_variable_that_cannot_be_used_is_told_by_no_route() {
    let scope = Scope::builder().env("PYNOMALY_DATABASE_TIMEOUT", "hunter2").build();
    let app = scope.run(async { resilience_router() }).await;
    let served = Served::new(app).await;
    scope.run(async { load_user(true).await.unwrap() }).await;
    let events = served.get("/resilience/events").await;
    assert_eq!(events.json()["events"][0]["kind"], "configuration");
    assert!(!events.text.contains("hunter2"), "{}", events.text);
}

#[tokio::test]
async fn actions_are_refused_where_no_token_is_configured() {
    let (scope, served) = served(resilience_router).await;
    open_load_user(&scope).await;
    for action in ["reset", "force-open", "force-close", "disable", "auto"] {
        let path = format!("/resilience/breakers/load_user/{action}");
        for token in [None, Some(""), Some(TOKEN)] {
            let refused = served.post(&path, token).await;
            assert_eq!((refused.status.as_u16(), &refused.json()["kind"]), (403, &json!("actions_off")));
        }
    }
    assert_eq!(served.get("/metrics/resilience").await.json()["circuit_breaker_states"]["load_user"], "open");
}

#[tokio::test]
async fn actions_are_done_with_the_token_and_refused_without_it() {
    let (scope, served) = served(|| ResilienceRouter::builder().token(TOKEN).unwrap().build()).await;
    open_load_user(&scope).await;
    let state = async || {
        served.get("/metrics/resilience").await.json()["circuit_breaker_states"]["load_user"].clone()
    };
    let actions = ["force-close", "force-open", "auto", "disable", "auto", "force-open", "reset"];
    let after = ["closed", "forced_open", "closed", "disabled", "closed", "forced_open", "closed"];
    for (action, after) in actions.into_iter().zip(after) {
        let path = format!("/resilience/breakers/load_user/{action}");
        let before = state().await;
        // Each of them alone is fewer than an address may fail.
        let (without, wrong) =
            (served.post(&path, None).await, served.post(&path, Some("wrong-horse-battery")).await);
        for refused in [&without, &wrong] {
            assert_eq!(
                (refused.status.as_u16(), refused.header("content-type")),
                (401, "application/problem+json")
            );
            assert!(refused.header("www-authenticate").starts_with("Bearer"));
        }
        assert_eq!(state().await, before);
        let done = served.post(&path, Some(TOKEN)).await;
        assert_eq!((done.status.as_u16(), &done.json()["state"]), (200, &json!(after)), "{action}");
        assert_eq!(state().await, after);
    }
    assert_eq!(served.post("/resilience/breakers/none/reset", Some(TOKEN)).await.status, 404);
    assert_eq!(served.post("/resilience/breakers/none/reset", None).await.status, 401);
    assert_eq!(served.post("/resilience/breakers/load_user/explode", Some(TOKEN)).await.status, 404);
    assert_eq!(served.get("/resilience/breakers/load_user/reset").await.status, 405);
}

#[tokio::test]
async fn an_open_breaker_goes_on_by_itself_under_auto() {
    let (scope, served) = served(|| ResilienceRouter::builder().token(TOKEN).unwrap().build()).await;
    open_load_user(&scope).await;
    let auto = served.post("/resilience/breakers/load_user/auto", Some(TOKEN)).await;
    assert_eq!(auto.json()["state"], "open");
}

#[tokio::test]
async fn the_token_comes_from_the_environment_and_follows_a_reload() {
    let scope = Scope::builder().env("PYNOMALY_RESILIENCE_TOKEN", TOKEN).build();
    let app = scope.run(async { resilience_router() }).await;
    let served = Served::new(app).await;
    let path = "/resilience/breakers/load_user/reset";
    assert_eq!(served.post(path, Some(TOKEN)).await.status, 200);
    let reload = async |token: &str| {
        scope.set_env("PYNOMALY_RESILIENCE_TOKEN", token);
        scope.run(async { resilient::reload().unwrap() }).await;
    };
    reload("another-horse-battery").await;
    assert_eq!(served.post(path, Some(TOKEN)).await.status, 401);
    assert_eq!(served.post(path, Some("another-horse-battery")).await.status, 200);
    reload("too-short").await;
    let refused = served.post(path, Some("too-short")).await;
    assert_eq!(refused.status, 403);
    assert!(!refused.text.contains("too-short"), "{}", refused.text);
    assert!(ResilienceRouter::builder().token("too-short").is_err());
}

#[tokio::test]
async fn an_address_that_sends_wrong_tokens_is_shut_out_for_a_while() {
    let (_scope, served) = served(|| ResilienceRouter::builder().token(TOKEN).unwrap().build()).await;
    let path = "/resilience/breakers/load_user/reset";
    for _ in 0..10 {
        assert_eq!(served.post(path, Some("wrong-horse-battery")).await.status, 401);
    }
    let shut_out = served.post(path, Some(TOKEN)).await;
    assert_eq!(shut_out.status, 429);
    assert!((1..=60).contains(&shut_out.header("retry-after").parse::<u32>().unwrap()));
}

#[tokio::test]
async fn no_other_origin_is_allowed_anything() {
    let (_scope, served) = served(|| ResilienceRouter::builder().token(TOKEN).unwrap().build()).await;
    let path = "/resilience/breakers/load_user/reset";
    let origin = ("origin", "https://evil.example");
    assert_eq!(served.ask(Method::POST, path, &[origin]).await.status, 401);
    let asks = ("access-control-request-method", "POST");
    let sends = ("access-control-request-headers", "authorization");
    let asked = served.ask(Method::OPTIONS, path, &[origin, asks, sends]).await;
    for path in ["/resilience/operations", "/health"] {
        assert_eq!(served.get(path).await.header("access-control-allow-origin"), "");
    }
    assert_eq!((asked.status.as_u16(), asked.header("access-control-allow-origin")), (405, ""));
}

#[tokio::test]
async fn parts_that_are_not_wanted_are_not_there() {
    let (_scope, health) = served(|| ResilienceRouter::builder().dashboard(false).build()).await;
    assert_eq!(health.get("/health").await.status, 200);
    for path in ["/resilience/breakers", "/resilience/operations", "/resilience/events/stream"] {
        assert_eq!(health.get(path).await.status, 404, "{path}");
    }
    assert_eq!(health.post("/resilience/breakers/load_user/reset", None).await.status, 404);
    let (_scope, dashboard) = served(|| ResilienceRouter::builder().health(false).build()).await;
    assert_eq!(dashboard.get("/health").await.status, 404);
    assert_eq!(dashboard.get("/resilience/operations").await.status, 200);
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_script_and_nobody_frames_it() {
    let (_scope, served) = served(resilience_router).await;
    let folder = served.get("/resilience").await;
    assert_eq!((folder.status.as_u16(), folder.header("location")), (308, "resilience/"));
    let page = served.get("/resilience/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let known = ("if-none-match", page.header("etag"));
    assert_eq!(served.ask(Method::GET, "/resilience/", &[known]).await.status, 304);
}

#[tokio::test]
async fn routes_work_below_a_prefix_and_beside_a_state_of_the_users() {
    #[derive(Clone)]
    struct State;
    let (_scope, served) = served(|| {
        let inner: Router<State> = Router::new().nest("/internal", resilience_router());
        inner.with_state(State)
    })
    .await;
    assert_eq!(served.get("/internal/health/live").await.status, 200);
    assert_eq!(served.get("/internal/resilience").await.header("location"), "resilience/");
    assert_eq!(served.get("/internal/resilience/").await.status, 200);
}
