//! Representative functions, compared token by token, and the parts that keys add.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{assert_has, assert_lacks, assert_tokens, expanded};

/// What every expansion starts with.
fn site(name: &str, spec: &TokenStream) -> TokenStream {
    quote! {
        static __RESILIENT_SITE: ::resilient::__private::Site = ::resilient::__private::Site::new(
            ::resilient::__private::Spec::new(#name, ::core::module_path!(), ::core::file!(), ::core::line!()) #spec
        );
        ::resilient::__private::inventory::submit! { ::resilient::__private::Listed(&__RESILIENT_SITE) }
    }
}

/// How an answer is recorded where nothing was said about errors.
fn recorded(word: &str) -> TokenStream {
    let (word, refused) = (format_ident!("{word}"), format_ident!("{word}_refused"));
    quote! {
        match &out {
            ::core::result::Result::Ok(ret) => {
                call.answered();
                call.#word({
                    use ::resilient::__private::{
                        VerdictOfClassified as _, VerdictOfResult as _, VerdictOfOther as _
                    };
                    (&&::resilient::__private::Answered(ret)).verdict()
                })
            }
            ::core::result::Result::Err(refused) => call.#refused(refused),
        }
    }
}

/// How a call goes away that has ended.
fn spent() -> TokenStream {
    quote! {
        if call.is_spent() { ::core::mem::forget(call) } else { call.end_call() }
    }
}

#[test]
fn an_async_function_is_tried_in_a_loop_around_its_body() {
    let got = expanded(
        "api_resilient",
        quote!(max_attempts = 4),
        quote! {
            /// Charges.
            #[must_use]
            pub async fn charge<'a>(order: Order, tag: &'a str) -> Result<Receipt, PayError> {
                #![allow(unused)]
                gateway(order, tag).await?;
                Ok(Receipt)
            }
        },
    );
    let site = site(
        "charge",
        &quote! {
            .asynchronous().attribute("api_resilient").operation_type("api").retry().breaker()
            .timeout(::resilient::__private::TimeoutMode::Poll)
            .written(|| ::resilient::__private::Settings::new().max_attempts(4))
        },
    );
    let (settled, spent) = (recorded("settle"), spent());
    assert_tokens(
        &got,
        &quote! {
            /// Charges.
            #[must_use]
            #[allow(unused)]
            pub async fn charge<'a>(mut order: Order, tag: &'a str) -> Result<Receipt, PayError> {
                #site
                let mut call = ::resilient::__private::Execution::enter(&__RESILIENT_SITE);
                loop {
                    {
                        let out = 'attempt: {
                            if let ::core::result::Result::Err(refused) = call.admit() {
                                break 'attempt ::core::result::Result::Err(refused);
                            }
                            call.attempt(async {
                                if false {
                                    let _ = &mut order;
                                    let typed: Result<Receipt, PayError> = ::resilient::__private::typed();
                                    return typed;
                                }
                                {
                                    gateway(order, tag).await?;
                                    Ok(Receipt)
                                }
                            })
                            .await
                        };
                        let ended = #settled;
                        if ended {
                            #spent
                            return match out {
                                ::core::result::Result::Ok(ret) => ret,
                                ::core::result::Result::Err(refused) =>
                                    ::resilient::__private::refuse::<Result<Receipt, PayError>>(refused),
                            };
                        }
                    }
                    call.pause().await;
                }
            }
        },
    );
}

#[test]
fn a_sync_function_without_retry_runs_once_in_place() {
    let got = expanded(
        "circuit_breaker",
        quote!(name = "db", failure_threshold = 3, recovery_timeout = 30),
        quote!(
            fn query(&self, id: u32) -> Result<Row, Error> {
                self.find(id)
            }
        ),
    );
    let site = site(
        "query",
        &quote! {
            .attribute("circuit_breaker").breaker().breaker_name("db").written(||
                ::resilient::__private::Settings::new()
                    .failure_threshold(3)
                    .recovery_timeout(::core::time::Duration::from_secs(30u64))
            )
        },
    );
    let (settled, spent) = (recorded("settle"), spent());
    assert_tokens(
        &got,
        &quote! {
            fn query(&self, id: u32) -> Result<Row, Error> {
                #site
                let mut call = ::resilient::__private::Execution::enter(&__RESILIENT_SITE);
                let out = 'attempt: {
                    if let ::core::result::Result::Err(refused) = call.admit() {
                        break 'attempt ::core::result::Result::Err(refused);
                    }
                    call.attempt_in_place(move || -> Result<Row, Error> { self.find(id) })
                };
                let _ = #settled;
                #spent
                match out {
                    ::core::result::Result::Ok(ret) => ret,
                    ::core::result::Result::Err(refused) =>
                        ::resilient::__private::refuse::<Result<Row, Error>>(refused),
                }
            }
        },
    );
}

