//! What the HTTP client promises, async and blocking by one table, against a server that answers what it is told to and a
//! proxy that does harm.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use resilient::http::{Method, StatusCode};
use resilient::testing::Scope;
use resilient::{
    BlockingHttpClient, Deadline, HealthStatus, HttpClient, HttpClientBuilder, HttpError, HttpRequest,
    HttpResponse, ResilienceError, State, check_health, keyed_breaker,
};
use resilient_clients_tests::{Fault, Proxy, Reply, Upstream, now, printed, until};
use tokio::runtime::Runtime;

type Answer = Result<HttpResponse, HttpError>;

/// One of the two ways to call.
struct Side {
    client: HttpClient,
    blocking: Option<BlockingHttpClient>,
    runtime: Runtime,
}

/// A request, whichever way it is sent.
#[derive(Clone)]
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Option<&'static str>,
    idempotent: bool,
}

fn ask(method: Method, path: impl Into<String>) -> Ask {
    Ask { method, path: path.into(), headers: Vec::new(), body: None, idempotent: false }
}

fn get(path: impl Into<String>) -> Ask {
    ask(Method::GET, path)
}

fn post(path: impl Into<String>) -> Ask {
    Ask { body: Some("an order"), ..ask(Method::POST, path) }
}

impl Ask {
    fn of<C>(&self, mut request: HttpRequest<C>) -> HttpRequest<C> {
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        if self.idempotent { request.idempotent() } else { request }
    }
}

impl Side {
    fn send(&self, ask: &Ask) -> Answer {
        if let Some(client) = &self.blocking {
            return ask.of(client.request(ask.method.clone(), &ask.path)).send();
        }
        let request = ask.of(self.client.request(ask.method.clone(), &ask.path));
        self.runtime.block_on(request.send())
    }

    /// The breaker of that server.
    fn breaker(&self, upstream: &Upstream) -> Option<resilient::CircuitBreaker> {
        keyed_breaker(&self.name(), &upstream.address().to_string()).ok()
    }

    /// Closes all breakers of this client.
    fn reset(&self) {
        for (_, breaker) in resilient::keyed_breakers(&self.name()).unwrap_or_default() {
            breaker.reset();
        }
    }

    fn name(&self) -> String {
        format!("{:?}", self.client).split('"').nth(1).unwrap_or_default().to_owned()
    }
}

/// Runs `test` once for each way to call, with a client of its own for `base`.
fn both(name: &str, base: &str, tune: impl Fn(HttpClientBuilder) -> HttpClientBuilder, test: impl Fn(&Side)) {
    for is_blocking in [false, true] {
        let way = if is_blocking { "blocking" } else { "async" };
        let builder = HttpClient::builder(base)
            .name(format!("{name}.{way}"))
            .timeout("5s")
            .layers(|layers| layers.max_attempts(3).base_delay("5ms").max_delay("20ms").jitter(false));
        let client = tune(builder).build().unwrap();
        let blocking = is_blocking.then(|| client.blocking());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        test(&Side { client, blocking, runtime: runtime.unwrap() });
    }
}

fn plain(builder: HttpClientBuilder) -> HttpClientBuilder {
    builder
}

fn text(answer: &Answer) -> &str {
    answer.as_ref().unwrap_or_else(|error| panic!("{error}")).text().unwrap()
}

#[test]
fn a_server_that_is_absent_at_start_is_used_when_it_comes() {
    let upstream = Upstream::absent();
    both("absent", &upstream.url(""), plain, |side| {
        upstream.stop();
        let error = side.send(&get("/")).unwrap_err();
        assert!(matches!(error, HttpError::NotConnected { .. }), "{error:?}");
        assert!(error.was_never_sent());
        upstream.restart();
        assert_eq!(text(&side.send(&get("/"))), "ok");
    });
}

#[test]
fn a_request_whose_server_is_killed_is_sent_again_to_the_one_that_comes_back() {
    let upstream = Upstream::start();
    both(
        "killed",
        &upstream.url(""),
        |it| it.max_attempts(5),
        |side| {
            upstream.asked();
            upstream.script([Reply::hang()]);
            let answer = thread::scope(|scope| {
                let call = scope.spawn(|| side.send(&get("/")));
                until(|| !upstream.asked().is_empty());
                upstream.stop();
                upstream.restart();
                call.join().unwrap()
            });
            assert_eq!(text(&answer), "ok");
        },
    );
}

