//! What was written: one loop reads every key of every attribute into one [`Args`].

mod value;

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Expr, ExprPath, Path, Token, parenthesized, token};

pub(crate) use value::{
    Algorithm, Asked, Backoff, Budget, Chain, Clones, Count, Exhausted, Figure, Flag, Float, HedgeDelay,
    Jitter, Length, Measure, Pattern, Rule, Scope, Switch, Text, Threshold, TimeoutMode, Value, Window,
};

use crate::attributes::{Flat, Group, INNER, Inner, Layer, WORDS, Word, flat, foreign, word};
use crate::diagnostics::{Errors, list, nearest};

/// A value and the key it was written under, so that a caret can stand under the word that is wrong.
#[derive(Clone)]
pub(crate) struct Keyed<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

impl<T> Keyed<T> {
    /// The key's name as the user wrote it.
    pub(crate) fn name(&self) -> String {
        self.key.to_string()
    }
}

/// The key a field was filled under, if it was.
pub(crate) trait Key {
    fn key(&self) -> Option<&Ident>;
}

impl<T> Key for Option<Keyed<T>> {
    fn key(&self) -> Option<&Ident> {
        self.as_ref().map(|written| &written.key)
    }
}

/// A field's value where it is known while compiling, with its key.
pub(crate) type Known<'a> = Option<(&'a Ident, Figure<'a>)>;

/// A field that may be known while compiling.
pub(crate) trait Knowable {
    fn known(&self) -> Known<'_>;
}

impl<T: Measure> Knowable for Option<Keyed<T>> {
    fn known(&self) -> Known<'_> {
        let Keyed { key, value } = self.as_ref()?;
        Some((key, value.figure()?))
    }
}

macro_rules! args {
    ($($field:ident: $value:ty { $($group:ident: $word:literal),+ })+) => {
        /// Every key there is. A field is filled once, under whichever of its words was written.
        #[derive(Clone, Default)]
        pub(crate) struct Args {
            $(pub(crate) $field: Option<Keyed<$value>>,)+
            /// Keys whose value could not be read: written, and complained about already.
            pub(crate) spoilt: Vec<String>,
            /// Keys that were written on the block around the function.
            pub(crate) inherited: Vec<Ident>,
        }

        impl Args {
            /// Every word, and the group that decides which attributes accept it.
            pub(crate) const KEYS: &[(&str, Group)] = &[$($(($word, Group::$group),)+)+];

            /// Whether `word` was written, readable or not.
            pub(crate) fn has(&self, word: &str) -> bool {
                $(self.$field.key().is_some_and(|key| key == word) ||)+ self.spoilt.iter().any(|spoilt| spoilt == word)
            }

            /// Every key that was written, as it was.
            pub(crate) fn keys(&self) -> Vec<&Ident> {
                [$(self.$field.key(),)+].into_iter().flatten().collect()
            }

            /// Takes over what only `block` says.
            pub(crate) fn inherit(&mut self, block: Self) {
                $(
                    if self.$field.is_none() {
                        self.inherited.extend(block.$field.key().cloned());
                        self.$field = block.$field;
                    }
                )+
                self.spoilt.extend(block.spoilt);
            }

            /// Takes back every key of a group.
            pub(crate) fn forget(&mut self, group: Group) {
                $(if [$(Group::$group),+].contains(&group) { self.$field = None; })+
            }

            /// Reads the value of `key`; `Ok(false)` when no attribute with these groups has such a key.
            fn read(&mut self, groups: &[Group], key: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
                let word = key.unraw().to_string();
                $($(
                    if word == $word && groups.contains(&Group::$group) {
                        return set(&mut self.$field, key, input)
                            .inspect_err(|_| self.spoilt.push(word))
                            .map(|()| true);
                    }
                )+)+
                Ok(false)
            }

            /// Fills the field of `word` from a value that was written without its key.
            fn read_leading(&mut self, word: &str, input: ParseStream<'_>) -> syn::Result<()> {
                let key = Ident::new(word, input.span());
                $($(
                    if word == $word {
                        return Value::parse(&key, input)
                            .inspect_err(|_| self.spoilt.push(word.to_owned()))
                            .and_then(|value| fill(&mut self.$field, &key, value));
                    }
                )+)+
                Err(input.error("expected a key"))
            }
        }
    };
}

