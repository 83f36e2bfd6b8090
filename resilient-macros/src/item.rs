//! The function an attribute stands on. The body stays raw tokens: nobody here reads the user's statements.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    AttrStyle, Attribute, FnArg, GenericArgument, GenericParam, Generics, Pat, PatIdent, PathArguments,
    Receiver, ReceiverKind, ReturnType, Signature, Token, Type, TypeParamBound, Visibility, braced,
};

/// A function with a body.
#[derive(Clone)]
pub(crate) struct GuardedFn {
    /// Every attribute that is not ours, the body's inner ones included.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
    /// Known where the attribute stands on the block around it.
    pub(crate) owner: Option<Owner>,
}

/// The type or trait a method belongs to.
#[derive(Clone)]
pub(crate) struct Owner {
    /// Without its generics.
    pub(crate) name: String,
    /// Its type parameters.
    pub(crate) types: Vec<Ident>,
}

impl Parse for GuardedFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(no_body(&sig.ident));
        }
        let content;
        let brace = braced!(content in input);
        // An attribute inside the body says the same outside it, and the body is about to become a block.
        for mut inner in content.call(Attribute::parse_inner)? {
            inner.style = AttrStyle::Outer;
            attrs.push(inner);
        }
        let mut body = Group::new(Delimiter::Brace, content.parse()?);
        body.set_span(brace.span.join());
        Ok(Self { attrs, vis, defaultness, sig, body, owner: None })
    }
}

/// That there is nothing to guard.
pub(crate) fn no_body(function: &Ident) -> syn::Error {
    syn::Error::new_spanned(
        function,
        format!("`{function}` has no body to guard; write the attribute where it is implemented"),
    )
}

impl ToTokens for GuardedFn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, defaultness, sig, body, owner: _ } = self;
        for attr in attrs {
            attr.to_tokens(tokens);
        }
        vis.to_tokens(tokens);
        defaultness.to_tokens(tokens);
        sig.to_tokens(tokens);
        body.to_tokens(tokens);
    }
}

pub(crate) const IMPL: &str = "an `impl` block";
pub(crate) const TRAIT: &str = "a trait";

/// What an item that is no function is called, with the token that says so.
pub(crate) fn other_item(item: &TokenStream) -> Option<(Ident, &'static str)> {
    const ITEMS: [(&str, &str); 11] = [
        ("struct", "a struct"),
        ("enum", "an enum"),
        ("union", "a union"),
        ("impl", IMPL),
        ("trait", TRAIT),
        ("mod", "a module"),
        ("static", "a static"),
        ("type", "a type alias"),
        ("use", "an import"),
        ("macro_rules", "a macro"),
        ("let", "a statement"),
    ];
    let idents = item.clone().into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    });
    let mut constant = None;
    for ident in idents {
        if ident == "fn" {
            return None;
        }
        if let Some((_, name)) = ITEMS.iter().find(|(keyword, _)| ident == keyword) {
            return Some((ident, name));
        }
        if ident == "const" {
            constant = Some(ident);
        }
    }
    constant.map(|ident| (ident, "a constant"))
}

/// Something the body may name that came in with the call.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) ident: Ident,
    /// The user wrote `mut`.
    pub(crate) mutable: bool,
    /// Its type is not, by its look, a reference.
    pub(crate) owned: bool,
    pub(crate) by: BoundBy,
    pub(crate) cfgs: Vec<Attribute>,
}

/// Where a name is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoundBy {
    /// One of `async_trait`'s leading `let` lines rather than the signature.
    pub(crate) hoisted: bool,
    /// A `let` of the user's in front of the block.
    pub(crate) local: bool,
    /// A part of a pattern rather than the whole argument.
    pub(crate) pattern: bool,
}

impl Binding {
    pub(crate) fn hoisted(&self) -> bool {
        self.by.hoisted
    }

    pub(crate) fn local(&self) -> bool {
        self.by.local
    }

