//! From what was written to what is legal: a [`Plan`], or every error at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, LitStr, Type};

use crate::args::{
    Args, Backoff, Count, Exhausted, Float, Jitter, Keyed, Length, Scope, Text, Threshold, Window,
};
use crate::args::{TimeoutMode, Written};
use crate::attributes::Layer;
use crate::diagnostics::{Errors, list};
use crate::item::{Binding, GuardedFn, Shape, has_unique_borrow, mentions, why_not_sendable};
use crate::paths::Paths;
use crate::plan::{Breaker, Capture, Health, Judgement, Plan, Retry, RetryOnly, Setting, TimeLimit};

/// Decides everything, or reports everything that stands against it.
pub(crate) fn validate(
    written: &[Written],
    args: Args,
    function: &GuardedFn,
    errors: &mut Errors,
) -> Option<Plan> {
    // No `..`: a new key does not compile until somebody decides what it means.
    let Args {
        operation_name,
        operation_type,
        timeout,
        timeout_mode,
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
        enable_timeout,
        enable_retry,
        enable_circuit_breaker,
        fallback,
        clones,
        krate,
    } = args;

    attributes(written, errors);
    let shape = match signature(function, errors) {
        Ok(shape) => Some(shape),
        Err(error) => {
            errors.push(error);
            None
        }
    };

    // Which layers there are.
    let mut layer = |layer, switch: &Option<Keyed<crate::args::Switch>>| {
        let own = written.iter().find(|attribute| attribute.asks_for(layer) && !attribute.word.whole);
        match switch {
            Some(switch) if !switch.value.0 => {
                if let Some(own) = own {
                    errors.at(
                        &switch.key,
                        format!(
                            "`{} = false` contradicts `#[{}]`; remove one of them",
                            switch.key, own.word.name
                        ),
                    );
                }
                false
            }
            _ => written.iter().any(|attribute| attribute.asks_for(layer)),
        }
    };
    let has_retry = layer(Layer::Retry, &enable_retry);
    let has_breaker = layer(Layer::Breaker, &enable_circuit_breaker);
    let has_timeout = layer(Layer::Timeout, &enable_timeout);
    let has_health = written.iter().any(|attribute| attribute.asks_for(Layer::Health));

    // Keys of layers that are not there.
    needs(
        errors,
        has_retry,
        "retry",
        "#[retry_with_backoff]",
        &enable_retry,
        &[
            key(&attempts),
            key(&base_delay),
            key(&max_delay),
            key(&exponential_base),
            key(&jitter),
            key(&backoff),
            key(&retry_on),
            key(&retry_if),
            key(&retry_on_open),
            key(&exhausted),
        ],
    );
    needs(
        errors,
        has_breaker,
        "a circuit breaker",
        "#[circuit_breaker]",
        &enable_circuit_breaker,
        &[
            key(&name),
            key(&failure_threshold),
            key(&success_threshold),
            key(&recovery_timeout),
            key(&failure_rate),
            key(&window),
            key(&min_calls),
            key(&slow_call_rate),
            key(&slow_call_duration),
            key(&half_open_max_calls),
            key(&recovery_backoff),
            key(&max_recovery_timeout),
            key(&recovery_jitter),
            key(&breaker_scope),
            key(&critical),
            if has_retry { key(&retry_on_open) } else { None },
        ],
    );
    needs(
        errors,
        has_timeout,
        "a time limit",
        "#[with_timeout]",
        &enable_timeout,
        &[key(&timeout), key(&timeout_mode)],
    );
    if !has_retry && !has_breaker && !has_health {
        for key in [key(&ignore), key(&failure_if)].into_iter().flatten() {
            errors.at(key, format!("`{key}` tells failures from successes, but no layer here counts them"));
        }
    }

    // Ranges.
    identifier(errors, operation_type.as_ref());
    for text in [&operation_name, &name, &service] {
        plain_name(errors, text.as_ref());
    }
    positive(errors, &timeout, "; to have no time limit write `enable_timeout = false`");
    positive(errors, &deadline, "; leave it out to have none");
    for length in [
        &max_delay,
        &recovery_timeout,
        &slow_call_duration,
        &max_recovery_timeout,
        &degraded_response_time,
        &unhealthy_response_time,
        &max_age,
    ] {
        positive(errors, length, "");
    }
    if let Some(attempts) = &attempts {
        let retries = attempts.key == "max_retries";
        let hint = "; it counts the first call: 1 is one attempt and no retry";
        at_least(
            errors,
            &attempts.key,
            &attempts.value,
            i128::from(!retries),
            if retries { "" } else { hint },
        );
    }
    for count in [&success_threshold, &min_calls, &half_open_max_calls, &health_window, &min_samples]
        .into_iter()
        .flatten()
    {
        at_least(errors, &count.key, &count.value, 1, "");
    }
    if let Some(Keyed { key, value: Threshold::Count(count) }) = &failure_threshold {
        at_least(errors, key, count, 1, "; to have no such rule write \"off\"");
    }
    match &window {
        Some(Keyed { key, value: Window::Calls(calls) }) => at_least(errors, key, calls, 1, ""),
        Some(Keyed { key, value: Window::Time(time) }) => positive_length(errors, key, time, ""),
        None => {}
    }
    for factor in [&exponential_base, &recovery_backoff].into_iter().flatten() {
        in_range(errors, &factor.key, &factor.value, 1.0..=f64::MAX, "must be at least 1.0");
    }
    for rate in
        [&failure_rate, &slow_call_rate, &degraded_error_rate, &unhealthy_error_rate].into_iter().flatten()
    {
        in_range(errors, &rate.key, &rate.value, f64::MIN_POSITIVE..=1.0, "must be over 0.0 and at most 1.0");
    }
    if let Some(Keyed { key, value: Jitter::Share(share) }) = &jitter {
        in_range(errors, key, share, 0.0..=1.0, "is a share of the delay and must be between 0.0 and 1.0");
    }
    if let Some(share) = &recovery_jitter {
        in_range(errors, &share.key, &share.value, 0.0..=1.0, "must be between 0.0 and 1.0");
    }

    // Contradictions.
    ordered(errors, &base_delay, &max_delay);
    ordered(errors, &timeout, &deadline);
    ordered(errors, &recovery_timeout, &max_recovery_timeout);
    ordered(errors, &degraded_response_time, &unhealthy_response_time);
    if let (Some(base), Some(backoff)) = (&exponential_base, &backoff) {
        let other = match &backoff.value {
            Backoff::Word(word) if word.value() == "exponential" => None,
            Backoff::Word(word) => Some(format!("\"{}\"", word.value())),
            Backoff::Function(function) => Some(function.to_token_stream().to_string()),
            Backoff::Value(_) => None,
        };
        if let Some(other) = other {
            errors.at(
                &base.key,
                format!("`{}` has no effect with `backoff = {other}`; remove one of them", base.key),
            );
        }
    }
    if let (Some(on), Some(rule)) = (&retry_on, &retry_if) {
        errors.at(
            &rule.key,
            format!(
                "`{}` and `{}` both choose the errors to retry; write the pattern in `retry_if`: \
                 `retry_if = |error| matches!(error, ..)`",
                on.key, rule.key
            ),
        );
    }
    if let (Some(rate), None) = (&slow_call_rate, &slow_call_duration) {
        errors.at(&rate.key, "`slow_call_rate` needs `slow_call_duration`, from which on a call is slow");
    }
    if let (None, Some(duration)) = (&slow_call_rate, &slow_call_duration) {
        errors.at(
            &duration.key,
            "`slow_call_duration` needs `slow_call_rate`, the share of slow calls that is too many",
        );
    }
    if failure_rate.is_none() && slow_call_rate.is_none() {
        for key in [key(&window), key(&min_calls)].into_iter().flatten() {
            errors.at(
                key,
                format!("`{key}` needs `failure_rate` or `slow_call_rate`: nothing else looks at the window"),
            );
        }
    }
    if has_health && service.is_none() {
        for health in written.iter().filter(|attribute| attribute.asks_for(Layer::Health)) {
            errors.at_span(
                health.span,
                format!(
                    "`#[{name}]` names the service: `#[{name}(\"external_api\")]`",
                    name = health.word.name
                ),
            );
        }
    }

    let bindings = shape.as_ref().map(|shape| function.bindings(shape)).unwrap_or_default();
    let limit = shape.as_ref().filter(|_| has_timeout).and_then(|shape| {
        let own =
            written.iter().find(|attribute| attribute.asks_for(Layer::Timeout) && !attribute.word.whole);
        let place = timeout.as_ref().map(|timeout| timeout.key.span()).or(own.map(|own| own.span));
        let asked = place.map(|place| {
            let name = own.map(|own| format!("#[{}]", own.word.name)).or(timeout.as_ref().map(Keyed::name));
            (place, name.unwrap_or_default())
        });
        time_limit(function, shape, timeout_mode.as_ref(), asked, errors)
    });
    if let (None, Some(mode), Some(Shape::Async | Shape::Future(_))) = (&limit, &timeout_mode, &shape)
        && !has_timeout
    {
        errors.at(&mode.key, ASYNC_MODE);
    }
    if has_retry {
        retryable(function, shape.as_ref(), errors);
    }
    let runs_again = has_retry || fallback.is_some();
    if let Some(clones) = &clones {
        check_clones(clones, &bindings, runs_again, function, errors);
    }
    if runs_again
        && let Some(receiver) = function.sig.receiver()
        && receiver.mutability.is_some()
    {
        errors.at(
            receiver,
            format!(
                "`{}` may run its body again, and a changed `self` would be changed for the next attempt too; \
                 take `self` and change a copy inside",
                function.sig.ident
            ),
        );
    }

    let copied = clones.map(|clones| clones.value.0).unwrap_or_default();
    let asynchronous = !matches!(shape, Some(Shape::Sync));
    let bindings = bindings
        .into_iter()
        .map(|binding| {
            let in_thread =
                limit == Some(TimeLimit::Thread) && mentions(&function.body.stream(), &binding.ident);
            // The fallback needs the argument whole, so each attempt takes a copy of it apart.
            let taken_apart = fallback.is_some() && binding.in_pattern;
            let capture = if !runs_again {
                Capture::AsUsed
            } else if taken_apart {
                if asynchronous && binding.owned { Capture::Unique } else { Capture::AsUsed }
            } else if copied.contains(&binding.ident)
                || in_thread
                || (binding.mutable && binding.ident != "self")
            {
                Capture::Copied
            } else if asynchronous && binding.owned {
                Capture::Unique
            } else {
                Capture::AsUsed
            };
            (binding, capture)
        })
        .collect();

    let settings: Vec<Setting> = [
        length("timeout", timeout),
        length("deadline", deadline.clone()),
        attempts.map(|Keyed { key, value }| setting(&key.to_string(), key.span(), value)),
        length("base_delay", base_delay),
        length("max_delay", max_delay),
        value("exponential_base", exponential_base),
        value("jitter", jitter),
        backoff.map(|Keyed { key, value }| {
            setting("backoff", key.span(), backoff_value(&value, krate.as_ref()))
        }),
        failure_threshold.map(|Keyed { key, value }| {
            setting("failure_threshold", key.span(), threshold_value(&value, krate.as_ref()))
        }),
        value("success_threshold", success_threshold),
        length("recovery_timeout", recovery_timeout),
        value("failure_rate", failure_rate),
        value("window", window),
        value("min_calls", min_calls),
        value("slow_call_rate", slow_call_rate),
        length("slow_call_duration", slow_call_duration),
        value("half_open_max_calls", half_open_max_calls),
        value("recovery_backoff", recovery_backoff),
        length("max_recovery_timeout", max_recovery_timeout),
        value("recovery_jitter", recovery_jitter),
    ]
    .into_iter()
    .flatten()
    .collect();
    let health_settings: Vec<Setting> = [
        value("degraded_error_rate", degraded_error_rate),
        value("unhealthy_error_rate", unhealthy_error_rate),
        length("degraded_response_time", degraded_response_time),
        length("unhealthy_response_time", unhealthy_response_time),
        value("window", health_window),
        length("max_age", max_age),
        value("min_samples", min_samples),
    ]
    .into_iter()
    .flatten()
    .collect();

    if !errors.is_empty() {
        return None;
    }
    let profile = written.iter().find_map(|attribute| attribute.word.profile);
    Some(Plan {
        paths: Paths::new(krate.as_ref().map(|krate| &krate.value)),
        shape: shape?,
        attributes: written.iter().map(|attribute| attribute.word.name).collect(),
        operation_type: profile
            .map(|profile| LitStr::new(profile, Span::mixed_site()))
            .or(operation_type.map(|operation_type| operation_type.value.0)),
        operation_name: operation_name.map(|name| name.value.0),
        fallback: fallback.map(|fallback| fallback.value),
        deadline: deadline.is_some(),
        retry: has_retry.then(|| Retry {
            on_open: retry_on_open.is_some_and(|flag| flag.value.0),
            wrap: exhausted
                .filter(|exhausted| exhausted.value == Exhausted::Wrap)
                .map(|exhausted| exhausted.key.span()),
        }),
        breaker: has_breaker.then(|| Breaker {
            name: name.map(|name| name.value.0),
            per_call: breaker_scope.is_some_and(|scope| scope.value == Scope::Call),
            critical: critical.is_some_and(|flag| flag.value.0),
        }),
        timeout: limit,
        health: service
            .filter(|_| has_health)
            .map(|service| Health { service: service.value.0, settings: health_settings }),
        judgement: Judgement {
            ignore: ignore.map(|ignore| ignore.value.0),
            failure_if: failure_if.map(|rule| rule.value.0),
            retry: match (retry_on, retry_if) {
                (Some(pattern), _) => RetryOnly::Matching(pattern.value.0),
                (None, Some(rule)) => RetryOnly::Passing(rule.value.0),
                (None, None) => RetryOnly::Any,
            },
        },
        settings,
        bindings,
    })
}

