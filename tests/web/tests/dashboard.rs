//! The dashboard in Chromium: `browser/dashboard.mjs` does what a person would do.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use resilient::testing::Scope;
use resilient::web::StatusLayer;
use resilient::{
    CheckReport, ResilienceConfig, ResilienceError, ResilienceRouter, api_resilient, breaker,
    cache_resilient, database_resilient, ml_resilient, register_health_check, resilient,
};
use resilient_web_tests::Served;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

const TOKEN: &str = "correct-horse-battery";

/// Longer than it ever takes.
const LIMIT: Duration = Duration::from_secs(300);

static PAYMENTS_ARE_DOWN: AtomicBool = AtomicBool::new(false);

async fn answer(after: u64, one_in: u64, n: u64) -> std::io::Result<()> {
    sleep(Duration::from_millis(after + n * 7 % 11)).await;
    if one_in > 0 && n.is_multiple_of(one_in) { Err(std::io::Error::other("down")) } else { Ok(()) }
}

async fn last_known(_n: u64) -> std::io::Result<()> {
    Ok(())
}

#[api_resilient(
    operation_name = "payments.charge",
    max_attempts = 1,
    failure_threshold = 3,
    critical = false
)]
async fn charge(n: u64) -> std::io::Result<()> {
    if PAYMENTS_ARE_DOWN.load(Ordering::Relaxed) {
        Err(std::io::Error::other("down"))
    } else {
        answer(60, 0, n).await
    }
}

#[database_resilient(operation_name = "orders.load", bulkhead(max_concurrent = 20))]
async fn orders(n: u64) -> std::io::Result<()> {
    answer(4, 0, n).await
}

#[database_resilient(operation_name = "orders.save", base_delay = "5ms", failure_threshold = 50)]
async fn save(n: u64) -> std::io::Result<()> {
    answer(9, 6, n).await
}

#[cache_resilient(operation_name = "sessions.get", fallback = last_known)]
async fn session(n: u64) -> std::io::Result<()> {
    answer(1, 0, n).await
}

#[cache_resilient(operation_name = "inventory.reserve", max_attempts = 1, key = n % 5)]
async fn reserve(n: u64) -> std::io::Result<()> {
    answer(2, 0, n).await
}

#[ml_resilient(operation_name = "recommendations.rank")]
async fn rank(n: u64) -> std::io::Result<()> {
    answer(180, 0, n).await
}

#[resilient(
    operation_type = "mail",
    operation_name = "mail.send",
    recovery_timeout = "300ms",
    max_attempts = 1
)]
async fn mail(n: u64) -> std::io::Result<()> {
    answer(25, 0, n).await
}

#[api_resilient(operation_name = "geo.lookup", enable_timeout = false)]
async fn geo(n: u64) -> std::io::Result<()> {
    answer(14, 0, n).await
}

#[database_resilient(operation_name = "reports.yearly", deadline = "2m")]
async fn never_called() -> std::io::Result<()> {
    Ok(())
}

/// What a shop does all day.
async fn day() {
    for n in 0.. {
        let _all = tokio::join!(orders(n), save(n), session(n), mail(n), geo(n));
        if n % 2 == 0 {
            let _ = charge(n).await;
        }
        if n % 10 == 0 {
            let _both = tokio::join!(rank(n), reserve(n));
        }
    }
}

fn app() -> Router {
    let pages = || ResilienceRouter::builder().token(TOKEN).unwrap();
    let break_payments = async || {
        PAYMENTS_ARE_DOWN.store(true, Ordering::Relaxed);
        for n in 0..3 {
            let _ = charge(n).await;
        }
    };
    let heal_payments = async || PAYMENTS_ARE_DOWN.store(false, Ordering::Relaxed);
    let mend_payments = async || {
        breaker("payments.charge").unwrap().reset();
    };
    let scene = async move || {
        break_payments().await;
        breaker("mail.send").unwrap().open();
        sleep(Duration::from_millis(400)).await;
        breaker("mail.send").unwrap().half_open().unwrap_or_default();
        breaker("geo.lookup").unwrap().disable();
        resilient::keyed_breaker("inventory.reserve", "3").unwrap().open();
    };
    let many = async || {
        for n in 0..500 {
            let operation =
                ResilienceConfig::new(format!("many-{n:03}")).operation_type("cache").build().unwrap();
            let _ = operation.call_async(async || Ok::<_, ResilienceError>(())).await;
        }
    };
    Router::new()
        .route("/test/break", post(break_payments))
        .route("/test/heal", post(heal_payments))
        .route("/test/mend", post(mend_payments))
        .route("/test/scene", post(scene))
        .route("/test/many", post(many))
        .merge(pages().build())
        .nest("/inner", pages().metrics(false).build())
        .layer(StatusLayer::new())
}

#[cfg_attr(not(feature = "servers"), ignore = "needs chromium and node: scripts/test")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_does_in_a_browser_what_it_promises() {
    let scope = Scope::builder()
        .env("PYNOMALY_OP_PAYMENTS_CHARGE_RECOVERY_TIMEOUT", "45")
        .env("PYNOMALY_CACHE_TIMEOUT", "250ms")
        .build();
    let scope = Arc::new(scope);
    let app = scope
        .run(async {
            let made = ResilienceConfig::new("made-in-code").operation_type("cache").build().unwrap();
            made.call_async(async || Ok::<_, ResilienceError>(())).await.unwrap();
            register_health_check("database", async || CheckReport::healthy().detail("version", "15.18"))
                .keep();
            register_health_check("redis", async || {
                CheckReport::degraded("away, the memory of this process serves")
            })
            .keep();
            let name = "<img src=x onerror=window.taken=1>";
            register_health_check(name, async || CheckReport::healthy()).keep();
            app()
        })
        .await;
    let served = Served::new(app).await;
    let inside = Arc::clone(&scope);
    let load = tokio::spawn(async move { inside.run(day()).await });
    let browser = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("dashboard");
    let mut node = Command::new("node");
    node.args(["dashboard.mjs", &served.base(), TOKEN]).arg(&folder).current_dir(browser);
    let node = node.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, node).await.expect("it ends").expect("node is there");
    load.abort();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    assert!(output.status.success(), "{told}\n{errors}");
}
