//! A name that nothing has.
use std::fmt;

/// A name of a format, a compression or an option that nothing has, the nearest one, and all known ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: Vec<&'static str>,
}

impl UnknownName {
    pub(super) fn new(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'static str>) -> Self {
        Self { kind, name: name.to_owned(), known: known.into_iter().collect() }
    }

    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names there are.
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// The known name that is most like it, if one is.
    pub fn nearest(&self) -> Option<&'static str> {
        let asked = self.name.to_lowercase();
        self.known
            .iter()
            .map(|known| (strsim::jaro_winkler(&asked, known), *known))
            .filter(|(alike, _)| *alike > 0.75)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, known)| known)
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is called `{}`", self.kind, self.name.escape_debug())?;
        match self.nearest() {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?")?,
            None => f.write_str(".")?,
        }
        write!(f, " Known: {}", self.known.join(", "))
    }
}

impl std::error::Error for UnknownName {}
