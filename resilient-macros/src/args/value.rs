//! The values keys take. Each reads itself and, where it ends up in the expansion, prints itself.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprPath, Lit, LitStr, Pat, Path, Token, UnOp, parenthesized, token};

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
    Number { text: String, value: f64, whole: Option<i128>, span: Span },
    Text(LitStr),
    Bool(bool, Span),
    Later(Expr),
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
                span: expr.span(),
            })),
            other => Some(other),
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
                Ok(Some(Scalar::Number { text: text.to_owned(), value, whole, span: literal.span() }))
            };
            let read = match &literal.lit {
                Lit::Int(int) => number(int.base10_digits(), int.suffix(), int.base10_parse().ok()),
                Lit::Float(float) => number(float.base10_digits(), float.suffix(), None),
                Lit::Str(text) => Ok(Some(Scalar::Text(text.clone()))),
                Lit::Bool(truth) => Ok(Some(Scalar::Bool(truth.value, truth.span))),
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

fn word<'a>(key: &Ident, text: &LitStr, words: &[&'a str]) -> syn::Result<&'a str> {
    let written = text.value();
    if let Some(word) = words.iter().find(|word| **word == written) {
        return Ok(word);
    }
    let meant = nearest(&written.to_ascii_lowercase(), words.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
    let allowed: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    Err(syn::Error::new_spanned(text, format!("`{key}` takes {}, not \"{written}\"{meant}", plain(&allowed))))
}

fn plain(words: &[String]) -> String {
    list(words, "or").replace('`', "")
}

/// A name in quotes.
#[derive(Clone, Debug)]
pub(crate) struct Text(pub(crate) LitStr);

impl Value for Text {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self);
        }
        Err(input.error(format!("`{key}` takes a name in quotes; it is checked while compiling")))
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// A length of time: seconds, `"250ms"`, or an expression.
#[derive(Clone, Debug)]
pub(crate) enum Length {
    Known { time: Duration, text: String, span: Span },
    Later(Expr),
}

impl Length {
    pub(crate) fn known(&self) -> Option<Duration> {
        match self {
            Self::Known { time, .. } => Some(*time),
            Self::Later(_) => None,
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Known { span, .. } => *span,
            Self::Later(expr) => expr.span(),
        }
    }

    /// As it was written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Known { text, .. } => text.clone(),
            Self::Later(expr) => expr.to_token_stream().to_string(),
        }
    }
}

