//! What differs from one attribute to the next, as data.

mod foreign;

use proc_macro2::Ident;
use syn::Path;

pub(crate) use foreign::{LATER, foreign};

/// Keys that are accepted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Name,
    Type,
    Timeout,
    Seconds,
    Deadline,
    Retry,
    Classify,
    Breaker,
    Health,
    EnableTimeout,
    EnableRetry,
    EnableBreaker,
    Fallback,
    Clone,
    Crate,
}

/// What an attribute asks to have generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Retry,
    Breaker,
    Timeout,
    Health,
}

/// One of our attributes.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    /// Stands for a whole policy; a function has at most one such attribute.
    pub(crate) whole: bool,
    /// The operation type it fixes.
    pub(crate) profile: Option<&'static str>,
    pub(crate) layers: &'static [Layer],
    pub(crate) groups: &'static [Group],
    /// The key that is meant by a value without one.
    pub(crate) unkeyed: &'static str,
    /// Whether its list may start with such a value.
    pub(crate) leads: bool,
}

const POLICY: &[Layer] = &[Layer::Retry, Layer::Breaker, Layer::Timeout];

/// The keys of a profile; `#[resilient]` adds `operation_type`.
const PROFILE_KEYS: &[Group] = &[
    Group::Name,
    Group::Timeout,
    Group::Deadline,
    Group::Retry,
    Group::Classify,
    Group::Breaker,
    Group::EnableTimeout,
    Group::EnableRetry,
    Group::EnableBreaker,
    Group::Fallback,
    Group::Clone,
    Group::Crate,
];

const fn profile(name: &'static str, operation_type: &'static str) -> Word {
    Word {
        name,
        whole: true,
        profile: Some(operation_type),
        layers: POLICY,
        groups: PROFILE_KEYS,
        unkeyed: "operation_name",
        leads: false,
    }
}

pub(crate) static RESILIENT: Word = Word {
    name: "resilient",
    whole: true,
    profile: None,
    layers: POLICY,
    groups: &[
        Group::Name,
        Group::Type,
        Group::Timeout,
        Group::Deadline,
        Group::Retry,
        Group::Classify,
        Group::Breaker,
        Group::EnableTimeout,
        Group::EnableRetry,
        Group::EnableBreaker,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "operation_name",
    leads: false,
};

pub(crate) static DATABASE: Word = profile("database_resilient", "database");
pub(crate) static CACHE: Word = profile("cache_resilient", "cache");
pub(crate) static API: Word = profile("api_resilient", "api");
pub(crate) static FILE: Word = profile("file_resilient", "file");
pub(crate) static ML: Word = profile("ml_resilient", "ml");

pub(crate) static BREAKER: Word = Word {
    name: "circuit_breaker",
    whole: false,
    profile: None,
    layers: &[Layer::Breaker],
    groups: &[
        Group::Name,
        Group::Type,
        Group::Classify,
        Group::Breaker,
        Group::EnableBreaker,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "name",
    leads: false,
};

pub(crate) static RETRY: Word = Word {
    name: "retry_with_backoff",
    whole: false,
    profile: None,
    layers: &[Layer::Retry],
    groups: &[
        Group::Name,
        Group::Type,
        Group::Deadline,
        Group::Retry,
        Group::Classify,
        Group::EnableRetry,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "max_retries",
    leads: false,
};

pub(crate) static TIMEOUT: Word = Word {
    name: "with_timeout",
    whole: false,
    profile: None,
    layers: &[Layer::Timeout],
    groups: &[
        Group::Name,
        Group::Type,
        Group::Timeout,
        Group::Seconds,
        Group::Deadline,
        Group::EnableTimeout,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "seconds",
    leads: true,
};

pub(crate) static HEALTH: Word = Word {
    name: "track_service_health",
    whole: false,
    profile: None,
    layers: &[Layer::Health],
    groups: &[Group::Name, Group::Type, Group::Health, Group::Classify, Group::Crate],
    unkeyed: "service",
    leads: true,
};

/// Every attribute of the crate.
pub(crate) static WORDS: [&Word; 10] =
    [&RESILIENT, &DATABASE, &CACHE, &API, &FILE, &ML, &BREAKER, &RETRY, &TIMEOUT, &HEALTH];

/// The attribute called `name`.
pub(crate) fn word(name: &str) -> Option<&'static Word> {
    WORDS.iter().copied().find(|word| word.name == name)
}

/// The attribute a path on an item names: bare, through `resilient`, or through the path given as `crate = ..`.
pub(crate) fn named_by(path: &Path, roots: &[Path]) -> Option<&'static Word> {
    let word = word(&path.segments.last()?.ident.to_string())?;
    let parents: Vec<&Ident> =
        path.segments.iter().take(path.segments.len() - 1).map(|segment| &segment.ident).collect();
    let through =
        |root: &Path| root.segments.iter().map(|segment| &segment.ident).eq(parents.iter().copied());
    let ours = match parents.as_slice() {
        [] => path.leading_colon.is_none(),
        [only] if *only == "resilient" => true,
        _ => roots.iter().any(through),
    };
    ours.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::{WORDS, named_by, word};
    use syn::parse_quote;

    #[test]
    fn an_attribute_is_known_by_every_path_that_leads_to_it() {
        let name = |path| named_by(&path, &[parse_quote!(vendor::guard)]).map(|word| word.name);
        assert_eq!(name(parse_quote!(with_timeout)), Some("with_timeout"));
        assert_eq!(name(parse_quote!(resilient::with_timeout)), Some("with_timeout"));
        assert_eq!(name(parse_quote!(::resilient::resilient)), Some("resilient"));
        assert_eq!(name(parse_quote!(vendor::guard::resilient)), Some("resilient"));
        assert_eq!(name(parse_quote!(other::with_timeout)), None);
        assert_eq!(name(parse_quote!(tracing::instrument)), None);
    }

    #[test]
    fn names_are_unique() {
        for one in WORDS {
            assert!(std::ptr::eq(word(one.name).unwrap(), one), "{}", one.name);
        }
    }
}