    pub(crate) fn in_pattern(&self) -> bool {
        self.by.pattern
    }
}

/// How the function runs, and where the code to guard is.
#[derive(Clone)]
pub(crate) enum Shape {
    Sync,
    Async,
    /// A plain function whose value is a future: `async_trait`, `BoxFuture`, `impl Future`.
    Future(Box<FutureTail>),
    /// A plain function whose value is a stream: `impl Stream`, `BoxStream`.
    Stream(Box<Streamed>),
}

/// The stream a function returns.
#[derive(Clone)]
pub(crate) struct Streamed {
    pub(crate) item: Type,
    /// It is pinned in a box.
    pub(crate) boxed: bool,
}

/// The async block a function returns.
///
/// `before Box::pin(async move { hoisted inner }) after`
#[derive(Clone)]
pub(crate) struct FutureTail {
    pub(crate) before: TokenStream,
    pub(crate) in_call: bool,
    /// `async move`, or `async`.
    pub(crate) keywords: TokenStream,
    pub(crate) hoisted: Vec<Hoisted>,
    /// Every name that `before` binds with a `let` of its own.
    pub(crate) locals: Vec<Local>,
    pub(crate) inner: Group,
    pub(crate) after: TokenStream,
    pub(crate) output: Type,
}

/// `let order = order;` and its like, which `async_trait` puts in front of the body to own the arguments.
#[derive(Clone)]
pub(crate) struct Hoisted {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) let_token: Token![let],
    pub(crate) pat: Pat,
    /// From the `=` on.
    pub(crate) rest: TokenStream,
    /// The argument it owns.
    pub(crate) source: Ident,
}

/// A variable made before the block, which owns it from then on as it owns the arguments.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) ident: Ident,
    pub(crate) mutable: bool,
    pub(crate) cfgs: Vec<Attribute>,
}

impl ToTokens for Hoisted {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attr in &self.attrs {
            attr.to_tokens(tokens);
        }
        self.let_token.to_tokens(tokens);
        self.pat.to_tokens(tokens);
        self.rest.to_tokens(tokens);
    }
}

