//! Names of breakers and services: checked once, kept for the life of the process, compared by pointer's text.

use std::collections::HashSet;

use thiserror::Error;

use crate::sync::Whole;
use crate::sync::plain::{Lazy, Mutex};

/// The longest name.
const LONGEST: usize = 128;

/// A name that is empty, too long, or has a character that could forge a log line or a metric label.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a name is 1 to {LONGEST} of the characters A-Z a-z 0-9 _ . : -; {}", .0)]
pub(crate) struct InvalidName(String);

/// Says why `name` may not name a breaker or a service.
pub(crate) fn check(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName("this one is empty".into()));
    }
    if name.len() > LONGEST {
        return Err(InvalidName(format!("this one has {} bytes", name.len())));
    }
    match name.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"_.:-".contains(&b))) {
        None => Ok(()),
        Some(at) => Err(InvalidName(format!("this one has another at byte {at}"))),
    }
}

/// The process's one copy of `name`. Names are few (code names them, requests never do), so they are never freed.
pub(crate) fn intern(name: &str) -> Result<&'static str, InvalidName> {
    static NAMES: Lazy<Mutex<HashSet<&'static str>>> = Lazy::new(Mutex::default);
    check(name)?;
    let mut names = NAMES.lock().whole();
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["db", "a.b::c-d_9", &"x".repeat(128)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a\nb", "\u{1b}[31m", "ü", "a\"b", &"x".repeat(129)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_same_name_is_kept_once() {
        assert!(std::ptr::eq(intern("orders").unwrap(), intern(&String::from("orders")).unwrap()));
    }
}
