//! From a plan to code. One template: async and sync differ by a few tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprPath, FnArg, Pat, Path, ReceiverKind, ReturnType, Type, TypeInfer};

use crate::item::{
    FutureTail, GuardedFn, Owner, Shape, cfgs, each_binding, erase_opaque, is_plain, is_reference, mentions,
};
use crate::paths::Paths;
use crate::plan::{Capture, Fallback, Health, Judgement, Plan, RetryOnly, Setting, TimeLimit};

/// Prints the guarded function.
///
/// ```text
/// // Input:
/// #[api_resilient(max_attempts = 4)]
/// async fn charge(order: Order, tag: &str) -> Result<Receipt, PayError> { body }
///
/// // Output, with `__private::` left out:
/// async fn charge(mut order: Order, tag: &str) -> Result<Receipt, PayError> {
///     static __RESILIENT_SITE: Site = Site::new(Spec::new("charge", module_path!(), file!(), line!())
///         .asynchronous().attribute("api_resilient").operation_type("api").retry().breaker()
///         .timeout(TimeoutMode::Poll).written(|| Settings::new().max_attempts(4)));
///     inventory::submit! { Listed(&__RESILIENT_SITE) }
///     let mut call = Execution::enter(&__RESILIENT_SITE);
///     loop {
///         {
///             let out = 'attempt: {
///                 if let Err(refused) = call.admit() { break 'attempt Err(refused); }
///                 call.attempt(async {
///                     if false { let _ = &mut order; let typed: Result<Receipt, PayError> = typed(); return typed; }
///                     { body }
///                 }).await
///             };
///             let ended = match &out {
///                 Ok(ret) => { call.answered(); call.settle(verdict of ret) }
///                 Err(refused) => call.settle_refused(refused),
///             };
///             if ended {
///                 if call.is_spent() { forget(call) } else { call.end_call() }
///                 return match out {
///                     Ok(ret) => ret,
///                     Err(refused) => refuse::<Result<Receipt, PayError>>(refused),
///                 };
///             }
///         }
///         call.pause().await;
///     }
/// }
/// ```
///
/// The branch that never runs makes the block borrow `order` uniquely, so that the next attempt has it again and
/// the future is `Send` where `order` is; and it tells the block what it returns.
pub(crate) fn expand(function: GuardedFn, plan: &Plan, imports: &[Path]) -> TokenStream {
    let site = Span::mixed_site();
    let GuardedFn { attrs, vis, defaultness, mut sig, body, owner } = function;
    let output = Output::of(plan, &sig);
    let mut arguments = Arguments::new(plan, &mut sig.inputs);
    let statics = statics(plan, &sig.ident, owner.as_ref(), imports);
    let body = match &plan.shape {
        Shape::Sync | Shape::Async => {
            let call = call(plan, &output, &arguments, &body);
            quote_spanned!(site=> #statics #call)
        }
        Shape::Stream(streamed) => {
            let stream = stream(plan, &sig.output, &output, &arguments, &body);
            let stream =
                if streamed.boxed { quote_spanned!(site=> ::std::boxed::Box::pin(#stream)) } else { stream };
            quote_spanned!(site=> #statics #stream)
        }
        Shape::Future(tail) => {
            let FutureTail { before, in_call, keywords, hoisted, inner, after, .. } = &**tail;
            let hoisted = arguments.hoist(plan, hoisted);
            let call = call(plan, &output, &arguments, inner);
            let mut block = Group::new(Delimiter::Brace, quote_spanned!(site=> #(#hoisted)* #call));
            block.set_span(inner.span());
            let future = quote_spanned!(site=> #keywords #block);
            let future = if *in_call { quote_spanned!(site=> (#future)) } else { future };
            quote_spanned!(site=> #statics #before #future #after)
        }
    };
    let body = in_braces(body, site);
    // Handing `_unused` on to the fallback is no use of it by the user.
    let hands_on = plan.hands_on()
        && plan.bindings.iter().any(|(binding, _)| binding.ident.to_string().starts_with('_'));
    let quiet = hands_on.then(|| quote_spanned!(site=> #[allow(clippy::used_underscore_binding)]));
    quote!(#(#attrs)* #quiet #vis #defaultness #sig #body)
}

/// The item as it was, for an editor to go on with after an error.
pub(crate) fn plain(mut function: GuardedFn, imports: &[Path]) -> TokenStream {
    let (imports, body) = (uses(imports), function.body.stream());
    let mut group = Group::new(Delimiter::Brace, quote!(#imports #body));
    group.set_span(function.body.span());
    function.body = group;
    function.into_token_stream()
}

/// Keeps the imports of attributes that were taken off the function from being reported as unused.
fn uses(imports: &[Path]) -> TokenStream {
    let import = |path: &Path| {
        // Where the attribute is, so that a missing import of it is shown there.
        let span = Span::mixed_site().located_at(path.span());
        quote_spanned!(span=> #[allow(unused_imports)] use #path as _;)
    };
    imports.iter().map(import).collect()
}

/// The same beside an item that has no body.
pub(crate) fn used(imports: &[Path]) -> TokenStream {
    let imports = uses(imports);
    quote_spanned!(Span::mixed_site()=> const _: () = { #imports };)
}

/// Items that are there under the conditions of another.
pub(crate) fn under(conditions: &[Attribute], items: TokenStream) -> TokenStream {
    if conditions.is_empty() || items.is_empty() {
        return items;
    }
    quote_spanned!(Span::mixed_site()=> #(#conditions)* const _: () = { #items };)
}

fn in_braces(tokens: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(span);
    group
}

/// The type of the value the body ends in.
struct Output {
    /// Writable in an expression: `impl Trait` is `_`.
    ty: Type,
    /// Where a mistake about it belongs.
    span: Span,
    /// Where the function's name is.
    function: Span,
}

impl Output {
    fn of(plan: &Plan, sig: &syn::Signature) -> Self {
        let written = match (&plan.shape, &sig.output) {
            (Shape::Future(tail), _) => Some(&tail.output),
            (Shape::Stream(stream), _) => Some(&stream.item),
            (_, syn::ReturnType::Type(_, ty)) => Some(&**ty),
            (_, syn::ReturnType::Default) => None,
        };
        let function = sig.ident.span();
        if let Some(written) = written {
            let mut ty = written.clone();
            erase_opaque(&mut ty);
            Self { ty, span: written.span(), function }
        } else {
            Self { ty: syn::parse_quote_spanned!(function=> ()), span: function, function }
        }
    }

    fn is_inferred(&self) -> bool {
        matches!(self.ty, Type::Infer(TypeInfer { .. }))
    }
}

/// The signature's arguments as the attempts and the fallback see them.
struct Arguments {
    /// What the fallback is called with.
    passed: Vec<Passed>,
    /// Runs at the start of every attempt, outside its block.
    prepared: TokenStream,
    /// `let _ = &mut argument;` for the branch that never runs.
    borrowed: TokenStream,
}

/// An argument for the fallback.
struct Passed {
    cfgs: Vec<Attribute>,
    name: Ident,
    held: Held,
}

/// How an argument is there, by its look.
#[derive(Clone, Copy)]
enum Held {
    Owned,
    Shared,
    Unique,
}

impl Held {
    fn of(ty: &Type) -> Self {
        match ty {
            Type::Reference(reference) if reference.mutability.is_some() => Self::Unique,
            Type::Paren(inner) => Self::of(&inner.elem),
            Type::Group(inner) => Self::of(&inner.elem),
            ty if is_reference(ty) => Self::Shared,
            _ => Self::Owned,
        }
    }
}

impl Passed {
    /// The argument as one function of a chain gets it that is not the last to get it.
    fn for_now(&self, plan: &Plan, span: Span) -> TokenStream {
        let Self { cfgs, name, held } = self;
        let name = at_place(name, span);
        match held {
            Held::Owned => {
                let private = plan.paths.private(span);
                quote_spanned!(span=> #(#cfgs)* #private::handed_on(&#name))
            }
            Held::Shared => quote_spanned!(span=> #(#cfgs)* #name),
            Held::Unique => quote_spanned!(span=> #(#cfgs)* &mut *#name),
        }
    }

    fn at_last(&self, span: Span) -> TokenStream {
        let Self { cfgs, name, .. } = self;
        let name = at_place(name, span);
        quote_spanned!(span=> #(#cfgs)* #name)
    }
}

/// A name of the user's, shown where `span` is.
fn at_place(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(name.span().located_at(span));
    name
}

impl Arguments {
    /// Makes the signature fit the captures: `mut` where an attempt borrows uniquely, none where it gets a copy, a
    /// name in place of a pattern whose whole value the fallback needs.
    fn new(plan: &Plan, inputs: &mut syn::punctuated::Punctuated<FnArg, syn::Token![,]>) -> Self {
        let site = Span::mixed_site();
        let mut arguments =
            Self { passed: Vec::new(), prepared: TokenStream::new(), borrowed: TokenStream::new() };
        for (at, argument) in inputs.iter_mut().enumerate() {
            match argument {
                FnArg::Receiver(receiver) => {
                    let token = receiver.self_token;
                    let hoisted = plan
                        .bindings
                        .iter()
                        .find(|(binding, _)| binding.ident == "__self" && binding.hoisted());
                    let from =
                        hoisted.map_or_else(|| Ident::new("self", token.span), |(own, _)| own.ident.clone());
                    let held = match &receiver.kind {
                        ReceiverKind::Typed(_, ty) => Held::of(ty),
                        ReceiverKind::Reference(_, _, None) => Held::Shared,
                        ReceiverKind::Reference(..) => Held::Unique,
                        _ => Held::Owned,
                    };
                    arguments.pass(&receiver.attrs, &from, held);
                    if capture(plan, &Ident::new("self", token.span), false) == Some(Capture::Unique) {
                        receiver.mutability = Some(syn::Token![mut](site.located_at(token.span)));
                    }
                }
                FnArg::Typed(typed) => {
                    if plan.hands_on() && !is_plain(&typed.pat) {
                        let name = format_ident!("arg{at}", span = site.located_at(typed.pat.span()));
                        arguments.pass(&typed.attrs, &name, Held::of(&typed.ty));
                        let pat = std::mem::replace(&mut *typed.pat, Pat::Ident(plain_pattern(&name)));
                        if !matches!(pat, Pat::Wild(_)) {
                            arguments.take_apart(plan, pat, &name, false, &cfgs(&typed.attrs));
                        }
                        continue;
                    }
                    if let Pat::Ident(pat) = &*typed.pat {
                        arguments.pass(&typed.attrs, &pat.ident, Held::of(&typed.ty));
                    }
                    fit(plan, &mut typed.pat, false);
                }
            }
        }
        arguments.capture(plan, false);
        arguments
    }

    fn pass(&mut self, attrs: &[Attribute], name: &Ident, held: Held) {
        self.passed.push(Passed { cfgs: cfgs(attrs), name: name.clone(), held });
    }

    /// `async_trait`'s `let` lines, made to fit as the signature was.
    fn hoist(&mut self, plan: &Plan, lines: &[crate::item::Hoisted]) -> Vec<TokenStream> {
        let mut kept = Vec::new();
        for line in lines {
            let mut line = line.clone();
            if plan.hands_on() && !is_plain(&line.pat) {
                self.take_apart(plan, line.pat, &line.source, true, &cfgs(&line.attrs));
                continue;
            }
            fit(plan, &mut line.pat, true);
            kept.push(line.to_token_stream());
        }
        self.capture(plan, true);
        kept.extend(take_over(plan));
        kept
    }

    /// Takes a copy of a whole argument apart at the start of every attempt.
    fn take_apart(&mut self, plan: &Plan, mut pat: Pat, source: &Ident, hoisted: bool, cfgs: &[Attribute]) {
        fit(plan, &mut pat, hoisted);
        let span = Span::mixed_site().located_at(pat.span());
        let private = plan.paths.private(span);
        self.prepared.extend(quote_spanned!(span=> #(#cfgs)* let #pat = #private::fresh(&#source);));
    }

    fn capture(&mut self, plan: &Plan, hoisted: bool) {
        let site = Span::mixed_site();
        for (binding, capture) in plan.bindings.iter().filter(|(binding, _)| binding.hoisted() == hoisted) {
            let (ident, cfgs) = (&binding.ident, &binding.cfgs);
            match capture {
                Capture::AsUsed => {}
                Capture::Unique => {
                    self.borrowed.extend(quote_spanned!(site=> #(#cfgs)* let _ = &mut #ident;));
                }
                Capture::Copied => {
                    let span = site.located_at(ident.span());
                    let private = plan.paths.private(span);
                    // On its own the copy is captured as the body uses it; `mut` is for the unique borrow.
                    let borrows = plan.is_async() && !matches!(plan.shape, Shape::Stream(_));
                    let mutable = (binding.mutable || borrows).then(|| quote_spanned!(site=> mut));
                    self.prepared.extend(quote_spanned!(span=> #(#cfgs)* #[allow(clippy::shadow_reuse)] let #mutable #ident = #private::fresh(&#ident);));
                    if borrows {
                        self.borrowed.extend(quote_spanned!(site=> #(#cfgs)* let _ = &mut #ident;));
                    }
                }
            }
        }
    }
}

/// What came in by the signature or a `let` of the user's, made the block's own.
///
/// ```text
/// let mut client = client;        to be borrowed uniquely by every attempt
/// let _ = &mut count;             changed by its copies only, so that `mut` would be called needless
/// ```
fn take_over(plan: &Plan) -> Vec<TokenStream> {
    let site = Span::mixed_site();
    let own = plan.bindings.iter().filter(|(binding, _)| !binding.hoisted());
    own.filter_map(|(binding, capture)| {
        let (ident, cfgs) = (&binding.ident, &binding.cfgs);
        match capture {
            Capture::Unique if binding.local() => {
                let span = site.located_at(ident.span());
                Some(quote_spanned!(span=> #(#cfgs)* let mut #ident = #ident;))
            }
            Capture::Copied if binding.mutable => Some(quote_spanned!(site=> #(#cfgs)* let _ = &mut #ident;)),
            _ => None,
        }
    })
    .collect()
}

fn plain_pattern(ident: &Ident) -> syn::PatIdent {
    syn::PatIdent { attrs: Vec::new(), by_ref: None, mutability: None, ident: ident.clone(), subpat: None }
}

fn capture(plan: &Plan, ident: &Ident, hoisted: bool) -> Option<Capture> {
    let found = plan
        .bindings
        .iter()
        .find(|(binding, _)| binding.ident == *ident && binding.hoisted() == hoisted && !binding.local());
    found.map(|(_, capture)| *capture)
}

fn fit(plan: &Plan, pat: &mut Pat, hoisted: bool) {
    each_binding(pat, &mut |pat, _| match capture(plan, &pat.ident, hoisted) {
        Some(Capture::Unique) => {
            pat.mutability = Some(syn::Token![mut](Span::mixed_site().located_at(pat.ident.span())));
        }
        // What stands before a block may change it too.
        Some(Capture::Copied) if hoisted || !matches!(plan.shape, Shape::Future(_)) => pat.mutability = None,
        Some(_) | None => {}
    });
}

/// The function's place in the list of all guarded functions, with what was written.
fn statics(plan: &Plan, ident: &Ident, owner: Option<&Owner>, imports: &[Path]) -> TokenStream {
    let site = Span::mixed_site();
    let private = plan.paths.private(site);
    let name = syn::ext::IdentExt::unraw(ident).to_string();
    let mut spec = TokenStream::new();
    let mut add = |tokens: TokenStream| spec.extend(tokens);
    if let Some(Owner { name, .. }) = owner {
        add(quote_spanned!(site=> .owner(#name)));
    }
    // The attribute's line is the block's.
    let line = line(owner.map_or(site, |_| ident.span()));
    if plan.is_async() {
        add(quote_spanned!(site=> .asynchronous()));
    }
    for word in &plan.attributes {
        add(quote_spanned!(site=> .attribute(#word)));
    }
    if let Some(operation_type) = &plan.operation_type {
        add(quote_spanned!(site=> .operation_type(#operation_type)));
    }
    if let Some(name) = &plan.operation_name {
        add(quote_spanned!(site=> .operation_name(#name)));
    }
    if plan.fallback.is_some() {
        add(quote_spanned!(site=> .fallback()));
    }
    if plan.deadline {
        add(quote_spanned!(site=> .deadline()));
    }
    if let Some(retry) = &plan.retry {
        add(quote_spanned!(site=> .retry()));
        if retry.on_open {
            add(quote_spanned!(site=> .retry_on_open()));
        }
    }
    if plan.hedge {
        add(quote_spanned!(site=> .hedge()));
    }
    if let Some(breaker) = &plan.breaker {
        add(quote_spanned!(site=> .breaker()));
        if let Some(name) = &breaker.name {
            add(quote_spanned!(site=> .breaker_name(#name)));
        }
        if breaker.per_call {
            add(quote_spanned!(site=> .breaker_per_call()));
        }
        if breaker.critical {
            add(quote_spanned!(site=> .critical()));
        }
    }
    if let Some(limit) = &plan.rate_limit {
        add(quote_spanned!(site=> .rate_limit()));
        if let Some(name) = &limit.name {
            add(quote_spanned!(site=> .rate_limit_name(#name)));
        }
    }
    if let Some(limit) = plan.timeout {
        let mode = match limit {
            TimeLimit::Poll => quote_spanned!(site=> Poll),
            TimeLimit::Thread => quote_spanned!(site=> Thread),
            TimeLimit::Deadline => quote_spanned!(site=> Deadline),
        };
        add(quote_spanned!(site=> .timeout(#private::TimeoutMode::#mode)));
    }
    if let Some(bulkhead) = &plan.bulkhead {
        add(quote_spanned!(site=> .bulkhead()));
        if let Some(name) = &bulkhead.name {
            add(quote_spanned!(site=> .bulkhead_name(#name)));
        }
    }
    if plan.per_key.is_some() {
        add(quote_spanned!(site=> .keyed()));
    }
    if let Some(Health { service, settings }) = &plan.health {
        let settings = chain(settings);
        add(quote_spanned!(site=> .service(#service, || #private::HealthConfig::new() #settings)));
    }
    if !plan.settings.is_empty() {
        let settings = chain(&plan.settings);
        add(quote_spanned!(site=> .written(|| #private::Settings::new() #settings)));
    }
    let (uses, import) = (uses(imports), plan.paths.import());
    quote_spanned! {site=>
        #uses
        #import
        static __RESILIENT_SITE: #private::Site = #private::Site::new(
            #private::Spec::new(#name, ::core::module_path!(), ::core::file!(), #line) #spec
        );
        #private::inventory::submit! { #private::Listed(&__RESILIENT_SITE) }
    }
}

/// The line of what stands at `span`; of the whole expansion where that is ours.
fn line(span: Span) -> TokenStream {
    quote_spanned!(span=> ::core::line!())
}

/// Why nothing guards a method of a guarded block, kept beside the block.
pub(crate) struct Skipped {
    /// Decide whether it is there at all.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) reason: String,
}

impl Skipped {
    pub(crate) fn new(attrs: &[Attribute], ident: &Ident, reason: impl Into<String>) -> Self {
        Self { cfgs: cfgs(attrs), ident: ident.clone(), reason: reason.into() }
    }
}

pub(crate) fn skipped(methods: &[Skipped], paths: &Paths, owner: &Owner) -> TokenStream {
    let site = Span::mixed_site();
    let (private, import, owner) = (paths.private(site), paths.import(), &owner.name);
    let listed = methods.iter().map(|Skipped { cfgs, ident, reason }| {
        let (name, line) = (syn::ext::IdentExt::unraw(ident).to_string(), line(ident.span()));
        quote_spanned! {site=>
            #(#cfgs)*
            const _: () = {
                #import
                #private::inventory::submit! {
                    #private::Unguarded::new(
                        #owner, #name, ::core::module_path!(), ::core::file!(), #line, #reason
                    )
                }
            };
        }
    });
    listed.collect()
}

fn chain(settings: &[Setting]) -> TokenStream {
    settings
        .iter()
        .map(|Setting { method, value, .. }| quote_spanned!(Span::mixed_site()=> .#method(#value)))
        .collect()
}

/// From `enter` to the value of the function.
///
/// No answer and no refusal is in scope while something is awaited: the future would grow by it, and not be `Send`
/// where it is not.
fn call(plan: &Plan, output: &Output, arguments: &Arguments, body: &Group) -> TokenStream {
    let site = Span::mixed_site();
    let private = plan.paths.private(site);
    let Round { made, settled } = Round::new(plan, output, arguments, body);
    let again = |ended: TokenStream| {
        let (pause, await_) = (blocking(plan, "pause"), awaited(plan));
        quote_spanned! {site=>
            loop {
                {
                    #made
                    let ended = #settled;
                    if ended {
                        #ended
                    }
                }
                call.#pause() #await_;
            }
        }
    };
    let runs_again = plan.retry.is_some();
    let rest = if let Some(fallback) = &plan.fallback {
        let run = if runs_again {
            let run = again(quote_spanned!(site=> break out;));
            quote_spanned!(site=> let out = #run;)
        } else {
            quote_spanned!(site=> #made let _ = #settled;)
        };
        stand_in(plan, fallback, output, arguments, &run)
    } else {
        // Its answer says how the call went, where the last error is to be wrapped.
        let wraps = plan.retry.as_ref().is_some_and(|retry| retry.wrap.is_some());
        let over = (!wraps).then(|| {
            quote_spanned! {site=>
                if call.is_spent() { ::core::mem::forget(call) } else { call.end_call() }
            }
        });
        let end = end(plan, output);
        if runs_again {
            again(quote_spanned!(site=> #over return #end;))
        } else {
            quote_spanned!(site=> #made let _ = #settled; #over #end)
        }
    };
    let enter = match &plan.per_key {
        None => quote_spanned!(site=> enter(&__RESILIENT_SITE)),
        Some(key) => {
            let span = site.located_at(key.span());
            quote_spanned!(span=> enter_keyed(&__RESILIENT_SITE, &(#key)))
        }
    };
    quote_spanned! {site=>
        let mut call = #private::Execution::#enter;
        #rest
    }
}

fn awaited(plan: &Plan) -> Option<TokenStream> {
    plan.is_async().then(|| quote_spanned!(Span::mixed_site()=> .await))
}

/// The name of something that waits, in its form for this function.
fn blocking(plan: &Plan, word: &str) -> Ident {
    let name = if plan.is_async() { word.to_owned() } else { format!("{word}_blocking") };
    Ident::new(&name, Span::mixed_site())
}

/// One round of the layers inside the retry.
struct Round {
    /// Makes `out`.
    made: TokenStream,
    /// Records what `out` means, and whether the call has ended with it.
    settled: TokenStream,
}

impl Round {
    fn new(plan: &Plan, output: &Output, arguments: &Arguments, body: &Group) -> Self {
        let site = Span::mixed_site();
        let once = admitted(plan, output, arguments, body);
        // A rule of the user's is about the function's error: a time limit is shown to it as one.
        let judged = (plan.judges_errors() && plan.timeout.is_some() && plan.fallback.is_none()).then(|| {
            let span = site.located_at(output.span);
            let (private, ty) = (plan.paths.private(span), &output.ty);
            quote_spanned!(span=> let out = #private::timeout_as_error::<#ty>(out);)
        });
        if !plan.hedge {
            let made = quote_spanned!(site=> let out = #once; #judged);
            return Self { made, settled: recorded(plan, "settle") };
        }
        let concluded = recorded(plan, "conclude");
        let made = quote_spanned! {site=>
            let (out, concluded) = call.hedge(|lane| async {
                let mut call = lane;
                let out = #once;
                #judged
                let concluded = #concluded;
                (out, concluded)
            }).await;
        };
        Self { made, settled: quote_spanned!(site=> call.settle_hedged(concluded)) }
    }
}

/// An attempt, once every layer around it lets it pass; else the first refusal.
fn admitted(plan: &Plan, output: &Output, arguments: &Arguments, body: &Group) -> TokenStream {
    let site = Span::mixed_site();
    let Arguments { prepared, .. } = arguments;
    let (attempt, await_) = (attempt(plan, output, arguments, body), awaited(plan));
    let layer = |asked: TokenStream| {
        quote_spanned! {site=>
            if let ::core::result::Result::Err(refused) = #asked {
                break 'attempt ::core::result::Result::Err(refused);
            }
        }
    };
    let admit = layer(quote_spanned!(site=> call.admit()));
    let throttle = plan.rate_limit.as_ref().map(|_| {
        let throttle = blocking(plan, "throttle");
        layer(quote_spanned!(site=> call.#throttle() #await_))
    });
    let isolate = plan.bulkhead.as_ref().map(|_| {
        let isolate = blocking(plan, "isolate");
        layer(quote_spanned!(site=> call.#isolate() #await_))
    });
    quote_spanned! {site=>
        'attempt: {
            #admit
            #throttle
            #isolate
            #prepared
            #attempt
        }
    }
}

/// Records what an answer means, which is told where it is recorded: a closure for it would cost the compiler more than
/// all the rest.
fn recorded(plan: &Plan, word: &str) -> TokenStream {
    let site = Span::mixed_site();
    let verdict = verdict(plan);
    let (word, refused) = (Ident::new(word, site), format_ident!("{word}_refused", span = site));
    quote_spanned! {site=>
        match &out {
            ::core::result::Result::Ok(ret) => {
                call.answered();
                call.#word(#verdict)
            }
            ::core::result::Result::Err(refused) => call.#refused(refused),
        }
    }
}

/// One attempt: the body in place, so that `?` and `return` end it and nothing else.
fn attempt(plan: &Plan, output: &Output, arguments: &Arguments, body: &Group) -> TokenStream {
    let site = Span::mixed_site();
    let private = plan.paths.private(site);
    let Arguments { borrowed, .. } = arguments;
    let Output { ty, .. } = output;
    // Where the body is, so that a move out of it is shown there; ours, so that its braces are not called needless.
    let place = site.located_at(body.span());
    let mut body = body.clone();
    body.set_span(place);
    let owns = (!plan.runs_again()).then(|| quote_spanned!(place=> move));
    if plan.is_async() {
        let typed = (!output.is_inferred())
            .then(|| quote_spanned!(site=> let typed: #ty = #private::typed(); return typed;));
        let block = in_braces(quote_spanned!(site=> if false { #borrowed #typed } #body), place);
        let future = quote_spanned!(place=> async #owns #block);
        quote_spanned!(site=> call.attempt(#future).await)
    } else if plan.timeout == Some(TimeLimit::Thread) {
        let closure = quote_spanned!(place=> move || -> #ty #body);
        // A return type that cannot cross is shown as such; an argument, as the function that takes it.
        let crossing = Ident::new("body", site.located_at(output.function));
        quote_spanned!(site=> {
            let #crossing = #closure;
            call.attempt_on_thread::<#ty, _>(#crossing)
        })
    } else {
        let closure = quote_spanned!(place=> #owns || -> #ty #body);
        quote_spanned!(site=> call.attempt_in_place(#closure))
    }
}

/// The stream of a function that returns one: each attempt begins it anew with copies of its own, until it has a first
/// item.
fn stream(
    plan: &Plan,
    returned: &ReturnType,
    output: &Output,
    arguments: &Arguments,
    body: &Group,
) -> TokenStream {
    let site = Span::mixed_site();
    // Without the feature that is what the sentence is about.
    let span = site.located_at(output.span);
    let (private, streams) = (plan.paths.private(site), plan.paths.private(span));
    let Arguments { prepared, .. } = arguments;
    let (ty, place) = (&output.ty, site.located_at(body.span()));
    let mut begun = match returned {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => Type::Infer(syn::parse_quote!(_)),
    };
    erase_opaque(&mut begun);
    let mut body = body.clone();
    body.set_span(place);
    let body = quote_spanned!(place=> move || -> #begun #body);
    let body = if plan.runs_again() {
        quote_spanned!(site=> move || { #prepared #private::begin(#body) })
    } else {
        quote_spanned!(site=> #private::begun_once(#body))
    };
    let (key, enter) = match &plan.per_key {
        None => (None, quote_spanned!(site=> || #private::Execution::enter(&__RESILIENT_SITE))),
        Some(key) => {
            let span = site.located_at(key.span());
            (
                Some(quote_spanned!(span=> let key = ::std::string::ToString::to_string(&(#key));)),
                quote_spanned!(site=> move || #private::Execution::enter_keyed(&__RESILIENT_SITE, &key)),
            )
        }
    };
    let (verdict, end) = (verdict(plan), end(plan, output));
    let judges_limits = plan.judges_errors() && plan.timeout.is_some();
    let guarded = quote_spanned! {site=> {
        #key
        #private::guarded_stream(
            #enter,
            #body,
            #private::Rules {
                judge: #private::judge_of::<#ty, _>(|ret| #verdict),
                end: |call: &#private::Execution, out: ::core::result::Result<#ty, #private::ResilienceError>| -> #ty { #end },
                judges_limits: #judges_limits,
            },
        )
    }};
    quote_spanned!(span=> #streams::streams! { #guarded })
}

/// What a result means: a `Verdict`, from `ret`, a reference to the body's value.
fn verdict(plan: &Plan) -> TokenStream {
    let site = Span::mixed_site();
    let private = plan.paths.private(site);
    let Judgement { ignore, failure_if, retry } = &plan.judgement;
    // Without a rule of the user's nothing has to be taken apart here, which costs the compiler less.
    if failure_if.is_none() && !plan.judges_errors() {
        return quote_spanned! {site=> {
            use #private::{VerdictOfClassified as _, VerdictOfResult as _, VerdictOfOther as _};
            (&&#private::Answered(ret)).verdict()
        }};
    }
    // That there is no error to judge is told where one is judged.
    let judged = match (retry, ignore) {
        (RetryOnly::Matching(pattern), _) | (RetryOnly::Any, Some(pattern)) => pattern.span(),
        (RetryOnly::Passing(rule), _) => rule.span(),
        (RetryOnly::Any, None) => site,
    };
    let judged = site.located_at(judged);
    let (ok, err) = (
        quote_spanned!(judged=> ::core::result::Result::Ok),
        quote_spanned!(judged=> ::core::result::Result::Err(error)),
    );
    let success = match failure_if {
        None => quote_spanned!(judged=> #ok(_) => #private::Verdict::SUCCESS,),
        Some(rule) => quote_spanned! {judged=>
            #ok(value) => if #private::judge(value, #rule) {
                #private::Verdict::FAILURE
            } else {
                #private::Verdict::SUCCESS
            },
        },
    };
    let ignored =
        ignore.as_ref().map(|pattern| quote_spanned!(site=> .ignore_if(::core::matches!(error, #pattern))));
    let retried = match retry {
        RetryOnly::Any => None,
        RetryOnly::Matching(pattern) => {
            Some(quote_spanned!(site=> .retry_only_if(::core::matches!(error, #pattern))))
        }
        RetryOnly::Passing(rule) => {
            Some(quote_spanned!(site=> .retry_only_if(#private::judge(error, #rule))))
        }
    };
    // A rule has to know the error's type, so it is matched on the result itself.
    let (parts, subject) = if plan.judges_errors() {
        (None, quote_spanned!(site=> ret))
    } else {
        (
            Some(quote_spanned!(site=> use #private::{PartsOfAny as _, PartsOfResult as _};)),
            quote_spanned!(site=> (&#private::Parts(ret)).parts()),
        )
    };
    quote_spanned! {site=> {
        #parts
        use #private::{VerdictOfAny as _, VerdictOfClassify as _};
        match #subject {
            #success
            #err => (&#private::Probe(error)).verdict() #ignored #retried,
        }
    }}
}

/// The call and then, where it did not succeed, what answers in its place.
///
/// ```text
/// // `fallback_chain = [replica, cached], fallback_value = 0`, async, with `__private::` left out
/// let (stand_in0, error0, stand_in1, error1) = {
///     let out = ..;
///     let wanted = call.wants_fallback();
///     let out = match out { Ok(ret) if !wanted => return ret, out => out };
///     let (stand_in0, error0) = {
///         let (stand_in, hands) = (&&&StandIn(replica, [()])).adapt();
///         (stand_in, hands.copy(&call, &mut out))
///     };
///     ..
/// };
/// match stood_in_later(async { stand_in0(handed_on(&order), error0).await }).await {
///     Some(ret) if (&Parts(&ret)).parts().is_ok() => return ret,
///     _ => {}
/// }
/// ..
/// (&Answer::<Ret>::new()).answer(0)
/// ```
///
/// Every part of a call stands at its path, where whatever is wrong with it was written. The answer that was refused
/// is gone before anything is awaited.
fn stand_in(
    plan: &Plan,
    fallback: &Fallback,
    output: &Output,
    arguments: &Arguments,
    run: &TokenStream,
) -> TokenStream {
    let site = Span::mixed_site();
    let Fallback { paths, value, on } = fallback;
    let wanted = match on {
        None => quote_spanned! {site=>
            let wanted = call.wants_fallback();
            let out = match out {
                ::core::result::Result::Ok(ret) if !wanted => return ret,
                out => out,
            };
        },
        Some(pattern) => {
            let span = site.located_at(pattern.span());
            let (private, ty) = (plan.paths.private(span), &output.ty);
            let refuse = if plan.can_refuse() {
                quote_spanned!(span=> #private::refuse::<#ty>(refused))
            } else {
                quote_spanned!(site=> #private::cannot_refuse(refused))
            };
            quote_spanned! {span=>
                let ret = match out {
                    ::core::result::Result::Ok(ret) => ret,
                    ::core::result::Result::Err(refused) => #refuse,
                };
                match &ret {
                    ::core::result::Result::Err(error) if ::core::matches!(error, #pattern) => {}
                    _ => return ret,
                }
                let _ = call.wants_fallback();
                let out: ::core::result::Result<_, #private::ResilienceError> = ::core::result::Result::Ok(ret);
            }
        }
    };
    let answer = value.as_ref().map(|value| {
        let span = site.located_at(value.span());
        let (private, ty) = (plan.paths.private(span), &output.ty);
        if output.is_inferred() {
            quote_spanned!(span=> let ret = #value; ret)
        } else {
            quote_spanned! {span=>
                use #private::{AnswerOfAny as _, AnswerOfResult as _};
                (&#private::Answer::<#ty>::new()).answer(#value)
            }
        }
    });
    if paths.is_empty() {
        return quote_spanned!(site=> { #run #wanted ::core::mem::drop(out); } #answer);
    }
    let calls: Vec<StandIn> = paths
        .iter()
        .enumerate()
        .map(|(at, path)| StandIn::new(plan, path, at, at + 1 == paths.len(), value.as_ref(), arguments))
        .collect();
    let (names, adapted): (Vec<_>, Vec<_>) = calls.iter().map(|call| (&call.names, &call.adapted)).unzip();
    let calls = calls.iter().map(|call| &call.called);
    let kept = (paths.len() > 1).then(|| quote_spanned!(site=> let mut out = out;));
    quote_spanned! {site=>
        let (#(#names)*) = {
            #run
            #wanted
            #kept
            #(#adapted)*
            (#(#names)*)
        };
        #(#calls)*
        #answer
    }
}

/// One function that stands in.
struct StandIn {
    /// It and its error, each followed by a comma.
    names: TokenStream,
    /// Finds out whether it takes the error, and gets that.
    adapted: TokenStream,
    /// Calls it, and leaves with its answer where that is good.
    called: TokenStream,
}

/// More arguments than `StandIn` knows of: the error is not one of them.
const MOST_ARGUMENTS: usize = 12;

impl StandIn {
    fn new(
        plan: &Plan,
        path: &ExprPath,
        at: usize,
        last: bool,
        value: Option<&Expr>,
        arguments: &Arguments,
    ) -> Self {
        let span = Span::mixed_site().located_at(end_of(path));
        let private = plan.paths.private(span);
        let (stand_in, error) =
            (format_ident!("stand_in{at}", span = span), format_ident!("error{at}", span = span));
        let for_good = last && value.is_none();
        let value = value.map(ToTokens::to_token_stream).unwrap_or_default();
        let passed = arguments.passed.iter().map(|passed| {
            let used_again = !last || mentions(&value, &passed.name);
            if used_again { passed.for_now(plan, span) } else { passed.at_last(span) }
        });
        let await_ = plan.is_async().then(|| quote_spanned!(span=> .await));
        let most = arguments.passed.len();
        let (names, adapted, call) = if most > MOST_ARGUMENTS {
            (TokenStream::new(), TokenStream::new(), quote_spanned!(span=> #path(#(#passed),*) #await_))
        } else {
            let certain = arguments.passed.iter().filter(|passed| passed.cfgs.is_empty()).count();
            let arities = (certain..=most).map(|count| {
                let arity = format_ident!("LeavesErrorOf{count}", span = span);
                quote_spanned!(span=> #arity as _)
            });
            let units =
                arguments.passed.iter().map(|Passed { cfgs, .. }| quote_spanned!(span=> #(#cfgs)* ()));
            // Where every error is the function's own, it need not know the library's.
            let own = !plan.can_refuse() && plan.judgement.failure_if.is_none();
            let word = match (last, own) {
                (true, false) => "error",
                (true, true) => "own_error",
                (false, false) => "copy",
                (false, true) => "own_copy",
            };
            let word = Ident::new(word, span);
            let out = if last { quote_spanned!(span=> out) } else { quote_spanned!(span=> &mut out) };
            let get = quote_spanned!(span=> hands.#word(&call, #out));
            (
                quote_spanned!(span=> #stand_in, #error,),
                quote_spanned! {span=>
                    let (#stand_in, #error) = {
                        use #private::{TakesError as _, #(#arities,)* TakesNeither as _};
                        let (stand_in, hands) = (&&&#private::StandIn(#path, [#(#units),*])).adapt();
                        (stand_in, #get)
                    };
                },
                quote_spanned!(span=> #stand_in(#(#passed,)* #error) #await_),
            )
        };
        let called = if for_good {
            // The compiler advises to wrap a call that a user wrote, and what it takes for one here is the path.
            quote_spanned!(span=> let ret = #call; ret)
        } else {
            let caught = if plan.is_async() {
                quote_spanned!(span=> #private::stood_in_later(async { #call }).await)
            } else {
                quote_spanned!(span=> #private::stood_in(|| #call))
            };
            quote_spanned! {span=>
                match #caught {
                    ::core::option::Option::Some(ret) if {
                        use #private::{PartsOfAny as _, PartsOfResult as _};
                        (&#private::Parts(&ret)).parts().is_ok()
                    } => return ret,
                    _ => {}
                }
            }
        };
        Self { names, adapted, called }
    }
}

/// The last name of a path: one caret cannot be put under all of it.
fn end_of(path: &ExprPath) -> Span {
    path.path.segments.last().map_or_else(|| path.span(), |last| last.ident.span())
}

/// Hands out the value, or the refusal.
fn end(plan: &Plan, output: &Output) -> TokenStream {
    let site = Span::mixed_site();
    let private = plan.paths.private(site);
    // Calls whose bound may not hold stand wholly at the user's token: one mistake, one caret, under that token.
    let value = match plan.retry.as_ref().and_then(|retry| retry.wrap) {
        None => quote_spanned!(site=> ret),
        Some(span) => {
            let span = site.located_at(span);
            let private = plan.paths.private(span);
            quote_spanned!(span=> #private::wrap_exhausted(&call, ret))
        }
    };
    let refuse = if plan.can_refuse() {
        let span = site.located_at(output.span);
        let (private, ty) = (plan.paths.private(span), &output.ty);
        if plan.retry.as_ref().is_some_and(|retry| retry.wrap.is_some()) {
            quote_spanned!(span=> #private::refuse_exhausted::<#ty>(&call, refused))
        } else {
            quote_spanned!(span=> #private::refuse::<#ty>(refused))
        }
    } else {
        quote_spanned!(site=> #private::cannot_refuse(refused))
    };
    quote_spanned! {site=>
        match out {
            ::core::result::Result::Ok(ret) => #value,
            ::core::result::Result::Err(refused) => #refuse,
        }
    }
}