args! {
    operation_name: Text { Name: "operation_name" }
    operation_type: Text { Type: "operation_type" }
    timeout: Length { Timeout: "timeout", Timeout: "timeout_seconds", Seconds: "seconds" }
    timeout_mode: TimeoutMode { Timeout: "timeout_mode" }
    deadline: Length { Deadline: "deadline" }
    attempts: Count { Retry: "max_attempts", Retry: "max_retries" }
    base_delay: Length { Retry: "base_delay" }
    max_delay: Length { Retry: "max_delay" }
    exponential_base: Float { Retry: "exponential_base" }
    jitter: Jitter { Retry: "jitter" }
    backoff: Backoff { Retry: "backoff" }
    retry_on_open: Flag { Retry: "retry_on_open" }
    exhausted: Exhausted { Retry: "exhausted" }
    retry_on: Pattern { Classify: "retry_on" }
    retry_if: Rule { Classify: "retry_if" }
    ignore: Pattern { Classify: "ignore" }
    failure_if: Rule { Classify: "failure_if" }
    name: Text { Breaker: "name" }
    failure_threshold: Threshold { Breaker: "failure_threshold" }
    success_threshold: Count { Breaker: "success_threshold" }
    recovery_timeout: Length { Breaker: "recovery_timeout" }
    failure_rate: Float { Breaker: "failure_rate" }
    window: Window { Breaker: "window" }
    min_calls: Count { Breaker: "min_calls" }
    slow_call_rate: Float { Breaker: "slow_call_rate" }
    slow_call_duration: Length { Breaker: "slow_call_duration" }
    half_open_max_calls: Count { Breaker: "half_open_max_calls" }
    recovery_backoff: Float { Breaker: "recovery_backoff" }
    max_recovery_timeout: Length { Breaker: "max_recovery_timeout" }
    recovery_jitter: Float { Breaker: "recovery_jitter" }
    breaker_scope: Scope { Breaker: "breaker_scope" }
    critical: Flag { Breaker: "critical" }
    service: Text { Health: "service", Health: "service_name" }
    degraded_error_rate: Float { Health: "degraded_error_rate" }
    unhealthy_error_rate: Float { Health: "unhealthy_error_rate" }
    degraded_response_time: Length { Health: "degraded_response_time" }
    unhealthy_response_time: Length { Health: "unhealthy_response_time" }
    health_window: Count { Health: "window" }
    max_age: Length { Health: "max_age" }
    min_samples: Count { Health: "min_samples" }
    enable_timeout: Switch { EnableTimeout: "enable_timeout" }
    enable_retry: Switch { EnableRetry: "enable_retry" }
    enable_circuit_breaker: Switch { EnableBreaker: "enable_circuit_breaker" }
    bulkhead: Asked { Lists: "bulkhead" }
    bulkhead_max_concurrent: Count { Bulkhead: "max_concurrent" }
    bulkhead_max_queue: Count { Bulkhead: "max_queue" }
    bulkhead_max_wait: Length { Bulkhead: "max_wait" }
    bulkhead_name: Text { Bulkhead: "name" }
    rate_limit: Asked { Lists: "rate_limit" }
    rate_limit_rate: Count { RateLimit: "rate" }
    rate_limit_per: Length { RateLimit: "per" }
    rate_limit_burst: Count { RateLimit: "burst" }
    rate_limit_max_wait: Length { RateLimit: "max_wait" }
    rate_limit_algorithm: Algorithm { RateLimit: "algorithm" }
    rate_limit_name: Text { RateLimit: "name" }
    hedge: Asked { Lists: "hedge" }
    hedge_delay: HedgeDelay { Hedge: "delay" }
    hedge_max_hedges: Count { Hedge: "max_hedges" }
    idempotent: Flag { Idempotent: "idempotent" }
    budget: Budget { Budget: "budget" }
    budget_ratio: Float { BudgetParts: "ratio" }
    budget_per_second: Float { BudgetParts: "per_second" }
    per_key: Expr { PerKey: "key" }
    enable_bulkhead: Switch { EnableBulkhead: "enable_bulkhead" }
    enable_rate_limit: Switch { EnableRateLimit: "enable_rate_limit" }
    enable_hedge: Switch { EnableHedge: "enable_hedge" }
    fallback: ExprPath { Fallback: "fallback", FallbackParts: "path" }
    fallback_value: Expr { Fallback: "fallback_value", FallbackParts: "value" }
    fallback_chain: Chain { Fallback: "fallback_chain", FallbackParts: "chain" }
    fallback_on: Pattern { Fallback: "fallback_on", FallbackParts: "on" }
    clones: Clones { Clone: "clone" }
    skip: Flag { Skip: "skip" }
    krate: Path { Crate: "crate" }
}

