//! How many calls may start in a time.

use std::fmt;

/// How a rate limit counts calls.
///
/// Default: [`Algorithm::Gcra`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Evenly: a place comes free every `per / rate`, and up to `burst` of them are saved up
    /// (`algorithm = "gcra"`).
    #[default]
    Gcra,
    /// At most `rate` calls in any `per` (`algorithm = "sliding_window"`).
    SlidingWindow,
}

impl Algorithm {
    /// The words an attribute or a variable may say.
    pub const WORDS: [&'static str; 2] = ["gcra", "sliding_window"];

    /// Reads one of [`Algorithm::WORDS`], in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "gcra" => Self::Gcra,
            "sliding_window" => Self::SlidingWindow,
            _ => return None,
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcra => "gcra",
            Self::SlidingWindow => "sliding_window",
        })
    }
}