#[test]
fn a_post_that_may_have_arrived_is_not_sent_again() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    both(
        "post_once",
        &base,
        |it| it.timeout("500ms"),
        |side| {
            upstream.asked();
            let harms: [(&str, Reply, Fault); 6] = [
                ("answers 503", Reply::status(503), Fault::Pass),
                ("closes", Reply::closed(), Fault::Pass),
                ("breaks off", Reply::body("x".repeat(1_000)).cut(500), Fault::Pass),
                ("breaks off underway", Reply::body("x".repeat(100_000)), Fault::Cut(1_000)),
                ("never answers", Reply::hang(), Fault::Pass),
                ("answers too late", Reply::body("late").after(Duration::from_millis(1_500)), Fault::Pass),
            ];
            for (what, reply, fault) in harms {
                proxy.set(fault);
                upstream.answers(reply);
                for method in [Method::POST, Method::PATCH] {
                    let answer = side.send(&Ask { method, ..post("/orders") });
                    assert!(answer.is_err(), "{what}");
                    assert_eq!(upstream.asked().len(), 1, "{what}");
                }
                side.reset();
            }
        },
    );
}

#[test]
fn a_post_that_found_no_connection_is_sent_when_there_is_one() {
    let upstream = Upstream::absent();
    both(
        "post_unsent",
        &upstream.url(""),
        |it| it.max_attempts(50),
        |side| {
            upstream.stop();
            let answer = thread::scope(|scope| {
                let call = scope.spawn(|| side.send(&post("/orders")));
                thread::sleep(Duration::from_millis(40));
                upstream.restart();
                call.join().unwrap()
            });
            assert_eq!(text(&answer), "ok");
            assert_eq!(upstream.asked().len(), 1);
        },
    );
}

#[test]
fn a_post_with_a_key_is_sent_again_under_the_same_key() {
    let upstream = Upstream::start();
    both("post_key", &upstream.url(""), plain, |side| {
        upstream.asked();
        let own = Ask { headers: vec![("Idempotency-Key", "order-7")], ..post("/orders") };
        let generated = Ask { idempotent: true, ..post("/orders") };
        let mut keys = Vec::new();
        for request in [own, generated.clone(), generated] {
            upstream.script([Reply::status(503), Reply::closed()]);
            assert_eq!(text(&side.send(&request)), "ok");
            let asked = upstream.asked();
            assert_eq!(asked.len(), 3);
            let key = asked[0].header("idempotency-key").unwrap().to_owned();
            for sent in &asked {
                assert_eq!(sent.header("idempotency-key"), Some(&*key));
                assert_eq!((&sent.method, &*sent.body), (&Method::POST, &b"an order"[..]));
            }
            keys.push(key);
        }
        assert_eq!(keys[0], "order-7");
        assert_ne!(keys[1], keys[2]);
    });
}

#[test]
fn what_may_be_repeated_is_and_as_often_as_it_is_said_and_no_more() {
    let upstream = Upstream::start();
    both("repeats", &upstream.url(""), plain, |side| {
        upstream.asked();
        upstream.answers(Reply::status(503));
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE]
        {
            let error = side.send(&ask(method.clone(), "/")).unwrap_err();
            assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
            assert_eq!(upstream.asked().len(), 3, "{method}");
            side.reset();
        }
    });
}

#[test]
fn a_status_says_whether_it_is_tried_again_and_counts() {
    let upstream = Upstream::start();
    both(
        "statuses",
        &upstream.url(""),
        |it| it.layers(|it| it.failure_threshold(3)),
        |side| {
            upstream.asked();
            for (status, attempts, opens) in [
                (400, 1, false),
                (401, 1, false),
                (403, 1, false),
                (404, 1, false),
                (409, 1, false),
                (422, 1, false),
                (408, 3, true),
                (425, 3, true),
                (429, 3, true),
                (500, 3, true),
                (502, 3, true),
                (503, 3, true),
                (504, 3, true),
            ] {
                upstream.answers(Reply::status(status).with_body("why"));
                let error = side.send(&get("/")).unwrap_err();
                assert_eq!(error.status().unwrap(), status);
                assert_eq!(error.response().unwrap().text().unwrap(), "why");
                assert_eq!(upstream.asked().len(), attempts, "{status}");
                let opened = side.breaker(&upstream).is_some_and(|breaker| breaker.state() == State::Open);
                assert_eq!(opened, opens, "{status}");
                side.reset();
            }
            for status in [200, 201, 204, 304] {
                upstream.answers(Reply::status(status));
                assert_eq!(side.send(&get("/")).unwrap().status(), status);
            }
        },
    );
}