const ASYNC_MODE: &str = "an async function is dropped at its limit; `timeout_mode` is for sync functions";

/// One policy per function, no attribute twice.
fn attributes(written: &[Written], errors: &mut Errors) {
    for (at, attribute) in written.iter().enumerate() {
        let name = attribute.word.name;
        let before = &written[..at];
        if before.iter().any(|earlier| earlier.word.name == name) {
            errors
                .at_span(attribute.span, format!("`#[{name}]` is written twice; put its keys into one list"));
        } else if attribute.word.whole
            && let Some(earlier) = before.iter().find(|earlier| earlier.word.whole)
        {
            errors.at_span(
                attribute.span,
                format!(
                    "`#[{}]` and `#[{name}]` both stand for a whole policy; keep one and give it the keys of the other",
                    earlier.word.name
                ),
            );
        }
    }
}

/// What no attribute of ours can guard, whatever its keys.
fn signature(function: &GuardedFn, errors: &mut Errors) -> syn::Result<Shape> {
    let name = &function.sig.ident;
    if let Some(constness) = &function.sig.constness {
        errors.at(
            constness,
            format!("`{name}` is a `const fn`; retries, breakers and time limits need run time"),
        );
    }
    if let Some(variadic) = &function.sig.variadic {
        errors
            .at(variadic, format!("`{name}` has a variable number of arguments, which cannot be passed on"));
    }
    if let Some(never @ Type::Never(_)) = function.output() {
        errors.at(never, format!("`{name}` never returns, so there is nothing to guard"));
    }
    function.shape()
}

