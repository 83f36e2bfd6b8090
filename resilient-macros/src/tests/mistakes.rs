//! Every rule, by the sentence that states it.

use proc_macro2::TokenStream;
use quote::quote;

use super::{left_over, mistakes, squeezed};

fn async_fn() -> TokenStream {
    quote!(
        async fn charge(order: Order, tag: &str) -> Result<(), E> {
            Ok(())
        }
    )
}

fn sync_fn() -> TokenStream {
    quote!(
        fn charge(order: Order) -> Result<(), E> {
            Ok(())
        }
    )
}

#[track_caller]
fn refused(name: &str, list: TokenStream, item: TokenStream, sentences: &[&str]) {
    let written = format!("#[{name}({list})]");
    assert_eq!(mistakes(name, list, item), sentences, "{written}");
}

#[test]
fn unknown_keys_are_answered_with_what_was_meant() {
    for (name, list, sentence) in [
        ("resilient", quote!(max_atempts = 3), "unknown key `max_atempts`; did you mean `max_attempts`?"),
        (
            "with_timeout",
            quote!(colour = 3),
            "unknown key `colour`; the keys of `#[with_timeout]` are `operation_name`, `operation_type`, `timeout`, \
             `timeout_seconds`, `seconds`, `timeout_mode`, `deadline`, `enable_timeout`, `fallback`, `fallback_value`, `fallback_chain`, \
             `fallback_on`, `clone` and `crate`",
        ),
        (
            "with_timeout",
            quote!(5, max_attempts = 3),
            "`max_attempts` is not a key of `#[with_timeout]`; it belongs to `#[resilient]` or `#[retry_with_backoff]`",
        ),
        (
            "database_resilient",
            quote!(operation_type = "x"),
            "`#[database_resilient]` is the profile \"database\"; another operation type is written \
             `#[resilient(operation_type = ..)]`",
        ),
        (
            "resilient",
            quote!(milliseconds = 3),
            "`milliseconds` is called something else here; write `timeout = \"500ms\"`",
        ),
        (
            "resilient",
            quote!(backoff_factor = 3),
            "`backoff_factor` is called something else here; write `exponential_base`",
        ),
        (
            "circuit_breaker",
            quote!(waitDurationInOpenState = 3),
            "`waitDurationInOpenState` is called something else here; write `recovery_timeout`",
        ),
        (
            "retry_with_backoff",
            quote!(exceptions = (A, B)),
            "`exceptions` is called something else here; write `retry_on = Pattern | Pattern`",
        ),
        (
            "resilient",
            quote!(retry(max_attempts = 3)),
            "the keys of a retry stand in `#[resilient]` itself, without `retry(..)`: `max_attempts = 3, base_delay = \"100ms\"`",
        ),
        (
            "database_resilient",
            quote!(circuitBreaker(failure_threshold = 3)),
            "the keys of a circuit breaker stand in `#[database_resilient]` itself, without `circuitBreaker(..)`: \
             `failure_threshold = 5, recovery_timeout = \"30s\"`",
        ),
        (
            "circuit_breaker",
            quote!(retry),
            "a retry is no part of `#[circuit_breaker]`; add `#[retry_with_backoff(..)]`",
        ),
        (
            "retry_with_backoff",
            quote!(time_limiter = 3),
            "a time limit is no part of `#[retry_with_backoff]`; add `#[with_timeout(..)]`",
        ),
    ] {
        refused(name, list, async_fn(), &[sentence]);
    }
}

#[test]
fn values_have_shapes() {
    for (list, sentence) in [
        (quote!(max_attempts), "`max_attempts` needs a value: `max_attempts = ..`"),
        (quote!(max_attempts = ), "`max_attempts` needs a value: `max_attempts = ..`"),
        (quote!(max_attempts = "3"), "`max_attempts` takes a whole number, not \"3\""),
        (quote!(max_attempts = 3.5), "`max_attempts` takes a whole number, not 3.5"),
        (quote!(max_attempts = true), "`max_attempts` takes a whole number, not true"),
        (
            quote!(timeout = true),
            "`timeout` takes a number of seconds or a length such as \"250ms\", not a bool",
        ),
        (
            quote!(timeout = "fast"),
            "`timeout` takes a length such as \"250ms\", \"30s\" or \"1m30s\", not \"fast\"",
        ),
        (quote!(timeout = "5"), "`timeout` = \"5\" has no unit; write \"5s\", or the number 5 for seconds"),
        (quote!(timeout = 5s), "write a value with a unit in quotes: `timeout = \"5s\"`"),
        (quote!(timeout = 1e300), "`timeout` is too long: 1e300 s"),
        (quote!(exponential_base = "2"), "`exponential_base` takes a number, not \"2\""),
        (
            quote!(jitter = "ful"),
            "`jitter` takes `true`, `false`, a share such as 0.1, \"full\" or \"decorrelated\", not \"ful\"; did you mean \
             \"full\"?",
        ),
        (
            quote!(backoff = "linar"),
            "`backoff` takes \"constant\", \"linear\", \"exponential\" or \"fibonacci\", not \"linar\"; did you mean \"linear\"?",
        ),
        (
            quote!(backoff = 3),
            "`backoff` takes \"constant\", \"linear\", \"exponential\", \"fibonacci\" or the path of a function, not 3",
        ),
        (quote!(failure_threshold = "of"), "`failure_threshold` takes a whole number or \"off\", not \"of\""),
        (quote!(breaker_scope = "each"), "`breaker_scope` takes \"attempt\" or \"call\", not \"each\""),
        (quote!(exhausted = wrap), "`exhausted` takes \"error\" or \"wrap\""),
        (
            quote!(operation_name = NAME),
            "`operation_name` takes a name in quotes; it is checked while compiling",
        ),
        (
            quote!(enable_retry = RETRY),
            "`enable_retry` takes a literal `true` or `false`: it decides what is generated",
        ),
        (quote!(enable_retry), "`enable_retry` needs a value: `enable_retry = ..`"),
        (quote!(critical = 1), "`critical` takes a literal `true` or `false`: it decides what is generated"),
        (quote!(retry_on = "E::Io"), "`retry_on` takes a pattern on the error, without quotes"),
        (
            quote!(retry_on = +),
            "`retry_on` takes a pattern on the error, such as `MyError::Busy | MyError::Io(_)`",
        ),
        (quote!(retry_if = "yes"), "`retry_if` takes a path or a closure, without quotes: `retry_if = yes`"),
        (quote!(retry_if = true), "`retry_if` takes a path or a closure such as `|error| ..`, not true"),
        (quote!(failure_if = 3), "`failure_if` takes a path or a closure such as `|value| ..`, not 3"),
        (quote!(fallback = "f"), "`fallback` takes the path of a function, without quotes: `fallback = f`"),
        (quote!(fallback = 3), "`fallback` takes the path of a function that has the same arguments, not 3"),
        (quote!(crate = "a::b"), "`crate` takes a path, without quotes: `crate = a::b`"),
        (quote!(crate = 3), "`crate` takes a path: `crate = resilient`"),
        (quote!(fallback = || 3), "`fallback` takes the path of a function that has the same arguments"),
        (quote!(clone = order), "`clone` names arguments: `clone(order, tag)`"),
        (quote!(clone()), "`clone` names no argument: `clone(order, tag)`"),
        (quote!(max_attempts = 3 base_delay = 1), "expected a comma after the value of `max_attempts`"),
        (quote!("name"), "expected a key such as `operation_name`"),
        (
            quote!(timeout_mode = "threads"),
            "`timeout_mode` takes \"thread\" or \"deadline\", not \"threads\"; did you mean \"thread\"?",
        ),
    ] {
        refused("resilient", list, async_fn(), &[sentence]);
    }
}

