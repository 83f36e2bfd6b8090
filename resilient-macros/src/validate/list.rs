//! What the lists of a function's attributes say wrongly, whatever they stand on.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Expr, Lit};

use super::Layers;
use crate::args::{
    Algorithm, Args, Backoff, Budget, Figure, Key, Keyed, Knowable, Known, Measure, Switch, Text, Window,
    Written,
};
use crate::attributes::Layer;
use crate::diagnostics::{Errors, list};

/// Every key whose layer is not there.
pub(super) fn missing_layers(layers: &Layers, args: &Args, errors: &mut Errors) {
    let retry = [
        args.attempts.key(),
        args.base_delay.key(),
        args.max_delay.key(),
        args.exponential_base.key(),
        args.jitter.key(),
        args.backoff.key(),
        args.retry_on.key(),
        args.retry_if.key(),
        args.retry_on_open.key(),
        args.exhausted.key(),
    ];
    let breaker = [
        args.name.key(),
        args.failure_threshold.key(),
        args.success_threshold.key(),
        args.recovery_timeout.key(),
        args.failure_rate.key(),
        args.window.key(),
        args.min_calls.key(),
        args.slow_call_rate.key(),
        args.slow_call_duration.key(),
        args.half_open_max_calls.key(),
        args.recovery_backoff.key(),
        args.max_recovery_timeout.key(),
        args.recovery_jitter.key(),
        args.breaker_scope.key(),
        args.critical.key(),
        // It needs both; one complaint is enough.
        if layers.has(Layer::Retry) { args.retry_on_open.key() } else { None },
    ];
    let timeout = [args.timeout.key(), args.timeout_mode.key()];
    let mut needs =
        |layer: &str, attribute: &str, switch: Option<&Keyed<Switch>>, keys: &[Option<&Ident>]| {
            for key in keys.iter().copied().flatten() {
                let instead = match switch {
                    Some(switch) => format!(", which `{} = false` removes", switch.key),
                    None => format!("; add `#[{attribute}]`"),
                };
                errors.at(key, format!("`{key}` needs {layer}{instead}"));
            }
        };
    if !layers.has(Layer::Retry) {
        needs("retry", "retry_with_backoff", args.enable_retry.as_ref(), &retry);
    }
    if !layers.has(Layer::Breaker) {
        needs("a circuit breaker", "circuit_breaker", args.enable_circuit_breaker.as_ref(), &breaker);
    }
    if !layers.has(Layer::Timeout) {
        needs("a time limit", "with_timeout", args.enable_timeout.as_ref(), &timeout);
    }
    if !layers.has(Layer::Hedge) {
        if !layers.has(Layer::Retry) {
            let budget = [args.budget.key()];
            needs("retry or a hedge", "retry_with_backoff", args.enable_retry.as_ref(), &budget);
        }
        // A hedge that could not be read was complained about.
        let idempotent = [args.idempotent.key().filter(|_| !args.has("hedge"))];
        needs("a hedge", "hedge(delay = ..)", args.enable_hedge.as_ref(), &idempotent);
    }
    if !layers.has(Layer::Breaker) && !layers.has(Layer::Bulkhead) && !layers.has(Layer::RateLimit) {
        let breaker = args.enable_circuit_breaker.as_ref();
        needs(
            "a circuit breaker, a bulkhead or a rate limit",
            "circuit_breaker",
            breaker,
            &[args.per_key.key()],
        );
    }
    if let (Some(on), None) = (args.fallback_on.key(), fallback_key(args)) {
        let (path, value) =
            if on == "on" { ("a path", "value") } else { ("`fallback = path`", "fallback_value") };
        errors
            .at(on, format!("`{on}` says which errors a fallback answers for; add {path} or `{value} = ..`"));
    }
    if !layers.has(Layer::Retry)
        && !layers.has(Layer::Breaker)
        && !layers.has(Layer::Health)
        && !layers.has(Layer::Hedge)
        && fallback_key(args).is_none()
    {
        for key in [args.ignore.key(), args.failure_if.key()].into_iter().flatten() {
            errors.at(key, format!("`{key}` tells failures from successes, but no layer here counts them"));
        }
    }
}