/// Every key whose layer is missing.
fn needs(
    errors: &mut Errors,
    present: bool,
    layer: &str,
    attribute: &str,
    switch: &Option<Keyed<crate::args::Switch>>,
    keys: &[Option<&Ident>],
) {
    if present {
        return;
    }
    for key in keys.iter().copied().flatten() {
        errors.at(
            key,
            match switch {
                Some(switch) => format!("`{key}` needs {layer}, which `{} = false` removes", switch.key),
                None => format!("`{key}` needs {layer}; add `{attribute}`"),
            },
        );
    }
}

fn key<T>(written: &Option<Keyed<T>>) -> Option<&Ident> {
    written.as_ref().map(|written| &written.key)
}

fn identifier(errors: &mut Errors, written: Option<&Keyed<Text>>) {
    let Some(Keyed { key, value: Text(text) }) = written else { return };
    let name = text.value();
    let good = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if !good {
        errors.at(
            text,
            format!("`{key}` is a lower-case identifier such as \"payments\" (its variables start with it), not \"{name}\""),
        );
    }
}

fn plain_name(errors: &mut Errors, written: Option<&Keyed<Text>>) {
    const LONGEST: usize = 128;
    let Some(Keyed { key, value: Text(text) }) = written else { return };
    let name = text.value();
    let wrong = if name.is_empty() {
        "this one is empty".to_owned()
    } else if let Some(letter) =
        name.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"_.:-".contains(*letter))
    {
        format!("this one has {letter:?}")
    } else if name.len() > LONGEST {
        format!("this one has {} characters", name.len())
    } else {
        return;
    };
    errors.at(text, format!("`{key}` is 1 to {LONGEST} of the characters A-Z a-z 0-9 _ . : -; {wrong}"));
}

