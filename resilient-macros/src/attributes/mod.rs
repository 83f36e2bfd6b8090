//! What differs from one attribute to the next, as data.

mod foreign;

use proc_macro2::Ident;
use syn::Path;

pub(crate) use foreign::{Flat, flat, foreign};

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
    /// Layers that are asked for by their name, with a list of their keys or without.
    Lists,
    Bulkhead,
    RateLimit,
    Hedge,
    Budget,
    BudgetParts,
    Idempotent,
    PerKey,
    EnableBulkhead,
    EnableRateLimit,
    EnableHedge,
    Fallback,
    /// The same in `#[fallback(..)]` itself.
    FallbackParts,
    Clone,
    Skip,
    Crate,
}

/// What an attribute asks to have generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Retry,
    Breaker,
    Timeout,
    Health,
    Bulkhead,
    RateLimit,
    Hedge,
}

impl Layer {
    pub(crate) const ALL: [Self; 7] = [
        Self::Retry,
        Self::Breaker,
        Self::Timeout,
        Self::Health,
        Self::Bulkhead,
        Self::RateLimit,
        Self::Hedge,
    ];

    /// The keys that are about it alone.
    pub(crate) fn group(self) -> Group {
        match self {
            Self::Retry => Group::Retry,
            Self::Breaker => Group::Breaker,
            Self::Timeout => Group::Timeout,
            Self::Health => Group::Health,
            Self::Bulkhead => Group::Bulkhead,
            Self::RateLimit => Group::RateLimit,
            Self::Hedge => Group::Hedge,
        }
    }

    /// Whether it is generated only where something asks for it by name.
    pub(crate) fn is_added(self) -> bool {
        matches!(self, Self::Bulkhead | Self::RateLimit | Self::Hedge)
    }
}

/// A key that has a list of keys for itself: `bulkhead(max_concurrent = 10)`.
pub(crate) struct Inner {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// How it is written.
    pub(crate) example: &'static str,
}

/// Every list inside a list.
pub(crate) static INNER: [Inner; 4] = [
    Inner { name: "bulkhead", group: Group::Bulkhead, example: "bulkhead(max_concurrent = 10)" },
    Inner { name: "rate_limit", group: Group::RateLimit, example: "rate_limit(rate = 10, per = \"1s\")" },
    Inner { name: "hedge", group: Group::Hedge, example: "hedge(delay = \"100ms\")" },
    Inner { name: "budget", group: Group::BudgetParts, example: "budget(ratio = 0.2, per_second = 1)" },
];

/// One of our attributes.
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
    Group::Lists,
    Group::Budget,
    Group::Idempotent,
    Group::PerKey,
    Group::EnableBulkhead,
    Group::EnableRateLimit,
    Group::EnableHedge,
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
        Group::Lists,
        Group::Budget,
        Group::Idempotent,
        Group::PerKey,
        Group::EnableBulkhead,
        Group::EnableRateLimit,
        Group::EnableHedge,
        Group::Fallback,
        Group::Clone,
        Group::Skip,
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
        Group::PerKey,
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
        Group::Budget,
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

pub(crate) static BULKHEAD: Word = Word {
    name: "bulkhead",
    whole: false,
    profile: None,
    layers: &[Layer::Bulkhead],
    groups: &[
        Group::Name,
        Group::Type,
        Group::Bulkhead,
        Group::PerKey,
        Group::EnableBulkhead,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "max_concurrent",
    leads: false,
};

pub(crate) static RATE_LIMIT: Word = Word {
    name: "rate_limit",
    whole: false,
    profile: None,
    layers: &[Layer::RateLimit],
    groups: &[
        Group::Name,
        Group::Type,
        Group::RateLimit,
        Group::PerKey,
        Group::EnableRateLimit,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "rate",
    leads: false,
};

pub(crate) static HEDGE: Word = Word {
    name: "hedge",
    whole: false,
    profile: None,
    layers: &[Layer::Hedge],
    groups: &[
        Group::Name,
        Group::Type,
        Group::Hedge,
        Group::Idempotent,
        Group::Budget,
        Group::Classify,
        Group::EnableHedge,
        Group::Fallback,
        Group::Clone,
        Group::Crate,
    ],
    unkeyed: "delay",
    leads: false,
};

pub(crate) static FALLBACK: Word = Word {
    name: "fallback",
    whole: false,
    profile: None,
    layers: &[],
    groups: &[Group::Name, Group::Type, Group::FallbackParts, Group::Classify, Group::Clone, Group::Crate],
    unkeyed: "path",
    leads: true,
};

/// Every attribute of the crate.
pub(crate) static WORDS: [&Word; 14] = [
    &RESILIENT,
    &DATABASE,
    &CACHE,
    &API,
    &FILE,
    &ML,
    &BREAKER,
    &RETRY,
    &TIMEOUT,
    &HEALTH,
    &BULKHEAD,
    &RATE_LIMIT,
    &HEDGE,
    &FALLBACK,
];

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