#[test]
fn an_upstream_that_stalls_longer_than_the_limit_is_given_up_and_used_again() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    both(
        "stalls",
        &base,
        |it| it.timeout("400ms"),
        |side| {
            assert_eq!(text(&side.send(&get("/"))), "ok");
            proxy.set(Fault::Stall);
            let began = now();
            let error = side.send(&get("/")).unwrap_err();
            assert!(began.elapsed() >= Duration::from_millis(1_200), "each of three attempts has its 400 ms");
            assert!(ResilienceError::find(&error).is_some_and(ResilienceError::is_timeout), "{error:?}");
            proxy.set(Fault::Pass);
            side.reset();
            assert_eq!(text(&side.send(&get("/"))), "ok");
        },
    );
}

#[test]
fn connections_that_are_reset_are_replaced() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    both("reset", &base, plain, |side| {
        proxy.set(Fault::Reset);
        let error = side.send(&get("/")).unwrap_err();
        let is_lost = matches!(error, HttpError::Disconnected { .. } | HttpError::NotConnected { .. });
        assert!(is_lost, "{error:?}");
        proxy.set(Fault::Pass);
        assert_eq!(text(&side.send(&get("/"))), "ok");
        proxy.set(Fault::Reset);
        proxy.set(Fault::Pass);
        assert_eq!(text(&side.send(&get("/"))), "ok", "kept connections were reset as well");
    });
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again_and_never_handed_out() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    let whole = "x".repeat(50_000);
    both("cut", &base, plain, |side| {
        upstream.asked();
        upstream.answers(Reply::body(whole.clone()));
        upstream.script([Reply::body(whole.clone()).cut(20_000), Reply::body(whole.clone()).cut(1)]);
        assert_eq!(text(&side.send(&get("/"))), whole);
        assert_eq!(upstream.asked().len(), 3);
        proxy.set(Fault::Cut(25_000));
        let error = side.send(&get("/")).unwrap_err();
        let HttpError::BrokenOff { received, .. } = error else { panic!("{error:?}") };
        assert!(received > 20_000 && received < 25_000, "{received}");
        proxy.set(Fault::Pass);
        assert_eq!(text(&side.send(&get("/"))), whole);
    });
}

#[test]
fn latency_below_the_limit_is_no_failure() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    both("latency", &base, plain, |side| {
        upstream.asked();
        proxy.set(Fault::Latency(Duration::from_millis(60)));
        let began = now();
        assert_eq!(text(&side.send(&get("/"))), "ok");
        assert!(began.elapsed() >= Duration::from_millis(60));
        assert_eq!(upstream.asked().len(), 1);
        proxy.set(Fault::Pass);
    });
}