impl GuardedFn {
    /// The written return type.
    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }

    /// Sync, async, or a future recognised by its type; the error is about a body whose future cannot be found.
    pub(crate) fn shape(&self) -> syn::Result<Shape> {
        if self.sig.asyncness.is_some() {
            return Ok(Shape::Async);
        }
        let Some(written) = self.output() else { return Ok(Shape::Sync) };
        if let Some(item) = item_of(written, &STREAM) {
            let boxed = matches!(ungrouped(written), Type::Path(_));
            return Ok(Shape::Stream(Box::new(Streamed { item, boxed })));
        }
        let Some(output) = future_output(written) else {
            // Guarding it as it is would guard no more than the making of the future.
            return match future_tail(&self.body, written.clone()) {
                None => Ok(Shape::Sync),
                Some(_) => Err(syn::Error::new_spanned(
                    written,
                    format!(
                        "`{}` ends in an async block, but its return type hides the future; write it out as \
                         `Pin<Box<dyn Future<Output = ..> + Send>>`, `BoxFuture<..>` or `impl Future<Output = ..>`, \
                         or make it an `async fn`",
                        self.sig.ident
                    ),
                )),
            };
        };
        match future_tail(&self.body, output) {
            Some(tail) => Ok(Shape::Future(Box::new(tail))),
            None => Err(syn::Error::new_spanned(
                written,
                format!(
                    "`{}` returns a future but does not end in `Box::pin(async move {{ .. }})` or `async move {{ .. }}`; \
                     end it so, or make it an `async fn`",
                    self.sig.ident
                ),
            )),
        }
    }

    /// What the attempts may name, in the order of the arguments.
    pub(crate) fn bindings(&self, shape: &Shape) -> Vec<Binding> {
        let (hoisted, locals): (&[Hoisted], &[Local]) = match shape {
            Shape::Future(tail) => (&tail.hoisted, &tail.locals),
            Shape::Sync | Shape::Async | Shape::Stream(_) => (&[], &[]),
        };
        let mut bindings = Vec::new();
        for argument in &self.sig.inputs {
            let attrs = match argument {
                FnArg::Receiver(receiver) => &receiver.attrs,
                FnArg::Typed(typed) => &typed.attrs,
            };
            let (cfgs, owned) = (cfgs(attrs), owned(argument));
            let moved = hoisted.iter().find(|line| match argument {
                FnArg::Receiver(_) => line.source == "self",
                FnArg::Typed(typed) => matches!(&*typed.pat, Pat::Ident(pat) if pat.ident == line.source),
            });
            let pat = match (moved, argument) {
                (Some(line), _) => Some(&line.pat),
                (None, FnArg::Typed(typed)) => Some(&*typed.pat),
                (None, FnArg::Receiver(_)) => None,
            };
            let by = BoundBy {
                hoisted: moved.is_some(),
                local: false,
                pattern: pat.is_some_and(|pat| !is_plain(pat)),
            };
            let mut add = |ident: &Ident, mutable: bool, owned: bool| {
                bindings.push(Binding { ident: ident.clone(), mutable, owned, by, cfgs: cfgs.clone() });
            };
            match (moved, argument) {
                (Some(line), _) => {
                    // async_trait turns `&mut self` into an immutable `__self` that is the reference itself.
                    let receiver = line.source == "self";
                    each_binding(&mut line.pat.clone(), &mut |pat, plain| {
                        add(&pat.ident, is_mutable(pat) && (owned || !receiver), owned && plain);
                    });
                }
                (None, FnArg::Receiver(receiver)) => add(
                    &Ident::new("self", receiver.self_token.span),
                    owned && receiver.mutability.is_some(),
                    owned,
                ),
                (None, FnArg::Typed(typed)) => {
                    each_binding(&mut (*typed.pat).clone(), &mut |pat, plain| {
                        add(&pat.ident, is_mutable(pat), owned && plain);
                    });
                }
            }
        }
        // A local hides the argument it is named after.
        bindings.retain(|binding| locals.iter().all(|local| local.ident != binding.ident));
        let by = BoundBy { hoisted: false, local: true, pattern: false };
        bindings.extend(locals.iter().cloned().map(|Local { ident, mutable, cfgs }| Binding {
            ident,
            mutable,
            owned: true,
            by,
            cfgs,
        }));
        if let Shape::Future(tail) = shape {
            bindings.retain(|binding| binding.hoisted() || mentions(&tail.inner.stream(), &binding.ident));
        }
        bindings
    }

    /// The names of the signature's arguments.
    pub(crate) fn arguments(&self) -> Vec<Ident> {
        let mut names = Vec::new();
        for argument in &self.sig.inputs {
            match argument {
                FnArg::Receiver(receiver) => names.push(Ident::new("self", receiver.self_token.span)),
                FnArg::Typed(typed) => {
                    each_binding(&mut (*typed.pat).clone(), &mut |pat, _| names.push(pat.ident.clone()));
                }
            }
        }
        names
    }

    /// Names of the type parameters, as far as they are known.
    pub(crate) fn type_parameters(&self) -> Vec<&Ident> {
        let outer = self.owner.iter().flat_map(|owner| &owner.types);
        outer.chain(type_parameters(&self.sig.generics)).collect()
    }

    /// Why what it returns, now or as a future, is not taken for a `Result`: it goes by the name.
    pub(crate) fn returns_no_result(&self) -> Option<String> {
        let Some(written) = self.output() else { return Some("it returns nothing".to_owned()) };
        let output = future_output(written).or_else(|| item_of(written, &STREAM));
        match last_segment(output.as_ref().unwrap_or(written)) {
            Some((name, _)) if name.ends_with("Result") => None,
            Some((name, _)) => Some(format!("it returns `{name}`, not a `Result`")),
            None => Some("it returns no `Result`".to_owned()),
        }
    }
}