impl Value for Length {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Number { value, span, text, .. } => match Duration::try_from_secs_f64(value) {
                Ok(time) => Ok(Self::Known { time, text: format!("{text} s"), span }),
                Err(_) if value < 0.0 => Err(syn::Error::new(
                    span,
                    format!("`{key}` is a length of time and cannot be negative, as {text} is"),
                )),
                Err(_) => Err(syn::Error::new(span, format!("`{key}` is too long: {text} s"))),
            },
            Scalar::Text(text) => match humantime::parse_duration(text.value().trim()) {
                Ok(time) => Ok(Self::Known { time, text: text.value().trim().to_owned(), span: text.span() }),
                Err(_) => Err(syn::Error::new_spanned(&text, length_mistake(key, text.value().trim()))),
            },
            Scalar::Bool(_, span) => Err(syn::Error::new(
                span,
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
            Self::Known { time, span, .. } => {
                let whole = time.as_secs();
                let nanos = u64::try_from(time.as_nanos()).ok();
                match (time.subsec_nanos(), nanos) {
                    (0, _) | (_, None) => quote_spanned!(*span=> ::core::time::Duration::from_secs(#whole)),
                    (_, Some(nanos)) => quote_spanned!(*span=> ::core::time::Duration::from_nanos(#nanos)),
                }
                .to_tokens(tokens);
            }
        }
    }
}

/// A whole number, or an expression.
#[derive(Clone, Debug)]
pub(crate) enum Count {
    Known { count: i128, span: Span },
    Later(Expr),
}

impl Count {
    pub(crate) fn known(&self) -> Option<(i128, Span)> {
        match self {
            Self::Known { count, span } => Some((*count, *span)),
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
    let refuse =
        |span, what: String| Err(syn::Error::new(span, format!("`{key}` takes {takes}, not {what}")));
    match written {
        Scalar::Number { whole: Some(count), span, .. } => Ok(Count::Known { count, span }),
        Scalar::Number { text, span, .. } => refuse(span, text),
        Scalar::Text(text) => refuse(text.span(), format!("\"{}\"", text.value())),
        Scalar::Bool(truth, span) => refuse(span, truth.to_string()),
        Scalar::Later(expr) => Ok(Count::Later(expr)),
    }
}

impl ToTokens for Count {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Known { count, span } => {
                // Ranges were checked: it fits.
                let mut literal =
                    proc_macro2::Literal::u32_unsuffixed(u32::try_from(*count).unwrap_or(u32::MAX));
                literal.set_span(*span);
                literal.to_tokens(tokens);
            }
            Self::Later(expr) => expr.to_tokens(tokens),
        }
    }
}

/// `failure_threshold`: a count, or `"off"`.
#[derive(Clone, Debug)]
pub(crate) enum Threshold {
    Off(Span),
    Count(Count),
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
#[derive(Clone, Debug)]
pub(crate) enum Float {
    Known { value: f64, text: String, span: Span },
    Later(Expr),
}

impl Value for Float {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let refuse =
            |span, what: String| Err(syn::Error::new(span, format!("`{key}` takes a number, not {what}")));
        match scalar(key, input)? {
            Scalar::Number { value, text, span, .. } => Ok(Self::Known { value, text, span }),
            Scalar::Text(text) => refuse(text.span(), format!("\"{}\"", text.value())),
            Scalar::Bool(truth, span) => refuse(span, truth.to_string()),
            Scalar::Later(expr) => Ok(Self::Later(expr)),
        }
    }
}

impl ToTokens for Float {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Known { value, span, .. } => float(*value, *span).to_tokens(tokens),
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
#[derive(Clone, Debug)]
pub(crate) enum Jitter {
    Switch(bool, Span),
    Word(LitStr),
    Share(Float),
}

impl Jitter {
    const WORDS: [&'static str; 2] = ["full", "decorrelated"];
}

impl Value for Jitter {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(match scalar(key, input)? {
            Scalar::Bool(on, span) => Self::Switch(on, span),
            Scalar::Text(text) => {
                word(key, &text, &Self::WORDS).map_err(|error| {
                    syn::Error::new(
                        error.span(),
                        format!("{error}; it may also be `true`, `false` or a share such as 0.1"),
                    )
                })?;
                Self::Word(text)
            }
            Scalar::Number { value, text, span, .. } => Self::Share(Float::Known { value, text, span }),
            Scalar::Later(expr) => Self::Share(Float::Later(expr)),
        })
    }
}

impl ToTokens for Jitter {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Switch(on, span) => syn::LitBool::new(*on, *span).to_tokens(tokens),
            Self::Word(text) => text.to_tokens(tokens),
            Self::Share(share) => share.to_tokens(tokens),
        }
    }
}

/// `backoff`: a word, a function from the retry's number to its delay, or a value.
#[derive(Clone, Debug)]
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
                word(key, &text, &Self::WORDS)?;
                Ok(Self::Word(text))
            }
            Scalar::Later(expr) => {
                Ok(if is_function(&expr) { Self::Function(expr) } else { Self::Value(expr) })
            }
            Scalar::Number { span, .. } | Scalar::Bool(_, span) => Err(syn::Error::new(
                span,
                format!(
                    "`{key}` takes \"constant\", \"linear\", \"exponential\", \"fibonacci\" or the path of a function"
                ),
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
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Calls(Count),
    Time(Length),
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

/// Something that is so when it is named: `critical`, `critical = true`.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
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
                match word(key, &input.parse()?, &words)? {
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
    /// Whether the breaker sees every attempt or only the call.
    Scope { Attempt = "attempt", Call = "call" }
}

words! {
    /// What a caller gets when no attempts are left.
    Exhausted { Error = "error", Wrap = "wrap" }
}

/// A pattern on the error, with a guard if one is needed.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub(crate) struct Rule(pub(crate) Expr);

impl Value for Rule {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        match scalar(key, input)? {
            Scalar::Later(expr) => Ok(Self(expr)),
            Scalar::Text(text) => Err(syn::Error::new_spanned(
                &text,
                format!("`{key}` takes a path or a closure, without quotes: `{key} = {}`", text.value()),
            )),
            Scalar::Number { span, .. } | Scalar::Bool(_, span) => {
                Err(syn::Error::new(span, format!("`{key}` takes a path or a closure: `{key} = |value| ..`")))
            }
        }
    }
}

impl Value for ExprPath {
    fn parse(key: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let mistake = |span| {
            syn::Error::new(span, format!("`{key}` takes the path of a function that has the same arguments"))
        };
        match input.parse::<Expr>().map_err(|error| mistake(error.span()))? {
            Expr::Path(path) => Ok(path),
            other => Err(mistake(other.span())),
        }
    }
}

impl Value for Path {
    fn parse(_: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Path::parse_mod_style)
    }
}

/// `clone(order, tag)`: the arguments of which every attempt gets its own copy.
#[derive(Clone, Debug)]
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
