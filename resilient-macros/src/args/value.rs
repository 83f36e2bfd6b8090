//! The values keys take. Each reads itself and, where it ends up in the expansion, prints itself.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprPath, Lit, LitStr, Pat, Path, Token, UnOp, bracketed, parenthesized, token};

use crate::attributes::INNER;
use crate::diagnostics::{list, nearest};

/// Something a key can be set to.
pub(crate) trait Value: Sized {
    /// Reads what follows the `=`.
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self>;

    /// Reads everything that follows the key.
    fn read(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = ..`")));
        }
        input.parse::<Token![=]>()?;
        Self::parse(key, input)
    }
}

/// A literal, or an expression whose value is only known later.
enum Scalar {
    Number { text: String, value: f64, whole: Option<i128>, written: Expr },
    Text(LitStr),
    Bool(syn::LitBool),
    Later(Expr),
}

impl Scalar {
    /// That this is not what the key takes.
    fn refused(self, key: &Ident, takes: &str) -> syn::Error {
        let refuse = |tokens: &dyn ToTokens, what: String| {
            syn::Error::new_spanned(tokens.to_token_stream(), format!("`{key}` takes {takes}, not {what}"))
        };
        match &self {
            Self::Number { text, written, .. } => refuse(written, text.clone()),
            Self::Text(text) => refuse(text, format!("\"{}\"", text.value())),
            Self::Bool(truth) => refuse(truth, truth.value.to_string()),
            Self::Later(expr) => refuse(expr, format!("`{}`", expr.to_token_stream())),
        }
    }
}

/// For people who know libraries that want quotes here.
fn unquoted(key: &Ident, takes: &str, text: &LitStr) -> String {
    format!("`{key}` takes {takes}, without quotes: `{key} = {}`", text.value())
}

fn literal(text: LitStr) -> Expr {
    Expr::Lit(syn::ExprLit { attrs: Vec::new(), lit: Lit::Str(text) })
}

/// A value that is compared with others and with limits: how much it is, how it reads, where it stands.
pub(crate) struct Figure<'a> {
    pub(crate) amount: f64,
    pub(crate) text: String,
    pub(crate) written: &'a Expr,
}

/// What is known while compiling.
pub(crate) trait Measure {
    fn figure(&self) -> Option<Figure<'_>>;
}

fn scalar(key: &Ident, input: ParseStream<'_>) -> syn::Result<Scalar> {
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = ..`")));
    }
    let expr = input.parse::<Expr>()?;
    classify(key, &expr).unwrap_or(Ok(Scalar::Later(expr)))
}

fn classify(key: &Ident, expr: &Expr) -> Option<syn::Result<Scalar>> {
    match expr {
        Expr::Group(group) => classify(key, &group.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => match classify(key, &unary.expr)? {
            Ok(Scalar::Number { text, value, whole, .. }) => Some(Ok(Scalar::Number {
                text: format!("-{text}"),
                value: -value,
                whole: whole.map(|whole| -whole),
                written: expr.clone(),
            })),
            Err(error) => Some(Err(error)),
            // The compiler knows best what is wrong with `-true`.
            Ok(_) => None,
        },
        Expr::Lit(literal) => {
            let number = |text: &str, suffix: &str, whole: Option<i128>| {
                let Ok(value) = text.parse::<f64>() else { return Ok(None) };
                if !suffix.is_empty() && !is_type(suffix) {
                    return Err(syn::Error::new(
                        literal.span(),
                        format!("write a value with a unit in quotes: `{key} = \"{text}{suffix}\"`"),
                    ));
                }
                Ok(Some(Scalar::Number { text: text.to_owned(), value, whole, written: expr.clone() }))
            };
            let read = match &literal.lit {
                Lit::Int(int) => number(int.base10_digits(), int.suffix(), int.base10_parse().ok()),
                Lit::Float(float) => number(float.base10_digits(), float.suffix(), None),
                Lit::Str(text) => Ok(Some(Scalar::Text(text.clone()))),
                Lit::Bool(truth) => Ok(Some(Scalar::Bool(truth.clone()))),
                _ => Ok(None),
            };
            read.transpose()
        }
        _ => None,
    }
}

fn is_type(suffix: &str) -> bool {
    matches!(
        suffix,
        "u8" | "u16"
            | "u32"
            | "u64"
            | "u128"
            | "usize"
            | "i8"
            | "i16"
            | "i32"
            | "i64"
            | "i128"
            | "isize"
            | "f32"
            | "f64"
    )
}

/// The one of `words` that was written; `or` is what else the key takes.
fn word<'a>(key: &Ident, text: &LitStr, or: &str, words: &[&'a str]) -> syn::Result<&'a str> {
    let written = text.value();
    if let Some(word) = words.iter().find(|word| **word == written) {
        return Ok(word);
    }
    let meant = nearest(&written.to_ascii_lowercase(), words.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    let allowed: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    Err(syn::Error::new_spanned(
        text,
        format!("`{key}` takes {or}{}, not \"{written}\"{meant}", plain(&allowed)),
    ))
}