fn positive(errors: &mut Errors, written: &Option<Keyed<Length>>, hint: &str) {
    if let Some(written) = written {
        positive_length(errors, &written.key, &written.value, hint);
    }
}

fn positive_length(errors: &mut Errors, key: &Ident, length: &Length, hint: &str) {
    if length.known() == Some(Duration::ZERO) {
        errors.at_span(length.span(), format!("`{key}` must be greater than 0{hint}"));
    }
}

fn at_least(errors: &mut Errors, key: &Ident, count: &Count, least: i128, hint: &str) {
    let most = i128::from(u32::MAX) - i128::from(least == 0);
    match count.known() {
        Some((count, span)) if count < least => {
            errors.at_span(span, format!("`{key}` must be at least {least}, not {count}{hint}"));
        }
        Some((count, span)) if count > most => {
            errors.at_span(span, format!("`{key}` must be at most {most}, not {count}"));
        }
        _ => {}
    }
}

fn in_range(
    errors: &mut Errors,
    key: &Ident,
    written: &Float,
    range: RangeInclusive<f64>,
    allowed: impl Display,
) {
    if let Float::Known { value, text, span } = written
        && !range.contains(value)
    {
        errors.at_span(*span, format!("`{key}` {allowed}, not {text}"));
    }
}

fn ordered(errors: &mut Errors, shorter: &Option<Keyed<Length>>, longer: &Option<Keyed<Length>>) {
    if let (Some(shorter), Some(longer)) = (shorter, longer)
        && let (Some(short), Some(long)) = (shorter.value.known(), longer.value.known())
        && short > long
        && !long.is_zero()
    {
        errors.at_span(
            shorter.value.span(),
            format!(
                "`{}` ({}) is longer than `{}` ({})",
                shorter.key,
                shorter.value.text(),
                longer.key,
                longer.value.text()
            ),
        );
    }
}

