//! Writes mutants into a file, each behind `crate::__mutant(number)`, so that one build holds them all.

use std::collections::{BTreeSet, HashMap};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, BinOp, Block, Expr, Stmt, parse_quote};

use crate::list::{Genre, Mutant, Place};

/// What a crate's root gets: whether a mutant is on, and, when a test is traced, which mutants it meets.
pub const SWITCH: &str = r#"
#[doc(hidden)]
#[inline(never)]
pub(crate) fn __mutant(number: usize) -> bool {
    use std::io::Write as _;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    static ON: LazyLock<usize> =
        LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|on| on.parse().ok()).unwrap_or(0));
    static TRACE: LazyLock<Option<std::fs::File>> = LazyLock::new(|| {
        let path = std::env::var_os("MUTANT_TRACE")?;
        std::fs::File::options().append(true).create(true).open(path).ok()
    });
    static MET: [AtomicBool; 20_000] = [const { AtomicBool::new(false) }; 20_000];
    if let Some(mut trace) = TRACE.as_ref() {
        if !MET[number].load(Ordering::Relaxed) && !MET[number].swap(true, Ordering::Relaxed) {
            let _ = trace.write_all(format!("{number}\n").as_bytes());
        }
    }
    *ON == number
}
"#;

/// The mutants of one file by kind and place, less those that are known not to compile.
pub struct Switch<'a> {
    mutants: HashMap<(Genre, Place), Vec<(usize, &'a str)>>,
    pub written: BTreeSet<usize>,
    /// Those found here that cannot compile.
    pub unviable: BTreeSet<usize>,
    /// Functions that are called while compiling; the other `const fn` become plain ones, which can ask.
    constant: &'a BTreeSet<String>,
}