#[test]
fn retry_after_is_waited_for_and_a_long_one_ends_the_call() {
    let upstream = Upstream::start();
    both("retry_after", &upstream.url(""), plain, |side| {
        upstream.asked();
        for status in [429, 503] {
            upstream.script([Reply::status(status).header("retry-after", "1")]);
            let began = now();
            assert_eq!(text(&side.send(&get("/"))), "ok");
            assert!(began.elapsed() >= Duration::from_secs(1), "{status}: {:?}", began.elapsed());
        }
        upstream.script([Reply::status(503)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", "Sun, 06 Nov 1994 08:49:38 GMT")]);
        let began = now();
        assert_eq!(text(&side.send(&get("/"))), "ok");
        assert!(began.elapsed() >= Duration::from_secs(1));
        upstream.asked();

        upstream.script([Reply::status(429).header("retry-after", "3600")]);
        let error = side.send(&get("/")).unwrap_err();
        assert_eq!(upstream.asked().len(), 1, "an hour is not waited for");
        assert!(
            error.to_string().ends_with("429 Too Many Requests; it asks to come back in 3600 s"),
            "{error}"
        );
    });
}

#[test]
fn a_dead_host_is_refused_by_name_and_no_other_and_recovers() {
    let (dead, alive) = (Upstream::absent(), Upstream::start());
    let quick = |it: HttpClientBuilder| {
        it.layers(|it| it.failure_threshold(3).recovery_timeout("200ms").success_threshold(1))
    };
    both("hosts", &dead.url(""), quick, |side| {
        dead.stop();
        assert!(matches!(side.send(&get("/")), Err(HttpError::NotConnected { .. })));
        let error = side.send(&get("/")).unwrap_err();
        let refused = ResilienceError::find(&error).expect("the breaker refuses");
        assert!(refused.is_circuit_open());
        assert!(error.to_string().starts_with(&format!("{}: circuit breaker '", dead.address())), "{error}");
        assert_eq!(side.breaker(&dead).unwrap().state(), State::Open);

        assert_eq!(text(&side.send(&get(alive.url("/")))), "ok", "another host has a breaker of its own");
        alive.script([Reply::status(302).header("location", &dead.url("/"))]);
        let error = side.send(&get(alive.url("/"))).unwrap_err();
        assert!(error.to_string().starts_with(&dead.address().to_string()), "{error}");
        assert_eq!(side.breaker(&alive).unwrap().state(), State::Closed, "a redirect to it is its own call");

        dead.restart();
        until(|| side.send(&get("/")).is_ok());
        assert_eq!(side.breaker(&dead).unwrap().state(), State::Closed);
    });
}

#[test]
fn a_full_bulkhead_has_all_its_slots_again_after_every_harm() {
    const SLOTS: u32 = 4;
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let base = format!("http://{}", proxy.address());
    let tune = |it: HttpClientBuilder| {
        it.max_attempts(1).layers(|it| it.bulkhead_max_concurrent(SLOTS).enable_circuit_breaker(false))
    };
    let is_full = |answer: &Answer| {
        let refusal = answer.as_ref().err().and_then(|error| ResilienceError::find(error));
        refusal.is_some_and(ResilienceError::is_bulkhead_full)
    };
    both("slots", &base, tune, |side| {
        let harmed = |method: Method| {
            Deadline::after(Duration::from_millis(100)).within(|| match &side.blocking {
                Some(client) => client.request(method, "/").send().map(drop),
                None => {
                    side.runtime.block_on(Deadline::attach(side.client.request(method, "/").send())).map(drop)
                }
            })
        };
        for fault in [Fault::Stall, Fault::Reset, Fault::Refuse, Fault::Cut(10), Fault::Pass] {
            proxy.set(fault);
            let _ = (harmed(Method::GET), harmed(Method::POST));
        }
        for reply in [Reply::hang(), Reply::closed(), Reply::body("half").cut(2), Reply::status(500)] {
            // To everybody: a request from before may arrive only now.
            upstream.answers(reply);
            assert!(harmed(Method::GET).is_err());
        }
        upstream.answers(Reply::status(200));
        // Dropped halfway.
        upstream.script([Reply::hang()]);
        side.runtime.block_on(async {
            let call = side.client.get("/").send();
            let _ = tokio::time::timeout(Duration::from_millis(30), call).await;
        });
        upstream.script([]);
        until(|| side.send(&get("/")).is_ok());

        upstream.asked();
        upstream.answers(Reply::hang());
        let mut arrived = 0;
        thread::scope(|scope| {
            let calls: Vec<_> = (0..SLOTS).map(|_| scope.spawn(|| side.send(&post("/")))).collect();
            while arrived < calls.len() {
                arrived += upstream.asked().len();
                thread::sleep(Duration::from_millis(1));
            }
            assert!(is_full(&side.send(&get("/"))), "all slots are taken, and there are no more");
            upstream.stop();
            for call in calls {
                assert!(!is_full(&call.join().unwrap()));
            }
        });
        upstream.restart();
        upstream.answers(Reply::body("ok"));
    });
}

#[test]
fn nothing_secret_is_in_an_error_or_in_what_debug_shows() {
    let upstream = Upstream::start();
    let secret = |path: &str| format!("http://admin:hunter2@{}/{path}", upstream.address());
    let tune = |it: HttpClientBuilder| {
        it.timeout("500ms")
            .max_response_size(100)
            .header("x-api-key", "hunter2")
            .layers(|it| it.failure_threshold(100))
    };
    both("secrets", &secret("api?key=hunter2"), tune, |side| {
        upstream.restart();
        let request = Ask {
            headers: vec![("authorization", "Bearer hunter2")],
            body: Some("hunter2"),
            ..ask(Method::PUT, "/users?token=hunter2#hunter2")
        };
        let mut seen = Vec::new();
        let replies = [
            Reply::status(500).header("set-cookie", "hunter2").with_body("hunter2"),
            Reply::status(404).with_body("hunter2"),
            Reply::closed(),
            Reply::hang(),
            Reply::body("hunter2".repeat(5)).cut(12),
            Reply::body("hunter2".repeat(50)),
            Reply::status(307).header("location", "ftp://hunter2@x/"),
            Reply::status(307).header("location", "http://127.0.0.1:1/?hunter2"),
            Reply::status(307).header("location", "?hunter2"),
        ];
        for reply in replies {
            upstream.answers(reply);
            seen.push(printed(&side.send(&request).unwrap_err()));
        }
        upstream.answers(Reply::body("\"hunter2\""));
        let answer = side.send(&request).unwrap();
        seen.push(format!("{answer:?}"));
        seen.push(printed(&answer.json::<u32>().unwrap_err()));
        upstream.answers(Reply::body(&b"hunter2\xff"[..]));
        seen.push(printed(&side.send(&request).unwrap().text().unwrap_err()));
        upstream.stop();
        seen.push(printed(&side.send(&request).unwrap_err()));
        seen.push(printed(&side.send(&get("http://hunter2 /")).unwrap_err()));
        let broken = Ask { headers: vec![("x", "hunter2\n")], ..get("/") };
        seen.push(printed(&side.send(&broken).unwrap_err()));
        seen.push(printed(&side.send(&Ask { headers: vec![("hunter2 ", "x")], ..get("/") }).unwrap_err()));
        seen.push(format!("{:?} {:?}", side.client, side.blocking));
        seen.push(format!("{:?}", request.of(side.client.put("/x?hunter2"))));
        seen.push(format!("{:?}", side.runtime.block_on(side.client.health_check())));
        for text in seen {
            assert!(!text.contains("hunter2") && !text.contains("admin"), "{text}");
        }
    });
    for broken in ["ftp://hunter2@x", "hunter2", "http://hunter2@:80"] {
        let error = resilient::http_client(broken).unwrap_err();
        assert!(!printed(&error).contains("hunter2"), "{error}");
    }
    let error = HttpClient::builder("http://x").proxy("hunter2:// ").build().unwrap_err();
    assert!(!printed(&error).contains("hunter2"), "{error}");
}

#[test]
fn a_proxy_with_a_password_is_asked_and_not_shown() {
    let proxy = Upstream::start();
    let url = format!("http://admin:hunter2@{}", proxy.address());
    both(
        "proxy",
        "http://no-such-host.invalid/x",
        |it| it.proxy(&url),
        |side| {
            proxy.restart();
            proxy.asked();
            assert_eq!(text(&side.send(&get("/y"))), "ok");
            assert_eq!(proxy.asked()[0].path, "http://no-such-host.invalid/x/y");
            proxy.stop();
            let error = printed(&side.send(&get("/y")).unwrap_err());
            assert!(!error.contains("hunter2") && !error.contains("admin"), "{error}");
        },
    );
}

#[test]
fn a_request_says_what_is_left_of_its_deadline() {
    let upstream = Upstream::start();
    let asked = |side: &Side, name: &str| -> Option<u64> {
        upstream.asked();
        let deadline = Deadline::after(Duration::from_secs(3));
        match &side.blocking {
            Some(client) => deadline.within(|| client.get("/").send()),
            None => side.runtime.block_on(deadline.attach_to(side.client.get("/").send())),
        }
        .unwrap();
        upstream.asked()[0].header(name).map(|millis| millis.parse().unwrap())
    };
    both("deadline", &upstream.url(""), plain, |side| {
        let left = asked(side, "x-timeout-ms").unwrap();
        assert!(left > 1_000 && left <= 3_000, "{left}");
        side.send(&get("/")).unwrap();
        assert_eq!(
            upstream.asked()[0].header("x-timeout-ms"),
            None,
            "without a deadline there is nothing to say"
        );
    });
    both(
        "deadline_own",
        &upstream.url(""),
        |it| it.timeout("1s").deadline("2s"),
        |side| {
            side.send(&get("/")).unwrap();
            let left: u64 = upstream.asked()[0].header("x-timeout-ms").unwrap().parse().unwrap();
            assert!(left > 200 && left <= 2_000, "{left}");
        },
    );
    both(
        "deadline_named",
        &upstream.url(""),
        |it| it.deadline_header("x-left"),
        |side| {
            assert!(asked(side, "x-left").is_some());
        },
    );
    both("deadline_off", &upstream.url(""), HttpClientBuilder::without_deadline_header, |side| {
        assert_eq!(asked(side, "x-timeout-ms"), None);
    });
}

#[test]
fn one_deadline_is_over_all_redirects() {
    let upstream = Upstream::start();
    both(
        "deadline_hops",
        &upstream.url(""),
        |it| it.timeout("300ms").deadline("400ms").redirects(100),
        |side| {
            upstream.answers(Reply::status(302).header("location", "/on").after(Duration::from_millis(50)));
            let error = side.send(&get("/")).unwrap_err();
            assert!(
                ResilienceError::find(&error).is_some_and(ResilienceError::is_deadline_exceeded),
                "{error:?}"
            );
            assert!(upstream.asked().len() <= 9);
        },
    );
}

#[test]
fn a_redirect_takes_no_secret_and_no_body_to_another_host() {
    let (here, there) = (Upstream::start(), Upstream::start());
    let base = here.url("").replace("http://", "http://admin:hunter2@");
    both(
        "redirects",
        &base,
        |it| it.header("x-api-key", "hunter2"),
        |side| {
            let (_, _) = (here.asked(), there.asked());
            let with_token =
                Ask { headers: vec![("authorization", "Bearer t"), ("accept", "text/plain")], ..get("/a") };

            here.script([Reply::status(301).header("location", "b?c=1")]);
            assert_eq!(text(&side.send(&with_token)), "ok");
            let asked = here.asked();
            assert_eq!(
                (asked[1].path.as_str(), asked[1].header("authorization")),
                ("/b?c=1", Some("Bearer t"))
            );
            assert_eq!(asked[1].header("x-api-key"), Some("hunter2"));

            here.script([Reply::status(302).header("location", &there.url("/b"))]);
            assert_eq!(text(&side.send(&with_token)), "ok");
            let asked = there.asked();
            assert_eq!(asked[0].header("accept"), Some("text/plain"));
            for name in ["authorization", "x-api-key", "cookie"] {
                assert_eq!(asked[0].header(name), None, "{name}");
            }

            here.script([Reply::status(303).header("location", &there.url("/b"))]);
            assert_eq!(text(&side.send(&post("/orders"))), "ok");
            let asked = there.asked();
            assert_eq!((&asked[0].method, asked[0].body.len()), (&Method::GET, 0));

            here.asked();
            here.script([Reply::status(307).header("location", "/elsewhere")]);
            assert_eq!(text(&side.send(&post("/orders"))), "ok");
            let asked = here.asked();
            assert_eq!((&asked[1].method, &*asked[1].body), (&Method::POST, &b"an order"[..]));

            here.script([Reply::status(308).header("location", &there.url("/b"))]);
            let error = side.send(&post("/orders")).unwrap_err();
            assert!(matches!(error, HttpError::Redirect { .. }), "{error:?}");
            assert_eq!(there.asked().len(), 0);

            here.answers(Reply::status(302).header("location", "/round"));
            here.asked();
            let error = side.send(&get("/")).unwrap_err();
            assert!(matches!(error, HttpError::Redirect { .. }), "{error:?}");
            assert_eq!(here.asked().len(), 11, "the first, and ten redirects");
            here.answers(Reply::body("ok"));
        },
    );
    both(
        "no_redirects",
        &here.url(""),
        |it| it.redirects(0),
        |side| {
            here.script([Reply::status(302).header("location", "/b")]);
            assert_eq!(side.send(&get("/")).unwrap().status(), 302);
        },
    );
}

#[test]
fn headers_and_password_of_the_client_go_to_its_own_host_alone() {
    let (own, other) = (Upstream::start(), Upstream::start());
    let base = own.url("").replace("http://", "http://admin:hunter2@");
    both(
        "headers",
        &base,
        |it| it.header("x-api-key", "k"),
        |side| {
            let (_, _) = (own.asked(), other.asked());
            side.send(&get("/")).unwrap();
            side.send(&get(other.url("/"))).unwrap();
            let (own, other) = (own.asked(), other.asked());
            assert_eq!(own[0].header("x-api-key"), Some("k"));
            assert_eq!(own[0].header("authorization"), Some("Basic YWRtaW46aHVudGVyMg=="));
            assert!(own[0].header("user-agent").unwrap().starts_with("resilient/"));
            assert_eq!((other[0].header("x-api-key"), other[0].header("authorization")), (None, None));
        },
    );
}

#[test]
fn an_answer_that_is_too_large_is_an_error_that_counts_for_nothing() {
    let upstream = Upstream::start();
    both(
        "large",
        &upstream.url(""),
        |it| it.max_response_size(1_000),
        |side| {
            upstream.asked();
            upstream.answers(Reply::body("x".repeat(1_000)));
            assert_eq!(side.send(&get("/")).unwrap().bytes().len(), 1_000);
            upstream.asked();
            for reply in [Reply::body("x".repeat(1_001)), Reply::body("x".repeat(300_000)).unannounced()] {
                upstream.answers(reply);
                let error = side.send(&get("/")).unwrap_err();
                assert!(matches!(error, HttpError::TooLarge { limit: 1_000, .. }), "{error:?}");
                assert_eq!(upstream.asked().len(), 1, "it would be as large again");
            }
            upstream.answers(Reply::body("x".repeat(1_001)));
            assert_eq!(side.send(&ask(Method::HEAD, "/")).unwrap().header("content-length"), Some("1001"));
        },
    );
}

#[test]
fn what_is_sent_arrives() {
    let upstream = Upstream::start();
    both("sends", &upstream.url("/v1"), plain, |side| {
        upstream.asked();
        let put = |blocking: bool| {
            let body = serde_json::json!({"a": [1, 2]});
            if blocking {
                let request = side.client.blocking().put("users/7").query("q", "a b&c");
                request.json(&body).bearer_auth("token").send()
            } else {
                let request = side.client.put("users/7").query("q", "a b&c").json(&body).bearer_auth("token");
                side.runtime.block_on(request.send())
            }
        };
        assert_eq!(text(&put(side.blocking.is_some())), "ok");
        let asked = upstream.asked().remove(0);
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("PUT", "/v1/users/7?q=a+b%26c"));
        assert_eq!(&*asked.body, br#"{"a":[1,2]}"#);
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert_eq!(asked.header("authorization"), Some("Bearer token"));
        upstream.answers(Reply::body(r#"{"n": 7}"#).header("x-a", "b"));
        let answer = side.send(&get("/")).unwrap();
        assert_eq!(answer.json::<serde_json::Value>().unwrap()["n"], 7);
        assert_eq!(answer.header("x-a"), Some("b"));
        upstream.answers(Reply::body("ok"));
    });
}

#[test]
fn a_stream_is_sent_once() {
    let upstream = Upstream::start();
    let chunks =
        || futures_util::stream::iter(["one ", "two"].map(|part| Ok::<_, std::io::Error>(Bytes::from(part))));
    both("stream", &upstream.url(""), plain, |side| {
        upstream.asked();
        let send = || match &side.blocking {
            Some(client) => client.put("/").idempotent().stream(chunks()).send(),
            None => side.runtime.block_on(side.client.put("/").idempotent().stream(chunks()).send()),
        };
        assert_eq!(text(&send()), "ok");
        assert_eq!(&*upstream.asked()[0].body, b"one two");
        for reply in [Reply::status(503), Reply::closed()] {
            upstream.script([reply]);
            let error = send().unwrap_err();
            assert!(matches!(error, HttpError::Status(_) | HttpError::Disconnected { .. }), "{error:?}");
            assert_eq!(upstream.asked().len(), 1);
        }
        upstream.stop();
        assert!(matches!(send(), Err(HttpError::NotConnected { .. })));
        upstream.restart();
    });
}

#[test]
fn a_health_check_asks_past_the_breaker_for_as_long_as_a_client_lives() {
    let upstream = Upstream::start();
    let once = |it: HttpClientBuilder| it.max_attempts(1).layers(|it| it.failure_threshold(1));
    both("health", &upstream.url(""), once, |side| {
        let name = side.name();
        let check = || match &side.blocking {
            Some(client) => client.health_check(),
            None => side.runtime.block_on(side.client.health_check()),
        };
        upstream.answers(Reply::status(404));
        assert_eq!(check().status, HealthStatus::Healthy, "the server answers");
        upstream.answers(Reply::status(503));
        assert_eq!(check().message.as_deref(), Some("it answers 503 Service Unavailable"));
        assert!(side.send(&get("/")).is_err());
        upstream.answers(Reply::body("ok"));
        assert!(
            side.send(&get("/")).is_err_and(|e| ResilienceError::find(&e).is_some()),
            "the breaker is open"
        );
        assert_eq!(check().status, HealthStatus::Healthy, "and is not asked");

        let at = |path: &str| side.runtime.block_on(side.client.health_check_at(path)).status;
        assert_eq!(at("/health"), HealthStatus::Healthy);
        upstream.answers(Reply::status(404));
        assert_eq!(at("/health"), HealthStatus::Unhealthy, "that path is meant");
        upstream.answers(Reply::body("ok"));

        let known = || side.runtime.block_on(check_health()).contains_key(&name);
        assert!(known());
        upstream.stop();
        assert_eq!(check().status, HealthStatus::Unhealthy);
        upstream.restart();
    });
    let client = HttpClient::builder(upstream.url("")).name("health_gone").build().unwrap();
    let runtime = Runtime::new().unwrap();
    let known = || runtime.block_on(check_health()).contains_key("health_gone");
    let copy = client.clone();
    drop(client);
    assert!(known());
    drop(copy);
    assert!(!known());
}

#[test]
fn a_blocking_call_works_on_the_workers_of_a_tokio_runtime() {
    let upstream = Upstream::start();
    let client = HttpClient::builder(upstream.url("")).name("on_workers").build().unwrap().blocking();
    for runtime in [
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
    ] {
        let client = client.clone();
        let called = runtime.spawn(async move { client.get("/").send().map(HttpResponse::into_bytes) });
        assert_eq!(runtime.block_on(called).unwrap().unwrap(), "ok");
    }
}

#[test]
fn a_call_that_is_dropped_is_over() {
    let upstream = Upstream::start();
    let proxy = Proxy::start(upstream.address());
    let client = HttpClient::builder(format!("http://{}", proxy.address())).name("dropped").build().unwrap();
    upstream.answers(Reply::hang());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let call = client.get("/").send();
        assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    });
    assert_eq!(upstream.asked().len(), 1);
    until(|| proxy.open() == 0);
}

#[test]
fn the_environment_says_where_to() {
    let upstream = Upstream::start();
    let scope = Scope::builder().env("PYNOMALY_HTTP_BASE_URL", upstream.url("/v2")).build();
    let inside = scope.enter();
    let client = HttpClient::from_environment().unwrap();
    drop(inside);
    let answer = Runtime::new().unwrap().block_on(client.get("x").send());
    assert_eq!(text(&answer), "ok");
    assert_eq!(upstream.asked()[0].path, "/v2/x");
    let scope = Scope::builder().env("PYNOMALY_HTTP_BASE_URL", "hunter2").build();
    let _inside = scope.enter();
    let error = HttpClient::from_environment().unwrap_err().to_string();
    assert!(error.contains("PYNOMALY_HTTP_BASE_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn wrong_settings_are_told_when_the_client_is_made() {
    let error = HttpClient::builder("http://x").timeout(0).build().unwrap_err();
    assert!(matches!(error, HttpError::Misconfigured(_)), "{error:?}");
    let error = HttpClient::builder("http://x").name("no name").build().unwrap_err();
    assert!(matches!(error, HttpError::Misconfigured(_)), "{error:?}");
    for broken in [
        HttpClient::builder("http://x").header("no name", "x"),
        HttpClient::builder("http://x").header("x", "a\nb"),
        HttpClient::builder("http://x").deadline_header("no name"),
        HttpClient::builder("http://x").root_certificate("no certificate"),
        HttpClient::builder("no url"),
    ] {
        let error = broken.build().unwrap_err();
        assert!(matches!(error, HttpError::Invalid(_)), "{error:?}");
    }
}

/// A server of HTTPS with a certificate of its own making, which it returns as PEM.
fn https(runtime: &Runtime) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsafe").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

#[test]
fn https_is_spoken_to_who_is_trusted_and_nothing_is_made_the_processs_own() {
    let runtime = Runtime::new().unwrap();
    let (url, certificate) = https(&runtime);
    both(
        "https",
        &url,
        |it| it.root_certificate(&certificate),
        |side| {
            assert_eq!(text(&side.send(&get("/"))), "safe");
        },
    );
    both("https_stranger", &url, plain, |side| {
        let error = side.send(&get("/")).unwrap_err();
        assert!(matches!(error, HttpError::NotConnected { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(
            resilient::Classify::class(&error),
            resilient::Class::Permanent,
            "no other attempt mends that"
        );
    });
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
