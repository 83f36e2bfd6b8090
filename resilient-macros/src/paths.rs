//! The only file that spells where the expansion's items live.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

/// The crate the user depends on, `::resilient` unless `crate = path` says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: TokenStream,
}

impl Paths {
    pub(crate) fn new(written: Option<&Path>) -> Self {
        Self { root: written.map_or_else(|| quote!(::resilient), ToTokens::to_token_stream) }
    }

    /// The module of everything an expansion names, with its tokens at `span`.
    ///
    /// Each token keeps its own hygiene: a `$crate` written by a macro goes on meaning that macro's crate.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        let module = quote!(::__private);
        respan(self.root.clone(), span).into_iter().chain(respan(module, span)).collect()
    }
}

fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let mut moved = Group::new(group.delimiter(), respan(group.stream(), span));
                moved.set_span(span.resolved_at(group.span()));
                TokenTree::Group(moved)
            }
            mut token => {
                token.set_span(span.resolved_at(token.span()));
                token
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Paths;
    use proc_macro2::Span;

    #[test]
    fn the_written_crate_replaces_ours() {
        let span = Span::call_site();
        assert_eq!(Paths::new(None).private(span).to_string(), ":: resilient :: __private");
        let renamed = syn::parse_quote!(crate::vendor::resilient);
        assert_eq!(
            Paths::new(Some(&renamed)).private(span).to_string(),
            "crate :: vendor :: resilient :: __private"
        );
    }
}
