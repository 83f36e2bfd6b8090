//! From what was written to what is legal: a [`Plan`], or every error at once.

mod assemble;
mod function;
mod list;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ExprPath;

use crate::args::{Args, Key, Keyed, TimeoutMode, Written};
use crate::attributes::Layer;
use crate::diagnostics::Errors;
use crate::item::{GuardedFn, Shape, use_of, use_of_self_type};
use crate::plan::{Plan, Setting};
use assemble::{Runs, captures, plan};
pub(crate) use function::borrows_uniquely;
use function::{
    check_clones, hedgeable, hidden_arguments, itself, retryable, signature, stays_here, streamable,
    time_limit, unchanged_receiver, whole_arguments,
};
use list::{attributes, contradictions, fallback_key, missing_layers, needed, numbers, texts_and_times};

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
            if let Some(Keyed { key, .. }) = off {
                let own = asking.find(|attribute| !attribute.word.whole);
                let own = own.map(|own| format!("#[{}]", own.word.name));
                if let Some(asked) = own.or_else(|| asked.map(ToString::to_string)) {
                    errors.at(key, format!("`{key} = false` contradicts `{asked}`; remove one of them"));
                    // Whichever goes: the keys of the layer are not what is wrong.
                    layers.push(layer);
                }
            } else if on || asking.peek().is_some() {
                layers.push(layer);
            }
        }
        Self(layers)
    }

    pub(crate) fn has(&self, layer: Layer) -> bool {
        self.0.contains(&layer)
    }
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

/// Where, and under which name, the author asked for a time limit; a profile's own is nobody's wish.
pub(crate) fn asked_for_time(written: &[Written], args: &Args) -> Option<(TokenStream, String)> {
    let own = written.iter().find(|attribute| attribute.asks_for(Layer::Timeout) && !attribute.word.whole);
    let place =
        args.timeout.key().map(ToTokens::to_token_stream).or_else(|| own.map(|own| own.place.clone()))?;
    let name = own.map(|own| format!("#[{}]", own.word.name)).or(args.timeout.as_ref().map(Keyed::name))?;
    Some((place, name))
}

fn compact(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace("& ", "&")
}