pub(super) fn texts_and_times(args: &Args, errors: &mut Errors) {
    if let Some(written) = &args.operation_type {
        identifier(errors, written);
    }
    let names = [&args.operation_name, &args.name, &args.service, &args.bulkhead_name, &args.rate_limit_name];
    for written in names.into_iter().flatten() {
        plain_name(errors, written);
    }
    let no_limit = match args.timeout.key() {
        Some(key) if key == "seconds" => "; to have no time limit leave the attribute out",
        _ => "; to have no time limit write `enable_timeout = false`",
    };
    let window = args.window.as_ref().and_then(|Keyed { key, value }| match value {
        Window::Time(time) => Some((key, time.figure()?)),
        Window::Calls(_) => None,
    });
    for (length, hint) in [
        (args.timeout.known(), no_limit),
        (args.deadline.known(), "; leave it out to have none"),
        (args.max_delay.known(), ""),
        (args.recovery_timeout.known(), ""),
        (window, ""),
        (args.slow_call_duration.known(), ""),
        (args.max_recovery_timeout.known(), ""),
        (args.degraded_response_time.known(), ""),
        (args.unhealthy_response_time.known(), ""),
        (args.max_age.known(), ""),
        (args.rate_limit_per.known(), ""),
    ] {
        if let Some((key, figure)) = length.filter(|(_, figure)| figure.amount <= 0.0) {
            errors.at(figure.written, format!("`{key}` must be greater than 0{hint}"));
        }
    }
}

pub(super) fn numbers(args: &Args, errors: &mut Errors) {
    const RATE: &str = "must be over 0.0 and at most 1.0 (0.5 is 50 %)";
    const SHARE: &str = "must be over 0.0 and at most 1.0 (0.2 is one retry for five calls)";
    let (least, hint) = match args.attempts.key() {
        Some(key) if key == "max_retries" => (0, ""),
        _ => (1, "; it counts the first call: 1 is one attempt and no retry"),
    };
    for (count, least, hint) in [
        (args.attempts.known(), least, hint),
        (args.failure_threshold.known(), 1, "; to have no such rule write \"off\""),
        (args.success_threshold.known(), 1, ""),
        (args.window.known(), 1, ""),
        (args.min_calls.known(), 1, ""),
        (args.half_open_max_calls.known(), 1, ""),
        (args.health_window.known(), 1, ""),
        (args.min_samples.known(), 1, ""),
        (args.bulkhead_max_concurrent.known(), 0, ""),
        (args.bulkhead_max_queue.known(), 0, ""),
        (args.rate_limit_rate.known(), 1, ""),
        (args.rate_limit_burst.known(), 1, ""),
        (args.hedge_max_hedges.known(), 1, "; to have none leave `hedge` out"),
    ] {
        at_least(errors, count, least, hint);
    }
    for (number, range, allowed) in [
        (args.exponential_base.known(), 1.0..=f64::MAX, "must be at least 1.0"),
        (args.recovery_backoff.known(), 1.0..=f64::MAX, "must be at least 1.0"),
        (args.failure_rate.known(), f64::MIN_POSITIVE..=1.0, RATE),
        (args.slow_call_rate.known(), f64::MIN_POSITIVE..=1.0, RATE),
        (args.degraded_error_rate.known(), f64::MIN_POSITIVE..=1.0, RATE),
        (args.unhealthy_error_rate.known(), f64::MIN_POSITIVE..=1.0, RATE),
        (args.jitter.known(), 0.0..=1.0, "is a share of the delay and must be between 0.0 and 1.0"),
        (args.recovery_jitter.known(), 0.0..=1.0, "must be between 0.0 and 1.0"),
        (args.budget.known(), f64::MIN_POSITIVE..=1.0, SHARE),
        (args.budget_ratio.known(), f64::MIN_POSITIVE..=1.0, SHARE),
        (args.budget_per_second.known(), 0.0..=f64::MAX, "must be at least 0.0"),
    ] {
        let outside = number.filter(|(_, figure)| !range.contains(&figure.amount));
        if let Some((key, Figure { text, written, .. })) = outside {
            errors.at(written, format!("`{key}` {allowed}, not {text}"));
        }
    }
}

