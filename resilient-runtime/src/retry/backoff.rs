//! How long to wait before the next attempt: growth, cap, spread.

use std::fmt;
use std::time::Duration;

/// How the wait grows from one retry to the next, before the cap and the spread.
///
/// Default: [`Backoff::Exponential`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Backoff {
    /// `base_delay` every time.
    Constant,
    /// `base_delay * (n + 1)`.
    Linear,
    /// `base_delay * exponential_base^n`.
    #[default]
    Exponential,
    /// `base_delay` times 1, 1, 2, 3, 5, 8, …
    Fibonacci,
    /// The function gets n (0 before the first retry) and says the wait; the cap and the spread still apply.
    Custom(fn(u32) -> Duration),
}

impl Backoff {
    /// The words an attribute or a variable may say.
    pub const WORDS: [&'static str; 4] = ["constant", "linear", "exponential", "fibonacci"];

    /// Reads one of [`Backoff::WORDS`], in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "constant" => Self::Constant,
            "linear" => Self::Linear,
            "exponential" => Self::Exponential,
            "fibonacci" => Self::Fibonacci,
            _ => return None,
        })
    }
}

impl PartialEq for Backoff {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(a), Self::Custom(b)) => std::ptr::fn_addr_eq(*a, *b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
            Self::Fibonacci => "fibonacci",
            Self::Custom(_) => "custom function",
        })
    }
}

/// How far a wait is spread, so that callers who failed together do not return together.
///
/// Default: [`Jitter::Equal`]. Whatever is chosen, a wait never exceeds `max_delay`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// No spread (`jitter = false`).
    None,
    /// Uniform in [0.5, 1.0) of the wait (`jitter = true`).
    #[default]
    Equal,
    /// Uniform in [0, 1.0] of the wait (`jitter = "full"`).
    Full,
    /// Uniform between `base_delay` and three times the previous wait (`jitter = "decorrelated"`).
    Decorrelated,
    /// Plus or minus this share of the wait (`jitter = 0.1`), in 0.0..=1.0.
    Fraction(f64),
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("false"),
            Self::Equal => f.write_str("true"),
            Self::Full => f.write_str("full"),
            Self::Decorrelated => f.write_str("decorrelated"),
            Self::Fraction(share) => write!(f, "{share}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backoff_is_read_by_the_word_it_is_shown_as() {
        for word in Backoff::WORDS {
            let read = Backoff::from_word(&word.to_uppercase()).unwrap();
            assert_eq!(read.to_string(), word);
        }
        assert_eq!(Backoff::from_word("custom function"), None);
    }

    #[test]
    fn two_functions_are_two_backoffs() {
        let one = |n: u32| Duration::from_secs(u64::from(n));
        let other = |n: u32| Duration::from_millis(u64::from(n));
        assert_eq!(Backoff::Custom(one), Backoff::Custom(one));
        assert_ne!(Backoff::Custom(one), Backoff::Custom(other));
        assert_ne!(Backoff::Linear, Backoff::Constant);
    }
}