fn plain(words: &[String]) -> String {
    list(words, "or").replace('`', "")
}

/// A name in quotes.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) LitStr);

impl Value for Text {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self);
        }
        Err(input.error(format!("`{key}` takes a name in quotes; it is checked while compiling")))
    }
}

/// A length of time: seconds, `"250ms"`, or an expression.
#[derive(Clone)]
pub(crate) enum Length {
    Known { time: Duration, text: String, written: Expr },
    Later(Expr),
}

impl Measure for Length {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Known { time, text, written } => {
                Some(Figure { amount: time.as_secs_f64(), text: text.clone(), written })
            }
            Self::Later(_) => None,
        }
    }
}

impl Value for Length {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Number { value, written, text, .. } => match Duration::try_from_secs_f64(value) {
                Ok(time) => Ok(Self::Known { time, text: format!("{text} s"), written }),
                Err(_) if value < 0.0 => Err(syn::Error::new_spanned(
                    written,
                    format!("`{key}` is a length of time and cannot be negative, as {text} is"),
                )),
                Err(_) => Err(syn::Error::new_spanned(written, format!("`{key}` is too long: {text} s"))),
            },
            Scalar::Text(text) => match humantime::parse_duration(text.value().trim()) {
                Ok(time) => {
                    Ok(Self::Known { time, text: text.value().trim().to_owned(), written: literal(text) })
                }
                Err(_) => Err(syn::Error::new_spanned(&text, length_mistake(key, text.value().trim()))),
            },
            Scalar::Bool(truth) => Err(syn::Error::new_spanned(
                truth,
                format!("`{key}` takes a number of seconds or a length such as \"250ms\", not a bool"),
            )),
            Scalar::Later(expr) => Ok(Self::Later(expr)),
        }
    }
}

fn length_mistake(key: &Ident, written: &str) -> String {
    if written.trim_start_matches('-').parse::<f64>().is_ok() {
        return format!(
            "`{key}` = \"{written}\" has no unit; write \"{written}s\", or the number {written} for seconds"
        );
    }
    format!("`{key}` takes a length such as \"250ms\", \"30s\" or \"1m30s\", not \"{written}\"")
}

impl ToTokens for Length {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Later(expr) => expr.to_tokens(tokens),
            Self::Known { time, written, .. } => {
                let span = written.span();
                let whole = time.as_secs();
                let nanos = u64::try_from(time.as_nanos()).ok();
                match (time.subsec_nanos(), nanos) {
                    (0, _) | (_, None) => quote_spanned!(span=> ::core::time::Duration::from_secs(#whole)),
                    (_, Some(nanos)) => quote_spanned!(span=> ::core::time::Duration::from_nanos(#nanos)),
                }
                .to_tokens(tokens);
            }
        }
    }
}

/// A whole number, or an expression.
#[derive(Clone)]
pub(crate) enum Count {
    Known { count: i128, written: Expr },
    Later(Expr),
}

impl Measure for Count {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Known { count, written } => {
                Some(Figure { amount: *count as f64, text: count.to_string(), written })
            }
            Self::Later(_) => None,
        }
    }
}

impl Value for Count {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        count(key, scalar(key, input)?, "a whole number")
    }
}

fn count(key: &Ident, written: Scalar, takes: &str) -> syn::Result<Count> {
    match written {
        Scalar::Number { whole: Some(count), written, .. } => Ok(Count::Known { count, written }),
        Scalar::Later(expr) => Ok(Count::Later(expr)),
        other => Err(other.refused(key, takes)),
    }
}

impl ToTokens for Count {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Known { count, written } => {
                // Ranges were checked: it fits.
                let mut literal =
                    proc_macro2::Literal::u32_unsuffixed(u32::try_from(*count).unwrap_or(u32::MAX));
                literal.set_span(written.span());
                literal.to_tokens(tokens);
            }
            Self::Later(expr) => expr.to_tokens(tokens),
        }
    }
}

/// `failure_threshold`: a count, or `"off"`.
#[derive(Clone)]
pub(crate) enum Threshold {
    Off(Span),
    Count(Count),
}

impl Measure for Threshold {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Off(_) => None,
            Self::Count(count) => count.figure(),
        }
    }
}