#[test]
fn literals_have_ranges() {
    for (list, sentence) in [
        (
            quote!(max_attempts = 0),
            "`max_attempts` must be at least 1, not 0; it counts the first call: 1 is one attempt and no retry",
        ),
        (
            quote!(max_attempts = -1),
            "`max_attempts` must be at least 1, not -1; it counts the first call: 1 is one attempt and no retry",
        ),
        (quote!(max_retries = -1), "`max_retries` must be at least 0, not -1"),
        (quote!(max_attempts = 4294967296), "`max_attempts` must be at most 4294967295, not 4294967296"),
        (quote!(success_threshold = 0), "`success_threshold` must be at least 1, not 0"),
        (quote!(half_open_max_calls = 0), "`half_open_max_calls` must be at least 1, not 0"),
        (
            quote!(failure_threshold = 0),
            "`failure_threshold` must be at least 1, not 0; to have no such rule write \"off\"",
        ),
        (
            quote!(timeout = 0),
            "`timeout` must be greater than 0; to have no time limit write `enable_timeout = false`",
        ),
        (
            quote!(timeout = "0s"),
            "`timeout` must be greater than 0; to have no time limit write `enable_timeout = false`",
        ),
        (quote!(timeout = -5), "`timeout` is a length of time and cannot be negative, as -5 is"),
        (quote!(deadline = 0.0), "`deadline` must be greater than 0; leave it out to have none"),
        (quote!(max_delay = 0), "`max_delay` must be greater than 0"),
        (quote!(recovery_timeout = 0), "`recovery_timeout` must be greater than 0"),
        (quote!(exponential_base = 0.5), "`exponential_base` must be at least 1.0, not 0.5"),
        (quote!(exponential_base = -2), "`exponential_base` must be at least 1.0, not -2"),
        (quote!(recovery_backoff = 0.9), "`recovery_backoff` must be at least 1.0, not 0.9"),
        (quote!(failure_rate = 0), "`failure_rate` must be over 0.0 and at most 1.0 (0.5 is 50 %), not 0"),
        (quote!(failure_rate = 50), "`failure_rate` must be over 0.0 and at most 1.0 (0.5 is 50 %), not 50"),
        (quote!(failure_rate = 0.5, window = 0), "`window` must be at least 1, not 0"),
        (quote!(failure_rate = 0.5, window = "0s"), "`window` must be greater than 0"),
        (quote!(failure_rate = 0.5, min_calls = 0), "`min_calls` must be at least 1, not 0"),
        (quote!(jitter = 1.5), "`jitter` is a share of the delay and must be between 0.0 and 1.0, not 1.5"),
        (quote!(jitter = -0.1), "`jitter` is a share of the delay and must be between 0.0 and 1.0, not -0.1"),
        (quote!(recovery_jitter = 2), "`recovery_jitter` must be between 0.0 and 1.0, not 2"),
        (quote!(name = "a b"), "`name` is 1 to 128 of the characters A-Z a-z 0-9 _ . : -; this one has ' '"),
        (
            quote!(operation_name = ""),
            "`operation_name` is 1 to 128 of the characters A-Z a-z 0-9 _ . : -; this one is empty",
        ),
        (
            quote!(operation_type = "Payments"),
            "`operation_type` is a lower-case identifier such as \"payments\" (the names of its variables come from \
             it), not \"Payments\"",
        ),
    ] {
        refused("resilient", list, async_fn(), &[sentence]);
    }
    let long = "x".repeat(129);
    refused(
        "resilient",
        quote!(name = #long),
        async_fn(),
        &["`name` is 1 to 128 of the characters A-Z a-z 0-9 _ . : -; this one has 129"],
    );
    refused(
        "track_service_health",
        quote!("a", window = 0, degraded_error_rate = 2),
        async_fn(),
        &[
            "`window` must be at least 1, not 0",
            "`degraded_error_rate` must be over 0.0 and at most 1.0 (0.5 is 50 %), not 2",
        ],
    );
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    for (list, sentence) in [
        (
            quote!(max_attempts = 3, max_retries = 2),
            "`max_attempts` and `max_retries` say the same thing; write one or the other",
        ),
        (
            quote!(timeout = 3, timeout_seconds = 2),
            "`timeout` and `timeout_seconds` say the same thing; write one or the other",
        ),
        (quote!(timeout = 3, timeout = 3), "`timeout` is written twice; keep one"),
        (
            quote!(enable_retry = false, base_delay = 1),
            "`base_delay` needs retry, which `enable_retry = false` removes",
        ),
        (
            quote!(enable_timeout = false, timeout = 1),
            "`timeout` needs a time limit, which `enable_timeout = false` removes",
        ),
        (
            quote!(enable_circuit_breaker = false, critical),
            "`critical` needs a circuit breaker, which `enable_circuit_breaker = false` removes",
        ),
        (
            quote!(enable_circuit_breaker = false, retry_on_open = true),
            "`retry_on_open` needs a circuit breaker, which `enable_circuit_breaker = false` removes",
        ),
        (
            quote!(retry_on = E::A, retry_if = f),
            "`retry_on` and `retry_if` both choose the errors to retry; write the pattern in `retry_if`: \
             `retry_if = |error| matches!(error, ..)`",
        ),
        (
            quote!(slow_call_rate = 0.5),
            "`slow_call_rate` needs `slow_call_duration`, from which on a call is slow",
        ),
        (
            quote!(slow_call_duration = 1),
            "`slow_call_duration` needs `slow_call_rate`, the share of slow calls that is too many",
        ),
        (
            quote!(window = 10),
            "`window` needs `failure_rate` or `slow_call_rate`: nothing else looks at the window",
        ),
        (
            quote!(min_calls = 10),
            "`min_calls` needs `failure_rate` or `slow_call_rate`: nothing else looks at the window",
        ),
        (quote!(timeout = 10, deadline = "5s"), "`timeout` (10 s) is longer than `deadline` (5s)"),
        (quote!(base_delay = 10, max_delay = 5), "`base_delay` (10 s) is longer than `max_delay` (5 s)"),
        (
            quote!(recovery_timeout = 60, max_recovery_timeout = 30, recovery_backoff = 2),
            "`recovery_timeout` (60 s) is longer than `max_recovery_timeout` (30 s)",
        ),
        (
            quote!(max_recovery_timeout = 30),
            "`max_recovery_timeout` needs `recovery_backoff`: nothing else lengthens `recovery_timeout`",
        ),
        (
            quote!(failure_rate = 0.5, min_calls = 30, window = 20),
            "`min_calls` (30) is more than `window` (20)",
        ),
        (
            quote!(exhausted = "wrap", fallback = f),
            "`exhausted` has no effect with `fallback`; remove one of them",
        ),
        (
            quote!(backoff = "constant", exponential_base = 3),
            "`exponential_base` has no effect with `backoff = \"constant\"`; remove one of them",
        ),
        (
            quote!(backoff = waits, exponential_base = 3),
            "`exponential_base` has no effect with `backoff = waits`; remove one of them",
        ),
        (
            quote!(timeout_mode = "thread"),
            "an async function is dropped at its limit; `timeout_mode` is for sync functions",
        ),
    ] {
        refused("resilient", list, async_fn(), &[sentence]);
    }
    for list in [
        quote!(backoff = "exponential", exponential_base = 3),
        quote!(timeout = 5, deadline = TOTAL),
        quote!(base_delay = 1, max_delay = 1),
        quote!(failure_rate = 0.5, min_calls = 30, window = "20s"),
        quote!(failure_rate = 0.5, min_calls = 30, window = CALLS),
        quote!(enable_retry = false, enable_timeout = false, enable_circuit_breaker = false),
    ] {
        refused("resilient", list, async_fn(), &[]);
    }
}

#[test]
fn a_key_needs_its_layer() {
    refused(
        "circuit_breaker",
        quote!(retry_on = E::Io),
        async_fn(),
        &["`retry_on` needs retry; add `#[retry_with_backoff]`"],
    );
    refused(
        "retry_with_backoff",
        quote!(retry_on_open),
        async_fn(),
        &["`retry_on_open` needs a circuit breaker; add `#[circuit_breaker]`"],
    );
    refused(
        "with_timeout",
        quote!(5, enable_timeout = false),
        async_fn(),
        &["`enable_timeout = false` contradicts `#[with_timeout]`; remove one of them"],
    );
    refused("track_service_health", quote!("a", ignore = E::Io), async_fn(), &[]);
    refused(
        "resilient",
        quote!(enable_retry = false, enable_circuit_breaker = false, ignore = E::Io),
        async_fn(),
        &["`ignore` tells failures from successes, but no layer here counts them"],
    );
}

#[test]
fn stacked_attributes_share_their_rules() {
    refused(
        "retry_with_backoff",
        quote!(max_attempts = 3),
        quote!(
            #[circuit_breaker(name = "a")]
            #[resilient(max_retries = 2, name = "b")]
            async fn f() -> R {
                go()
            }
        ),
        &[
            "`max_attempts` and `max_retries` say the same thing; write one or the other",
            "`name` is written twice; keep one",
        ],
    );
    refused(
        "api_resilient",
        quote!(),
        quote!(
            #[ml_resilient]
            async fn f() -> R {
                go()
            }
        ),
        &[
            "`#[api_resilient]` and `#[ml_resilient]` both stand for a whole policy; keep one and give it the keys of the other",
        ],
    );
    refused(
        "with_timeout",
        quote!(5),
        quote!(
            #[with_timeout(6)]
            async fn f() -> R {
                go()
            }
        ),
        &[
            "`seconds` is written twice; keep one",
            "`#[with_timeout]` is written twice; put its keys into one list",
        ],
    );
    refused(
        "api_resilient",
        quote!(enable_retry = false),
        quote!(
            #[retry_with_backoff(max_attempts = 2)]
            async fn f() -> R {
                go()
            }
        ),
        &["`enable_retry = false` contradicts `#[retry_with_backoff]`; remove one of them"],
    );
    refused(
        "api_resilient",
        quote!(),
        quote!(
            #[retry_with_backoff = 3]
            async fn f() -> R {
                go()
            }
        ),
        &["`#[retry_with_backoff]` takes a list: `#[retry_with_backoff(..)]`"],
    );
}

#[test]
fn a_sync_time_limit_is_never_a_promise_that_cannot_be_kept() {
    let borrowing = quote!(
        fn find(conn: &Connection, id: u32) -> Result<Row, E> {
            conn.find(id)
        }
    );
    refused(
        "resilient",
        quote!(timeout = 5),
        borrowing.clone(),
        &[
            "`timeout` cannot interrupt `find`: `conn` is borrowed; write `timeout_mode = \"deadline\"` (it runs in place \
         and a late result is a timeout), or take and return owned values (it runs on a worker thread)",
        ],
    );
    refused(
        "with_timeout",
        quote!(5),
        borrowing.clone(),
        &[
            "`#[with_timeout]` cannot interrupt `find`: `conn` is borrowed; write `timeout_mode = \"deadline\"` (it runs in \
         place and a late result is a timeout), or take and return owned values (it runs on a worker thread)",
        ],
    );
    refused(
        "resilient",
        quote!(timeout_mode = "thread"),
        borrowing.clone(),
        &[
            "`find` cannot run on a worker thread: `conn` is borrowed; take and return owned (`Send + 'static`) values, or \
         write `timeout_mode = \"deadline\"`",
        ],
    );
    refused(
        "resilient",
        quote!(timeout_mode = "thread"),
        quote!(
            fn find(&mut self, lock: MutexGuard<'static, u8>) -> Result<Row, E> {
                go()
            }
        ),
        &[
            "`find` cannot run on a worker thread: it takes `&mut self`; take and return owned (`Send + 'static`) values, or \
         write `timeout_mode = \"deadline\"`",
        ],
    );
    refused(
        "resilient",
        quote!(timeout_mode = "thread"),
        quote!(
            fn find(lock: MutexGuard<'static, u8>) -> Result<Row, E> {
                go()
            }
        ),
        &[
            "`find` cannot run on a worker thread: `lock` contains `MutexGuard`, which stays on its thread; take and return \
         owned (`Send + 'static`) values, or write `timeout_mode = \"deadline\"`",
        ],
    );
    refused("resilient", quote!(timeout = 5, timeout_mode = "deadline"), borrowing.clone(), &[]);
    refused("resilient", quote!(), borrowing, &[]);
    refused("resilient", quote!(timeout = 5, timeout_mode = "thread"), sync_fn(), &[]);
}

#[test]
fn what_cannot_be_done_twice_is_said_once() {
    refused(
        "resilient",
        quote!(),
        quote!(
            fn f(&mut self) -> Result<&mut u32, E> {
                self.x()
            }
        ),
        &[
            "`f` cannot be retried: the first attempt's `&mut` would still be alive; write `enable_retry = false` or return \
         an owned value",
        ],
    );
    refused(
        "resilient",
        quote!(enable_retry = false),
        quote!(
            fn f(&mut self) -> Result<&mut u32, E> {
                self.x()
            }
        ),
        &[],
    );
    refused(
        "resilient",
        quote!(),
        quote!(
            fn f() -> Result<fn(&mut u32), E> {
                x()
            }
        ),
        &[],
    );
    refused(
        "resilient",
        quote!(),
        quote!(
            async fn f(mut self) -> Result<u32, E> {
                self.x()
            }
        ),
        &[
            "`f` may run its body again, and a changed `self` would be changed for the next attempt too; take `self` and \
         change a copy inside",
        ],
    );
}

#[test]
fn clone_names_owned_arguments() {
    refused(
        "resilient",
        quote!(clone(ordr)),
        async_fn(),
        &["`ordr` is not an argument of `charge`; write `order`"],
    );
    refused(
        "resilient",
        quote!(clone(tag)),
        async_fn(),
        &["`tag` is a reference, which every attempt can use as it is"],
    );
    refused(
        "resilient",
        quote!(clone(x)),
        quote!(
            async fn f() -> R {
                go()
            }
        ),
        &["`x` is not an argument of `f`, which has none to clone"],
    );
    refused(
        "resilient",
        quote!(clone(self)),
        quote!(
            async fn f(self) -> R {
                go()
            }
        ),
        &["`self` cannot be copied for an attempt; take `&self`, or clone what you need inside"],
    );
    refused(
        "resilient",
        quote!(enable_retry = false, clone(order)),
        async_fn(),
        &["`clone` gives each attempt its own copy, but the body runs only once"],
    );
    refused(
        "resilient",
        quote!(clone(a, b)),
        quote!(
            async fn f((a, [b, _]): (A, [B; 2])) -> R {
                go()
            }
        ),
        &[],
    );
}

#[test]
fn only_functions_with_bodies_can_be_guarded() {
    for (item, sentence) in [
        (
            quote!(
                struct S;
            ),
            "`#[resilient]` guards a function, not a struct",
        ),
        (
            quote!(impl S { fn f() -> R<u32> {} }),
            "`#[resilient]` finds no method here that it can guard (`f`: it returns `R`, not a `Result`); \
             where a name stands for a `Result`, write the attribute on the method",
        ),
        (
            quote!(impl S { fn f() {} }),
            "`#[resilient]` finds no method here that it can guard (`f`: it returns nothing)",
        ),
        (
            quote!(
                pub trait T {
                    fn f();
                }
            ),
            "`#[resilient]` finds no method here that it can guard (`f`: it has no body)",
        ),
        (
            quote!(
                mod m {
                    fn f() {}
                }
            ),
            "`#[resilient]` guards a function, not a module; write it on the functions inside",
        ),
        (
            quote!(
                const X: u32 = 1;
            ),
            "`#[resilient]` guards a function, not a constant",
        ),
        (quote!(let x = || 3;), "`#[resilient]` guards a function, not a statement"),
        (
            quote!(
                fn f(&self) -> R;
            ),
            "`f` has no body to guard; write the attribute where it is implemented",
        ),
        (
            quote!(
                const fn f() -> R {
                    go()
                }
            ),
            "`f` is a `const fn`; retries, breakers and time limits need run time",
        ),
        (
            quote!(
                fn f() -> ! {
                    go()
                }
            ),
            "`f` never returns, so there is nothing to guard",
        ),
        (
            quote!(
                unsafe extern "C" fn f(x: u32, ...) -> R {
                    go()
                }
            ),
            "`f` has a variable number of arguments, which cannot be passed on",
        ),
        (
            quote!(
                fn f() -> BoxFuture<'static, R> {
                    make()
                }
            ),
            "`f` returns a future but does not end in `Box::pin(async move { .. })` or `async move { .. }`; end it so, \
             or make it an `async fn`",
        ),
        (
            quote!(
                fn f() -> Reply<'static> {
                    Box::pin(async move { go() })
                }
            ),
            "`f` ends in an async block, but its return type hides the future; write it out as \
             `Pin<Box<dyn Future<Output = ..> + Send>>`, `BoxFuture<..>` or `impl Future<Output = ..>`, or make it an \
             `async fn`",
        ),
    ] {
        refused("resilient", quote!(), item, &[sentence]);
    }
    refused(
        "track_service_health",
        quote!(),
        async_fn(),
        &["`#[track_service_health]` names the service: `#[track_service_health(\"external_api\")]`"],
    );
}

