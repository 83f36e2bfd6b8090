//! What was written: one loop reads every key of every attribute into one [`Args`].

mod value;

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{ExprPath, Path, Token, token};

pub(crate) use value::{
    Backoff, Clones, Count, Exhausted, Figure, Flag, Float, Jitter, Length, Measure, Pattern, Rule, Scope,
    Switch, Text, Threshold, TimeoutMode, Value, Window,
};

use crate::attributes::{Group, LATER, Layer, WORDS, Word, foreign};
use crate::diagnostics::{Errors, list, nearest};

/// A value and the key it was written under, so that a caret can stand under the word that is wrong.
#[derive(Clone, Debug)]
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
        #[derive(Debug, Default)]
        pub(crate) struct Args {
            $(pub(crate) $field: Option<Keyed<$value>>,)+
            /// Keys whose value could not be read: written, and complained about already.
            pub(crate) spoilt: Vec<String>,
        }

        impl Args {
            /// Every word, and the group that decides which attributes accept it.
            pub(crate) const KEYS: &[(&str, Group)] = &[$($(($word, Group::$group),)+)+];

            /// Whether `word` was written, readable or not.
            pub(crate) fn has(&self, word: &str) -> bool {
                $(self.$field.key().is_some_and(|key| key == word) ||)+ self.spoilt.iter().any(|spoilt| spoilt == word)
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
    fallback: ExprPath { Fallback: "fallback" }
    clones: Clones { Clone: "clone" }
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
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) word: &'static Word,
    pub(crate) place: TokenStream,
}

impl Written {
    pub(crate) fn asks_for(&self, layer: Layer) -> bool {
        self.word.layers.contains(&layer)
    }
}

/// Reads the list of one attribute into `args`; every mistake in it goes to `errors`.
pub(crate) fn read(
    word: &'static Word,
    args: &mut Args,
    errors: &mut Errors,
    input: ParseStream<'_>,
) -> syn::Result<()> {
    if word.leads && leads(input) {
        match args.read_leading(word.unkeyed, input) {
            Ok(()) => expect_comma(&format!("the leading value of `#[{}]`", word.name), errors, input)?,
            Err(error) => {
                errors.push(error);
                skip_to_comma(input)?;
            }
        }
    }
    while !input.is_empty() {
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            continue;
        }
        if !input.peek(syn::Ident::peek_any) {
            errors.push(input.error(format!("expected a key such as `{}`", word.unkeyed)));
            skip_to_comma(input)?;
            continue;
        }
        let key = input.call(syn::Ident::parse_any)?;
        match args.read(word.groups, &key, input) {
            Ok(true) => expect_comma(&format!("the value of `{key}`"), errors, input)?,
            Ok(false) => {
                errors.at(&key, unknown(word, &key.unraw().to_string()));
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

/// Whether the list starts with a value that has no key: a literal, or a path or call on its own.
fn leads(input: ParseStream<'_>) -> bool {
    if !input.peek(syn::Ident::peek_any) {
        return input.peek(syn::Lit)
            || input.peek(Token![-])
            || input.peek(Token![::])
            || input.peek(token::Brace);
    }
    if input.peek(syn::LitBool) {
        return true;
    }
    let known = input
        .fork()
        .call(syn::Ident::parse_any)
        .is_ok_and(|key| Args::KEYS.iter().any(|(word, _)| key == word) || key == "crate");
    input.peek2(Token![::]) || (!known && !input.peek2(Token![=]) && !input.peek2(token::Paren))
}

/// What to write instead of a key this attribute does not have.
fn unknown(word: &Word, written: &str) -> String {
    let attribute = word.name;
    if LATER.contains(&written) {
        return format!("`{written}` is not a key of this version of `#[{attribute}]`");
    }
    if written == "operation_type"
        && let Some(profile) = word.profile
    {
        return format!(
            "`#[{attribute}]` is the profile \"{profile}\"; another operation type is written `#[resilient(operation_type = ..)]`"
        );
    }
    let owners: Vec<String> = Args::KEYS
        .iter()
        .filter(|(key, _)| *key == written)
        .flat_map(|(_, group)| {
            WORDS.iter().filter(|owner| owner.profile.is_none() && owner.groups.contains(group))
        })
        .map(|owner| format!("#[{}]", owner.name))
        .collect();
    if !owners.is_empty() {
        return format!(
            "`{written}` is not a key of `#[{attribute}]`; it belongs to {}",
            list(&owners, "or")
        );
    }
    if let Some(ours) = foreign(written) {
        return format!("`{written}` is called something else here; write {ours}");
    }
    let keys: Vec<&str> =
        Args::KEYS.iter().filter(|(_, group)| word.groups.contains(group)).map(|(key, _)| *key).collect();
    match nearest(written, keys.iter().copied()) {
        Some(near) => format!("unknown key `{written}`; did you mean `{near}`?"),
        None => format!("unknown key `{written}`; the keys of `#[{attribute}]` are {}", list(&keys, "and")),
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