/// How the attempts are timed, given what the arguments allow.
fn time_limit(
    function: &GuardedFn,
    shape: &Shape,
    mode: Option<&Keyed<TimeoutMode>>,
    asked: Option<(Span, String)>,
    errors: &mut Errors,
) -> Option<TimeLimit> {
    if !matches!(shape, Shape::Sync) {
        if let Some(mode) = mode {
            errors.at(&mode.key, ASYNC_MODE);
        }
        return Some(TimeLimit::Poll);
    }
    let name = &function.sig.ident;
    let bound = stays_here(function);
    match (mode.map(|mode| mode.value), bound, asked) {
        (Some(TimeoutMode::Deadline), ..) | (None, Some(_), None) => Some(TimeLimit::Deadline),
        (_, None, _) => Some(TimeLimit::Thread),
        (Some(TimeoutMode::Thread), Some((tokens, why)), _) => {
            errors.at(
                tokens,
                format!(
                    "`{name}` cannot run on a worker thread: {why}; take and return owned (`Send + 'static`) values, \
                     or write `timeout_mode = \"deadline\"`"
                ),
            );
            None
        }
        (None, Some((_, why)), Some((span, written))) => {
            errors.at_span(
                span,
                format!(
                    "`{written}` cannot interrupt `{name}`: {why}; write `timeout_mode = \"deadline\"` (it runs in place \
                     and a late result is a timeout), or take and return owned values (it runs on a worker thread)"
                ),
            );
            None
        }
    }
}

