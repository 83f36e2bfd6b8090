//! From an attribute and its item to code: gather what was written, check it, print it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Meta, Path};

use crate::args::{self, Args, Key, Keyed, TimeoutMode, Written};
use crate::attributes::{self, Group, Layer, Word};
use crate::block::{Block, Declared, Member};
use crate::diagnostics::{Errors, list};
use crate::expand::{self, Skipped};
use crate::inherit::inherit;
use crate::item::{GuardedFn, IMPL, Shape, TRAIT, cfgs, no_body, other_item};
use crate::paths::Paths;
use crate::plan::Plan;
use crate::validate::{
    asked_for_time, borrows_uniquely, fit, needs_a_mode, policy, set_once, stands_in, validate,
};

/// Expands `#[word(list)] item`, and every other attribute of ours on the same item with it.
pub(crate) fn guard(word: &'static Word, list: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = try_guard(word, list, item, &mut errors);
    let errors = errors.into_tokens();
    quote!(#errors #expanded)
}

/// The guarded item; or, when `errors` has any, the item as it would be without our attributes.
pub(crate) fn try_guard(
    word: &'static Word,
    list: TokenStream,
    item: TokenStream,
    errors: &mut Errors,
) -> TokenStream {
    let mut ours = Ours::default();
    read(word, &mut ours.args, errors, list);
    ours.written.push(Written { word, place: Ident::new(word.name, Span::call_site()).into_token_stream() });
    let roots: Vec<Path> = ours.args.krate.iter().map(|krate| krate.value.clone()).collect();

    let name = word.name;
    match other_item(&item) {
        None => match syn::parse2::<GuardedFn>(item.clone()) {
            Ok(mut function) => {
                ours.take(&mut function.attrs, &roots, errors);
                let Ours { written, args, imports } = ours;
                match validate(&written, args, &function, errors) {
                    Some(plan) => expand::expand(function, &plan, &imports),
                    None => expand::plain(function, &imports),
                }
            }
            Err(error) => {
                errors.push(error);
                without_ours(item, &roots).0
            }
        },
        Some((_, kind @ (IMPL | TRAIT))) => match Block::parse(item.clone(), kind) {
            Ok(mut block) => {
                ours.take(&mut block.attrs, &roots, errors);
                guard_block(ours, block, &roots, errors)
            }
            Err(error) => {
                errors.push(error);
                without_ours(item, &roots).0
            }
        },
        Some((keyword, kind)) => {
            let inside = if keyword == "mod" { "; write it on the functions inside" } else { "" };
            errors.at(&keyword, format!("`#[{name}]` guards a function, not {kind}{inside}"));
            // A constant or a type may stand where a nameless constant may not.
            let anywhere = keyword == "const" || keyword == "type" || keyword == "let";
            let (item, imports) = without_ours(item, &roots);
            let used = (!anywhere && !imports.is_empty()).then(|| expand::used(&imports));
            quote!(#item #used)
        }
    }
}

/// Our attributes on one item.
#[derive(Default)]
struct Ours {
    written: Vec<Written>,
    args: Args,
    /// Those of them that were imported.
    imports: Vec<Path>,
}

impl Ours {
    /// Takes our attributes off an item.
    fn take(&mut self, attrs: &mut Vec<Attribute>, roots: &[Path], errors: &mut Errors) {
        for attr in std::mem::take(attrs) {
            let Some(word) = attributes::named_by(attr.path(), roots) else {
                attrs.push(attr);
                continue;
            };
            self.written.push(Written { word, place: attr.path().to_token_stream() });
            if attr.path().get_ident().is_some() {
                self.imports.push(attr.path().clone());
            }
            match attr.meta {
                Meta::Path(_) => {}
                Meta::List(list) => read(word, &mut self.args, errors, list.tokens),
                Meta::NameValue(pair) => {
                    errors.at(pair.eq_token, format!("`#[{0}]` takes a list: `#[{0}(..)]`", word.name));
                }
            }
        }
    }

    fn is_none(&self) -> bool {
        self.written.is_empty()
    }

    /// `#[resilient(skip)]`, which says all there is to say.
    fn skips(&self, errors: &mut Errors) -> bool {
        let Some(skip) = self.args.skip.as_ref().filter(|skip| skip.value.0) else { return false };
        let others: Vec<String> = self
            .args
            .keys()
            .into_iter()
            .filter(|key| **key != skip.key)
            .map(ToString::to_string)
            .chain(
                self.written
                    .iter()
                    .filter(|own| own.word.name != "resilient")
                    .map(|own| format!("#[{}]", own.word.name)),
            )
            .collect();
        if !others.is_empty() {
            errors.at(
                &skip.key,
                format!(
                    "`skip` leaves the method out, so {} beside it would do nothing; remove one or the other",
                    list(&others, "and")
                ),
            );
        }
        true
    }
}

/// Guards every method of an `impl` block or trait that can be.
fn guard_block(ours: Ours, mut block: Block, roots: &[Path], errors: &mut Errors) -> TokenStream {
    let Ours { written, mut args, mut imports } = ours;
    let (name, clones) = (args.operation_name.take(), args.clones.take());
    for (key, names) in [(name.key(), "one operation"), (clones.key(), "arguments of one method")] {
        if let Some(key) = key {
            errors.at(key, format!("`{key}` names {names}; write it on the method"));
        }
    }
    policy(&written, &args, errors);
    let paths = Paths::new(args.krate.as_ref().map(|krate| krate.value.clone()));
    let around = (written, args);
    let mut skipped = Vec::new();
    let mut untimed = Vec::new();
    let mut members = Vec::new();
    for member in std::mem::take(&mut block.members) {
        members.push(match member {
            Member::Other(tokens) => Decided::AsItIs(tokens),
            Member::Declared(mut declared) => {
                let mut own = Ours::default();
                own.take(&mut declared.attrs, roots, errors);
                if let Some(reason) = declared_only(&own, &declared, errors) {
                    skipped.push(Skipped::new(&declared.attrs, &declared.ident, reason));
                }
                imports.append(&mut own.imports);
                Decided::AsItIs(declared.into_token_stream())
            }
            Member::Function(mut function) => {
                let mut own = Ours::default();
                own.take(&mut function.attrs, roots, errors);
                match method(own, &function, &around, errors) {
                    Method::Guarded { plan, imports, untimed: why } => {
                        untimed.extend(why.map(|why| format!("`{}` ({why})", function.sig.ident)));
                        Decided::Guarded(function, plan, imports)
                    }
                    Method::Skipped { reason, imports: own } => {
                        skipped.push(Skipped::new(&function.attrs, &function.sig.ident, reason));
                        imports.extend(own);
                        Decided::AsItIs(function.into_token_stream())
                    }
                    Method::Wrong(imports) => Decided::AsItIs(expand::plain(*function, &imports)),
                }
            }
        });
    }
    if errors.is_empty() && !members.iter().any(|member| matches!(member, Decided::Guarded(..))) {
        guards_nothing(&around.0, &skipped, errors);
    }
    if !untimed.is_empty() {
        untimed_methods(&around, &untimed.join(", "), errors);
    }
    let is_right = errors.is_empty();
    let members = members.into_iter().map(|member| match member {
        Decided::AsItIs(tokens) => tokens,
        Decided::Guarded(function, plan, imports) if is_right => expand::expand(*function, &plan, &imports),
        Decided::Guarded(function, _, imports) => expand::plain(*function, &imports),
    });
    let members: TokenStream = members.collect();
    let used = (!imports.is_empty()).then(|| expand::used(&imports));
    let (cfgs, owner) = (cfgs(&block.attrs), block.owner.clone());
    let listed = is_right.then(|| expand::skipped(&skipped, &paths, &owner));
    // What stands beside the block is there when the block is.
    let beside = expand::under(&cfgs, quote!(#used #listed));
    let block = block.around(&members);
    quote!(#block #beside)
}

/// A member of a block, as it will be printed if there are no mistakes.
enum Decided {
    Guarded(Box<GuardedFn>, Box<Plan>, Vec<Path>),
    AsItIs(TokenStream),
}

/// What became of a method of a guarded block.
enum Method {
    Guarded {
        plan: Box<Plan>,
        imports: Vec<Path>,
        /// Why the block's time limit cannot interrupt it, where the block does not say how else to keep to it.
        untimed: Option<String>,
    },
    Skipped {
        reason: String,
        imports: Vec<Path>,
    },
    /// Its mistakes were told.
    Wrong(Vec<Path>),
}

fn method(own: Ours, function: &GuardedFn, around: &(Vec<Written>, Args), errors: &mut Errors) -> Method {
    let asked_for = !own.is_none();
    if own.skips(errors) {
        return Method::Skipped { reason: SAYS_SO.to_owned(), imports: own.imports };
    }
    let Ours { written, mut args, imports } = own;
    let skipped = |reason: String| Method::Skipped { reason, imports: Vec::new() };
    let alone;
    let around = if stands_in(&around.1, function) {
        if !asked_for {
            return skipped("it is the fallback of the others".to_owned());
        }
        alone = without_fallback(around);
        &alone
    } else {
        around
    };
    if !asked_for {
        if function.sig.constness.is_some() {
            return skipped("it is a `const fn`".to_owned());
        }
        if let Some(reason) = function.returns_no_result() {
            return skipped(reason);
        }
    }
    args.skip = None;
    let is_async = !matches!(function.shape(), Ok(Shape::Sync));
    let may_hedge = matches!(function.shape(), Ok(Shape::Async | Shape::Future(_)))
        && !function.sig.inputs.iter().any(borrows_uniquely);
    let (written, mut args) = inherit((written, args), around, may_hedge);
    let given = |key: &str, args: &Args| args.inherited.iter().any(|inherited| inherited == key);
    if given("timeout_mode", &args) && is_async {
        args.timeout_mode = None;
    }
    if written.is_empty() {
        return skipped("the block asks for a hedge alone, which it cannot have".to_owned());
    }
    let layers = policy(&written, &args, errors);
    // Where the block asks for the limit, the block has to say how sync methods that borrow keep to it.
    let mut untimed = None;
    if asked_by(&written, &args, &around.0) {
        untimed = needs_a_mode(&written, &args, &layers, function);
        if untimed.is_some() {
            let key = Ident::new("timeout_mode", Span::mixed_site());
            args.timeout_mode = Some(Keyed { key, value: TimeoutMode::Deadline });
        }
    }
    let inherited = args.inherited.clone();
    let mut unfit = Errors::default();
    let plan = fit(&written, args, &layers, function, &mut unfit);
    match (plan, unfit.first()) {
        (Some(plan), None) => {
            set_once(&plan, &inherited, function, errors);
            Method::Guarded { plan: Box::new(plan), imports, untimed }
        }
        (_, Some(reason)) if !asked_for => {
            let name = format!("`{}` ", function.sig.ident);
            skipped(reason.strip_prefix(&name).map_or(reason.clone(), |rest| format!("it {rest}")))
        }
        _ => {
            errors.append(unfit);
            Method::Wrong(imports)
        }
    }
}

/// The block without what would make a method stand in for itself.
fn without_fallback((written, args): &(Vec<Written>, Args)) -> (Vec<Written>, Args) {
    let (mut written, mut args) = (written.clone(), args.clone());
    args.forget(Group::Fallback);
    written.retain(|attribute| attribute.word.name != "fallback");
    (written, args)
}

/// Whether the time limit is the block's rather than the method's wish.
fn asked_by(written: &[Written], args: &Args, block: &[Written]) -> bool {
    let inherited = |key: Option<&Ident>| key.is_none_or(|key| args.inherited.contains(key));
    let own_word = written.iter().any(|attribute| {
        attribute.asks_for(Layer::Timeout)
            && !attribute.word.whole
            && block.iter().all(|outer| outer.word.name != attribute.word.name)
    });
    inherited(args.timeout.key()) && inherited(args.timeout_mode.key()) && !own_word
}

const SAYS_SO: &str = "`#[resilient(skip)]` says so";

/// A trait's method without a body is left out, and may say so.
fn declared_only(own: &Ours, declared: &Declared, errors: &mut Errors) -> Option<String> {
    if own.is_none() {
        return Some("it has no body".to_owned());
    }
    if own.skips(errors) {
        return Some(SAYS_SO.to_owned());
    }
    errors.push(no_body(&declared.ident));
    None
}

/// An attribute without effect is a mistake.
fn guards_nothing(written: &[Written], skipped: &[Skipped], errors: &mut Errors) {
    let Some(Written { word, place }) = written.first() else { return };
    let reasons: Vec<String> =
        skipped.iter().map(|Skipped { ident, reason, .. }| format!("`{ident}`: {reason}")).collect();
    let is_alias = |reason: &String| reason.ends_with("not a `Result`") && !reason.contains("`Self`");
    let hint = if reasons.iter().any(is_alias) {
        "; where a name stands for a `Result`, write the attribute on the method"
    } else {
        ""
    };
    let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
    errors.at(place, format!("`#[{}]` finds no method here that it can guard ({reasons}){hint}", word.name));
}

/// The block's time limit asks for a decision, once for all its methods.
fn untimed_methods((written, args): &(Vec<Written>, Args), methods: &str, errors: &mut Errors) {
    if let Some(mode) = &args.timeout_mode {
        errors.at(
            &mode.key,
            format!(
                "these methods cannot run on a worker thread: {methods}; let them take and return owned \
                 (`Send + 'static`) values, or write `timeout_mode = \"deadline\"` on them"
            ),
        );
    } else if let Some((place, limit)) = asked_for_time(written, args) {
        errors.at(
            place,
            format!(
                "`{limit}` cannot interrupt these methods: {methods}; write `timeout_mode = \"deadline\"` (they run \
                 in place and a late result is a timeout), or let them take and return owned values (they run on a \
                 worker thread)"
            ),
        );
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
