//! What a program shows of an error.

use std::error::Error;
use std::fmt::Write as _;

/// All that a program may come to print of an error and of what caused it.
pub fn printed(error: &dyn Error) -> String {
    let mut all = format!("{error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(all, "\n{error} {error:?}").expect("a text takes all");
        next = error.source();
    }
    all
}
