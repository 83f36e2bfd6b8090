//! The only file that spells where the expansion's items live.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Path;

/// The crate the user depends on, `::resilient` unless `crate = path` says otherwise.
#[derive(Clone)]
pub(crate) struct Paths {
    written: Option<Path>,
}

impl Paths {
    pub(crate) fn new(written: Option<Path>) -> Self {
        Self { written }
    }

    /// Brings a written path in once, at its own place: a mistake in it is one mistake, shown there.
    pub(crate) fn import(&self) -> Option<TokenStream> {
        let path = self.written.as_ref()?;
        Some(quote_spanned!(Span::mixed_site()=> use #path::__private as __resilient;))
    }

    /// As [`import`](Self::import), for what a factory finds.
    pub(crate) fn import_factory(&self) -> Option<TokenStream> {
        let path = self.written.as_ref()?;
        Some(quote_spanned!(Span::mixed_site()=> use #path::factory::__private as __resilient;))
    }

    /// As [`private`](Self::private), for what a factory finds.
    pub(crate) fn factory(&self, span: Span) -> TokenStream {
        if self.written.is_some() {
            quote_spanned!(span=> __resilient)
        } else {
            quote_spanned!(span=> ::resilient::factory::__private)
        }
    }

    /// The module of everything an expansion names, with its tokens at `span`.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        if self.written.is_some() {
            quote_spanned!(span=> __resilient)
        } else {
            quote_spanned!(span=> ::resilient::__private)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;
    use proc_macro2::Span;

    #[test]
    fn the_written_crate_replaces_ours() {
        let span = Span::call_site();
        assert_eq!(Paths::new(None).private(span).to_string(), ":: resilient :: __private");
        assert!(Paths::new(None).import().is_none());
        let renamed = Paths::new(Some(syn::parse_quote!(crate::vendor::resilient)));
        assert_eq!(
            renamed.import().unwrap().to_string(),
            "use crate :: vendor :: resilient :: __private as __resilient ;"
        );
        assert_eq!(renamed.private(span).to_string(), "__resilient");
        assert_eq!(Paths::new(None).factory(span).to_string(), ":: resilient :: factory :: __private");
        assert!(Paths::new(None).import_factory().is_none());
        assert_eq!(
            renamed.import_factory().unwrap().to_string(),
            "use crate :: vendor :: resilient :: factory :: __private as __resilient ;"
        );
        assert_eq!(renamed.factory(span).to_string(), "__resilient");
    }
}