/// Keys that do not go together, or that do nothing alone.
pub(super) fn contradictions(args: &Args, errors: &mut Errors) {
    for (lesser, greater, is) in [
        (args.base_delay.known(), args.max_delay.known(), "longer"),
        (args.timeout.known(), args.deadline.known(), "longer"),
        (args.recovery_timeout.known(), args.max_recovery_timeout.known(), "longer"),
        (args.degraded_response_time.known(), args.unhealthy_response_time.known(), "longer"),
        (args.degraded_error_rate.known(), args.unhealthy_error_rate.known(), "higher"),
        (args.min_calls.known(), args.window.known(), "more"),
        (args.min_samples.known(), args.health_window.known(), "more"),
    ] {
        ordered(errors, lesser, greater, is);
    }
    let other_backoff = args.backoff.as_ref().and_then(|backoff| match &backoff.value {
        Backoff::Word(word) if word.value() != "exponential" => Some(word.to_token_stream()),
        Backoff::Function(function) => Some(function.to_token_stream()),
        Backoff::Word(_) | Backoff::Value(_) => None,
    });
    for (key, other) in [
        (args.exponential_base.key(), other_backoff.map(|other| format!("backoff = {other}"))),
        (args.exhausted.key(), fallback_key(args).map(Ident::to_string)),
        (
            args.rate_limit_burst.key(),
            args.rate_limit_algorithm
                .as_ref()
                .filter(|algorithm| algorithm.value == Algorithm::SlidingWindow)
                .map(|_| "algorithm = \"sliding_window\"".to_owned()),
        ),
    ] {
        if let (Some(key), Some(other)) = (key, other) {
            errors.at(key, format!("`{key}` has no effect with `{other}`; remove one of them"));
        }
    }
    if let Some(Keyed { key, value: Expr::Lit(constant) }) = &args.per_key {
        let instead = match &constant.lit {
            Lit::Str(text) if syn::parse_str::<Ident>(&text.value()).is_ok() => {
                format!("write the argument without quotes: `{key} = {}`", text.value())
            }
            _ => format!("write an expression over the arguments: `{key} = tenant`"),
        };
        errors.at(constant, format!("`{key}` would be the same for every call; {instead}"));
    }
    if let (Some(path), Some(chain)) = (args.fallback.key(), args.fallback_chain.key()) {
        errors.at(
            chain,
            format!("`{path}` and `{chain}` both say who answers; write the path at its place in `{chain} = [a, b]`"),
        );
    }
    if let (Some(on), Some(rule)) = (args.retry_on.key(), args.retry_if.key()) {
        errors.at(
            rule,
            format!(
                "`{on}` and `{rule}` both choose the errors to retry; write the pattern in `{rule}`: \
                 `{rule} = |error| matches!(error, ..)`"
            ),
        );
    }
    for (key, partners, why) in [
        (args.slow_call_rate.key(), ["slow_call_duration"].as_slice(), ", from which on a call is slow"),
        (args.slow_call_duration.key(), &["slow_call_rate"], ", the share of slow calls that is too many"),
        (
            args.max_recovery_timeout.key(),
            &["recovery_backoff"],
            ": nothing else lengthens `recovery_timeout`",
        ),
        (args.window.key(), RATES, ": nothing else looks at the window"),
        (args.min_calls.key(), RATES, ": nothing else looks at the window"),
    ] {
        if let Some(key) = key.filter(|_| !partners.iter().any(|partner| args.has(partner))) {
            errors.at(key, format!("`{key}` needs {}{why}", list(partners, "or")));
        }
    }
}

/// What a layer cannot do without.
pub(super) fn needed(written: &[Written], layers: &Layers, args: &Args, errors: &mut Errors) {
    let places = |layer: Layer, key: Option<&Ident>| -> Vec<(TokenStream, String)> {
        let own = written.iter().filter(|attribute| attribute.asks_for(layer));
        let own = own.map(|own| (own.place.clone(), format!("#[{}]", own.word.name)));
        own.chain(key.map(|key| (key.to_token_stream(), key.to_string()))).collect()
    };
    if let Some(place) = hedge_place(written, args).filter(|_| layers.has(Layer::Hedge)) {
        let idempotent = args.idempotent.as_ref().is_some_and(|idempotent| idempotent.value.0);
        if !idempotent && (args.idempotent.is_some() || !args.has("idempotent")) {
            errors.at(
            args.idempotent.key().map_or_else(|| place.clone(), ToTokens::to_token_stream),
            "`hedge` runs the body more than once at the same time; write `idempotent = true` if that is safe",
        );
        }
    }
    if layers.has(Layer::RateLimit) && !args.has("rate") {
        let asked = args.rate_limit.key().or(args.enable_rate_limit.key());
        for (place, name) in places(Layer::RateLimit, asked) {
            let how = if name.starts_with('#') { "#[rate_limit(..)]" } else { "rate_limit(..)" };
            let how = how.replace("..", "rate = 10, per = \"1s\"");
            let message = if name.starts_with("enable") {
                format!("`{name} = true` does not say how many calls may pass; write `{how}` in its place")
            } else {
                format!("`{name}` says how many calls may pass: `{how}`")
            };
            errors.at(place, message);
        }
    }
    let in_parts = args.budget.as_ref().filter(|budget| matches!(budget.value, Budget::Parts));
    if let Some(Keyed { key, .. }) = in_parts.filter(|_| !args.has("ratio")) {
        errors.at(key, format!("`{key}` needs `ratio`: `{key}(ratio = 0.2, per_second = 1)`"));
    }
    let says_what =
        fallback_key(args).is_some() || ["path", "value", "chain", "on"].iter().any(|key| args.has(key));
    if !says_what {
        for fallback in written.iter().filter(|attribute| attribute.word.name == "fallback") {
            errors.at(
                &fallback.place,
                "`#[fallback]` says what answers instead: `#[fallback(path)]` or `#[fallback(value = ..)]`",
            );
        }
    }
}

