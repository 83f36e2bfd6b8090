//! An `impl` block or a trait an attribute stands on. Bodies stay raw tokens, and whatever is no function stays as it is.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ImplItem, ItemImpl, ItemTrait, Signature, Token, TraitItem, Type, Visibility};

use crate::item::{GuardedFn, IMPL, Owner, last_segment, type_parameters};

pub(crate) struct Block {
    /// Every attribute that is not ours.
    pub(crate) attrs: Vec<Attribute>,
    /// From the visibility to the `where` clause.
    pub(crate) header: TokenStream,
    pub(crate) owner: Owner,
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) members: Vec<Member>,
    /// For the braces' place.
    pub(crate) braces: Group,
}

pub(crate) enum Member {
    Function(Box<GuardedFn>),
    Declared(Declared),
    Other(TokenStream),
}

/// A trait's function without a body.
pub(crate) struct Declared {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    /// From the signature to the semicolon.
    rest: TokenStream,
}

impl ToTokens for Declared {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, rest, .. } = self;
        tokens.extend(quote!(#(#attrs)* #rest));
    }
}

impl Block {
    /// The block with these members in place of its own.
    pub(crate) fn around(self, members: &TokenStream) -> TokenStream {
        let Self { attrs, header, inner_attrs, braces, .. } = self;
        let mut body = Group::new(Delimiter::Brace, quote!(#(#inner_attrs)* #members));
        body.set_span(braces.span());
        quote!(#(#attrs)* #header #body)
    }

    /// `kind` is what [`other_item`](crate::item::other_item) calls it.
    pub(crate) fn parse(item: TokenStream, kind: &str) -> syn::Result<Self> {
        let whole = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_outer)?;
            let rest: TokenStream = input.parse()?;
            Ok((attrs, rest))
        };
        let (attrs, rest) = whole.parse2(item)?;
        let mut header: Vec<TokenTree> = rest.clone().into_iter().collect();
        let Some(TokenTree::Group(braces)) = header.pop().filter(is_brace) else {
            return Err(syn::Error::new_spanned(rest, format!("expected {kind} with braces")));
        };
        let header: TokenStream = header.into_iter().collect();
        let owner = if kind == IMPL { owner_of_impl(&header)? } else { owner_of_trait(&header)? };
        let inside = |input: ParseStream<'_>| {
            let inner_attrs = input.call(Attribute::parse_inner)?;
            let mut members = Vec::new();
            while !input.is_empty() {
                members.push(member(input, kind, &owner)?);
            }
            Ok((inner_attrs, members))
        };
        let (inner_attrs, members) = inside.parse2(braces.stream())?;
        Ok(Self { attrs, header, owner, inner_attrs, members, braces })
    }
}

fn is_brace(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn owner_of_impl(header: &TokenStream) -> syn::Result<Owner> {
    let ItemImpl { generics, self_ty, .. } = syn::parse2(quote!(#header {}))?;
    Ok(Owner { name: type_name(&self_ty), types: type_parameters(&generics).cloned().collect() })
}

fn owner_of_trait(header: &TokenStream) -> syn::Result<Owner> {
    let ItemTrait { ident, generics, .. } = syn::parse2(quote!(#header {}))?;
    Ok(Owner { name: ident.unraw().to_string(), types: type_parameters(&generics).cloned().collect() })
}

/// A type as its owner would say it: without path, generics and reference.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Reference(reference) => type_name(&reference.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        Type::Group(group) => type_name(&group.elem),
        _ => match last_segment(ty) {
            Some((name, _)) => name.trim_start_matches("r#").to_owned(),
            None => ty.to_token_stream().to_string().split_whitespace().collect(),
        },
    }
}

fn member(input: ParseStream<'_>, kind: &str, owner: &Owner) -> syn::Result<Member> {
    if !is_function(&input.fork())? {
        let other = if kind == IMPL {
            input.parse::<ImplItem>()?.into_token_stream()
        } else {
            input.parse::<TraitItem>()?.into_token_stream()
        };
        return Ok(Member::Other(other));
    }
    if let Ok(declared) = input.fork().parse::<Declared>() {
        input.parse::<Declared>()?;
        return Ok(Member::Declared(declared));
    }
    let function = GuardedFn { owner: Some(owner.clone()), ..input.parse()? };
    Ok(Member::Function(Box::new(function)))
}

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        let defaultness: Option<Token![default]> = input.parse()?;
        let sig: Signature = input.parse()?;
        let end: Token![;] = input.parse()?;
        Ok(Self { attrs, ident: sig.ident.clone(), rest: quote!(#vis #defaultness #sig #end) })
    }
}

/// Whether `fn` comes before anything that ends or begins another item.
fn is_function(input: ParseStream<'_>) -> syn::Result<bool> {
    input.call(Attribute::parse_outer)?;
    while !input.is_empty() {
        if input.peek(Token![fn]) {
            return Ok(true);
        }
        if let TokenTree::Punct(_) = input.parse()? {
            return Ok(false);
        }
    }
    Ok(false)
}