impl Value for Threshold {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Text(text) if text.value() == "off" => Ok(Self::Off(text.span())),
            other => count(key, other, "a whole number or \"off\"").map(Self::Count),
        }
    }
}

/// A number, or an expression.
#[derive(Clone)]
pub(crate) enum Float {
    Known { value: f64, text: String, written: Expr },
    Later(Expr),
}

impl Measure for Float {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Known { value, text, written } => {
                Some(Figure { amount: *value, text: text.clone(), written })
            }
            Self::Later(_) => None,
        }
    }
}

impl Value for Float {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Number { value, text, written, .. } => Ok(Self::Known { value, text, written }),
            Scalar::Later(expr) => Ok(Self::Later(expr)),
            other => Err(other.refused(key, "a number")),
        }
    }
}

impl ToTokens for Float {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Known { value, written, .. } => float(*value, written.span()).to_tokens(tokens),
            Self::Later(expr) => expr.to_tokens(tokens),
        }
    }
}

fn float(value: f64, span: Span) -> proc_macro2::Literal {
    // A literal that is not finite was refused by its range.
    let finite = if value.is_finite() { value.abs() } else { 0.0 };
    let mut literal = proc_macro2::Literal::f64_suffixed(finite);
    literal.set_span(span);
    literal
}

/// `jitter`: a switch, a word, or a share of the delay.
#[derive(Clone)]
pub(crate) enum Jitter {
    Switch(syn::LitBool),
    Word(LitStr),
    Share(Float),
}

impl Jitter {
    const WORDS: [&'static str; 2] = ["full", "decorrelated"];
}

impl Measure for Jitter {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Share(share) => share.figure(),
            Self::Switch(_) | Self::Word(_) => None,
        }
    }
}

impl Value for Jitter {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(match scalar(key, input)? {
            Scalar::Bool(on) => Self::Switch(on),
            Scalar::Text(text) => {
                word(key, &text, "`true`, `false`, a share such as 0.1, ", &Self::WORDS)?;
                Self::Word(text)
            }
            Scalar::Number { value, text, written, .. } => Self::Share(Float::Known { value, text, written }),
            Scalar::Later(expr) => Self::Share(Float::Later(expr)),
        })
    }
}

impl ToTokens for Jitter {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Switch(on) => on.to_tokens(tokens),
            Self::Word(text) => text.to_tokens(tokens),
            Self::Share(share) => share.to_tokens(tokens),
        }
    }
}

/// `backoff`: a word, a function from the retry's number to its delay, or a value.
#[derive(Clone)]
pub(crate) enum Backoff {
    Word(LitStr),
    Function(Expr),
    Value(Expr),
}

impl Backoff {
    const WORDS: [&'static str; 4] = ["constant", "linear", "exponential", "fibonacci"];
}

impl Value for Backoff {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Text(text) => {
                word(key, &text, "", &Self::WORDS)?;
                Ok(Self::Word(text))
            }
            Scalar::Later(expr) => {
                Ok(if is_function(&expr) { Self::Function(expr) } else { Self::Value(expr) })
            }
            other => Err(other.refused(
                key,
                "\"constant\", \"linear\", \"exponential\", \"fibonacci\" or the path of a function",
            )),
        }
    }
}

/// A closure, or a path that ends as functions are spelt; constants and variants start with a capital.
fn is_function(expr: &Expr) -> bool {
    match expr {
        Expr::Closure(_) => true,
        Expr::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| !last.ident.to_string().starts_with(char::is_uppercase)),
        Expr::Group(group) => is_function(&group.expr),
        _ => false,
    }
}

/// `window`: a number of calls, a length of time, or an expression.
#[derive(Clone)]
pub(crate) enum Window {
    Calls(Count),
    Time(Length),
}

/// A window of time holds any number of calls.
impl Measure for Window {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Calls(calls) => calls.figure(),
            Self::Time(_) => None,
        }
    }
}

impl Value for Window {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let fork = input.fork();
        match scalar(key, &fork)? {
            Scalar::Text(_) => Length::parse(key, input).map(Self::Time),
            other => {
                input.parse::<Expr>()?;
                count(key, other, "a whole number of calls or a length such as \"30s\"").map(Self::Calls)
            }
        }
    }
}

impl ToTokens for Window {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Calls(calls) => calls.to_tokens(tokens),
            Self::Time(time) => time.to_tokens(tokens),
        }
    }
}

/// A layer that is asked for by its name; the keys that may follow in parentheses are read after it.
#[derive(Clone, Copy)]
pub(crate) struct Asked;