#[test]
fn every_mistake_of_a_list_is_reported_at_once() {
    let found = mistakes(
        "resilient",
        quote!(
            max_attempts = 0,
            timeout = "x",
            colour = (1, 2),
            jitter = 7,
            retry_if = |a, b| a,
            name = "a b",
            3
        ),
        async_fn(),
    );
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn the_item_is_left_without_our_attributes_for_the_editor_to_go_on_with() {
    let item = quote!(
        #[doc = "x"]
        #[retry_with_backoff(max_attempts = 0)]
        async fn f(a: A) -> R {
            go(a).await
        }
    );
    let left = left_over("resilient", quote!(), item);
    assert_eq!(
        squeezed(&left),
        squeezed(&quote! {
            #[doc = "x"]
            async fn f(a: A) -> R {
                #[allow(unused_imports)]
                use retry_with_backoff as _;
                go(a).await
            }
        })
    );
    let left = left_over(
        "resilient",
        quote!(),
        quote!(
            #[with_timeout]
            #[derive(Debug)]
            struct S {
                a: u32,
            }
        ),
    );
    assert_eq!(
        squeezed(&left),
        squeezed(&quote!(
            #[derive(Debug)]
            struct S {
                a: u32,
            }
            const _: () = {
                #[allow(unused_imports)]
                use with_timeout as _;
            };
        ))
    );
    let left = left_over(
        "resilient",
        quote!(),
        quote!(
            #[with_timeout]
            const X: u32 = 1;
        ),
    );
    assert_eq!(
        squeezed(&left),
        squeezed(&quote!(
            const X: u32 = 1;
        ))
    );
}

#[test]
fn a_value_without_a_key_is_answered_with_the_key_it_is_meant_for() {
    for (name, list, key) in [
        ("resilient", quote!("name"), "operation_name"),
        ("cache_resilient", quote!("name"), "operation_name"),
        ("circuit_breaker", quote!("name"), "name"),
        ("retry_with_backoff", quote!(3), "max_retries"),
        ("with_timeout", quote!(operation_name = "a", 3), "seconds"),
        ("track_service_health", quote!(service = "a", 3), "service"),
    ] {
        refused(name, list, async_fn(), &[&format!("expected a key such as `{key}`")]);
    }
}

#[test]
fn figures_of_a_services_health_are_in_order() {
    for (list, sentence) in [
        (
            quote!("a", degraded_error_rate = 0.5, unhealthy_error_rate = 0.2),
            "`degraded_error_rate` (0.5) is higher than `unhealthy_error_rate` (0.2)",
        ),
        (
            quote!("a", degraded_response_time = "3s", unhealthy_response_time = 1),
            "`degraded_response_time` (3s) is longer than `unhealthy_response_time` (1 s)",
        ),
        (quote!("a", min_samples = 20, window = 10), "`min_samples` (20) is more than `window` (10)"),
    ] {
        refused("track_service_health", list, async_fn(), &[sentence]);
    }
}

#[test]
fn a_value_that_cannot_be_read_is_not_called_missing_too() {
    refused(
        "track_service_health",
        quote!(NAME),
        async_fn(),
        &["`service` takes a name in quotes; it is checked while compiling"],
    );
    refused(
        "resilient",
        quote!(slow_call_rate = "half", slow_call_duration = 1, window = 10),
        async_fn(),
        &["`slow_call_rate` takes a number, not \"half\""],
    );
}

#[test]
fn a_key_joined_to_its_list_as_variables_are_is_told_apart() {
    refused(
        "resilient",
        quote!(bulkhead_max_queue = 3),
        async_fn(),
        &["`bulkhead_max_queue` is a variable's or setter's name; write `bulkhead(max_queue = ..)`"],
    );
    refused(
        "rate_limit",
        quote!(rate_limit_rate = 3),
        async_fn(),
        &["`rate_limit_rate` is called `rate` in `#[rate_limit]`"],
    );
    refused(
        "resilient",
        quote!(budget(budget_ratio = 0.5)),
        async_fn(),
        &["`budget_ratio` is called `ratio` in `budget(..)`"],
    );
}

#[test]
fn a_key_of_all_calls_is_no_key() {
    refused(
        "bulkhead",
        quote!(key = "tag"),
        async_fn(),
        &["`key` would be the same for every call; write the argument without quotes: `key = tag`"],
    );
    refused(
        "bulkhead",
        quote!(key = 7),
        async_fn(),
        &["`key` would be the same for every call; write an expression over the arguments: `key = tenant`"],
    );
}

#[test]
fn one_mistake_about_a_list_is_told_once() {
    for (name, list, sentence) in [
        ("rate_limit", quote!(10), "expected a key such as `rate`"),
        (
            "fallback",
            quote!(other(order)),
            "`path` takes the path of a function and calls it: `path = other`",
        ),
        ("fallback", quote!(|e| Ok(e)), "`path` takes the path of a function that has the same arguments"),
        (
            "fallback",
            quote!(fallback_method = "other"),
            "`fallback_method` is called something else here; write the path itself: `#[fallback(path)]`",
        ),
        (
            "resilient",
            quote!(hedge = true, idempotent = true),
            "`hedge` takes a list, or stands alone for its defaults: `hedge(delay = \"100ms\")`",
        ),
        (
            "resilient",
            quote!(rate_limit = 10),
            "`rate_limit` takes a list: `rate_limit(rate = 10, per = \"1s\")`",
        ),
    ] {
        refused(name, list, async_fn(), &[sentence]);
    }
}

#[test]
fn a_setting_cannot_come_from_the_call() {
    let method = quote!(
        fn f(&self, attempts: u32, Config { limit, .. }: Config) -> Result<(), E> {
            go()
        }
    );
    for (list, sentences) in [
        (
            quote!(max_attempts = attempts + 1, deadline = limit),
            vec![
                "`deadline` is set once for all calls; it cannot use the argument `limit`",
                "`max_attempts` is set once for all calls; it cannot use the argument `attempts`",
            ],
        ),
        (
            quote!(base_delay = self.delay),
            vec!["`base_delay` is set once for all calls; it cannot use `self`"],
        ),
        (
            quote!(max_attempts = Self::ATTEMPTS),
            vec!["`max_attempts` is kept outside the impl; write the type's name instead of `Self`"],
        ),
        (
            quote!(backoff = |n| wait(n * attempts)),
            vec!["`backoff` is set once for all calls; it cannot use the argument `attempts`"],
        ),
        (quote!(backoff = |attempts| wait(attempts)), vec![]),
        (
            quote!(
                base_delay = {
                    let limit = 3;
                    limit
                }
            ),
            vec![],
        ),
        (quote!(max_attempts = CONFIG.attempts, deadline = limit::of()), vec![]),
        (quote!(retry_if = |error| error.tries < attempts), vec![]),
    ] {
        refused("retry_with_backoff", list, method.clone(), &sentences);
    }
}

#[test]
fn a_local_may_not_hide_an_argument_of_the_fallback() {
    let item = quote!(
        fn f(order: Order) -> BoxFuture<'static, R> {
            let order = order.id;
            Box::pin(async move { go(order).await })
        }
    );
    let sentence = "`order` hides the argument that `fallback = cached` is called with; give it another name";
    refused("resilient", quote!(fallback = cached), item.clone(), &[sentence]);
    refused("resilient", quote!(), item, &[]);
}