pub(crate) fn type_parameters(generics: &Generics) -> impl Iterator<Item = &Ident> {
    generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(&param.ident),
        _ => None,
    })
}

/// The attributes that decide whether something is there at all.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

fn owned(argument: &FnArg) -> bool {
    match argument {
        FnArg::Receiver(receiver) => receiver_is_owned(receiver),
        FnArg::Typed(typed) => !is_reference(&typed.ty),
    }
}

/// `self`, `self: Arc<Self>`; not `&self` in any spelling.
pub(crate) fn receiver_is_owned(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Value => true,
        ReceiverKind::Typed(_, ty) => !is_reference(ty) && !is_pinned_reference(ty),
        _ => false,
    }
}

/// `&T`, in parentheses or not.
pub(crate) fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => true,
        Type::Paren(inner) => is_reference(&inner.elem),
        Type::Group(inner) => is_reference(&inner.elem),
        _ => false,
    }
}

fn is_pinned_reference(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|(name, types)| name == "Pin" && types.iter().any(|ty| is_reference(ty)))
}

/// A name, `mut` or not, and nothing else.
pub(crate) fn is_plain(pat: &Pat) -> bool {
    matches!(pat, Pat::Ident(pat) if pat.subpat.is_none())
}

/// `mut` itself; that of `ref mut` is the reference's.
fn is_mutable(pat: &PatIdent) -> bool {
    pat.mutability.is_some() && pat.by_ref.is_none()
}

/// Calls `visit` for every name a pattern binds by value; `false` where `mut` may not be put in front of it.
pub(crate) fn each_binding(pat: &mut Pat, visit: &mut dyn FnMut(&mut PatIdent, bool)) {
    walk_pattern(pat, true, visit);
}

fn walk_pattern(pat: &mut Pat, plain: bool, visit: &mut dyn FnMut(&mut PatIdent, bool)) {
    match pat {
        Pat::Ident(ident) => {
            if let Some((_, sub)) = &mut ident.subpat {
                walk_pattern(sub, plain, visit);
            }
            // A unit struct is a pattern too, and starts with a capital.
            if !ident.ident.to_string().starts_with(char::is_uppercase) {
                let by_value = plain && ident.by_ref.is_none();
                visit(ident, by_value);
            }
        }
        Pat::Or(or) => or.cases.iter_mut().for_each(|case| walk_pattern(case, plain, visit)),
        Pat::Paren(paren) => walk_pattern(&mut paren.pat, plain, visit),
        Pat::Reference(reference) => walk_pattern(&mut reference.pat, false, visit),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(|elem| walk_pattern(elem, plain, visit)),
        Pat::Struct(fields) => {
            fields.fields.iter_mut().for_each(|field| walk_pattern(&mut field.pat, plain, visit));
        }
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| walk_pattern(elem, plain, visit)),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(|elem| walk_pattern(elem, plain, visit)),
        Pat::Type(typed) => walk_pattern(&mut typed.pat, plain, visit),
        _ => {}
    }
}

/// Whether the body may use a variable `ident`; a string may (`"{order}"`), a field or a path of that name does not.
pub(crate) fn mentions(tokens: &TokenStream, ident: &Ident) -> bool {
    let name = ident.unraw().to_string();
    mentions_name(tokens, &name)
}

fn mentions_name(tokens: &TokenStream, name: &str) -> bool {
    let tokens = flatten(tokens.clone());
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(other) => other.unraw() == name && !is_member(&tokens, at),
        TokenTree::Literal(literal) => {
            let text = literal.to_string();
            text.contains(&format!("{{{name}")) || text.contains(&format!("{name}$"))
        }
        TokenTree::Group(_) | TokenTree::Punct(_) => false,
    })
}

