//! Attributes on an `impl` block or trait: what its methods take over, and what is wrong with such a list.

use proc_macro2::TokenStream;
use quote::quote;

use super::{assert_has, assert_lacks, assert_tokens, expanded, left_over, mistakes, squeezed};

#[test]
fn a_block_s_list_holds_for_each_method_and_the_method_s_own_words_win() {
    let got = expanded(
        "database_resilient",
        quote!(max_attempts = 5, retry_on = Fault::Busy, name = "db"),
        quote! {
            #[derive_something]
            unsafe impl<'a, T: Clone> Store<'a> for Users<'a, T> where T: Send {
                #![allow(unused)]
                type Id = u32;
                const N: usize = 3;
                some_macro! { fn not_read() -> Result<(), E> {} }
                async fn a(&self) -> Result<(), E> { go().await }
                #[resilient(max_retries = 1)]
                async fn b(&self) -> Result<(), E> { go().await }
                #[resilient::api_resilient(retry_if = again, name = "api")]
                pub async fn c(&self) -> Result<(), E> { go().await }
                fn plain(&self) -> u32 { 1 }
            }
        },
    );
    let kept = "#[derive_something]unsafeimpl<'a,T:Clone>Store<'a>forUsers<'a,T>whereT:Send{#![allow(unused)]\
                typeId=u32;constN:usize=3;some_macro!{fnnot_read()->Result<(),E>{}}asyncfna(&self)";
    assert!(squeezed(&got).contains(kept), "{got}");
    assert_has(
        &got,
        &quote!(
            fn plain(&self) -> u32 {
                1
            }
        ),
    );
    let block =
        quote!(.owner("Users").asynchronous().attribute("database_resilient").operation_type("database"));
    assert_eq!(got.to_string().matches(&block.to_string()).count(), 2);
    assert_has(
        &got,
        &quote!(.breaker_name("db").timeout(::resilient::__private::TimeoutMode::Poll).written(|| ::resilient::__private::Settings::new().max_attempts(5))),
    );
    assert_has(&got, &quote!(.max_retries(1)));
    assert_has(&got, &quote!(.attribute("api_resilient").operation_type("api")));
    assert_has(&got, &quote!(.breaker_name("api")));
    assert_eq!(got.to_string().matches(&quote!(matches!(error, Fault::Busy)).to_string()).count(), 2);
    assert_has(&got, &quote!(judge(error, again)));
}