#[test]
fn a_list_inside_a_list_is_read_as_carefully() {
    for (list, sentences) in [
        (
            quote!(max_concurrent = 10),
            ["`max_concurrent` belongs in `bulkhead(..)`: write `bulkhead(max_concurrent = ..)`"].as_slice(),
        ),
        (
            quote!(max_wait = 1),
            &[
                "`max_wait` belongs in `bulkhead(..)` or `rate_limit(..)`: write `bulkhead(max_wait = ..)` or \
               `rate_limit(max_wait = ..)`",
            ],
        ),
        (
            quote!(bulkhead = 10),
            &["`bulkhead` takes a list, or stands alone for its defaults: `bulkhead(max_concurrent = 10)`"],
        ),
        (
            quote!(bulkhead(max_concurent = 1, max_queue = "2", timeout = 3)),
            &[
                "unknown key `max_concurent`; did you mean `max_concurrent`?",
                "`max_queue` takes a whole number, not \"2\"",
                "`timeout` is not a key of `bulkhead(..)`, but of `#[api_resilient]`; write it outside of `bulkhead(..)`",
            ],
        ),
        (
            quote!(rate_limit(permitLimit = 10, window = 3)),
            &[
                "`permitLimit` is called something else here; write `rate`",
                "`window` is called something else here; write `per`",
            ],
        ),
        (quote!(hedge(10), idempotent = true), &["expected a key such as `delay`"]),
        (
            quote!(hedge(idempotent = true)),
            &[
                "`idempotent` is not a key of `hedge(..)`, but of `#[api_resilient]`; write it outside of `hedge(..)`",
            ],
        ),
        (quote!(bulkhead(max_queue = 1 max_wait = 1)), &["expected a comma after the value of `max_queue`"]),
        (quote!(bulkhead(max_queue = 1) hedge), &["expected a comma after the value of `bulkhead`"]),
        (quote!(bulkhead, bulkhead()), &["`bulkhead` is written twice; keep one"]),
        (
            quote!(bulkhead(name = "a b")),
            &["`name` is 1 to 128 of the characters A-Z a-z 0-9 _ . : -; this one has ' '"],
        ),
    ] {
        refused("api_resilient", list, async_fn(), sentences);
    }
}

