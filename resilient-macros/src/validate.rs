//! From what was written to what is legal: a [`Plan`], or every error at once.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprPath, FnArg, Lit, LitStr, ReceiverKind, Type};

use crate::args::{
    Algorithm, Args, Backoff, Budget, Clones, Exhausted, Figure, Float, Key, Keyed, Knowable, Known, Measure,
    Scope, Switch, Text, Threshold, TimeoutMode, Window, Written,
};
use crate::attributes::Layer;
use crate::diagnostics::{Errors, list};
use crate::item::{
    Binding, GuardedFn, Local, Shape, has_unique_borrow, mentions, receiver_is_owned, use_of,
    use_of_self_type, why_not_sendable,
};
use crate::paths::Paths;
use crate::plan::{
    Breaker, Capture, Fallback, Health, Judgement, Named, Plan, Retry, RetryOnly, Setting, TimeLimit,
};

/// Decides everything about a function of its own, or reports everything that stands against it.
pub(crate) fn validate(
    written: &[Written],
    args: Args,
    function: &GuardedFn,
    errors: &mut Errors,
) -> Option<Plan> {
    let layers = policy(written, &args, errors);
    let plan = fit(written, args, &layers, function, errors)?;
    set_once(&plan, &[], function, errors);
    errors.is_empty().then_some(plan)
}

/// What is wrong with the list, whatever it stands on.
pub(crate) fn policy(written: &[Written], args: &Args, errors: &mut Errors) -> Layers {
    attributes(written, errors);
    if let Some(skip) = &args.skip {
        errors.at(
            &skip.key,
            "`skip` leaves a method out where the whole `impl` block or trait is guarded; \
             here nothing else guards it, so remove the attribute",
        );
    }
    let layers = Layers::of(written, args, errors);
    missing_layers(&layers, args, errors);
    texts_and_times(args, errors);
    numbers(args, errors);
    contradictions(args, errors);
    needed(written, &layers, args, errors);
    if layers.has(Layer::Health) && !args.has("service") && !args.has("service_name") {
        for health in written.iter().filter(|attribute| attribute.asks_for(Layer::Health)) {
            let name = health.word.name;
            errors.at(&health.place, format!("`#[{name}]` names the service: `#[{name}(\"external_api\")]`"));
        }
    }
    layers
}

/// Makes the plan for one function; what stands against it goes to `errors`, and none of that to the list alone.
pub(crate) fn fit(
    written: &[Written],
    args: Args,
    layers: &Layers,
    function: &GuardedFn,
    errors: &mut Errors,
) -> Option<Plan> {
    let shape = signature(function, errors)?;
    let limit = if layers.has(Layer::Timeout) {
        let asked = asked_for_time(written, &args);
        time_limit(function, &shape, args.timeout_mode.as_ref(), asked, errors)
    } else {
        None
    };
    let fallbacks = fallback_paths(&args);
    let runs_again = layers.has(Layer::Retry) || layers.has(Layer::Hedge) || fallback_key(&args).is_some();
    if layers.has(Layer::Retry) {
        retryable(function, &shape, errors);
    }
    if matches!(shape, Shape::Stream(_)) {
        streamable(written, &args, layers, function, errors);
    }
    if layers.has(Layer::Hedge) && !matches!(shape, Shape::Stream(_)) {
        hedgeable(written, &args, function, &shape, errors);
    }
    if layers.has(Layer::Retry) || layers.has(Layer::Hedge) || !fallbacks.is_empty() {
        unchanged_receiver(function, errors);
    }
    let bindings = function.bindings(&shape);
    if let Some(clones) = &args.clones {
        check_clones(clones, &bindings, runs_again, function, errors);
    }
    if let Some((_, path)) = itself(&args, function) {
        let name = &function.sig.ident;
        errors
            .at(path, format!("`{name}` would stand in for itself, again and again; name another function"));
    }
    if let Some((key, path)) = fallbacks.first() {
        hidden_arguments(key, path, function, &shape, errors);
        whole_arguments(&args, &bindings, errors);
    }
    let runs =
        Runs { again: runs_again, side_by_side: layers.has(Layer::Hedge), handed_on: !fallbacks.is_empty() };
    let captures = captures(bindings, &shape, limit, runs, &args, function);
    Some(plan(written, args, layers, shape, limit, captures))
}