/// Where a hedge was asked for.
pub(super) fn hedge_place(written: &[Written], args: &Args) -> Option<TokenStream> {
    let own = written.iter().find(|attribute| attribute.asks_for(Layer::Hedge));
    let asked = args.hedge.key().or(args.enable_hedge.key()).map(ToTokens::to_token_stream);
    asked.or_else(|| own.map(|own| own.place.clone()))
}

/// The key of whatever makes a fallback, if there is one.
pub(super) fn fallback_key(args: &Args) -> Option<&Ident> {
    args.fallback.key().or(args.fallback_chain.key()).or(args.fallback_value.key())
}

/// The rules that look at the window.
pub(super) const RATES: &[&str] = &["failure_rate", "slow_call_rate"];

/// One policy per function, no attribute twice.
pub(super) fn attributes(written: &[Written], errors: &mut Errors) {
    for (at, attribute) in written.iter().enumerate() {
        let name = attribute.word.name;
        let before = &written[..at];
        if before.iter().any(|earlier| earlier.word.name == name) {
            errors.at(&attribute.place, format!("`#[{name}]` is written twice; put its keys into one list"));
        } else if let Some(earlier) = before.iter().find(|earlier| earlier.word.whole && attribute.word.whole)
        {
            errors.at(
                &attribute.place,
                format!(
                    "`#[{}]` and `#[{name}]` both stand for a whole policy; keep one and give it the keys of the other",
                    earlier.word.name
                ),
            );
        }
    }
}

pub(super) fn identifier(errors: &mut Errors, Keyed { key, value: Text(text) }: &Keyed<Text>) {
    let name = text.value();
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if !(name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(plain)) {
        errors.at(
            text,
            format!(
                "`{key}` is a lower-case identifier such as \"payments\" (the names of its variables come from it), \
                 not {name:?}"
            ),
        );
    }
}

pub(super) fn plain_name(errors: &mut Errors, Keyed { key, value: Text(text) }: &Keyed<Text>) {
    const LONGEST: usize = 128;
    let name = text.value();
    let strange = name.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"_.:-".contains(*letter));
    let wrong = match strange {
        Some(letter) => format!("this one has {letter:?}"),
        None if name.is_empty() => "this one is empty".to_owned(),
        None if name.len() > LONGEST => format!("this one has {}", name.len()),
        None => return,
    };
    errors.at(text, format!("`{key}` is 1 to {LONGEST} of the characters A-Z a-z 0-9 _ . : -; {wrong}"));
}

pub(super) fn at_least(errors: &mut Errors, count: Known<'_>, least: u32, hint: &str) {
    let most = u32::MAX - u32::from(least == 0);
    let Some((key, Figure { amount, text, written })) = count else { return };
    if amount < f64::from(least) {
        errors.at(written, format!("`{key}` must be at least {least}, not {text}{hint}"));
    } else if amount > f64::from(most) {
        errors.at(written, format!("`{key}` must be at most {most}, not {text}"));
    }
}

pub(super) fn ordered(errors: &mut Errors, lesser: Known<'_>, greater: Known<'_>, is: &str) {
    let (Some((key, lesser)), Some((than, greater))) = (lesser, greater) else { return };
    if lesser.amount > greater.amount && greater.amount > 0.0 {
        errors.at(
            lesser.written,
            format!("`{key}` ({}) is {is} than `{than}` ({})", lesser.text, greater.text),
        );
    }
}