/// Whether a token belongs to what stands before it: `x.name`, `x::name`; not `..name`.
fn is_member(tokens: &[TokenTree], at: usize) -> bool {
    let punct = |back: usize| match at.checked_sub(back).map(|at| &tokens[at]) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    };
    match punct(1) {
        Some('.') => punct(2) != Some('.'),
        Some(':') => punct(2) == Some(':'),
        _ => false,
    }
}

/// Where an expression says `Self`.
pub(crate) fn use_of_self_type(tokens: &TokenStream) -> Option<Ident> {
    flatten(tokens.clone()).into_iter().find_map(|token| match token {
        TokenTree::Ident(name) if name == "Self" => Some(name),
        _ => None,
    })
}

/// Where an expression uses the variable `ident`, as far as its tokens tell: not a field, a path or a name of its own.
pub(crate) fn use_of(tokens: &TokenStream, ident: &Ident) -> Option<Ident> {
    let tokens = flatten(tokens.clone());
    let punct = |token: Option<&TokenTree>, chars: &str| matches!(token, Some(TokenTree::Punct(punct)) if chars.contains(punct.as_char()));
    let binds = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == '|',
        TokenTree::Ident(keyword) => ["let", "match", "for"].iter().any(|word| keyword == word),
        _ => false,
    };
    let parameters = match tokens.iter().position(|token| punct(Some(token), "|")) {
        Some(open) => {
            tokens[open + 1..].iter().position(|token| punct(Some(token), "|")).map_or(0, |at| open + at + 2)
        }
        None => 0,
    };
    let (parameters, value) = tokens.split_at(parameters);
    let names_it = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == ident);
    if parameters.iter().any(names_it) || value.iter().any(binds) {
        return None;
    }
    (0..value.len()).find_map(|at| match &value[at] {
        TokenTree::Ident(name) if name == ident => {
            (!is_member(value, at) && !punct(value.get(at + 1), ":!")).then(|| name.clone())
        }
        _ => None,
    })
}

/// The last segment of a path type: its name and its type arguments.
pub(crate) fn last_segment(ty: &Type) -> Option<(String, Vec<&Type>)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let types = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    Some((last.ident.to_string(), types))
}