#[test]
fn layers_say_what_they_cannot_do_without() {
    let idempotent =
        "`hedge` runs the body more than once at the same time; write `idempotent = true` if that is safe";
    for (name, list, sentence) in [
        (
            "resilient",
            quote!(rate_limit),
            "`rate_limit` says how many calls may pass: `rate_limit(rate = 10, per = \"1s\")`",
        ),
        (
            "rate_limit",
            quote!(per = 1),
            "`#[rate_limit]` says how many calls may pass: `#[rate_limit(rate = 10, per = \"1s\")]`",
        ),
        (
            "resilient",
            quote!(enable_rate_limit = true),
            "`enable_rate_limit = true` does not say how many calls may pass; write `rate_limit(rate = 10, per = \"1s\")` in its place",
        ),
        ("hedge", quote!(delay = 1), idempotent),
        ("hedge", quote!(idempotent = false), idempotent),
        ("resilient", quote!(hedge), idempotent),
        ("resilient", quote!(enable_hedge = true), idempotent),
        ("resilient", quote!(idempotent = true), "`idempotent` needs a hedge; add `#[hedge(delay = ..)]`"),
        (
            "resilient",
            quote!(budget = 0.2, enable_retry = false),
            "`budget` needs retry or a hedge, which `enable_retry = false` removes",
        ),
        ("resilient", quote!(budget()), "`budget` needs `ratio`: `budget(ratio = 0.2, per_second = 1)`"),
        (
            "resilient",
            quote!(budget),
            "`budget` needs a value: `budget = 0.2`, `budget = \"none\"` or `budget(ratio = 0.2, per_second = 1)`",
        ),
        (
            "resilient",
            quote!(key = tag, enable_circuit_breaker = false),
            "`key` needs a circuit breaker, a bulkhead or a rate limit, which `enable_circuit_breaker = false` removes",
        ),
        (
            "resilient",
            quote!(bulkhead, enable_bulkhead = false),
            "`enable_bulkhead = false` contradicts `bulkhead`; remove one of them",
        ),
        (
            "bulkhead",
            quote!(enable_bulkhead = false),
            "`enable_bulkhead = false` contradicts `#[bulkhead]`; remove one of them",
        ),
        (
            "resilient",
            quote!(budget = 20),
            "`budget` must be over 0.0 and at most 1.0 (0.2 is one retry for five calls), not 20",
        ),
        (
            "fallback",
            quote!(),
            "`#[fallback]` says what answers instead: `#[fallback(path)]` or `#[fallback(value = ..)]`",
        ),
        (
            "fallback",
            quote!(on = _),
            "`on` says which errors a fallback answers for; add a path or `value = ..`",
        ),
        (
            "resilient",
            quote!(fallback_on = _),
            "`fallback_on` says which errors a fallback answers for; add `fallback = path` or `fallback_value = ..`",
        ),
        (
            "fallback",
            quote!(a, chain = [b]),
            "`path` and `chain` both say who answers; write the path at its place in `chain = [a, b]`",
        ),
        ("fallback", quote!(chain = []), "`chain` names no function: `chain = [a, b]`"),
        ("fallback", quote!(chain = a), "`chain` takes paths of functions: `chain = [a, b]`"),
        (
            "fallback",
            quote!(fallback_value = 3),
            "`fallback_value` is called something else here; write `value`",
        ),
    ] {
        refused(name, list, async_fn(), &[sentence]);
    }
}