#[test]
fn a_sync_function_that_owns_its_arguments_runs_on_a_worker_thread_with_copies_of_what_it_uses() {
    let got = expanded(
        "database_resilient",
        quote!(timeout = "1s"),
        quote!(
            fn save(order: Order, unused: u32, label: String) -> Result<(), Error> {
                store(order, "{label}")
            }
        ),
    );
    assert_has(&got, &quote!(.timeout(::resilient::__private::TimeoutMode::Thread)));
    assert_has(
        &got,
        &quote! {
            #[allow(clippy::shadow_reuse)]
            let order = ::resilient::__private::fresh(&order);
            #[allow(clippy::shadow_reuse)]
            let label = ::resilient::__private::fresh(&label);
            {
                let body = move || -> Result<(), Error> { store(order, "{label}") };
                call.attempt_on_thread::<Result<(), Error>, _>(body)
            }
        },
    );
    assert_has(&got, &quote!(call.pause_blocking()));
    assert_lacks(&got, &quote!(fresh(&unused)));
}

#[test]
fn a_borrowing_function_keeps_a_profiles_time_limit_in_place() {
    let got = expanded(
        "database_resilient",
        quote!(),
        quote!(
            fn find(conn: &Connection, id: u32) -> Result<Row, Error> {
                conn.find(id)
            }
        ),
    );
    assert_has(&got, &quote!(.timeout(::resilient::__private::TimeoutMode::Deadline)));
    assert_has(&got, &quote!(call.attempt_in_place(|| -> Result<Row, Error> { conn.find(id) })));
}

#[test]
fn layers_that_cannot_refuse_ask_nothing_of_the_return_type() {
    let retry = expanded(
        "retry_with_backoff",
        quote!(),
        quote!(
            fn length(text: &str) -> usize {
                text.len()
            }
        ),
    );
    assert_has(&retry, &quote!(::resilient::__private::cannot_refuse(refused)));
    assert_lacks(&retry, &quote!(refuse::<));
    let health = expanded(
        "track_service_health",
        quote!("mail"),
        quote!(
            fn ping() {}
        ),
    );
    assert_has(&health, &quote!(.service("mail", || ::resilient::__private::HealthConfig::new())));
    assert_has(&health, &quote!(::resilient::__private::cannot_refuse(refused)));
}

#[test]
fn a_fallback_gets_the_arguments_after_the_attempts() {
    let got = expanded(
        "resilient",
        quote!(fallback = Self::stale),
        quote!(
            async fn load(&self, id: Id, (a, b): (u8, u8), _: u8) -> u32 {
                self.fetch(id, a, b).await
            }
        ),
    );
    assert_has(&got, &quote!(async fn load(&self, mut id: Id, arg2: (u8, u8), arg3: u8) -> u32));
    assert_has(&got, &quote!(let (mut a, mut b) = ::resilient::__private::fresh(&arg2);));
    assert_has(
        &got,
        &quote! {
            let wanted = call.wants_fallback();
            let out = match out {
                ::core::result::Result::Ok(ret) if !wanted => return ret,
                out => out,
            };
            let (stand_in0, error0) = {
                use ::resilient::__private::{TakesError as _, LeavesErrorOf4 as _, TakesNeither as _};
                let (stand_in, hands) =
                    (&&&::resilient::__private::StandIn(Self::stale, [(), (), (), ()])).adapt();
                (stand_in, hands.error(&call, out))
            };
        },
    );
    assert_has(
        &got,
        &quote! {
            let ret = stand_in0(self, id, arg2, arg3, error0).await;
            ret
        },
    );
    assert_lacks(&got, &quote!(refuse::<));
}