impl Value for Asked {
    fn read(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() || input.peek(Token![,]) || input.peek(token::Paren) {
            return Ok(Self);
        }
        let example = INNER.iter().find(|inner| key == inner.name).map_or("", |inner| inner.example);
        // A rate has no default that would suit anybody.
        let alone = if key == "rate_limit" { "" } else { ", or stands alone for its defaults" };
        Err(syn::Error::new(key.span(), format!("`{key}` takes a list{alone}: `{example}`")))
    }

    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        Self::read(key, input)
    }
}

/// `budget`: a word, a share of the calls, a value, or a list of its own.
#[derive(Clone)]
pub(crate) enum Budget {
    Word(LitStr),
    Share(Float),
    Parts,
}

impl Budget {
    const WORDS: [&'static str; 2] = ["none", "default"];
}

impl Measure for Budget {
    fn figure(&self) -> Option<Figure<'_>> {
        match self {
            Self::Share(share) => share.figure(),
            Self::Word(_) | Self::Parts => None,
        }
    }
}

impl Value for Budget {
    fn read(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(token::Paren) {
            return Ok(Self::Parts);
        }
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(
                key.span(),
                format!(
                    "`{key}` needs a value: `{key} = 0.2`, `{key} = \"none\"` or `{key}(ratio = 0.2, per_second = 1)`"
                ),
            ));
        }
        input.parse::<Token![=]>()?;
        Self::parse(key, input)
    }

    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const TAKES: &str = "a share such as 0.2, ";
        Ok(match scalar(key, input)? {
            Scalar::Text(text) => {
                word(key, &text, TAKES, &Self::WORDS)?;
                Self::Word(text)
            }
            Scalar::Number { value, text, written, .. } => Self::Share(Float::Known { value, text, written }),
            Scalar::Later(expr) => Self::Share(Float::Later(expr)),
            other @ Scalar::Bool(_) => {
                return Err(other.refused(key, &format!("{TAKES}\"none\" or \"default\"")));
            }
        })
    }
}

/// `delay` of a hedge: a length of time, or `"p95"`.
#[derive(Clone)]
pub(crate) enum HedgeDelay {
    P95(LitStr),
    Fixed(Length),
}

impl Value for HedgeDelay {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if let Ok(text) = input.fork().parse::<LitStr>() {
            let written = text.value();
            let written = written.trim();
            if written == "p95" {
                return input.parse().map(Self::P95);
            }
            if humantime::parse_duration(written).is_err() && written.parse::<f64>().is_err() {
                return Err(syn::Error::new_spanned(
                    &text,
                    format!("`{key}` takes \"p95\" or a length such as \"100ms\", not \"{written}\""),
                ));
            }
        }
        Length::parse(key, input).map(Self::Fixed)
    }
}

impl ToTokens for HedgeDelay {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::P95(text) => text.to_tokens(tokens),
            Self::Fixed(length) => length.to_tokens(tokens),
        }
    }
}

