//! Puts a plan together from what was found legal.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::LitStr;
use syn::spanned::Spanned;

use super::Layers;
use crate::args::{Args, Backoff, Budget, Exhausted, Float, Keyed, Scope, Threshold, Written};
use crate::attributes::Layer;
use crate::item::{Binding, GuardedFn, Shape, mentions};
use crate::paths::Paths;
use crate::plan::{
    Breaker, Capture, Fallback, Health, Judgement, Named, Plan, Retry, RetryOnly, Setting, TimeLimit,
};

/// Whether the body runs more than once, and what else gets the arguments.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    pub(super) again: bool,
    pub(super) side_by_side: bool,
    pub(super) handed_on: bool,
}

/// How each attempt gets at each argument.
pub(super) fn captures(
    bindings: Vec<Binding>,
    shape: &Shape,
    limit: Option<TimeLimit>,
    runs: Runs,
    args: &Args,
    function: &GuardedFn,
) -> Vec<(Binding, Capture)> {
    let copied: &[Ident] = args.clones.as_ref().map_or(&[], |clones| &clones.value.0);
    let capture = |binding: &Binding| {
        // A worker thread takes what it needs with it, and so does a stream.
        let leaves = limit == Some(TimeLimit::Thread) || (matches!(shape, Shape::Stream(_)) && binding.owned);
        let moved = leaves && mentions(&function.body.stream(), &binding.ident);
        // The fallback needs the argument whole, so each attempt takes a copy of it apart.
        let taken_apart = runs.handed_on && binding.in_pattern();
        let changed = binding.mutable && binding.ident != "self";
        if !runs.again {
            Capture::AsUsed
        } else if !taken_apart && (moved || changed || copied.contains(&binding.ident)) {
            Capture::Copied
        } else if binding.owned && matches!(shape, Shape::Async | Shape::Future(_)) && !runs.side_by_side {
            Capture::Unique
        } else {
            Capture::AsUsed
        }
    };
    bindings
        .into_iter()
        .map(|binding| {
            let capture = capture(&binding);
            (binding, capture)
        })
        .collect()
}