#[test]
fn a_fallback_may_come_from_a_macro() {
    let path = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!(self::cached));
    let item = quote!(
        fn f() -> u32 {
            1
        }
    );
    assert_has(&expanded("resilient", quote!(fallback = #path), item), &quote!(StandIn(self::cached, [])));
}

#[test]
fn a_backoff_may_come_from_a_macro() {
    let item = || {
        quote!(
            fn f() -> Result<u32, E> {
                Ok(1)
            }
        )
    };
    let passed = |tokens| proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens);
    let (function, value) = (passed(quote!(steps)), passed(quote!(STEPS)));
    let of_function = expanded("resilient", quote!(backoff = #function), item());
    let of_value = expanded("resilient", quote!(backoff = #value), item());
    assert_has(&of_function, &quote!(.backoff(::resilient::__private::Backoff::Custom(steps))));
    assert_has(&of_value, &quote!(.backoff(STEPS)));
}

#[test]
fn what_is_configured_away_is_neither_passed_nor_taken_apart() {
    let got = expanded(
        "resilient",
        quote!(fallback = cached),
        quote!(
            fn load(#[cfg(unix)] fd: &Fd, #[cfg(windows)] (a, b): Pair) -> Option<u8> {
                read()
            }
        ),
    );
    assert_has(&got, &quote!(fn load(#[cfg(unix)] fd: &Fd, #[cfg(windows)] arg1: Pair)));
    assert_has(&got, &quote!(#[cfg(windows)] let (a, b) = ::resilient::__private::fresh(&arg1);));
    assert_has(
        &got,
        &quote!(stand_in0(
            #[cfg(unix)]
            fd,
            #[cfg(windows)]
            arg1,
            error0
        )),
    );
    assert_has(
        &got,
        &quote!(StandIn(
            cached,
            [
                #[cfg(unix)]
                (),
                #[cfg(windows)]
                ()
            ]
        )),
    );
    assert_has(&got, &quote!(LeavesErrorOf0 as _, LeavesErrorOf1 as _, LeavesErrorOf2 as _));
}

#[test]
fn patterns_and_rules_look_at_the_error_itself_and_at_time_limits_as_errors() {
    let got = expanded(
        "resilient",
        quote!(
            retry_on = E::Busy(n) | E::Io(n) if *n > 3,
            ignore = E::NotFound,
            failure_if = |page: &Page| page.is_empty()
        ),
        quote!(
            async fn page() -> Result<Page, E> {
                fetch().await
            }
        ),
    );
    assert_has(&got, &quote!(let out = ::resilient::__private::timeout_as_error::<Result<Page, E>>(out);));
    assert_has(
        &got,
        &quote! {
            match ret {
                ::core::result::Result::Ok(value) =>
                    if ::resilient::__private::judge(value, |page: &Page| page.is_empty()) {
                        ::resilient::__private::Verdict::FAILURE
                    } else {
                        ::resilient::__private::Verdict::SUCCESS
                    },
                ::core::result::Result::Err(error) => (&::resilient::__private::Probe(error))
                    .verdict()
                    .ignore_if(::core::matches!(error, E::NotFound))
                    .retry_only_if(::core::matches!(error, E::Busy(n) | E::Io(n) if *n > 3)),
            }
        },
    );
    let rule = expanded(
        "retry_with_backoff",
        quote!(retry_if = is_transient),
        quote!(
            fn page() -> Result<Page, E> {
                fetch()
            }
        ),
    );
    assert_has(&rule, &quote!(.retry_only_if(::resilient::__private::judge(error, is_transient))));
    assert_lacks(&rule, &quote!(timeout_as_error));
}

#[test]
fn every_setting_reaches_the_settings_as_it_was_meant() {
    let item = quote!(
        async fn f() -> Result<(), E> {
            Ok(())
        }
    );
    for (written, printed) in [
        (quote!(timeout = 5), quote!(.timeout(::core::time::Duration::from_secs(5u64)))),
        (quote!(timeout_seconds = 0.25), quote!(.timeout(::core::time::Duration::from_nanos(250000000u64)))),
        (quote!(timeout = "1m30s"), quote!(.timeout(::core::time::Duration::from_secs(90u64)))),
        (quote!(timeout = "4.2s"), quote!(.timeout(::core::time::Duration::from_nanos(4200000000u64)))),
        (quote!(timeout = LIMIT), quote!(.timeout(LIMIT))),
        (quote!(deadline = limits::total()), quote!(.deadline(limits::total()))),
        (quote!(max_attempts = 3), quote!(.max_attempts(3))),
        (quote!(max_retries = 0), quote!(.max_retries(0))),
        (quote!(max_attempts = { 1 + 2 }), quote!(.max_attempts({ 1 + 2 }))),
        (quote!(base_delay = 0), quote!(.base_delay(::core::time::Duration::from_secs(0u64)))),
        (quote!(exponential_base = 2), quote!(.exponential_base(2f64))),
        (quote!(jitter = true), quote!(.jitter(true))),
        (quote!(jitter = "full"), quote!(.jitter("full"))),
        (quote!(jitter = 0.1), quote!(.jitter(0.1f64))),
        (quote!(jitter = Jitter::Full), quote!(.jitter(Jitter::Full))),
        (quote!(backoff = "linear"), quote!(.backoff("linear"))),
        (
            quote!(backoff = waits::slow),
            quote!(.backoff(::resilient::__private::Backoff::Custom(waits::slow))),
        ),
        (
            quote!(backoff = |n| wait(n)),
            quote!(.backoff(::resilient::__private::Backoff::Custom(|n| wait(n)))),
        ),
        (quote!(backoff = Backoff::Linear), quote!(.backoff(Backoff::Linear))),
        (quote!(failure_threshold = "off"), quote!(.failure_threshold(::resilient::__private::OFF))),
        (quote!(failure_rate = 0.5, window = 100), quote!(.failure_rate(0.5f64).window(100))),
        (
            quote!(failure_rate = RATE, window = "30s", min_calls = 5),
            quote!(.failure_rate(RATE).window(::core::time::Duration::from_secs(30u64)).min_calls(5)),
        ),
        (
            quote!(slow_call_rate = 0.9, slow_call_duration = "3s"),
            quote!(.slow_call_rate(0.9f64).slow_call_duration(::core::time::Duration::from_secs(3u64))),
        ),
        (
            quote!(recovery_backoff = 2.0, recovery_jitter = 0),
            quote!(.recovery_backoff(2f64).recovery_jitter(0f64)),
        ),
        (quote!(operation_type = "payments"), quote!(.operation_type("payments"))),
        (quote!(operation_name = "get_user"), quote!(.operation_name("get_user"))),
        (quote!(name = "db"), quote!(.breaker_name("db"))),
        (quote!(critical), quote!(.critical())),
        (quote!(critical = true), quote!(.critical())),
        (quote!(breaker_scope = "call"), quote!(.breaker_per_call())),
        (quote!(retry_on_open = true), quote!(.retry_on_open())),
        (quote!(exhausted = "wrap"), quote!(::resilient::__private::wrap_exhausted(&call, ret))),
    ] {
        assert_has(&expanded("resilient", written, item.clone()), &printed);
    }
}

#[test]
fn flags_that_are_false_and_words_that_are_defaults_print_nothing() {
    let item = quote!(
        async fn f() -> Result<(), E> {
            Ok(())
        }
    );
    let list = quote!(
        critical = false,
        retry_on_open = false,
        exhausted = "error",
        breaker_scope = "attempt",
        enable_retry = true
    );
    let got = expanded("resilient", list, item.clone());
    assert_eq!(got.to_string(), expanded("resilient", quote!(), item).to_string());
}

#[test]
fn a_switch_decides_what_is_generated() {
    let item = quote!(
        async fn f(x: X) -> Result<(), E> {
            Ok(())
        }
    );
    let got = expanded("api_resilient", quote!(enable_retry = false), item.clone());
    assert_lacks(&got, &quote!(loop));
    assert_lacks(&got, &quote!(.retry()));
    let body = quote! {
        call.attempt(async move {
            if false {
                let typed: Result<(), E> = ::resilient::__private::typed();
                return typed;
            }
            { Ok(()) }
        }).await
    };
    assert_has(&got, &body);
    assert_lacks(
        &expanded("api_resilient", quote!(enable_circuit_breaker = false), item.clone()),
        &quote!(.breaker()),
    );
    assert_lacks(&expanded("api_resilient", quote!(enable_timeout = false), item), &quote!(.timeout));
}

#[test]
fn stacked_attributes_become_one_plan_in_written_order() {
    let got = expanded(
        "retry_with_backoff",
        quote!(max_retries = 2, base_delay = 0.5),
        quote! {
            #[circuit_breaker(name = "db")]
            #[doc = "kept"]
            #[::resilient::with_timeout(seconds = 5)]
            #[resilient::track_service_health("db", window = 50)]
            async fn query() -> Result<(), E> { Ok(()) }
        },
    );
    assert_has(
        &got,
        &quote! {
            .asynchronous()
            .attribute("retry_with_backoff")
            .attribute("circuit_breaker")
            .attribute("with_timeout")
            .attribute("track_service_health")
            .retry()
            .breaker()
            .breaker_name("db")
            .timeout(::resilient::__private::TimeoutMode::Poll)
            .service("db", || ::resilient::__private::HealthConfig::new().window(50))
        },
    );
    assert_has(&got, &quote!(#[doc = "kept"] async fn query()));
    assert_has(
        &got,
        &quote!(
            #[allow(unused_imports)]
            use circuit_breaker as _;
        ),
    );
    assert_lacks(
        &got,
        &quote!(
            use ::resilient::with_timeout as _;
        ),
    );
    assert_eq!(got.to_string().matches("Execution").count(), 1);
}

#[test]
fn a_profile_takes_the_keys_of_the_attributes_below_it() {
    let got = expanded(
        "database_resilient",
        quote!(operation_name = "get"),
        quote!(
            #[retry_with_backoff(max_attempts = 7)]
            async fn get() -> Result<(), E> {
                Ok(())
            }
        ),
    );
    assert_has(&got, &quote!(.operation_type("database").operation_name("get")));
    assert_has(&got, &quote!(.max_attempts(7)));
}

#[test]
fn another_crate_path_is_used_everywhere_and_recognised_on_siblings() {
    let got = expanded(
        "resilient",
        quote!(crate = vendor::guard, failure_threshold = "off"),
        quote!(
            #[vendor::guard::track_service_health("x")]
            async fn f() -> Result<(), E> {
                Ok(())
            }
        ),
    );
    assert_lacks(&got, &quote!(::resilient));
    assert_has(
        &got,
        &quote!(
            use vendor::guard::__private as __resilient;
        ),
    );
    assert_has(&got, &quote!(__resilient::OFF));
    assert_has(&got, &quote!(__resilient::Execution::enter));
    assert_has(&got, &quote!(.attribute("track_service_health")));
}

#[test]
fn a_leading_value_fills_the_one_key_it_can_mean() {
    let item = quote!(
        async fn f() -> Result<(), E> {
            Ok(())
        }
    );
    let five = quote!(.timeout(::core::time::Duration::from_secs(5u64)));
    for list in
        [quote!(5), quote!("5s"), quote!(seconds = 5), quote!(timeout = 5), quote!(5, operation_name = "a")]
    {
        assert_has(&expanded("with_timeout", list, item.clone()), &five);
    }
    assert_has(&expanded("with_timeout", quote!(LIMIT), item.clone()), &quote!(.timeout(LIMIT)));
    assert_has(
        &expanded("with_timeout", quote!(crate::limit()), item.clone()),
        &quote!(.timeout(crate::limit())),
    );
    let service = quote!(.service("a", || ::resilient::__private::HealthConfig::new()));
    for list in [quote!("a"), quote!(service = "a"), quote!(service_name = "a")] {
        assert_has(&expanded("track_service_health", list, item.clone()), &service);
    }
}

#[test]
fn a_rate_limit_and_a_bulkhead_are_asked_after_the_breaker() {
    let (throttle, isolate) = (quote!(call.throttle().await), quote!(call.isolate().await));
    let steps = |throttle: &TokenStream, isolate: &TokenStream| {
        let refused = |step: &TokenStream| {
            quote! {
                if let ::core::result::Result::Err(refused) = #step {
                    break 'attempt ::core::result::Result::Err(refused);
                }
            }
        };
        [quote!(call.admit()), throttle.clone(), isolate.clone()].iter().map(refused).collect::<TokenStream>()
    };
    let list = quote!(
        bulkhead(max_concurrent = 5, max_wait = "1s", name = "db"),
        rate_limit(rate = 10, algorithm = "sliding_window"),
        key = host.name(),
        budget(ratio = 0.5)
    );
    let got = expanded(
        "resilient",
        list.clone(),
        quote!(
            async fn load(host: &Host) -> Result<u32, E> {
                get(host).await
            }
        ),
    );
    assert_has(&got, &steps(&throttle, &isolate));
    assert_has(&got, &quote!(.rate_limit()));
    assert_has(&got, &quote!(.bulkhead().bulkhead_name("db").keyed()));
    assert_has(&got, &quote!(Execution::enter_keyed(&__RESILIENT_SITE, &(host.name()))));
    assert_has(
        &got,
        &quote! {
            .bulkhead_max_concurrent(5)
            .bulkhead_max_wait(::core::time::Duration::from_secs(1u64))
            .rate_limit_rate(10)
            .rate_limit_algorithm("sliding_window")
            .budget(::resilient::__private::Budget::Ratio { ratio: 0.5f64, per_second: 1.0 })
        },
    );
    let got = expanded(
        "resilient",
        list,
        quote!(
            fn load(host: &Host) -> Result<u32, E> {
                get(host)
            }
        ),
    );
    assert_has(&got, &steps(&quote!(call.throttle_blocking()), &quote!(call.isolate_blocking())));
    assert_lacks(
        &expanded(
            "resilient",
            quote!(),
            quote!(
                fn f() -> Result<u32, E> {
                    Ok(1)
                }
            ),
        ),
        &quote!(isolate),
    );
}

#[test]
fn a_hedge_runs_lanes_that_share_the_arguments() {
    let got = expanded(
        "hedge",
        quote!(delay = "p95", idempotent = true, clone(tag)),
        quote!(
            async fn send(order: Order, tag: String, mut tries: u32) -> Result<u32, E> {
                deliver(&order, tag, tries).await
            }
        ),
    );
    let concluded = recorded("conclude");
    assert_has(
        &got,
        &quote! {
            let (out, concluded) = call.hedge(|lane| async {
                let mut call = lane;
                let out = 'attempt: {
                    if let ::core::result::Result::Err(refused) = call.admit() {
                        break 'attempt ::core::result::Result::Err(refused);
                    }
                    #[allow(clippy::shadow_reuse)]
                    let mut tag = ::resilient::__private::fresh(&tag);
                    #[allow(clippy::shadow_reuse)]
                    let mut tries = ::resilient::__private::fresh(&tries);
                    call.attempt(async {
                        if false {
                            let _ = &mut tag;
                            let _ = &mut tries;
                            let typed: Result<u32, E> = ::resilient::__private::typed();
                            return typed;
                        }
                        {
                            deliver(&order, tag, tries).await
                        }
                    })
                    .await
                };
                let concluded = #concluded;
                (out, concluded)
            })
            .await;
            let _ = call.settle_hedged(concluded);
        },
    );
    assert_has(&got, &quote!(.hedge()));
    assert_has(&got, &quote!(.hedge_delay("p95")));
    let retried = expanded(
        "resilient",
        quote!(hedge, idempotent = true),
        quote!(
            async fn f() -> Result<u32, E> {
                Ok(1)
            }
        ),
    );
    assert_has(&retried, &quote!(let ended = call.settle_hedged(concluded);));
}

#[test]
fn a_chain_passes_on_until_somebody_answers() {
    let got = expanded(
        "fallback",
        quote!(chain = [replica, cached], value = 0, on = E::Down),
        quote!(
            fn load(&mut self, id: Id, tag: &str) -> Result<u32, E> {
                self.get(&id, tag)
            }
        ),
    );
    assert_has(&got, &quote!(::core::result::Result::Err(error) if ::core::matches!(error, E::Down) => {}));
    assert_has(
        &got,
        &quote! {
            match ::resilient::__private::stood_in(
                || stand_in0(&mut *self, ::resilient::__private::handed_on(&id), tag, error0)
            ) {
                ::core::option::Option::Some(ret) if {
                    use ::resilient::__private::{PartsOfAny as _, PartsOfResult as _};
                    (&::resilient::__private::Parts(&ret)).parts().is_ok()
                } => return ret,
                _ => {}
            }
        },
    );
    assert_has(&got, &quote!(hands.own_copy(&call, &mut out)));
    assert_has(&got, &quote!(hands.own_error(&call, out)));
    assert_has(&got, &quote!((&::resilient::__private::Answer::<Result<u32, E>>::new()).answer(0)));
}

#[test]
fn the_last_function_that_stands_in_gets_the_arguments_themselves_unless_the_value_behind_it_uses_them() {
    let copies = |list| {
        let item = quote!(
            fn price(id: Id, tag: Tag) -> Result<u32, Error> {
                ask(&id, &tag)
            }
        );
        let got = expanded("fallback", list, item).to_string();
        got.matches(&quote!(handed_on).to_string()).count()
    };
    assert_eq!(copies(quote!(replica)), 0);
    assert_eq!(copies(quote!(replica, value = 0)), 0);
    assert_eq!(copies(quote!(replica, value = tag.price())), 1);
    assert_eq!(copies(quote!(chain = [cache, replica], value = tag.price())), 3);
}