fn set<T: Value>(slot: &mut Option<Keyed<T>>, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    let value = T::read(key, input)?;
    fill(slot, key, value)
}

fn fill<T>(slot: &mut Option<Keyed<T>>, key: &Ident, value: T) -> syn::Result<()> {
    if let Some(first) = slot {
        return Err(syn::Error::new(
            key.span(),
            if first.key == *key {
                format!("`{key}` is written twice; keep one")
            } else {
                format!("`{}` and `{key}` say the same thing; write one or the other", first.key)
            },
        ));
    }
    *slot = Some(Keyed { key: key.clone(), value });
    Ok(())
}

/// An attribute on the function, with where it stands.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) word: &'static Word,
    pub(crate) place: TokenStream,
}

impl Written {
    pub(crate) fn asks_for(&self, layer: Layer) -> bool {
        self.word.layers.contains(&layer)
    }
}

/// A list of keys: an attribute's own, or one inside it.
#[derive(Clone, Copy)]
struct List {
    word: &'static Word,
    inner: Option<&'static Inner>,
}

impl List {
    fn groups(&self) -> &[Group] {
        match self.inner {
            Some(inner) => std::slice::from_ref(&inner.group),
            None => self.word.groups,
        }
    }

    /// As the user spells it.
    fn spelt(&self) -> String {
        match self.inner {
            Some(inner) => format!("`{}(..)`", inner.name),
            None => format!("`#[{}]`", self.word.name),
        }
    }

    /// A key that it has.
    fn some_key(&self) -> &'static str {
        let Some(inner) = self.inner else { return self.word.unkeyed };
        Args::KEYS.iter().find(|(_, group)| *group == inner.group).map_or(inner.name, |(key, _)| key)
    }
}

/// Reads the list of one attribute into `args`; every mistake in it goes to `errors`.
pub(crate) fn read(
    word: &'static Word,
    args: &mut Args,
    errors: &mut Errors,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    if word.leads && leads(input, word.unkeyed == "path") {
        match args.read_leading(word.unkeyed, input) {
            Ok(()) => expect_comma(&format!("the leading value of `#[{}]`", word.name), errors, input)?,
            Err(error) => {
                errors.push(error);
                skip_to_comma(input)?;
            }
        }
    }
    read_keys(List { word, inner: None }, args, errors, input)
}

fn read_keys(list: List, args: &mut Args, errors: &mut Errors, input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            continue;
        }
        if !input.peek(syn::Ident::peek_any) {
            errors.push(input.error(format!("expected a key such as `{}`", list.some_key())));
            args.spoilt.push(list.some_key().to_owned());
            skip_to_comma(input)?;
            continue;
        }
        let key = input.call(syn::Ident::parse_any)?;
        match args.read(list.groups(), &key, input) {
            Ok(true) => {
                let inner = INNER.iter().find(|inner| key == inner.name);
                if let Some(inner) = inner.filter(|_| input.peek(token::Paren)) {
                    let keys;
                    parenthesized!(keys in input);
                    read_keys(List { inner: Some(inner), ..list }, args, errors, &keys)?;
                }
                expect_comma(&format!("the value of `{key}`"), errors, input)?;
            }
            Ok(false) => {
                let written = key.unraw().to_string();
                errors.at(&key, unknown(list, &written));
                args.spoilt.extend(meant(list, &written).map(str::to_owned));
                args.spoilt.push(written);
                skip_to_comma(input)?;
            }
            Err(error) => {
                errors.push(error);
                skip_to_comma(input)?;
            }
        }
    }
    Ok(())
}

fn expect_comma(after: &str, errors: &mut Errors, input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        errors.push(input.error(format!("expected a comma after {after}")));
    }
    skip_to_comma(input)
}

/// Whether the list starts with a value that has no key: a literal, or a path or call on its own. Where a path is
/// meant, a word with parentheses is a call of it and no list.
fn leads(input: ParseStream<'_>, takes_paths: bool) -> bool {
    if !input.peek(syn::Ident::peek_any) {
        return input.peek(syn::Lit)
            || input.peek(Token![-])
            || input.peek(Token![::])
            || input.peek(Token![|])
            || input.peek(token::Brace);
    }
    if input.peek(syn::LitBool) {
        return true;
    }
    let known = input
        .fork()
        .call(syn::Ident::parse_any)
        .is_ok_and(|key| Args::KEYS.iter().any(|(word, _)| key == word) || key == "crate");
    let called = input.peek2(token::Paren) && !takes_paths;
    input.peek2(Token![::]) || (!known && !input.peek2(Token![=]) && !called)
}

