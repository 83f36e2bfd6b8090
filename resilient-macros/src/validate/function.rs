//! What of a function stands against what its attributes ask for.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{ExprPath, FnArg, Receiver, ReceiverKind, Type};

use super::list::hedge_place;
use super::{Layers, compact, fallback_paths};
use crate::args::{Args, Clones, Key, Keyed, TimeoutMode, Written};
use crate::attributes::Layer;
use crate::diagnostics::{Errors, list};
use crate::item::{
    Binding, GuardedFn, Local, Shape, has_unique_borrow, receiver_is_owned, use_of, why_not_sendable,
};
use crate::plan::TimeLimit;

pub(super) const ASYNC_MODE: &str =
    "an async function is dropped at its limit; `timeout_mode` is for sync functions";

/// What no attribute of ours can guard, whatever its keys.
pub(super) fn signature(function: &GuardedFn, errors: &mut Errors) -> Option<Shape> {
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

/// How the attempts are timed, given what the arguments allow.
pub(super) fn time_limit(
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
pub(super) fn stays_here(function: &GuardedFn) -> Option<(TokenStream, String)> {
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

/// What cannot be done twice.
pub(super) fn retryable(function: &GuardedFn, shape: &Shape, errors: &mut Errors) {
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
    if let Some(output) = output.filter(|output| has_unique_borrow(output)) {
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
pub(super) fn streamable(
    written: &[Written],
    args: &Args,
    layers: &Layers,
    function: &GuardedFn,
    errors: &mut Errors,
) {
    let name = &function.sig.ident;
    let fallbacks = [args.fallback.key(), args.fallback_chain.key(), args.fallback_value.key()];
    for key in fallbacks.into_iter().flatten() {
        errors.at(
            key,
            format!("`{key}` cannot stand in for the stream of `{name}`, which may have begun; let the reader do that"),
        );
    }
    if let Some(place) = hedge_place(written, args).filter(|_| layers.has(Layer::Hedge)) {
        errors.at(place, format!("`hedge` needs an async function: `{name}` returns a stream"));
    }
}

/// An owned `self` that the body changes would be changed for the next attempt too.
pub(super) fn unchanged_receiver(function: &GuardedFn, errors: &mut Errors) {
    let is_changed = |receiver: &&Receiver| receiver.mutability.is_some() && receiver_is_owned(receiver);
    if let Some(receiver) = function.sig.receiver().filter(is_changed) {
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
pub(super) fn hedgeable(
    written: &[Written],
    args: &Args,
    function: &GuardedFn,
    shape: &Shape,
    errors: &mut Errors,
) {
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
pub(super) fn hidden_arguments(
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
pub(super) fn whole_arguments(args: &Args, bindings: &[Binding], errors: &mut Errors) {
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

pub(super) fn check_clones(
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

pub(super) fn itself<'a>(args: &'a Args, function: &GuardedFn) -> Option<(&'a Ident, &'a ExprPath)> {
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
