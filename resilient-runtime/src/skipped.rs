//! Methods that an attribute on their `impl` block or trait leaves as they are, with the reason: the list that the
//! linker makes beside that of the guarded ones.

use thiserror::Error;

/// A method that the attribute on its `impl` block or trait does not guard; it prints as a sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[error("`{function}` ({location}) is not guarded: {reason}")]
#[non_exhaustive]
pub struct Skipped {
    /// Its path in the code: `module::Type::method`.
    pub function: String,
    /// Where it is: `src/db.rs:12`.
    pub location: String,
    /// Why: `it returns no Result`.
    pub reason: &'static str,
}

/// What the attribute wrote about such a method.
#[derive(Debug)]
pub struct Unguarded {
    owner: &'static str,
    function: &'static str,
    module: &'static str,
    file: &'static str,
    line: u32,
    reason: &'static str,
}

impl Unguarded {
    /// The method `owner::function`.
    pub const fn new(
        owner: &'static str,
        function: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
        reason: &'static str,
    ) -> Self {
        Self { owner, function, module, file, line, reason }
    }

    fn told(&self) -> Skipped {
        let Self { owner, function, module, file, line, reason } = self;
        Skipped {
            function: format!("{module}::{owner}::{function}"),
            location: format!("{file}:{line}"),
            reason,
        }
    }
}

inventory::collect!(Unguarded);

/// Every method that the attribute on its `impl` block or trait leaves unguarded, by path.
///
/// ```
/// # use resilient_runtime as resilient;
/// for method in resilient::skipped() {
///     println!("{method}");
/// }
/// ```
#[inline]
pub fn skipped() -> Vec<Skipped> {
    let mut skipped: Vec<_> = inventory::iter::<Unguarded>.into_iter().map(Unguarded::told).collect();
    skipped.sort();
    skipped
}

/// Those that `path` may mean: the whole path of one, or its end.
#[inline]
pub(crate) fn skipped_as(path: &str) -> Vec<Skipped> {
    let means = |skipped: &Skipped| {
        let front = skipped.function.strip_suffix(path);
        front.is_some_and(|front| front.is_empty() || front.ends_with("::"))
    };
    skipped().into_iter().filter(means).collect()
}
