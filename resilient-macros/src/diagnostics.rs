//! Where every mistake of one attribute list is gathered, so that one compile shows them all.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// A mistake at these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// The same said at the same place is one mistake: each method of a block finds those of the block's own list.
    pub(crate) fn push(&mut self, error: syn::Error) {
        let same =
            |known: &syn::Error| place(known) == place(&error) && known.to_string() == error.to_string();
        if !self.0.iter().any(same) {
            self.0.push(error);
        }
    }

    /// Takes over what another list has.
    pub(crate) fn append(&mut self, others: Self) {
        for error in others.0 {
            self.push(error);
        }
    }

    /// What the first mistake says.
    pub(crate) fn first(&self) -> Option<String> {
        self.0.first().map(ToString::to_string)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One `compile_error!` per mistake.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().flat_map(syn::Error::into_compile_error).collect()
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.places().into_iter().map(|(message, _)| message).collect()
    }

    /// What is said, and where.
    #[cfg(test)]
    pub(crate) fn places(&self) -> Vec<(String, proc_macro2::Span)> {
        let each = self.0.iter().flat_map(Clone::clone);
        each.map(|one| (one.to_string(), one.span())).collect()
    }
}

/// As the compiler prints it, which only compares: lines and columns are told from Rust 1.88 on.
fn place(error: &syn::Error) -> String {
    format!("{:?}", error.span())
}

/// "`a`, `b` or `c`".
pub(crate) fn list(words: &[impl AsRef<str>], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, start)) => format!("{} {last} {end}", start.join(", ")),
    }
}

/// The known word that `word` most looks like, when one is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const CLOSE: f64 = 0.65;
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{list, nearest};

    #[test]
    fn a_list_reads_as_a_sentence() {
        assert_eq!(list(&["a"], "or"), "`a`");
        assert_eq!(list(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_word_and_a_stranger_finds_none() {
        assert_eq!(nearest("max_atempts", ["max_attempts", "max_delay"]), Some("max_attempts"));
        assert_eq!(nearest("colour", ["max_attempts", "max_delay"]), None);
    }
}
