//! From an attribute and its item to code: gather what was written, check it, print it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Meta, Path};

use crate::args::{self, Args, Written};
use crate::attributes::{self, Word};
use crate::diagnostics::Errors;
use crate::expand;
use crate::item::{GuardedFn, other_item};
use crate::validate::validate;

/// Expands `#[word(list)] item`, and every other attribute of ours on the same item with it.
pub(crate) fn guard(word: &'static Word, list: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = try_guard(word, list, item, &mut errors);
    let errors = errors.into_tokens();
    quote!(#errors #expanded)
}

/// The guarded function; or, when `errors` has any, the item as it would be without our attributes.
pub(crate) fn try_guard(
    word: &'static Word,
    list: TokenStream,
    item: TokenStream,
    errors: &mut Errors,
) -> TokenStream {
    let mut args = Args::default();
    read(word, &mut args, errors, list);
    let roots: Vec<Path> = args.krate.iter().map(|krate| krate.value.clone()).collect();

    let name = word.name;
    if let Some((keyword, kind)) = other_item(&item) {
        let inside = match keyword.to_string().as_str() {
            "impl" | "trait" | "mod" => "; write it on the functions inside",
            _ => "",
        };
        errors.at(&keyword, format!("`#[{name}]` guards a function, not {kind}{inside}"));
        // A constant or a type may stand where a nameless constant may not.
        let anywhere = keyword == "const" || keyword == "type" || keyword == "let";
        let (item, imports) = without_ours(item, &roots);
        let used = (!anywhere && !imports.is_empty()).then(|| expand::used(&imports));
        return quote!(#item #used);
    }
    let mut function: GuardedFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            return without_ours(item, &roots).0;
        }
    };

    let mut written = vec![Written { word, place: Ident::new(name, Span::call_site()).into_token_stream() }];
    let mut imports = Vec::new();
    for attr in std::mem::take(&mut function.attrs) {
        let Some(word) = attributes::named_by(attr.path(), &roots) else {
            function.attrs.push(attr);
            continue;
        };
        written.push(Written { word, place: attr.path().to_token_stream() });
        if attr.path().get_ident().is_some() {
            imports.push(attr.path().clone());
        }
        match attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => read(word, &mut args, errors, list.tokens),
            Meta::NameValue(pair) => {
                errors.at(pair.eq_token, format!("`#[{0}]` takes a list: `#[{0}(..)]`", word.name));
            }
        }
    }

    match validate(&written, args, &function, errors) {
        Some(plan) => expand::expand(function, &plan, &imports),
        None => expand::plain(function, &imports),
    }
}

fn read(word: &'static Word, args: &mut Args, errors: &mut Errors, list: TokenStream) {
    let parser = |input: ParseStream<'_>| args::read(word, args, errors, input);
    // The loop skips whatever it cannot read, so that this is no more than a formality.
    let end = parser.parse2(list);
    if let Err(error) = end {
        errors.push(error);
    }
}

/// The item's tokens with our attributes taken off, and the attributes that were imported.
fn without_ours(item: TokenStream, roots: &[Path]) -> (TokenStream, Vec<Path>) {
    let parser = |input: ParseStream<'_>| {
        let attrs = input.call(Attribute::parse_outer)?;
        let rest: TokenStream = input.parse()?;
        let (ours, kept): (Vec<_>, Vec<_>) =
            attrs.into_iter().partition(|attr| attributes::named_by(attr.path(), roots).is_some());
        let imports = ours.iter().map(Attribute::path).filter(|path| path.get_ident().is_some());
        Ok((quote!(#(#kept)* #rest), imports.cloned().collect()))
    };
    parser.parse2(item.clone()).unwrap_or((item, Vec::new()))
}