/// What to write instead of a key this list does not have.
fn unknown(list: List, written: &str) -> String {
    let List { word: attribute, inner } = list;
    let spelt = list.spelt();
    if let ("operation_type", Some(profile), None) = (written, attribute.profile, inner) {
        return format!(
            "{spelt} is the profile \"{profile}\"; another operation type is written `#[resilient(operation_type = ..)]`"
        );
    }
    // First: `max_attempts` is a key of a retry, and what others call ours of a hedge.
    if let Some(ours) = foreign(written, list.groups()) {
        return format!("`{written}` is called something else here; write {ours}");
    }
    let owning: Vec<Group> =
        Args::KEYS.iter().filter(|(key, _)| *key == written).map(|(_, group)| *group).collect();
    if let Some(inner) = inner.filter(|_| owning.iter().any(|group| attribute.groups.contains(group))) {
        return format!(
            "`{written}` is not a key of {spelt}, but of `#[{}]`; write it outside of `{}(..)`",
            attribute.name, inner.name
        );
    }
    if let (Some(layer), None) = (flat(written), inner) {
        let Flat { group, what, keys, alone, .. } = layer;
        return if attribute.groups.contains(group) {
            format!("the keys of {what} stand in {spelt} itself, without `{written}(..)`: {keys}")
        } else {
            format!("{what} is no part of {spelt}; add `{alone}`")
        };
    }
    if let Some((inner, key)) = joined(written) {
        if list.groups().contains(&inner.group) {
            return format!("`{written}` is called `{key}` in {spelt}");
        } else if list.inner.is_none() && accepts(attribute, inner) {
            return format!(
                "`{written}` is a variable's or setter's name; write `{}({key} = ..)`",
                inner.name
            );
        }
    }
    let inside: Vec<String> = INNER
        .iter()
        .filter(|other| owning.contains(&other.group) && accepts(attribute, other))
        .map(|other| format!("{}(..)", other.name))
        .collect();
    if inner.is_none() && !inside.is_empty() {
        let written_so: Vec<String> =
            inside.iter().map(|list| list.replace("..", &format!("{written} = .."))).collect();
        return format!(
            "`{written}` belongs in {}: write {}",
            self::list(&inside, "or"),
            self::list(&written_so, "or")
        );
    }
    let mut owners: Vec<String> = WORDS
        .iter()
        .filter(|owner| owner.profile.is_none() && owning.iter().any(|group| owner.groups.contains(group)))
        .map(|owner| format!("#[{}]", owner.name))
        .collect();
    if !owning.is_empty() && word(written).is_some() {
        owners.push(format!("#[{written}(..)]"));
    }
    if !owners.is_empty() {
        return format!("`{written}` is not a key of {spelt}; it belongs to {}", self::list(&owners, "or"));
    }
    let keys: Vec<&str> =
        Args::KEYS.iter().filter(|(_, group)| list.groups().contains(group)).map(|(key, _)| *key).collect();
    match nearest(written, keys.iter().copied()) {
        Some(near) => format!("unknown key `{written}`; did you mean `{near}`?"),
        None => format!("unknown key `{written}`; the keys of {spelt} are {}", self::list(&keys, "and")),
    }
}

/// The key that an unknown word most likely stands for: that it is missing is no second mistake.
fn meant(list: List, written: &str) -> Option<&'static str> {
    if let Some(ours) = foreign(written, list.groups()) {
        // "the path itself" has no key.
        return ours
            .split('`')
            .nth(1)
            .map(|word| if word.starts_with('#') { list.word.unkeyed } else { word });
    }
    if let Some((_, key)) = joined(written) {
        return Some(key);
    }
    let keys = Args::KEYS.iter().filter(|(_, group)| list.groups().contains(group));
    nearest(written, keys.map(|(key, _)| *key))
}

/// The list and the key in it that a word joins, as variables and setters do: `bulkhead_max_queue`.
fn joined(written: &str) -> Option<(&'static Inner, &'static str)> {
    INNER.iter().find_map(|inner| {
        let key = written.strip_prefix(inner.name)?.strip_prefix('_')?;
        let (key, _) = Args::KEYS.iter().find(|(known, group)| *group == inner.group && *known == key)?;
        Some((inner, *key))
    })
}

/// Whether an attribute's list may hold this list.
fn accepts(attribute: &Word, inner: &Inner) -> bool {
    Args::KEYS.iter().any(|(key, group)| *key == inner.name && attribute.groups.contains(group))
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