/// An expression of the user's, about one call.
impl Value for Expr {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = ..`")));
        }
        input.parse()
    }
}

/// `fallback_chain = [a, b]`: functions that are asked in turn.
#[derive(Clone)]
pub(crate) struct Chain(pub(crate) Vec<ExprPath>);

impl Value for Chain {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(token::Bracket) {
            return Err(input.error(format!("`{key}` takes paths of functions: `{key} = [a, b]`")));
        }
        let list;
        let bracket = bracketed!(list in input);
        let mut paths = Vec::new();
        while !list.is_empty() {
            paths.push(<ExprPath as Value>::parse(key, &list)?);
            if !list.is_empty() {
                list.parse::<Token![,]>()?;
            }
        }
        if paths.is_empty() {
            return Err(syn::Error::new(
                bracket.span.join(),
                format!("`{key}` names no function: `{key} = [a, b]`"),
            ));
        }
        Ok(Self(paths))
    }
}

/// Something that is so when it is named: `critical`, `critical = true`.
#[derive(Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

impl Value for Flag {
    fn read(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Self::parse(key, input);
        }
        Ok(Self(true))
    }

    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        literal_bool(key, input).map(Self)
    }
}

/// A layer's switch; a literal, since it decides what is generated.
#[derive(Clone, Copy)]
pub(crate) struct Switch(pub(crate) bool);

impl Value for Switch {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        literal_bool(key, input).map(Self)
    }
}

fn literal_bool(key: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    if input.peek(syn::LitBool) {
        return Ok(input.parse::<syn::LitBool>()?.value);
    }
    Err(input.error(format!("`{key}` takes a literal `true` or `false`: it decides what is generated")))
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }

        impl Value for $name {
            fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
                let words = [$($word),+];
                if !input.peek(LitStr) {
                    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    return Err(input.error(format!("`{key}` takes {}", plain(&quoted))));
                }
                match word(key, &input.parse()?, "", &words)? {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(input.error("unknown word")),
                }
            }
        }
    };
}

words! {
    /// Where the body of a sync function runs while it is timed.
    TimeoutMode { Thread = "thread", Deadline = "deadline" }
}

words! {
    /// How a rate limit counts.
    Algorithm { Gcra = "gcra", SlidingWindow = "sliding_window" }
}

impl ToTokens for Algorithm {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Gcra => "gcra",
            Self::SlidingWindow => "sliding_window",
        }
        .to_tokens(tokens);
    }
}

words! {
    /// Whether the breaker sees every attempt or only the call.
    Scope { Attempt = "attempt", Call = "call" }
}

words! {
    /// What a caller gets when no attempts are left.
    Exhausted { Error = "error", Wrap = "wrap" }
}

/// A pattern on the error, with a guard if one is needed.
#[derive(Clone)]
pub(crate) struct Pattern {
    pat: Pat,
    guard: Option<(Token![if], Expr)>,
}

impl Value for Pattern {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let place = input.fork();
        let pat = Pat::parse_multi_with_leading_vert(input).map_err(|_| {
            place.error(format!(
                "`{key}` takes a pattern on the error, such as `MyError::Busy | MyError::Io(_)`"
            ))
        })?;
        if matches!(&pat, Pat::Lit(literal) if matches!(literal.lit, Lit::Str(_))) {
            return Err(syn::Error::new_spanned(
                pat,
                format!("`{key}` takes a pattern on the error, without quotes"),
            ));
        }
        let guard = if input.peek(Token![if]) { Some((input.parse()?, input.parse()?)) } else { None };
        Ok(Self { pat, guard })
    }
}

impl ToTokens for Pattern {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.pat.to_tokens(tokens);
        if let Some((keyword, guard)) = &self.guard {
            keyword.to_tokens(tokens);
            guard.to_tokens(tokens);
        }
    }
}

/// A function or closure from a reference to a bool.
#[derive(Clone)]
pub(crate) struct Rule(pub(crate) Expr);

impl Value for Rule {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Later(expr) => Ok(Self(expr)),
            Scalar::Text(text) => {
                Err(syn::Error::new_spanned(&text, unquoted(key, "a path or a closure", &text)))
            }
            other => {
                let about = if key == "failure_if" { "value" } else { "error" };
                Err(other.refused(key, &format!("a path or a closure such as `|{about}| ..`")))
            }
        }
    }
}

/// What a macro passed on as `$path` or `$expr` comes in a group that nobody sees.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

impl Value for ExprPath {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        const TAKES: &str = "the path of a function that has the same arguments";
        match scalar(key, input)? {
            Scalar::Later(expr) => match ungrouped(expr) {
                Expr::Path(path) => Ok(path),
                Expr::Call(call) if matches!(*call.func, Expr::Path(_)) => Err(syn::Error::new_spanned(
                    &call,
                    format!(
                        "`{key}` takes the path of a function and calls it: `{key} = {}`",
                        call.func.to_token_stream()
                    ),
                )),
                other => Err(syn::Error::new_spanned(other, format!("`{key}` takes {TAKES}"))),
            },
            Scalar::Text(text) => {
                Err(syn::Error::new_spanned(&text, unquoted(key, "the path of a function", &text)))
            }
            other => Err(other.refused(key, TAKES)),
        }
    }
}

impl Value for Path {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if let Ok(text) = input.fork().parse::<LitStr>() {
            return Err(syn::Error::new_spanned(&text, unquoted(key, "a path", &text)));
        }
        let place = input.fork();
        input
            .call(Path::parse_mod_style)
            .map_err(|_| place.error(format!("`{key}` takes a path: `{key} = resilient`")))
    }
}

/// `clone(order, tag)`: the arguments of which every attempt gets its own copy.
#[derive(Clone)]
pub(crate) struct Clones(pub(crate) Vec<Ident>);

impl Value for Clones {
    fn read(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(token::Paren) {
            return Err(syn::Error::new(key.span(), format!("`{key}` names arguments: `{key}(order, tag)`")));
        }
        let names;
        parenthesized!(names in input);
        let parsed = Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?;
        if parsed.is_empty() {
            return Err(syn::Error::new(
                key.span(),
                format!("`{key}` names no argument: `{key}(order, tag)`"),
            ));
        }
        Ok(Self(parsed.into_iter().collect()))
    }

    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        Self::read(key, input)
    }
}