/// How a trait of answers to come is written.
struct Coming {
    name: &'static str,
    answer: &'static str,
    aliases: [&'static str; 2],
}

const FUTURE: Coming = Coming { name: "Future", answer: "Output", aliases: ["BoxFuture", "LocalBoxFuture"] };
const STREAM: Coming = Coming { name: "Stream", answer: "Item", aliases: ["BoxStream", "LocalBoxStream"] };

/// The `R` of `impl Future<Output = R>`, `Pin<Box<dyn Future<Output = R>>>` and `BoxFuture<'_, R>`.
fn future_output(ty: &Type) -> Option<Type> {
    item_of(ty, &FUTURE)
}

fn item_of(ty: &Type, coming: &Coming) -> Option<Type> {
    match ty {
        Type::ImplTrait(opaque) => opaque.bounds.iter().find_map(|bound| item_of_bound(bound, coming)),
        Type::TraitObject(object) => object.bounds.iter().find_map(|bound| item_of_bound(bound, coming)),
        Type::Paren(inner) => item_of(&inner.elem, coming),
        Type::Group(inner) => item_of(&inner.elem, coming),
        Type::Path(_) => {
            let (name, types) = last_segment(ty)?;
            match (name.as_str(), types.as_slice()) {
                ("Pin", [pointer]) => {
                    let (name, types) = last_segment(pointer)?;
                    match (name.as_str(), types.as_slice()) {
                        ("Box", [object @ Type::TraitObject(_)]) => item_of(object, coming),
                        _ => None,
                    }
                }
                (alias, [output]) if coming.aliases.contains(&alias) => Some((*output).clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

fn item_of_bound(bound: &TypeParamBound, coming: &Coming) -> Option<Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last().filter(|last| last.ident == coming.name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == coming.answer => Some(assoc.ty.clone()),
        _ => None,
    })
}

/// Without parentheses, seen or not.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => ungrouped(&inner.elem),
        Type::Group(inner) => ungrouped(&inner.elem),
        other => other,
    }
}

/// Finds the async block at the end of a body.
fn future_tail(body: &Group, output: Type) -> Option<FutureTail> {
    let mut tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let is_boxed = matches!(
        tokens.as_slice(),
        [.., TokenTree::Punct(dot), TokenTree::Ident(method), TokenTree::Group(empty)]
            if dot.as_char() == '.'
                && (method == "boxed" || method == "boxed_local")
                && empty.delimiter() == Delimiter::Parenthesis
                && empty.stream().is_empty()
    );
    let after = if is_boxed { tokens.split_off(tokens.len() - 3) } else { Vec::new() };
    let (before, in_call, (keywords, inner)) = match tokens.as_slice() {
        [before @ .., TokenTree::Group(call)] if call.delimiter() == Delimiter::Parenthesis => {
            if !matches!(before, [.., TokenTree::Ident(pin)] if pin == "pin") {
                return None;
            }
            let mut arguments: Vec<TokenTree> = call.stream().into_iter().collect();
            if matches!(arguments.last(), Some(TokenTree::Punct(comma)) if comma.as_char() == ',') {
                arguments.pop();
            }
            let (rest, block) = async_block(&arguments)?;
            rest.is_empty().then_some(())?;
            (before.to_vec(), true, block)
        }
        tokens => {
            let (before, block) = async_block(tokens)?;
            (before.to_vec(), false, block)
        }
    };
    let (hoisted, inner) = hoist(&inner);
    let locals = locals(&before);
    Some(FutureTail {
        locals,
        before: before.into_iter().collect(),
        in_call,
        keywords,
        hoisted,
        inner,
        after: after.into_iter().collect(),
        output,
    })
}

/// The names that `let` statements bind, each as its last statement has it.
fn locals(statements: &[TokenTree]) -> Vec<Local> {
    let mut locals: Vec<Local> = Vec::new();
    for (at, token) in statements.iter().enumerate() {
        let statement = match at.checked_sub(1).map(|before| &statements[before]) {
            Some(TokenTree::Ident(keyword)) => keyword != "if" && keyword != "while",
            Some(TokenTree::Punct(punct)) => punct.as_char() != '&',
            _ => true,
        };
        if !(statement && matches!(token, TokenTree::Ident(keyword) if keyword == "let")) {
            continue;
        }
        let pattern = |input: ParseStream<'_>| {
            let pat = Pat::parse_single(input)?;
            input.parse::<TokenStream>()?;
            Ok(pat)
        };
        let Ok(mut pat) = pattern.parse2(statements[at + 1..].iter().cloned().collect()) else { continue };
        let cfgs = cfgs(&attributes_before(&statements[..at]));
        each_binding(&mut pat, &mut |pat, _| {
            locals.retain(|local| local.ident != pat.ident);
            let (ident, mutable) = (pat.ident.clone(), is_mutable(pat));
            locals.push(Local { ident, mutable, cfgs: cfgs.clone() });
        });
    }
    locals
}

fn attributes_before(tokens: &[TokenTree]) -> Vec<Attribute> {
    let pairs = tokens.rchunks_exact(2).take_while(|pair| {
        matches!(pair, [TokenTree::Punct(hash), TokenTree::Group(list)]
            if hash.as_char() == '#' && list.delimiter() == Delimiter::Bracket)
    });
    let start = tokens.len() - 2 * pairs.count();
    Attribute::parse_outer.parse2(tokens[start..].iter().cloned().collect()).unwrap_or_default()
}

/// `.. async move { .. }` as what comes before, the keywords and the block.
fn async_block(tokens: &[TokenTree]) -> Option<(&[TokenTree], (TokenStream, Group))> {
    let [start @ .., TokenTree::Group(block)] = tokens else { return None };
    if block.delimiter() != Delimiter::Brace {
        return None;
    }
    let keyword = |token: &TokenTree, word: &str| matches!(token, TokenTree::Ident(ident) if ident == word);
    let count = match start {
        [.., first, second] if keyword(first, "async") && keyword(second, "move") => 2,
        [.., last] if keyword(last, "async") => 1,
        _ => return None,
    };
    let (before, keywords) = start.split_at(start.len() - count);
    Some((before, (keywords.iter().cloned().collect(), block.clone())))
}

/// Takes `async_trait`'s prelude off the front of its block.
///
/// ```text
/// if let Some(__ret) = None::<Ret> { return __ret; }     dropped: the attempt has such a branch of its own
/// let __self = self;                                     hoisted: the arguments are owned once, by the call
/// let order = order;
/// let (a, b) = { let __arg2 = __arg2; __arg2 };
/// ```
fn hoist(block: &Group) -> (Vec<Hoisted>, Group) {
    let mut rest: Vec<TokenTree> = block.stream().into_iter().collect();
    let mut hoisted = Vec::new();
    if let Some(end) = returning_branch(&rest) {
        rest.drain(..=end);
    }
    let ends = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    while let Some(end) = rest.iter().position(ends) {
        let Ok(line) = hoisted_line.parse2(rest[..=end].iter().cloned().collect()) else { break };
        hoisted.push(line);
        rest.drain(..=end);
    }
    let mut inner = Group::new(Delimiter::Brace, rest.into_iter().collect());
    inner.set_span(block.span());
    (hoisted, inner)
}

/// Where the branch at the beginning ends that is there for the type of `__ret` alone.
fn returning_branch(tokens: &[TokenTree]) -> Option<usize> {
    let is_branch = matches!(tokens.first(), Some(TokenTree::Ident(ident)) if ident == "if");
    let is_block =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = tokens.iter().position(is_block)?;
    (is_branch && mentions_name(&tokens[..end].iter().cloned().collect(), "__ret")).then_some(end)
}

fn hoisted_line(input: ParseStream<'_>) -> syn::Result<Hoisted> {
    let attrs = input.call(Attribute::parse_outer)?;
    let let_token = input.parse()?;
    let pat = Pat::parse_single(input)?;
    let equals: Token![=] = input.parse()?;
    let mut rest = equals.to_token_stream();
    let source = if input.peek(syn::token::Brace) {
        let block: Group = input.parse()?;
        let source = match block.stream().into_iter().last() {
            Some(TokenTree::Ident(ident)) if ident.to_string().starts_with("__arg") => ident,
            _ => return Err(input.error("not a line of async_trait's")),
        };
        block.to_tokens(&mut rest);
        source
    } else {
        let source = input.call(Ident::parse_any)?;
        let same = matches!(&pat, Pat::Ident(pat) if pat.ident == source || (pat.ident == "__self" && source == "self"));
        if !same {
            return Err(input.error("not a line of async_trait's"));
        }
        source.to_tokens(&mut rest);
        source
    };
    let semicolon: Token![;] = input.parse()?;
    semicolon.to_tokens(&mut rest);
    Ok(Hoisted { attrs, let_token, pat, rest, source })
}

/// Replaces every `impl Trait` in a type by `_`, so that it can be written in an expression.
pub(crate) fn erase_opaque(ty: &mut Type) {
    match ty {
        Type::ImplTrait(opaque) => {
            *ty = Type::Infer(syn::TypeInfer {
                attrs: Vec::new(),
                underscore_token: Token![_](opaque.impl_token.span),
            });
        }
        _ => parts(ty, &mut |part| erase_opaque(part)),
    }
}

/// Whether a type hands out a unique borrow; what a function pointer takes does not count.
pub(crate) fn has_unique_borrow(ty: &Type) -> bool {
    if matches!(ty, Type::Reference(reference) if reference.mutability.is_some()) {
        return true;
    }
    let mut found = false;
    parts(&mut ty.clone(), &mut |part| found |= has_unique_borrow(part));
    found
}

/// The types a type is made of, as far as values of them are inside its values.
fn parts(ty: &mut Type, visit: &mut dyn FnMut(&mut Type)) {
    match ty {
        Type::Array(array) => visit(&mut array.elem),
        Type::Group(group) => visit(&mut group.elem),
        Type::Paren(paren) => visit(&mut paren.elem),
        Type::Ptr(pointer) => visit(&mut pointer.elem),
        Type::Reference(reference) => visit(&mut reference.elem),
        Type::Slice(slice) => visit(&mut slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(visit),
        Type::Path(path) => {
            if let Some(qself) = &mut path.qself {
                visit(&mut qself.ty);
            }
            for segment in &mut path.path.segments {
                in_arguments(&mut segment.arguments, visit);
            }
        }
        Type::ImplTrait(opaque) => in_bounds(opaque.bounds.iter_mut(), visit),
        Type::TraitObject(object) => in_bounds(object.bounds.iter_mut(), visit),
        _ => {}
    }
}

fn in_arguments(arguments: &mut PathArguments, visit: &mut dyn FnMut(&mut Type)) {
    if let PathArguments::AngleBracketed(arguments) = arguments {
        for argument in &mut arguments.args {
            match argument {
                GenericArgument::Type(ty) => visit(ty),
                GenericArgument::AssocType(assoc) => visit(&mut assoc.ty),
                _ => {}
            }
        }
    }
}

fn in_bounds<'a>(bounds: impl Iterator<Item = &'a mut TypeParamBound>, visit: &mut dyn FnMut(&mut Type)) {
    for bound in bounds {
        if let TypeParamBound::Trait(bound) = bound {
            for segment in &mut bound.path.segments {
                in_arguments(&mut segment.arguments, visit);
            }
        }
    }
}

/// Why values of this type may not go to another thread, as far as its tokens tell.
pub(crate) fn why_not_sendable(ty: &Type, parameters: &[&Ident]) -> Option<String> {
    let tokens: Vec<TokenTree> = flatten(ty.to_token_stream());
    let sendable = tokens.iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident == "Send"));
    let lifetime = |at: usize| match (tokens.get(at), tokens.get(at + 1)) {
        (Some(TokenTree::Punct(tick)), Some(TokenTree::Ident(name))) if tick.as_char() == '\'' => Some(name),
        _ => None,
    };
    for (at, token) in tokens.iter().enumerate() {
        let reason = match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                if lifetime(at + 1).is_some_and(|name| name == "static") {
                    continue;
                }
                "is borrowed".to_owned()
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => "is a raw pointer".to_owned(),
            TokenTree::Punct(_) => match lifetime(at) {
                Some(name) if name != "static" => format!("borrows for `'{name}`"),
                _ => continue,
            },
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                match name.as_str() {
                    "impl" => "has an `impl` type".to_owned(),
                    "dyn" if !sendable => "is a trait object without `Send`".to_owned(),
                    "Self" => "depends on `Self`".to_owned(),
                    "Rc" | "MutexGuard" | "RwLockReadGuard" | "RwLockWriteGuard" | "Ref" | "RefMut" => {
                        format!("contains `{name}`, which stays on its thread")
                    }
                    _ if parameters.contains(&ident) => format!("depends on the type parameter `{name}`"),
                    _ => continue,
                }
            }
            _ => continue,
        };
        return Some(reason);
    }
    None
}

fn flatten(tokens: TokenStream) -> Vec<TokenTree> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => flatten(group.stream()),
            other => vec![other],
        })
        .collect()
}
