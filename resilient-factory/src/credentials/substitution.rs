//! `${VAR}` and `${VAR:default}`, in texts that were parsed already.

/// Why there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A `${` that begins no reference.
    Malformed,
    TooLong,
}

/// A reference: the variable's name, and what stands for it where it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) default: Option<&'a str>,
}

/// `text` with each reference replaced by what `value` says. What it says is not looked at again, and each character of
/// `text` is passed once.
///
/// `${NAME}`: a letter or underscore, then letters, digits, underscores; white space around it is no part of it.
/// `${NAME:default}`: the default is everything up to the next `}`, further colons included, and may be empty. `$${` is
/// the text `${`. Any other `${` is malformed: one that is not closed, that names nothing, that names something odd, or
/// that holds another `${`. A `$` before anything else is itself. A text of more than `most` bytes is none.
pub(super) fn substitute(
    text: &str,
    most: usize,
    mut value: impl FnMut(Reference<'_>) -> String,
) -> Result<String, Refused> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        let end = after.find('}').ok_or(Refused::Malformed)?;
        if after[..end].contains("${") {
            return Err(Refused::Malformed);
        }
        out.push_str(before);
        out.push_str(&value(reference(&after[..end])?));
        rest = &after[end + 1..];
        // One variable may stand in many places.
        if out.len() > most {
            return Err(Refused::TooLong);
        }
    }
    out.push_str(rest);
    if out.len() > most { Err(Refused::TooLong) } else { Ok(out) }
}

fn reference(text: &str) -> Result<Reference<'_>, Refused> {
    let (name, default) = match text.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (text, None),
    };
    let name = name.trim();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_name { Ok(Reference { name, default }) } else { Err(Refused::Malformed) }
}
