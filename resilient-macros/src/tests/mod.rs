//! What the attributes print and what they refuse, on token streams.

mod blocks;
mod carets;
mod component;
mod expansion;
mod mistakes;
mod signatures;

use proc_macro2::TokenStream;
use syn::parse_quote;

use crate::attributes::word;
use crate::diagnostics::Errors;
use crate::guard::try_guard;

/// The expansion of `#[name(list)] item`, which must be free of mistakes.
fn expanded(name: &str, list: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let tokens = try_guard(word(name).unwrap(), list, item, &mut errors);
    assert_eq!(errors.messages(), Vec::<String>::new());
    tokens
}

/// Every mistake in `#[name(list)] item`.
fn mistakes(name: &str, list: TokenStream, item: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    try_guard(word(name).unwrap(), list, item, &mut errors);
    errors.messages()
}

/// The item that is left when there are mistakes.
fn left_over(name: &str, list: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let tokens = try_guard(word(name).unwrap(), list, item, &mut errors);
    assert!(!errors.is_empty());
    tokens
}

/// Without blanks: only the tokens count.
fn squeezed(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

#[track_caller]
fn assert_tokens(got: &TokenStream, wanted: &TokenStream) {
    let (got, wanted) = (squeezed(got), squeezed(wanted));
    if got != wanted {
        let at = got.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(40);
        let from = |text: &str| text.get(at..).unwrap_or_default().to_owned();
        panic!("the expansion differs after `{}`\n got: {}\nwant: {}", &got[..at], from(&got), from(&wanted));
    }
}

#[track_caller]
fn assert_has(tokens: &TokenStream, part: &TokenStream) {
    let (tokens, part) = (squeezed(tokens), squeezed(part));
    assert!(tokens.contains(&part), "no `{part}` in `{tokens}`");
}

#[track_caller]
fn assert_lacks(tokens: &TokenStream, part: &TokenStream) {
    let (tokens, part) = (squeezed(tokens), squeezed(part));
    assert!(!tokens.contains(&part), "`{part}` in `{tokens}`");
}

/// The expansion as a function, to look at its signature.
fn parsed(tokens: &TokenStream) -> syn::ItemFn {
    parse_quote!(#tokens)
}