/// Puts the plan together. No `..`: a new key does not compile until somebody decides what it means.
#[expect(clippy::too_many_lines, reason = "one line or two per key, none of them hidden")]
pub(super) fn plan(
    written: &[Written],
    args: Args,
    layers: &Layers,
    shape: Shape,
    limit: Option<TimeLimit>,
    bindings: Vec<(Binding, Capture)>,
) -> Plan {
    let Args {
        operation_name,
        operation_type,
        timeout,
        timeout_mode: _,
        deadline,
        attempts,
        base_delay,
        max_delay,
        exponential_base,
        jitter,
        backoff,
        retry_on_open,
        exhausted,
        retry_on,
        retry_if,
        ignore,
        failure_if,
        name,
        failure_threshold,
        success_threshold,
        recovery_timeout,
        failure_rate,
        window,
        min_calls,
        slow_call_rate,
        slow_call_duration,
        half_open_max_calls,
        recovery_backoff,
        max_recovery_timeout,
        recovery_jitter,
        breaker_scope,
        critical,
        service,
        degraded_error_rate,
        unhealthy_error_rate,
        degraded_response_time,
        unhealthy_response_time,
        health_window,
        max_age,
        min_samples,
        enable_timeout: _,
        enable_retry: _,
        enable_circuit_breaker: _,
        bulkhead: _,
        bulkhead_max_concurrent,
        bulkhead_max_queue,
        bulkhead_max_wait,
        bulkhead_name,
        rate_limit: _,
        rate_limit_rate,
        rate_limit_per,
        rate_limit_burst,
        rate_limit_max_wait,
        rate_limit_algorithm,
        rate_limit_name,
        hedge: _,
        hedge_delay,
        hedge_max_hedges,
        idempotent: _,
        budget,
        budget_ratio,
        budget_per_second,
        per_key,
        enable_bulkhead: _,
        enable_rate_limit: _,
        enable_hedge: _,
        fallback,
        fallback_value,
        fallback_chain,
        fallback_on,
        clones: _,
        skip: _,
        krate,
        spoilt: _,
        inherited: _,
    } = args;
    let paths = Paths::new(krate.map(|krate| krate.value));
    let profile = written.iter().find_map(|attribute| attribute.word.profile);
    let has_deadline = deadline.is_some();
    let settings = [
        set("timeout", timeout),
        set("deadline", deadline),
        attempts.map(|attempts| setting(&attempts.name(), attempts)),
        set("base_delay", base_delay),
        set("max_delay", max_delay),
        set("exponential_base", exponential_base),
        set("jitter", jitter),
        backoff.map(|Keyed { key, value }| {
            setting("backoff", Keyed { key, value: backoff_value(&value, &paths) })
        }),
        failure_threshold.map(|Keyed { key, value }| {
            setting("failure_threshold", Keyed { key, value: threshold_value(&value, &paths) })
        }),
        set("success_threshold", success_threshold),
        set("recovery_timeout", recovery_timeout),
        set("failure_rate", failure_rate),
        set("window", window),
        set("min_calls", min_calls),
        set("slow_call_rate", slow_call_rate),
        set("slow_call_duration", slow_call_duration),
        set("half_open_max_calls", half_open_max_calls),
        set("recovery_backoff", recovery_backoff),
        set("max_recovery_timeout", max_recovery_timeout),
        set("recovery_jitter", recovery_jitter),
        set("bulkhead_max_concurrent", bulkhead_max_concurrent),
        set("bulkhead_max_queue", bulkhead_max_queue),
        set("bulkhead_max_wait", bulkhead_max_wait),
        set("rate_limit_rate", rate_limit_rate),
        set("rate_limit_per", rate_limit_per),
        set("rate_limit_burst", rate_limit_burst),
        set("rate_limit_max_wait", rate_limit_max_wait),
        set("rate_limit_algorithm", rate_limit_algorithm),
        set("hedge_delay", hedge_delay),
        set("hedge_max_hedges", hedge_max_hedges),
        budget.map(|Keyed { key, value }| {
            let parts = (budget_ratio.as_ref(), budget_per_second.as_ref());
            setting("budget", Keyed { key, value: budget_value(&value, parts, &paths) })
        }),
    ];
    let stand_ins =
        fallback.map(|written| vec![written.value]).or(fallback_chain.map(|written| written.value.0));
    let stand_ins = stand_ins.unwrap_or_default();
    let health = [
        set("degraded_error_rate", degraded_error_rate),
        set("unhealthy_error_rate", unhealthy_error_rate),
        set("degraded_response_time", degraded_response_time),
        set("unhealthy_response_time", unhealthy_response_time),
        set("window", health_window),
        set("max_age", max_age),
        set("min_samples", min_samples),
    ];
    Plan {
        paths,
        shape,
        attributes: written.iter().map(|attribute| attribute.word.name).collect(),
        operation_type: profile
            .map(|profile| LitStr::new(profile, Span::mixed_site()))
            .or(operation_type.map(|written| written.value.0)),
        operation_name: operation_name.map(|written| written.value.0),
        fallback: (!stand_ins.is_empty() || fallback_value.is_some()).then(|| Fallback {
            paths: stand_ins,
            value: fallback_value.map(|written| written.value),
            on: fallback_on.map(|written| written.value),
        }),
        deadline: has_deadline,
        retry: layers.has(Layer::Retry).then(|| Retry {
            on_open: retry_on_open.is_some_and(|written| written.value.0),
            wrap: exhausted
                .filter(|written| written.value == Exhausted::Wrap)
                .map(|written| written.key.span()),
        }),
        breaker: layers.has(Layer::Breaker).then(|| Breaker {
            name: name.map(|written| written.value.0),
            per_call: breaker_scope.is_some_and(|written| written.value == Scope::Call),
            critical: critical.is_some_and(|written| written.value.0),
        }),
        hedge: layers.has(Layer::Hedge),
        rate_limit: layers
            .has(Layer::RateLimit)
            .then(|| Named { name: rate_limit_name.map(|written| written.value.0) }),
        timeout: limit,
        bulkhead: layers
            .has(Layer::Bulkhead)
            .then(|| Named { name: bulkhead_name.map(|written| written.value.0) }),
        per_key: per_key.map(|written| written.value),
        health: service.map(|written| Health {
            service: written.value.0,
            settings: health.into_iter().flatten().collect(),
        }),
        judgement: Judgement {
            ignore: ignore.map(|written| written.value),
            failure_if: failure_if.map(|written| written.value.0),
            retry: match (retry_on, retry_if) {
                (Some(pattern), _) => RetryOnly::Matching(pattern.value),
                (None, Some(rule)) => RetryOnly::Passing(rule.value.0),
                (None, None) => RetryOnly::Any,
            },
        },
        settings: settings.into_iter().flatten().collect(),
        bindings,
    }
}

pub(super) fn set<T: ToTokens>(method: &str, written: Option<Keyed<T>>) -> Option<Setting> {
    written.map(|written| setting(method, written))
}

pub(super) fn setting<T: ToTokens>(method: &str, Keyed { key, value }: Keyed<T>) -> Setting {
    let span = Span::mixed_site().located_at(key.span());
    Setting { method: Ident::new(method, span), key, value: value.to_token_stream() }
}

pub(super) fn backoff_value(backoff: &Backoff, paths: &Paths) -> TokenStream {
    match backoff {
        Backoff::Word(word) => word.to_token_stream(),
        Backoff::Value(value) => value.to_token_stream(),
        Backoff::Function(function) => {
            let span = Span::mixed_site().located_at(function.span());
            let private = paths.private(span);
            quote_spanned!(span=> #private::Backoff::Custom(#function))
        }
    }
}

pub(super) fn threshold_value(threshold: &Threshold, paths: &Paths) -> TokenStream {
    match threshold {
        Threshold::Count(count) => count.to_token_stream(),
        Threshold::Off(span) => {
            let span = Span::mixed_site().located_at(*span);
            let private = paths.private(span);
            quote_spanned!(span=> #private::OFF)
        }
    }
}

pub(super) fn budget_value(
    budget: &Budget,
    (ratio, per_second): (Option<&Keyed<Float>>, Option<&Keyed<Float>>),
    paths: &Paths,
) -> TokenStream {
    match budget {
        Budget::Word(word) => word.to_token_stream(),
        Budget::Share(share) => share.to_token_stream(),
        Budget::Parts => {
            let span = Span::mixed_site();
            let private = paths.private(span);
            let ratio = ratio.map(|written| written.value.to_token_stream());
            let per_second = per_second
                .map_or_else(|| quote_spanned!(span=> 1.0), |written| written.value.to_token_stream());
            quote_spanned!(span=> #private::Budget::Ratio { ratio: #ratio, per_second: #per_second })
        }
    }
}
