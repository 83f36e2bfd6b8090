//! `#[component("name")]`: a constructor that the linker lists, so that every factory of its types finds it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{FnArg, Ident, Lit, LitStr, Path, ReturnType, Safety, Signature, Token};

use crate::diagnostics::{Errors, list, nearest};
use crate::expand::under;
use crate::item::{GuardedFn, cfgs, other_item};
use crate::paths::Paths;

const KEYS: [&str; 2] = ["name", "crate"];

/// The longest name a factory takes, in characters.
const LONGEST: usize = 128;

/// What the attribute says.
#[derive(Default)]
struct Written {
    name: Option<LitStr>,
    krate: Option<Path>,
}

/// ```ignore
/// // Input:
/// #[component("mexc")]
/// async fn mexc(asked: Asked<Config>) -> Result<Arc<dyn Exchange>, ConnectError> { body }
/// // Output:
/// #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
/// async fn mexc(asked: Asked<Config>) -> Result<Arc<dyn Exchange>, ConnectError> { body }
/// const _: () = {
///     inventory::submit! { Linked::new("mexc", file!(), line!(), || asynchronous(mexc)) }
/// };
/// ```
pub(crate) fn component(written: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = try_component(written, item, &mut errors);
    let errors = errors.into_tokens();
    quote!(#errors #expanded)
}

/// The function and its place in the list; or, when `errors` has any, the item as it is without the attribute.
pub(crate) fn try_component(written: TokenStream, item: TokenStream, errors: &mut Errors) -> TokenStream {
    let written = read(written, errors);
    if let Some((keyword, kind)) = other_item(&item) {
        errors
            .at(&keyword, format!("`#[component]` lists a constructor, which is a function and not {kind}"));
        return item;
    }
    let function = match syn::parse2::<GuardedFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            return item;
        }
    };
    check(&function.sig, errors);
    match written.name {
        Some(name) if errors.is_empty() => expand(&function, &name, written.krate),
        _ => item,
    }
}

fn read(tokens: TokenStream, errors: &mut Errors) -> Written {
    let mut written = Written::default();
    let mut parse = |input: ParseStream<'_>| {
        while !input.is_empty() {
            read_one(input, &mut written, errors)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    let parsed = Parser::parse2(&mut parse, tokens);
    if let Err(error) = parsed {
        errors.push(error);
    } else if written.name.is_none() && errors.is_empty() {
        let here = Ident::new("component", Span::call_site());
        errors.at(here, "`#[component]` needs the name that it is asked for by: `#[component(\"name\")]`");
    }
    written
}

fn read_one(input: ParseStream<'_>, written: &mut Written, errors: &mut Errors) -> syn::Result<()> {
    if input.peek(Lit) {
        name(input.parse()?, written, errors);
        return Ok(());
    }
    let key = input.call(Ident::parse_any)?;
    if input.is_empty() || input.peek(Token![,]) {
        let written = if key == "name" { "name = \"..\"".to_owned() } else { format!("\"{key}\"") };
        errors.at(&key, format!("a component's name is a text: `#[component({written})]`"));
        return Ok(());
    }
    input.parse::<Token![=]>()?;
    match key.to_string().as_str() {
        "name" => name(input.parse()?, written, errors),
        "crate" => {
            let path = input.call(Path::parse_mod_style)?;
            if written.krate.replace(path).is_some() {
                errors.at(key, "`crate` is written twice");
            }
        }
        unknown => {
            let meant = nearest(unknown, KEYS).map(|meant| format!("did you mean `{meant}`? "));
            let known = list(&KEYS, "and");
            errors.at(
                &key,
                format!(
                    "`#[component]` knows no key `{unknown}`; {}it knows {known}",
                    meant.unwrap_or_default()
                ),
            );
            input.parse::<syn::Expr>()?;
        }
    }
    Ok(())
}

fn name(value: Lit, written: &mut Written, errors: &mut Errors) {
    let Lit::Str(name) = value else {
        errors.at(value, "a component's name is a text: `#[component(\"name\")]`");
        return;
    };
    let text = name.value();
    if text.is_empty() {
        errors.at(&name, "a component needs a name, and this one is empty");
    } else if text.chars().count() > LONGEST {
        errors.at(&name, format!("a component's name has at most {LONGEST} characters"));
    } else if text.chars().any(char::is_control) {
        errors.at(&name, "a component's name has no control characters");
    }
    if written.name.is_some() {
        errors.at(&name, "a component has one name; for another write `#[component(..)]` once more");
        return;
    }
    written.name = Some(name);
}

/// What the linker cannot list.
fn check(sig: &Signature, errors: &mut Errors) {
    let function = &sig.ident;
    if let Safety::Unsafe(unsafety) = &sig.safety {
        errors.at(
            unsafety,
            format!("`{function}` is unsafe, and a factory calls it without knowing why it may"),
        );
    }
    if !sig.generics.params.is_empty() {
        let generics = &sig.generics;
        errors.at(generics, format!("`{function}` is generic, and the linker lists functions of one type"));
    }
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        errors.at(receiver, format!("`{function}` is a method; a constructor is a function of its own"));
    } else if sig.inputs.len() != 1 {
        let shown = "takes one argument, `Asked<X, O>`: what a factory is asked for";
        if sig.inputs.is_empty() {
            errors.at(function, format!("a constructor {shown}; `{function}` takes none"));
        } else {
            errors.at(&sig.inputs, format!("a constructor {shown}; `{function}` takes {}", sig.inputs.len()));
        }
    }
    if matches!(sig.output, ReturnType::Default) {
        errors
            .at(function, format!("`{function}` returns nothing; a constructor returns `Result<Arc<C>, E>`"));
    }
}

fn expand(function: &GuardedFn, name: &LitStr, krate: Option<Path>) -> TokenStream {
    let GuardedFn { sig, .. } = function;
    let paths = Paths::new(krate);
    let (here, at) = (Span::mixed_site(), sig.ident.span());
    let import = paths.import_factory();
    let private = paths.factory(here);
    let ident = &sig.ident;
    let erase = if sig.asyncness.is_some() { quote!(asynchronous) } else { quote!(sync) };
    let private_there = paths.factory(at);
    // The one call that may fail to type-check stands at the function's name.
    let constructor = quote_spanned!(at=> #private_there::#erase(#ident));
    let line = quote_spanned!(at=> ::core::line!());
    let listed = quote_spanned! {here=>
        const _: () = {
            #import
            #private::inventory::submit! {
                #private::Linked::new(#name, ::core::file!(), #line, || #constructor)
            }
        };
    };
    let listed = under(&cfgs(&function.attrs), listed);
    let function = function.to_token_stream();
    // What it takes and returns is our choice.
    let allowed = quote!(#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]);
    quote!(#allowed #function #listed)
}