#[test]
fn a_hedge_needs_an_async_function_that_shares_its_arguments() {
    refused(
        "resilient",
        quote!(hedge, idempotent = true),
        sync_fn(),
        &[
            "`hedge` needs an async function: `charge` holds its thread until it answers; make it `async`, or call it \
           through a `resilient::Hedge`",
        ],
    );
    let unique = quote!(
        async fn charge(&mut self, seen: &mut Vec<u32>, held: Option<&mut u32>) -> Result<(), E> {
            Ok(())
        }
    );
    let sentence = |name: &str| {
        format!(
            "`charge` cannot be hedged: `{name}` is a unique borrow, which two runs of the body cannot share; take it \
             by `&` or by value"
        )
    };
    let sentences = ["self", "seen", "held"].map(sentence);
    refused("hedge", quote!(idempotent = true), unique, &sentences.each_ref().map(String::as_str));
}

#[test]
fn a_part_of_an_argument_is_there_in_the_attempts_alone() {
    let item = quote!(
        async fn charge(Order { id, .. }: Order) -> Result<u32, E> {
            Ok(id)
        }
    );
    refused(
        "resilient",
        quote!(key = id, fallback = f),
        item.clone(),
        &[
            "`key` cannot use `id`, a part of an argument that the fallback is called with; give the whole argument a name",
        ],
    );
    refused("resilient", quote!(key = id, fallback_value = id), item, &[]);
}

