//! What the service says of itself.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A line on the standard output.
///
/// `println!` panics where nobody reads any more, as behind `| head -1`: there the service ends.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