/// A setting belongs to the function, not to a call of it; one that is `inherited` cannot mean an argument.
pub(crate) fn set_once(plan: &Plan, inherited: &[Ident], function: &GuardedFn, errors: &mut Errors) {
    let arguments = function.arguments();
    let health = plan.health.iter().flat_map(|health| &health.settings);
    for Setting { key, value, .. } in plan.settings.iter().chain(health) {
        let own = if inherited.contains(key) { &[] } else { arguments.as_slice() };
        for used in own.iter().filter_map(|argument| use_of(value, argument)) {
            let what = if used == "self" { "`self`".to_owned() } else { format!("the argument `{used}`") };
            errors.at(&used, format!("`{key}` is set once for all calls; it cannot use {what}"));
        }
        if let Some(used) = use_of_self_type(value) {
            errors.at(
                &used,
                format!("`{key}` is kept outside the impl; write the type's name instead of `Self`"),
            );
        }
    }
}

/// Why a written time limit asks for a mode: `function` is sync and stays on its caller's thread.
pub(crate) fn needs_a_mode(
    written: &[Written],
    args: &Args,
    layers: &Layers,
    function: &GuardedFn,
) -> Option<String> {
    let asked = match args.timeout_mode.as_ref().map(|mode| mode.value) {
        None => asked_for_time(written, args).is_some(),
        Some(mode) => mode == TimeoutMode::Thread,
    };
    let asked = asked && layers.has(Layer::Timeout) && matches!(function.shape(), Ok(Shape::Sync));
    asked.then(|| stays_here(function)).flatten().map(|(_, why)| why)
}

/// The layers to generate. What is written decides; the environment only tunes numbers.
pub(crate) struct Layers(Vec<Layer>);

impl Layers {
    fn of(written: &[Written], args: &Args, errors: &mut Errors) -> Self {
        let mut layers = Vec::new();
        for (layer, switch, asked) in [
            (Layer::Retry, &args.enable_retry, None),
            (Layer::Breaker, &args.enable_circuit_breaker, None),
            (Layer::Timeout, &args.enable_timeout, None),
            (Layer::Health, &None, None),
            (Layer::Bulkhead, &args.enable_bulkhead, args.bulkhead.key()),
            (Layer::RateLimit, &args.enable_rate_limit, args.rate_limit.key()),
            (Layer::Hedge, &args.enable_hedge, args.hedge.key()),
        ] {
            let mut asking = written.iter().filter(|attribute| attribute.asks_for(layer)).peekable();
            let off = switch.as_ref().filter(|switch| !switch.value.0);
            if let (Some(asked), Some(own)) = (asked, asking.peek()) {
                let own = own.word.name;
                errors.at(
                    asked,
                    format!("`#[{own}]` and `{asked}` say the same thing; keep one and give it the keys of the other"),
                );
            }
            // A layer that no policy has of itself is there when anything asks for it.
            let on =
                asked.is_some() || (layer.is_added() && switch.as_ref().is_some_and(|switch| switch.value.0));
            if let Some(Keyed { key, .. }) = off
                && let Some(own) = asking.find(|attribute| !attribute.word.whole)
            {
                let own = own.word.name;
                errors.at(key, format!("`{key} = false` contradicts `#[{own}]`; remove one of them"));
                // Whichever goes: the keys of the layer are not what is wrong.
                layers.push(layer);
            } else if let (Some(Keyed { key, .. }), Some(asked)) = (off, asked) {
                errors.at(key, format!("`{key} = false` contradicts `{asked}`; remove one of them"));
                layers.push(layer);
            } else if off.is_none() && (on || asking.peek().is_some()) {
                layers.push(layer);
            }
        }
        Self(layers)
    }

    pub(crate) fn has(&self, layer: Layer) -> bool {
        self.0.contains(&layer)
    }
}