#[test]
fn a_stream_that_has_begun_is_not_replaced_and_its_attempts_share_nothing() {
    let mistakes = |list, signature: proc_macro2::TokenStream| {
        super::mistakes(
            "resilient",
            list,
            quote!(fn f(#signature) -> impl Stream<Item = Result<u32, E>> { go() }),
        )
    };
    assert_eq!(
        mistakes(quote!(fallback = other, hedge(delay = "1s"), idempotent = true), quote!()),
        [
            "`fallback` cannot stand in for the stream of `f`, which may have begun; let the reader do that",
            "`hedge` needs an async function: `f` returns a stream",
        ]
    );
    assert_eq!(
        mistakes(quote!(), quote!(self, to: &mut u32)),
        [
            "`f` cannot be retried: each attempt's stream would need a `self` of its own; \
             write `enable_retry = false` or take `&self`",
            "`f` cannot be retried: the first attempt's stream would still hold this `&mut`; \
             write `enable_retry = false` or take it by `&`",
        ]
    );
    assert!(
        mistakes(quote!(enable_retry = false, enable_hedge = false), quote!(self, to: &mut u32)).is_empty()
    );
    assert_eq!(
        mistakes(quote!(hedge(delay = "1s"), idempotent = true, enable_retry = false), quote!(to: &mut u32)),
        ["`hedge` needs an async function: `f` returns a stream"]
    );
}

#[test]
fn a_hedge_that_is_switched_off_asks_for_nothing() {
    refused("resilient", quote!(enable_hedge = false), sync_fn(), &[]);
}

#[test]
fn a_receiver_with_a_type_is_a_unique_borrow_as_well() {
    let of = |receiver: TokenStream| {
        let item = quote!(async fn charge(#receiver) -> Result<(), E> { Ok(()) });
        mistakes("hedge", quote!(idempotent = true), item)
    };
    let sentence = "`charge` cannot be hedged: `self` is a unique borrow, which two runs of the body cannot share; \
                    take it by `&` or by value";
    assert_eq!(of(quote!(self: &mut Self)), [sentence]);
    assert_eq!(of(quote!(self: Pin<&mut Self>)), [sentence]);
    assert_eq!(of(quote!(self: &Self)), [""; 0]);
}

#[test]
fn values_that_a_macro_passed_on_are_read_as_if_they_were_written() {
    let passed = |tokens| proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens);
    let none = passed(quote!(0));
    refused(
        "resilient",
        quote!(max_attempts = #none),
        async_fn(),
        &[
            "`max_attempts` must be at least 1, not 0; it counts the first call: 1 is one attempt and no retry",
        ],
    );
}

#[test]
fn a_key_that_needs_a_value_is_no_leading_value() {
    refused("with_timeout", quote!(timeout), async_fn(), &["`timeout` needs a value: `timeout = ..`"]);
    refused("with_timeout", quote!(crate), async_fn(), &["`crate` needs a value: `crate = ..`"]);
}

#[test]
fn a_word_that_joins_a_list_and_its_key_is_split_only_where_that_list_may_stand() {
    let joined = quote!(bulkhead_max_concurrent = 3);
    refused(
        "resilient",
        joined.clone(),
        async_fn(),
        &[
            "`bulkhead_max_concurrent` is a variable's or setter's name; write `bulkhead(max_concurrent = ..)`",
        ],
    );
    for (name, list) in
        [("resilient", quote!(rate_limit(rate = 3, #joined))), ("with_timeout", quote!(5, #joined))]
    {
        let sentences = mistakes(name, list, async_fn());
        let [only] = sentences.as_slice() else { panic!("{sentences:?}") };
        assert!(only.starts_with("unknown key `bulkhead_max_concurrent`; the keys of"), "{only}");
    }
}

#[test]
fn what_is_just_legal_is_legal_and_the_next_value_is_not() {
    let name = |length: usize| "a".repeat(length);
    let (fits, over) = (name(128), name(129));
    for (list, sentences) in [
        (quote!(operation_name = #fits), &[][..]),
        (
            quote!(operation_name = #over),
            &["`operation_name` is 1 to 128 of the characters A-Z a-z 0-9 _ . : -; this one has 129"],
        ),
        (quote!(max_attempts = 4294967295), &[]),
        (quote!(max_attempts = 4294967296), &["`max_attempts` must be at most 4294967295, not 4294967296"]),
        (quote!(base_delay = "1s", max_delay = "1s"), &[]),
        // One mistake, not a second one about their order.
        (quote!(base_delay = "1s", max_delay = 0), &["`max_delay` must be greater than 0"]),
        (quote!(operation_type = "pay_ments2"), &[]),
        (
            quote!(operation_type = "payMents"),
            &[
                "`operation_type` is a lower-case identifier such as \"payments\" (the names of its variables come \
               from it), not \"payMents\"",
            ],
        ),
        (
            quote!(operation_type = "2pay"),
            &[
                "`operation_type` is a lower-case identifier such as \"payments\" (the names of its variables come \
               from it), not \"2pay\"",
            ],
        ),
        (quote!(timeout = 5u64), &[]),
        // Expressions, which only the compiler can judge.
        (quote!(timeout = !5), &[]),
        (quote!(timeout = -LIMIT), &[]),
    ] {
        refused("resilient", list, async_fn(), sentences);
    }
}

#[test]
fn a_limit_of_nothing_is_answered_with_how_to_have_none() {
    let leave_out = "`seconds` must be greater than 0; to have no time limit leave the attribute out";
    refused("with_timeout", quote!(seconds = 0), async_fn(), &[leave_out]);
    refused("with_timeout", quote!(0), async_fn(), &[leave_out]);
    let switch = "`timeout` must be greater than 0; to have no time limit write `enable_timeout = false`";
    refused("resilient", quote!(timeout = 0), async_fn(), &[switch]);
}

#[test]
fn keys_that_go_together_are_legal_together() {
    for (name, list) in [
        ("rate_limit", quote!(rate = 5, algorithm = "gcra", burst = 5)),
        ("retry_with_backoff", quote!(ignore = E::A)),
        ("circuit_breaker", quote!(ignore = E::A)),
        ("resilient", quote!(enable_circuit_breaker = false, ignore = E::A)),
    ] {
        refused(name, list, async_fn(), &[]);
    }
}

#[test]
fn a_key_of_a_list_is_sent_to_where_this_attribute_can_have_it() {
    for (name, list, sentence) in [
        (
            "resilient",
            quote!(max_queue = 3),
            "`max_queue` belongs in `bulkhead(..)`: write `bulkhead(max_queue = ..)`",
        ),
        (
            "with_timeout",
            quote!(5, max_queue = 3),
            "`max_queue` is not a key of `#[with_timeout]`; it belongs to `#[bulkhead]`",
        ),
        (
            "with_timeout",
            quote!(5, bulkhead = 3),
            "`bulkhead` is not a key of `#[with_timeout]`; it belongs to `#[resilient]` or `#[bulkhead(..)]`",
        ),
        (
            "resilient",
            quote!(bulkhead(max_attempts = 3)),
            "`max_attempts` is not a key of `bulkhead(..)`, but of `#[resilient]`; write it outside of `bulkhead(..)`",
        ),
        (
            "resilient",
            quote!(bulkhead(rate = 3)),
            "`rate` is not a key of `bulkhead(..)`; it belongs to `#[rate_limit]`",
        ),
    ] {
        refused(name, list, async_fn(), &[sentence]);
    }
}

#[test]
fn a_key_alone_is_asked_for_its_value() {
    refused(
        "resilient",
        quote!(max_attempts),
        async_fn(),
        &["`max_attempts` needs a value: `max_attempts = ..`"],
    );
    refused("resilient", quote!(crate), async_fn(), &["`crate` needs a value: `crate = ..`"]);
    for list in [quote!(key), quote!(key =), quote!(key = , timeout = 3)] {
        refused("resilient", list, async_fn(), &["`key` needs a value: `key = ..`"]);
    }
}

#[test]
fn a_key_that_is_no_name_in_quotes_is_not_offered_without_them() {
    let constant = "`key` would be the same for every call; write";
    let name = format!("{constant} the argument without quotes: `key = order`");
    refused("resilient", quote!(key = "order"), async_fn(), &[&name]);
    let other = format!("{constant} an expression over the arguments: `key = tenant`");
    refused("resilient", quote!(key = "a b"), async_fn(), &[&other]);
}

#[test]
fn only_a_path_to_itself_is_one() {
    let itself = "`charge` would stand in for itself, again and again; name another function";
    refused("resilient", quote!(fallback = <Gate as Pay>::charge), async_fn(), &[itself]);
    refused("resilient", quote!(fallback = <Gate as Pay>::refund), async_fn(), &[]);
    refused("resilient", quote!(fallback = other::charge), async_fn(), &[]);
    refused(
        "resilient",
        quote!(fallback = (f)(x)),
        async_fn(),
        &["`fallback` takes the path of a function that has the same arguments"],
    );
}

#[test]
fn a_fallback_makes_a_changed_self_a_mistake() {
    let changed = || {
        quote!(
            fn a(mut self) -> Result<(), E> {
                Ok(())
            }
        )
    };
    refused("circuit_breaker", quote!(), changed(), &[]);
    refused(
        "circuit_breaker",
        quote!(fallback = other),
        changed(),
        &[
            "`a` may run its body again, and a changed `self` would be changed for the next attempt too; take `self` \
           and change a copy inside",
        ],
    );
}

#[test]
fn a_mistake_is_an_error_of_the_compiler_beside_the_item_as_it_was() {
    let got = crate::guard::guard(
        crate::attributes::word("resilient").unwrap(),
        quote!(max_attempts = 0),
        async_fn(),
    );
    let got = squeezed(&got);
    assert!(got.contains("compile_error!{\"`max_attempts`mustbeatleast1,not0"), "{got}");
    assert!(got.ends_with(&squeezed(&async_fn())), "{got}");
}