#[test]
fn what_is_left_out_is_listed_beside_the_block() {
    let got = expanded(
        "retry_with_backoff",
        quote!(),
        quote! {
            #[cfg(unix)]
            trait Greets {
                fn one(&self) -> Result<(), E> { go() }
                #[cfg(feature = "x")]
                #[doc = "kept"]
                fn name(&self) -> Result<(), E>;
                #[resilient(skip)]
                fn r#try(&self) -> Result<(), E> { go() }
            }
        },
    );
    let listed = |cfg, name, reason| {
        quote! {
            #cfg
            const _: () = {
                ::resilient::__private::inventory::submit! {
                    ::resilient::__private::Unguarded::new(
                        "Greets", #name, ::core::module_path!(), ::core::file!(), ::core::line!(), #reason
                    )
                }
            };
        }
    };
    let name = listed(quote!(#[cfg(feature = "x")]), "name", "it has no body");
    let skipped = listed(quote!(), "try", "`#[resilient(skip)]` says so");
    let used = quote!(
        const _: () = {
            #[allow(unused_imports)]
            use resilient as _;
        };
    );
    assert_has(&got, &quote!(#[cfg(unix)] const _: () = { #used #name #skipped };));
    assert_has(
        &got,
        &quote!(
            fn r#try(&self) -> Result<(), E> {
                go()
            }
        ),
    );
}

#[test]
fn a_layer_the_method_takes_away_takes_the_block_s_keys_with_it() {
    let got = expanded(
        "resilient",
        quote!(
            max_attempts = 5,
            retry_on = Fault::Busy,
            retry_on_open,
            failure_threshold = 2,
            ignore = Fault::No
        ),
        quote! {
            impl Users {
                #[resilient(enable_retry = false, enable_circuit_breaker = false)]
                async fn a(&self) -> Result<(), E> { go().await }
            }
        },
    );
    for gone in [quote!(max_attempts), quote!(Busy), quote!(failure_threshold), quote!(Fault::No)] {
        assert_lacks(&got, &gone);
    }
    let stacked = expanded(
        "circuit_breaker",
        quote!(),
        quote! {
            #[retry_with_backoff(max_retries = 9)]
            impl Users {
                #[with_timeout(5, enable_timeout = true)]
                async fn a(&self) -> Result<(), E> { go().await }
                #[resilient(enable_retry = false)]
                async fn b(&self) -> Result<(), E> { go().await }
            }
        },
    );
    assert_has(
        &stacked,
        &quote!(.attribute("circuit_breaker").attribute("retry_with_backoff").attribute("with_timeout")),
    );
    assert_has(&stacked, &quote!(.attribute("circuit_breaker").attribute("resilient").breaker()));
}

#[test]
fn a_mistake_of_the_block_is_told_once_and_a_method_s_own_where_it_is() {
    let item = quote! {
        impl Users {
            async fn a(&self) -> Result<(), E> { go().await }
            async fn b(&self) -> Result<(), E> { go().await }
            #[resilient(base_delay = "1x")]
            async fn c(&self) -> Result<(), E> { go().await }
            #[resilient]
            const fn d(&self) -> Result<(), E> { go() }
        }
    };
    let list = quote!(max_attempts = 0, operation_name = "x", clone(y), colour = 3);
    assert_eq!(
        mistakes("cache_resilient", list.clone(), item.clone())
            .iter()
            .map(|message| message.split([',', ';', ' ']).take(4).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>(),
        [
            "unknown key `colour` ",
            "`operation_name` names one operation",
            "`clone` names arguments of",
            "`max_attempts` must be at",
            "`base_delay` takes a length",
            "`d` is a `const",
        ]
    );
    let plain = quote! {
        impl Users {
            async fn a(&self) -> Result<(), E> { go().await }
            async fn b(&self) -> Result<(), E> { go().await }
            async fn c(&self) -> Result<(), E> { go().await }
            const fn d(&self) -> Result<(), E> {
                #[allow(unused_imports)]
                use resilient as _;
                go()
            }
        }
    };
    let left = left_over("cache_resilient", list, item);
    let c = quote!(
        async fn c(&self) -> Result<(), E> {
            #[allow(unused_imports)]
            use resilient as _;
            go().await
        }
    );
    let wanted = plain.to_string().replace(
        &quote!(
            async fn c(&self) -> Result<(), E> {
                go().await
            }
        )
        .to_string(),
        &c.to_string(),
    );
    assert_tokens(&left, &wanted.parse().unwrap());
}

#[test]
fn skip_stands_alone_and_only_where_something_else_guards() {
    let alone = "`skip` leaves a method out where the whole `impl` block or trait is guarded; \
                 here nothing else guards it, so remove the attribute";
    let function = quote!(
        fn f() -> Result<(), E> {
            go()
        }
    );
    assert_eq!(mistakes("resilient", quote!(skip), function.clone()), [alone]);
    let block = quote!(impl Users { #function });
    assert_eq!(mistakes("resilient", quote!(skip), block), [alone]);
    assert_eq!(
        mistakes(
            "resilient",
            quote!(),
            quote!(impl Users {
                #function
                #[resilient(skip, max_attempts = 3)]
                #[with_timeout]
                fn g() -> Result<(), E> { go() }
            }),
        ),
        [
            "`skip` leaves the method out, so `max_attempts` and `#[with_timeout]` beside it would do nothing; remove one or the other"
        ]
    );
    assert_eq!(
        mistakes(
            "database_resilient",
            quote!(skip),
            quote!(
                fn f() -> Result<(), E> {
                    go()
                }
            )
        ),
        ["`skip` is not a key of `#[database_resilient]`; it belongs to `#[resilient]`"]
    );
}

#[test]
fn a_written_limit_asks_once_how_the_sync_methods_keep_to_it() {
    let item = quote! {
        impl Users {
            async fn a(&self) -> Result<(), E> { go().await }
            fn b(&self) -> Result<(), E> { go() }
            fn c(key: &str) -> Result<(), E> { go() }
            fn d(key: String) -> Result<(), E> { go() }
            #[with_timeout(3, timeout_mode = "deadline")]
            fn e(key: &str) -> Result<(), E> { go() }
        }
    };
    assert_eq!(
        mistakes("resilient", quote!(timeout = "1s"), item.clone()),
        ["`timeout` cannot interrupt these methods: `b` (it takes `&self`), `c` (`key` is borrowed); write \
          `timeout_mode = \"deadline\"` (they run in place and a late result is a timeout), or let them take and return \
          owned values (they run on a worker thread)"]
    );
    assert_eq!(
        mistakes("resilient", quote!(timeout_mode = "thread"), item.clone()),
        [
            "these methods cannot run on a worker thread: `b` (it takes `&self`), `c` (`key` is borrowed); let them take \
          and return owned (`Send + 'static`) values, or write `timeout_mode = \"deadline\"` on them"
        ]
    );
    let got = expanded("resilient", quote!(timeout = "1s", timeout_mode = "deadline"), item);
    assert_has(&got, &quote!(TimeoutMode::Poll));
    assert_eq!(got.to_string().matches("TimeoutMode :: Deadline").count(), 4);
}

#[test]
fn a_type_parameter_of_the_block_keeps_a_method_on_its_thread() {
    let got = expanded(
        "resilient",
        quote!(),
        quote!(
            impl<T> Users<T> {
                fn put(value: T) -> Result<(), E> {
                    go()
                }
            }
        ),
    );
    assert_has(&got, &quote!(TimeoutMode::Deadline));
}

#[test]
fn a_setting_of_the_block_means_no_argument_of_its_methods() {
    let item = quote!(impl Users { async fn a(&self, growth: u32) -> Result<(), E> { go(growth).await } });
    expanded("resilient", quote!(backoff = growth), item.clone());
    assert_eq!(
        mistakes("resilient", quote!(base_delay = Self::DELAY), item),
        ["`base_delay` is kept outside the impl; write the type's name instead of `Self`"]
    );
}

#[test]
fn layers_that_are_asked_for_by_name_are_overridden_whichever_way_they_are_written() {
    let item = quote! {
        #[hedge(delay = "p95", idempotent = true)]
        impl Users {
            async fn a(&self) -> Result<(), E> { go().await }
            fn sync(&self) -> Result<(), E> { go() }
            #[bulkhead(max_concurrent = 2)]
            async fn b(&self) -> Result<(), E> { go().await }
            #[resilient(enable_bulkhead = false, hedge(max_hedges = 3), fallback_value = Ok(()))]
            async fn c(&self) -> Result<(), E> { go().await }
            #[resilient(exhausted = "wrap", enable_hedge = false)]
            async fn d(&self) -> Result<(), E> { go().await }
        }
    };
    let list = quote!(bulkhead(max_concurrent = 9, max_queue = 4), fallback = Self::other);
    let got = expanded("database_resilient", list, item).to_string();
    let count = |part: proc_macro2::TokenStream| got.matches(&part.to_string()).count();
    assert_eq!(count(quote!(.bulkhead_max_concurrent(9))), 3);
    assert_eq!(count(quote!(.bulkhead_max_concurrent(2).bulkhead_max_queue(4))), 1);
    assert_eq!(count(quote!(.bulkhead_max_queue)), 4);
    assert_eq!(count(quote!(.hedge())), 3);
    assert_eq!(count(quote!(.hedge_max_hedges(3))), 1);
    assert_eq!(count(quote!(Self::other)), 3);
    assert_eq!(
        mistakes(
            "api_resilient",
            quote!(hedge),
            quote!(impl Users { async fn a() -> Result<(), E> { go().await } })
        ),
        ["`hedge` runs the body more than once at the same time; write `idempotent = true` if that is safe"]
    );
}

#[test]
fn a_method_that_stands_in_for_the_others_does_not_stand_in_for_itself() {
    let item = quote! {
        impl Users {
            async fn get(&self) -> Result<(), E> { go().await }
            async fn stale(&self) -> Result<(), E> { go().await }
        }
    };
    for path in [quote!(Self::stale), quote!(Users::stale)] {
        let got = expanded("fallback", path, item.clone()).to_string();
        assert_eq!(got.matches(&quote!(.fallback()).to_string()).count(), 1, "{got}");
        assert!(got.contains("it is the fallback of the others"), "{got}");
    }
    let guarded = quote! {
        impl Users {
            async fn get(&self) -> Result<(), E> { go().await }
            #[resilient(max_attempts = 1)]
            async fn stale(&self) -> Result<(), E> { go().await }
        }
    };
    let got = expanded("database_resilient", quote!(fallback = Self::stale), guarded).to_string();
    assert_eq!(got.matches(&quote!(.retry()).to_string()).count(), 2, "{got}");
    assert_eq!(got.matches(&quote!(.fallback()).to_string()).count(), 1, "{got}");
    assert_eq!(
        mistakes(
            "fallback",
            quote!(Self::stale),
            quote!(
                fn stale(&self) -> Result<(), E> {
                    go()
                }
            )
        ),
        ["`stale` would stand in for itself, again and again; name another function"]
    );
}

#[test]
fn a_method_that_cannot_be_hedged_is_guarded_by_the_rest_of_its_block() {
    let item = quote! {
        impl Users {
            async fn get(&self) -> Result<(), E> { go().await }
            async fn put(&mut self) -> Result<(), E> { go().await }
            fn sync(&self) -> Result<(), E> { go() }
        }
    };
    let list = quote!(hedge(delay = "20ms"), idempotent = true);
    let got = expanded("database_resilient", list, item.clone()).to_string();
    let count = |part: proc_macro2::TokenStream| got.matches(&part.to_string()).count();
    assert_eq!(count(quote!(.hedge())), 1);
    assert_eq!(count(quote!(.retry())), 3);
    let alone = expanded("hedge", quote!(idempotent = true), item).to_string();
    assert_eq!(alone.matches("which it cannot have").count(), 2, "{alone}");
}

/// A block with this list and one method with these words of its own.
fn method(list: &TokenStream, own: &TokenStream) -> String {
    let item = quote!(impl Users { #own async fn a(&self) -> Result<(), E> { go().await } });
    squeezed(&expanded("resilient", list.clone(), item))
}

#[test]
fn what_a_block_says_about_layers_stays_as_long_as_one_of_them_does() {
    let no = |word: &str| {
        let key = proc_macro2::Ident::new(&format!("enable_{word}"), proc_macro2::Span::call_site());
        quote!(#key = false)
    };
    let (retry, breaker, hedge) = (no("retry"), no("circuit_breaker"), no("hedge"));
    let bulkhead = no("bulkhead");
    let hedged = quote!(hedge(delay = "1s"), idempotent = true);
    // The block's list, what is looked for in the method, and the layers that are switched off with it there or gone.
    for (list, part, stays, goes) in [
        (
            quote!(key = self.tenant, bulkhead(max_concurrent = 3)),
            quote!(self.tenant),
            vec![quote!(#breaker), quote!(#bulkhead), quote!()],
            vec![quote!(#breaker, #bulkhead)],
        ),
        (
            quote!(key = self.tenant, rate_limit(rate = 3)),
            quote!(self.tenant),
            vec![quote!(#breaker)],
            vec![quote!(#breaker, enable_rate_limit = false)],
        ),
        (
            quote!(ignore = Fault::No, #hedged),
            quote!(Fault::No),
            vec![quote!(#breaker, #hedge), quote!(#retry, #hedge), quote!(#retry, #breaker)],
            vec![quote!(#retry, #breaker, #hedge)],
        ),
        (
            quote!(failure_if = is_bad, fallback = Self::other),
            quote!(is_bad),
            vec![quote!(#retry, #breaker)],
            vec![],
        ),
        (
            quote!(budget = 0.25, #hedged),
            quote!(0.25),
            vec![quote!(#retry), quote!(#hedge)],
            vec![quote!(#retry, #hedge)],
        ),
        (
            quote!(retry_on_open),
            quote!(retry_on_open),
            vec![quote!()],
            vec![quote!(#breaker), quote!(#retry)],
        ),
        (
            quote!(retry_on = Fault::Busy),
            quote!(Fault::Busy),
            vec![quote!(), quote!(#breaker)],
            vec![quote!(#retry)],
        ),
    ] {
        let part = squeezed(&part);
        for own in stays {
            let got = method(&list, &quote!(#[resilient(#own)]));
            assert!(got.contains(&part), "{list}; {own}: {got}");
        }
        for own in goes {
            let got = method(&list, &quote!(#[resilient(#own)]));
            assert!(!got.contains(&part), "{list}; {own}: {got}");
        }
    }
    let of_the_method = method(
        &quote!(failure_if = is_bad),
        &quote!(#[resilient(#retry, #breaker, fallback_value = Ok(()))]),
    );
    assert!(of_the_method.contains("is_bad"), "{of_the_method}");
    let health = quote!(#[track_service_health("users")] #[resilient(#retry, #breaker)]);
    let counted = method(&quote!(ignore = Fault::No), &health);
    assert!(counted.contains("Fault::No"), "{counted}");
}

#[test]
fn a_method_s_backoff_replaces_the_block_s_growth_unless_it_grows_so() {
    let list = quote!(exponential_base = 3.5);
    for (backoff, stays) in [(quote!("linear"), false), (quote!("exponential"), true), (quote!(steps), false)]
    {
        let got = method(&list, &quote!(#[resilient(backoff = #backoff)]));
        assert_eq!(got.contains("3.5"), stays, "{got}");
    }
}

#[test]
fn a_method_s_answer_replaces_the_block_s_whichever_way_each_is_written() {
    for list in [
        quote!(fallback = Self::blocks),
        quote!(fallback_chain = [Self::blocks]),
        quote!(fallback_value = Self::blocks()),
    ] {
        for own in [
            quote!(fallback = Self::own),
            quote!(fallback_chain = [Self::own]),
            quote!(fallback_value = Self::own()),
        ] {
            let got = method(&list, &quote!(#[resilient(#own)]));
            assert!(got.contains("Self::own") && !got.contains("Self::blocks"), "{list}; {own}: {got}");
        }
    }
}

#[test]
fn a_method_that_stands_in_for_the_others_keeps_the_rest_of_its_block() {
    let item = quote! {
        #[fallback(Self::stale)]
        impl Users {
            async fn get(&self) -> Result<(), E> { go().await }
            #[with_timeout(3)]
            async fn stale(&self) -> Result<(), E> { go().await }
        }
    };
    let got = squeezed(&expanded("database_resilient", quote!(max_attempts = 7), item));
    let stale = got.split("asyncfnstale").nth(1).unwrap();
    for there in [r#".attribute("database_resilient").attribute("with_timeout")"#, ".max_attempts(7)"] {
        assert!(stale.contains(there), "{stale}");
    }
    assert!(!stale.contains(".fallback()"), "{stale}");
}

#[test]
fn a_mode_for_sync_methods_means_nothing_for_async_ones_and_is_a_mistake_of_their_own() {
    let got = method(&quote!(timeout_mode = "deadline"), &quote!());
    assert!(got.contains("TimeoutMode::Poll"), "{got}");
    let own = quote!(impl Users { #[resilient(timeout_mode = "deadline")] async fn a(&self) -> Result<(), E> { go().await } });
    assert_eq!(
        mistakes("resilient", quote!(max_attempts = 3), own),
        ["an async function is dropped at its limit; `timeout_mode` is for sync functions"]
    );
}

#[test]
fn a_method_that_nobody_asked_to_guard_and_cannot_be_is_left_out_with_the_reason() {
    let item = |own: &TokenStream| {
        quote! {
            impl Users {
                async fn a(&self) -> Result<(), E> { go().await }
                #own
                async fn slot(&mut self) -> Result<&mut u32, E> { go().await }
            }
        }
    };
    let got = squeezed(&expanded("resilient", quote!(), item(&quote!())));
    assert!(got.contains("itcannotberetried:"), "{got}");
    assert_eq!(
        mistakes("resilient", quote!(), item(&quote!(#[resilient(max_attempts = 2)]))),
        [
            "`slot` cannot be retried: the first attempt's `&mut` would still be alive; write `enable_retry = false` or \
          return an owned value"
        ]
    );
}

#[test]
fn a_limit_of_the_method_s_own_is_its_own_question() {
    let asked = |list: &TokenStream, own: &TokenStream| {
        let item = quote! {
            impl Users {
                async fn a(&self) -> Result<(), E> { go().await }
                #own
                fn b(&self) -> Result<(), E> { go() }
            }
        };
        let mistakes = mistakes("resilient", list.clone(), item);
        let [only] = mistakes.as_slice() else { panic!("{own} in {list}: {mistakes:?}") };
        only.split(':').next().unwrap().to_owned()
    };
    let (with_limit, with_mode) = (quote!(timeout = 1), quote!(timeout = 1, timeout_mode = "thread"));
    for (own, of_limit, of_mode) in [
        (
            quote!(#[resilient(timeout = 3)]),
            "`timeout` cannot interrupt `b`",
            "`b` cannot run on a worker thread",
        ),
        (
            quote!(#[with_timeout(3)]),
            "`#[with_timeout]` cannot interrupt `b`",
            "`b` cannot run on a worker thread",
        ),
        (
            quote!(#[resilient(timeout_mode = "thread")]),
            "`b` cannot run on a worker thread",
            "`b` cannot run on a worker thread",
        ),
        (
            quote!(#[resilient(max_attempts = 3)]),
            "`timeout` cannot interrupt these methods",
            "these methods cannot run on a worker thread",
        ),
        (
            quote!(#[retry_with_backoff]),
            "`timeout` cannot interrupt these methods",
            "these methods cannot run on a worker thread",
        ),
    ] {
        assert_eq!(asked(&with_limit, &own), of_limit, "{own}");
        assert_eq!(asked(&with_mode, &own), of_mode, "{own}");
    }
}

#[test]
fn what_is_not_guarded_stays_as_it_was_written() {
    let kept = quote! {
        type Item: Send;
        const LIMIT: usize;
        pub(crate) default fn named(&self) -> Result<(), E>;
    };
    let got =
        expanded("resilient", quote!(), quote!(trait Users { #kept fn a(&self) -> Result<(), E> { go() } }));
    assert_has(&got, &kept);
    let kept = quote! {
        const LIMIT: usize = 3;
        type Call = fn() -> u32;
    };
    let got =
        expanded("resilient", quote!(), quote!(impl Users { #kept fn a(self) -> Result<(), E> { go() } }));
    assert_has(&got, &kept);
}

#[test]
fn a_block_s_type_is_named_without_path_reference_and_generics() {
    let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote!(Users));
    for ty in [
        quote!(Users),
        quote!(crate::Users<u32>),
        quote!(&Users),
        quote!((Users)),
        quote!(#group),
        quote!(r#Users),
    ] {
        let got = expanded(
            "resilient",
            quote!(),
            quote!(impl Find for #ty { async fn a(&self) -> Result<(), E> { go() } }),
        );
        assert_has(&got, &quote!(.owner("Users")));
    }
}