impl<'a> Switch<'a> {
    pub fn new(mutants: impl Iterator<Item = (usize, &'a Mutant)>, constant: &'a BTreeSet<String>) -> Self {
        let mut by_place: HashMap<_, Vec<_>> = HashMap::new();
        for (number, mutant) in mutants {
            by_place
                .entry((mutant.genre, mutant.span.start))
                .or_default()
                .push((number, mutant.replacement.as_str()));
        }
        Self { mutants: by_place, written: BTreeSet::new(), unviable: BTreeSet::new(), constant }
    }

    fn at(&mut self, genre: Genre, place: impl Into<Place>) -> Vec<(usize, &'a str)> {
        let found = self.mutants.get(&(genre, place.into())).cloned().unwrap_or_default();
        self.written.extend(found.iter().map(|(number, _)| number));
        found
    }

    /// Whether a function can ask which mutant is on.
    fn asks(&self, signature: &mut syn::Signature) -> bool {
        if signature.constness.is_some() && !self.constant.contains(&signature.ident.to_string()) {
            signature.constness = None;
        }
        signature.constness.is_none()
    }

    fn body(&mut self, block: &mut Block) {
        let start = block.stmts.first().map(|first| first.span().start());
        visit_mut::visit_block_mut(self, block);
        let Some(start) = start else { return };
        let early = self.at(Genre::FnValue, start).into_iter().map(|(number, value)| -> Stmt {
            let value: TokenStream = value.parse().expect("a value");
            parse_quote!(if crate::__mutant(#number) { return #value; })
        });
        let early: Vec<_> = early.collect();
        block.stmts.splice(0..0, early);
    }

    fn operator(&mut self, expr: &mut Expr) {
        let Expr::Binary(binary) = expr else { return };
        let (left, op, right) = (&binary.left, &binary.op, &binary.right);
        if lets(left) || lets(right) {
            // A chain that binds names knows no other operator.
            let place = Place::from(op.span().start());
            let others = self.mutants.get(&(Genre::BinaryOperator, place));
            self.unviable.extend(others.into_iter().flatten().map(|(number, _)| number));
            return;
        }
        let others = self.at(Genre::BinaryOperator, op.span().start());
        if others.is_empty() {
            return;
        }
        let branches = |left: TokenStream, right: TokenStream| {
            let others = others.iter().map(|(number, other)| {
                let other: TokenStream = other.parse().expect("an operator");
                quote!(if crate::__mutant(#number) { #left #other #right } else)
            });
            quote!(#(#others)* { #left #op #right })
        };
        let (l, r) = (quote!(__l), quote!(__r));
        *expr = match op {
            BinOp::And(_) | BinOp::Or(_) => {
                let branches = branches(l, quote!((#right)));
                parse_quote!((match #left { __l => { #branches } }))
            }
            BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_) => {
                let branches = branches(l, r);
                parse_quote!((match (&(#left), &(#right)) { (__l, __r) => { #branches } }))
            }
            BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_) => {
                let branches = branches(left.to_token_stream(), right.to_token_stream());
                parse_quote!(({ #branches }))
            }
            _ => {
                let branches = branches(l, r);
                parse_quote!((match (#left, #right) { (__l, __r) => { #branches } }))
            }
        };
    }

    fn sign(&mut self, expr: &mut Expr) {
        let Expr::Unary(unary) = expr else { return };
        for (number, _) in self.at(Genre::UnaryOperator, unary.op.span().start()) {
            let (plain, signed) = (&unary.expr, &unary);
            *expr = parse_quote!((if crate::__mutant(#number) { #plain } else { #signed }));
            return;
        }
    }

    fn fields(&mut self, expr: &mut Expr, starts: &[proc_macro2::LineColumn]) {
        let Expr::Struct(built) = expr else { return };
        let Some(rest) = built.rest.clone() else { return };
        for (field, start) in built.fields.iter_mut().zip(starts) {
            for (number, _) in self.at(Genre::StructField, *start) {
                let (name, value) = (&field.member, &field.expr);
                field.expr = parse_quote!((if crate::__mutant(#number) { (#rest).#name } else { #value }));
                field.colon_token = Some(Default::default());
            }
        }
    }
}

impl VisitMut for Switch<'_> {
    fn visit_item_mut(&mut self, item: &mut syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if built(attributes) {
            visit_mut::visit_item_mut(self, item);
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        if self.asks(&mut item.sig) {
            self.body(&mut item.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        if built(&item.attrs) && self.asks(&mut item.sig) {
            self.body(&mut item.block);
        }
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut syn::TraitItemFn) {
        if let Some(block) = &mut item.default {
            self.body(block);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let starts: Vec<_> = match expr {
            Expr::Const(_) => return,
            Expr::Repeat(repeat) => return self.visit_expr_mut(&mut repeat.expr),
            Expr::Struct(built) => built.fields.iter().map(|field| field.span().start()).collect(),
            _ => Vec::new(),
        };
        visit_mut::visit_expr_mut(self, expr);
        self.operator(expr);
        self.sign(expr);
        self.fields(expr, &starts);
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let place = arm.span().start();
        let guard = arm.guard.as_ref().map(|(_, guard)| guard.span().start());
        visit_mut::visit_arm_mut(self, arm);
        if let (Some(start), Some((_, guard))) = (guard, &mut arm.guard) {
            for (number, value) in self.at(Genre::MatchArmGuard, start) {
                **guard = if value == "true" {
                    parse_quote!((crate::__mutant(#number) || #guard))
                } else {
                    parse_quote!((!crate::__mutant(#number) && #guard))
                };
            }
        }
        for (number, _) in self.at(Genre::MatchArm, place) {
            let guard: Expr = match &arm.guard {
                Some((_, guard)) => parse_quote!(!crate::__mutant(#number) && #guard),
                None => parse_quote!(!crate::__mutant(#number)),
            };
            arm.guard = Some((Default::default(), Box::new(guard)));
        }
    }

    // What is computed at compile time cannot ask.
    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_trait_item_const_mut(&mut self, _: &mut syn::TraitItemConst) {}
    fn visit_item_enum_mut(&mut self, _: &mut syn::ItemEnum) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_path_mut(&mut self, _: &mut syn::Path) {}
    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_attribute_mut(&mut self, _: &mut syn::Attribute) {}
}

/// Whether a condition binds names: `if let .. && ..` stays as it is.
fn lets(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => lets(&binary.left) || lets(&binary.right),
        _ => false,
    }
}

/// Whether an item is part of this build: not one for loom, for the fuzzer or for another system.
fn built(attributes: &[syn::Attribute]) -> bool {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.filter_map(|attribute| attribute.parse_args().ok()).all(|condition| holds(&condition))
}

fn holds(condition: &syn::Meta) -> bool {
    let inner = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated).unwrap_or_default()
    };
    match condition {
        syn::Meta::Path(word) => word.is_ident("test") || word.is_ident("unix"),
        syn::Meta::NameValue(_) => true,
        syn::Meta::List(list) if list.path.is_ident("all") => inner(list).iter().all(holds),
        syn::Meta::List(list) if list.path.is_ident("any") => inner(list).iter().any(holds),
        syn::Meta::List(list) => !inner(list).iter().any(holds),
    }
}
