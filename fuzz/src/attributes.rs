//! The attributes without the compiler: their own files, with a door to them.
#![allow(dead_code, reason = "the door to the compiler is left out")]

extern crate proc_macro;

#[path = "../../resilient-macros/src/args/mod.rs"]
mod args;
#[path = "../../resilient-macros/src/attributes/mod.rs"]
mod attributes;
#[path = "../../resilient-macros/src/block.rs"]
mod block;
#[path = "../../resilient-macros/src/diagnostics.rs"]
mod diagnostics;
#[path = "../../resilient-macros/src/expand.rs"]
mod expand;
#[path = "../../resilient-macros/src/guard.rs"]
mod guard;
#[path = "../../resilient-macros/src/inherit.rs"]
mod inherit;
#[path = "../../resilient-macros/src/item.rs"]
mod item;
#[path = "../../resilient-macros/src/paths.rs"]
mod paths;
#[path = "../../resilient-macros/src/plan.rs"]
mod plan;
#[path = "../../resilient-macros/src/validate/mod.rs"]
mod validate;

use proc_macro2::TokenStream;

/// How many attributes there are.
pub const WORDS: usize = attributes::WORDS.len();

/// What the attribute of this number makes of `#[word(list)] item`, and what the first mistake says.
pub fn expand(word: usize, list: TokenStream, item: TokenStream) -> (TokenStream, Option<String>) {
    let mut errors = diagnostics::Errors::default();
    let expanded = guard::try_guard(attributes::WORDS[word % WORDS], list, item, &mut errors);
    let first = errors.first();
    let errors = errors.into_tokens();
    (quote::quote!(#errors #expanded), first)
}