/// Every key whose layer is not there.
fn missing_layers(layers: &Layers, args: &Args, errors: &mut Errors) {
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
    if fallback_key(args).is_none()
        && let Some(on) = args.fallback_on.key()
    {
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

fn texts_and_times(args: &Args, errors: &mut Errors) {
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
        if let Some((key, figure)) = length
            && figure.amount <= 0.0
        {
            errors.at(figure.written, format!("`{key}` must be greater than 0{hint}"));
        }
    }
}

fn numbers(args: &Args, errors: &mut Errors) {
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
        if let Some((key, Figure { amount, text, written })) = number
            && !range.contains(&amount)
        {
            errors.at(written, format!("`{key}` {allowed}, not {text}"));
        }
    }
}

/// Keys that do not go together, or that do nothing alone.
fn contradictions(args: &Args, errors: &mut Errors) {
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
        if let Some(key) = key
            && !partners.iter().any(|partner| args.has(partner))
        {
            errors.at(key, format!("`{key}` needs {}{why}", list(partners, "or")));
        }
    }
}

/// What a layer cannot do without.
fn needed(written: &[Written], layers: &Layers, args: &Args, errors: &mut Errors) {
    let places = |layer: Layer, key: Option<&Ident>| -> Vec<(TokenStream, String)> {
        let own = written.iter().filter(|attribute| attribute.asks_for(layer));
        let own = own.map(|own| (own.place.clone(), format!("#[{}]", own.word.name)));
        own.chain(key.map(|key| (key.to_token_stream(), key.to_string()))).collect()
    };
    if layers.has(Layer::Hedge)
        && let Some(place) = hedge_place(written, args)
    {
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
    if args.budget.as_ref().is_some_and(|budget| matches!(budget.value, Budget::Parts))
        && !args.has("ratio")
        && let Some(key) = args.budget.key()
    {
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
fn hedge_place(written: &[Written], args: &Args) -> Option<TokenStream> {
    let own = written.iter().find(|attribute| attribute.asks_for(Layer::Hedge));
    let asked = args.hedge.key().or(args.enable_hedge.key()).map(ToTokens::to_token_stream);
    asked.or_else(|| own.map(|own| own.place.clone()))
}

/// The key of whatever makes a fallback, if there is one.
fn fallback_key(args: &Args) -> Option<&Ident> {
    args.fallback.key().or(args.fallback_chain.key()).or(args.fallback_value.key())
}

/// The functions that stand in, each with the key it was written under.
fn fallback_paths(args: &Args) -> Vec<(&Ident, &ExprPath)> {
    let single = args.fallback.iter().map(|written| (&written.key, &written.value));
    let chain = args.fallback_chain.iter();
    single.chain(chain.flat_map(|chain| chain.value.0.iter().map(|path| (&chain.key, path)))).collect()
}

/// Whether a fallback that is written here calls this very method.
pub(crate) fn stands_in(args: &Args, function: &GuardedFn) -> bool {
    itself(args, function).is_some()
}

fn itself<'a>(args: &'a Args, function: &GuardedFn) -> Option<(&'a Ident, &'a ExprPath)> {
    let owner = function.owner.as_ref().map(|owner| owner.name.as_str());
    fallback_paths(args).into_iter().find(|(_, path)| {
        let segments: Vec<&Ident> = path.path.segments.iter().map(|segment| &segment.ident).collect();
        match segments.as_slice() {
            [.., name] if path.qself.is_some() => *name == &function.sig.ident,
            [of, name] => {
                (*of == "Self" || owner.is_some_and(|own| *of == own)) && *name == &function.sig.ident
            }
            _ => false,
        }
    })
}

/// The rules that look at the window.
const RATES: &[&str] = &["failure_rate", "slow_call_rate"];

/// Where, and under which name, the author asked for a time limit; a profile's own is nobody's wish.
pub(crate) fn asked_for_time(written: &[Written], args: &Args) -> Option<(TokenStream, String)> {
    let own = written.iter().find(|attribute| attribute.asks_for(Layer::Timeout) && !attribute.word.whole);
    let place =
        args.timeout.key().map(ToTokens::to_token_stream).or_else(|| own.map(|own| own.place.clone()))?;
    let name = own.map(|own| format!("#[{}]", own.word.name)).or(args.timeout.as_ref().map(Keyed::name))?;
    Some((place, name))
}

/// Whether the body runs more than once, and what else gets the arguments.
#[derive(Clone, Copy)]
struct Runs {
    again: bool,
    side_by_side: bool,
    handed_on: bool,
}

/// How each attempt gets at each argument.
fn captures(
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
fn plan(
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

fn set<T: ToTokens>(method: &str, written: Option<Keyed<T>>) -> Option<Setting> {
    written.map(|written| setting(method, written))
}

fn setting<T: ToTokens>(method: &str, Keyed { key, value }: Keyed<T>) -> Setting {
    let span = Span::mixed_site().located_at(key.span());
    Setting { method: Ident::new(method, span), key, value: value.to_token_stream() }
}

fn backoff_value(backoff: &Backoff, paths: &Paths) -> TokenStream {
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

fn threshold_value(threshold: &Threshold, paths: &Paths) -> TokenStream {
    match threshold {
        Threshold::Count(count) => count.to_token_stream(),
        Threshold::Off(span) => {
            let span = Span::mixed_site().located_at(*span);
            let private = paths.private(span);
            quote_spanned!(span=> #private::OFF)
        }
    }
}

fn budget_value(
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

const ASYNC_MODE: &str = "an async function is dropped at its limit; `timeout_mode` is for sync functions";

/// One policy per function, no attribute twice.
fn attributes(written: &[Written], errors: &mut Errors) {
    for (at, attribute) in written.iter().enumerate() {
        let name = attribute.word.name;
        let before = &written[..at];
        if before.iter().any(|earlier| earlier.word.name == name) {
            errors.at(&attribute.place, format!("`#[{name}]` is written twice; put its keys into one list"));
        } else if attribute.word.whole
            && let Some(earlier) = before.iter().find(|earlier| earlier.word.whole)
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

/// What no attribute of ours can guard, whatever its keys.
fn signature(function: &GuardedFn, errors: &mut Errors) -> Option<Shape> {
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
    function.shape().map_err(|error| errors.push(error)).ok()
}

fn identifier(errors: &mut Errors, Keyed { key, value: Text(text) }: &Keyed<Text>) {
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

fn plain_name(errors: &mut Errors, Keyed { key, value: Text(text) }: &Keyed<Text>) {
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

fn at_least(errors: &mut Errors, count: Known<'_>, least: u32, hint: &str) {
    let most = u32::MAX - u32::from(least == 0);
    let Some((key, Figure { amount, text, written })) = count else { return };
    if amount < f64::from(least) {
        errors.at(written, format!("`{key}` must be at least {least}, not {text}{hint}"));
    } else if amount > f64::from(most) {
        errors.at(written, format!("`{key}` must be at most {most}, not {text}"));
    }
}

fn ordered(errors: &mut Errors, lesser: Known<'_>, greater: Known<'_>, is: &str) {
    if let (Some((key, lesser)), Some((than, greater))) = (lesser, greater)
        && lesser.amount > greater.amount
        && greater.amount > 0.0
    {
        errors.at(
            lesser.written,
            format!("`{key}` ({}) is {is} than `{than}` ({})", lesser.text, greater.text),
        );
    }
}

/// How the attempts are timed, given what the arguments allow.
fn time_limit(
    function: &GuardedFn,
    shape: &Shape,
    mode: Option<&Keyed<TimeoutMode>>,
    asked: Option<(TokenStream, String)>,
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
        (None, Some((_, why)), Some((place, written))) => {
            errors.at(
                place,
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
        FnArg::Receiver(receiver) => {
            Some((receiver.to_token_stream(), format!("it takes `{}`", compact(receiver))))
        }
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
    tokens.to_token_stream().to_string().replace("& ", "&")
}

/// What cannot be done twice.
fn retryable(function: &GuardedFn, shape: &Shape, errors: &mut Errors) {
    let output = match shape {
        Shape::Future(tail) => Some(&tail.output),
        Shape::Stream(stream) => Some(&stream.item),
        Shape::Sync | Shape::Async => function.output(),
    };
    if matches!(shape, Shape::Stream(_)) {
        if let Some(receiver) = function.sig.receiver().filter(|receiver| receiver_is_owned(receiver)) {
            errors.at(
                receiver,
                format!(
                    "`{}` cannot be retried: each attempt's stream would need a `self` of its own; \
                     write `enable_retry = false` or take `&self`",
                    function.sig.ident
                ),
            );
        }
        for argument in function.sig.inputs.iter().filter(|argument| borrows_uniquely(argument)) {
            errors.at(
                argument,
                format!(
                    "`{}` cannot be retried: the first attempt's stream would still hold this `&mut`; \
                     write `enable_retry = false` or take it by `&`",
                    function.sig.ident
                ),
            );
        }
    }
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

pub(crate) fn borrows_uniquely(argument: &FnArg) -> bool {
    match argument {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Typed(_, ty) => has_unique_borrow(ty),
            ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
            _ => false,
        },
        FnArg::Typed(typed) => has_unique_borrow(&typed.ty),
    }
}

/// A stream that has begun stays what it is.
fn streamable(written: &[Written], args: &Args, layers: &Layers, function: &GuardedFn, errors: &mut Errors) {
    let name = &function.sig.ident;
    let fallbacks = [args.fallback.key(), args.fallback_chain.key(), args.fallback_value.key()];
    for key in fallbacks.into_iter().flatten() {
        errors.at(
            key,
            format!("`{key}` cannot stand in for the stream of `{name}`, which may have begun; let the reader do that"),
        );
    }
    if layers.has(Layer::Hedge)
        && let Some(place) = hedge_place(written, args)
    {
        errors.at(place, format!("`hedge` needs an async function: `{name}` returns a stream"));
    }
}

/// An owned `self` that the body changes would be changed for the next attempt too.
fn unchanged_receiver(function: &GuardedFn, errors: &mut Errors) {
    if let Some(receiver) = function.sig.receiver()
        && receiver.mutability.is_some()
        && receiver_is_owned(receiver)
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
}

/// What cannot be done twice at the same time.
fn hedgeable(written: &[Written], args: &Args, function: &GuardedFn, shape: &Shape, errors: &mut Errors) {
    let name = &function.sig.ident;
    let Some(place) = hedge_place(written, args) else { return };
    if matches!(shape, Shape::Sync) {
        errors.at(
            &place,
            format!(
                "`hedge` needs an async function: `{name}` holds its thread until it answers; make it `async`, or \
                 call it through a `resilient::Hedge`"
            ),
        );
    }
    for argument in &function.sig.inputs {
        let named = match argument {
            FnArg::Receiver(_) => "self".to_owned(),
            FnArg::Typed(typed) => compact(&typed.pat),
        };
        if borrows_uniquely(argument) {
            errors.at(
                argument,
                format!(
                    "`{name}` cannot be hedged: `{named}` is a unique borrow, which two runs of the body cannot share; \
                     take it by `&` or by value"
                ),
            );
        }
    }
}

/// The fallback is called inside the block, where a local of an argument's name would go in its place.
fn hidden_arguments(
    key: &Ident,
    fallback: &ExprPath,
    function: &GuardedFn,
    shape: &Shape,
    errors: &mut Errors,
) {
    let Shape::Future(tail) = shape else { return };
    let arguments = function.arguments();
    for Local { ident, .. } in tail.locals.iter().filter(|local| arguments.contains(&local.ident)) {
        errors.at(
            ident,
            format!(
                "`{ident}` hides the argument that `{}` is called with; give it another name",
                if key == "fallback" { format!("{key} = {}", compact(fallback)) } else { compact(fallback) }
            ),
        );
    }
}

/// A fallback is handed whole arguments, so their parts are there in the attempts alone.
fn whole_arguments(args: &Args, bindings: &[Binding], errors: &mut Errors) {
    let about_calls = [&args.per_key, &args.fallback_value];
    for Keyed { key, value } in about_calls.into_iter().flatten() {
        for part in bindings.iter().filter(|binding| binding.in_pattern()) {
            if let Some(used) = use_of(&value.to_token_stream(), &part.ident) {
                errors.at(
                    &used,
                    format!("`{key}` cannot use `{used}`, a part of an argument that the fallback is called with; give the whole argument a name"),
                );
            }
        }
    }
}

fn check_clones(
    clones: &Keyed<Clones>,
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
                errors.at(name, format!("`{name}` is a reference, which every attempt can use as it is"));
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