/// What keeps a function on its caller's thread, as far as its signature tells.
fn stays_here(function: &GuardedFn) -> Option<(TokenStream, String)> {
    let parameters = function.type_parameters();
    let argument = function.sig.inputs.iter().find_map(|argument| match argument {
        FnArg::Receiver(receiver) => Some((receiver.to_token_stream(), "it takes `self`".to_owned())),
        FnArg::Typed(typed) => why_not_sendable(&typed.ty, &parameters)
            .map(|why| (typed.to_token_stream(), format!("`{}` {why}", compact(&typed.pat)))),
    });
    argument.or_else(|| {
        let output = function.output()?;
        let why = why_not_sendable(output, &parameters)?;
        Some((output.to_token_stream(), format!("what it returns {why}")))
    })
}

fn compact(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// What cannot be done twice.
fn retryable(function: &GuardedFn, shape: Option<&Shape>, errors: &mut Errors) {
    let output = match shape {
        Some(Shape::Future(tail)) => Some(&tail.output),
        _ => function.output(),
    };
    if let Some(output) = output
        && has_unique_borrow(output)
    {
        errors.at(
            output,
            format!(
                "`{}` cannot be retried: the first attempt's `&mut` would still be alive; \
                 write `enable_retry = false` or return an owned value",
                function.sig.ident
            ),
        );
    }
}

fn check_clones(
    clones: &Keyed<crate::args::Clones>,
    bindings: &[Binding],
    runs_again: bool,
    function: &GuardedFn,
    errors: &mut Errors,
) {
    if !runs_again {
        errors.at(&clones.key, "`clone` gives each attempt its own copy, but the body runs only once");
    }
    for name in &clones.value.0 {
        if name == "self" {
            errors.at(
                name,
                "`self` cannot be copied for an attempt; take `&self`, or clone what you need inside",
            );
            continue;
        }
        match bindings.iter().find(|binding| binding.ident == *name) {
            Some(binding) if binding.owned || binding.mutable => {}
            Some(_) => {
                errors.at(name, format!("`{name}` is a reference, which every attempt can use as it is"))
            }
            None => {
                let known: Vec<String> = bindings
                    .iter()
                    .filter(|binding| binding.owned && binding.ident != "self" && binding.ident != "__self")
                    .map(|binding| binding.ident.to_string())
                    .collect();
                let function = &function.sig.ident;
                errors.at(
                    name,
                    if known.is_empty() {
                        format!("`{name}` is not an argument of `{function}`, which has none to clone")
                    } else {
                        format!("`{name}` is not an argument of `{function}`; write {}", list(&known, "or"))
                    },
                );
            }
        }
    }
}

fn setting(method: &str, span: Span, value: impl ToTokens) -> Setting {
    Setting {
        method: Ident::new(method, span.resolved_at(Span::mixed_site())),
        value: value.to_token_stream(),
    }
}

fn value<T: ToTokens>(method: &str, written: Option<Keyed<T>>) -> Option<Setting> {
    written.map(|Keyed { key, value }| setting(method, key.span(), value))
}

fn length(method: &str, written: Option<Keyed<Length>>) -> Option<Setting> {
    value(method, written)
}

fn backoff_value(backoff: &Backoff, krate: Option<&Keyed<syn::Path>>) -> TokenStream {
    match backoff {
        Backoff::Word(word) => word.to_token_stream(),
        Backoff::Value(value) => value.to_token_stream(),
        Backoff::Function(function) => {
            let span = Span::mixed_site().located_at(function.span());
            let private = Paths::new(krate.map(|krate| &krate.value)).private(span);
            quote_spanned!(span=> #private::Backoff::Custom(#function))
        }
    }
}

fn threshold_value(threshold: &Threshold, krate: Option<&Keyed<syn::Path>>) -> TokenStream {
    match threshold {
        Threshold::Count(count) => count.to_token_stream(),
        Threshold::Off(span) => {
            let span = Span::mixed_site().located_at(*span);
            let private = Paths::new(krate.map(|krate| &krate.value)).private(span);
            quote_spanned!(span=> #private::OFF)
        }
    }
}
