//! Each format's own options.

/// How JSON is written; reading takes all of it.
///
/// Defaults: what is not ASCII as `\u..`; keys in the order of the type; no white space. The trap: keys are sorted in a
/// `serde_json::Value`, so the whole value is in memory twice, and an `f32` is written as the nearest `f64`.
///
/// ```
/// # use resilient_factory::serializers::{JsonOptions, Serializer};
/// let json = Serializer::new(JsonOptions::new().ensure_ascii(false).indent(2))?;
/// assert_eq!(json.serialize(&["grün"])?, "[\n  \"grün\"\n]".as_bytes());
/// # Ok::<(), resilient_factory::serializers::SerializationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JsonOptions {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<u8>,
}

impl JsonOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self { ensure_ascii: true, sort_keys: false, indent: None }
    }

    /// Whether what is not ASCII is written as `\u..`; default true.
    pub const fn ensure_ascii(self, ensure_ascii: bool) -> Self {
        Self { ensure_ascii, ..self }
    }

    /// Whether the keys of each object are in order; default false.
    pub const fn sort_keys(self, sort_keys: bool) -> Self {
        Self { sort_keys, ..self }
    }

    /// A line for each value, this many spaces further in at each level; default none: see [`compact`](Self::compact).
    pub const fn indent(self, spaces: u8) -> Self {
        Self { indent: Some(spaces), ..self }
    }

    /// No white space at all, whatever [`indent`](Self::indent) said before; the default.
    pub const fn compact(self) -> Self {
        Self { indent: None, ..self }
    }

    pub(in crate::serializers) const fn is_ascii(self) -> bool {
        self.ensure_ascii
    }

    pub(in crate::serializers) const fn sorts_keys(self) -> bool {
        self.sort_keys
    }

    pub(in crate::serializers) const fn indentation(self) -> Option<u8> {
        self.indent
    }
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How MessagePack is written; reading takes both.
///
/// Default: structs as maps with the names of their fields, as Python's `msgpack` reads and writes dictionaries. Bytes
/// (`serde_bytes`) are `bin`, text is `str`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessagePackOptions {
    named: bool,
}

impl MessagePackOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self { named: true }
    }

    /// Whether structs are maps with the names of their fields (default), or arrays: smaller, and unreadable once a
    /// field is put between two others.
    pub const fn named(self, named: bool) -> Self {
        Self { named }
    }

    pub(in crate::serializers) const fn is_named(self) -> bool {
        self.named
    }
}

impl Default for MessagePackOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How pickle is written; reading takes protocols 0 to 5. For interchange with Python: pickles carry data alone, and
/// nothing that one names is ever looked up or run.
///
/// Default: protocol 4, the highest that is written. Sequences are `list`, tuples and arrays `tuple`, maps and structs
/// `dict`, a variant its name or a `dict` of its name and content, integers of up to 128 bits `int`. Read besides are
/// `bytearray`, `set` and `frozenset`, and bytes wherever a sequence of numbers is asked for.
///
/// The trap: in a pickle every other object of Python is code, a `date`, a `Decimal` or an `OrderedDict` too. It is refused, with
/// the opcode and its byte; its writer has to hand over plain values (`isoformat()`, `str(..)`, `dict(..)`). A key that
/// Python could not hash, such as a list, is not written. What a pickle repeats by reference counts for
/// [`Limits`](crate::serializers::Limits) each time.
///
/// ```
/// # use resilient_factory::serializers::{Format, Serializer};
/// # #[cfg(feature = "pickle")] {
/// let pickle = Serializer::new(Format::Pickle)?;
/// // In Python: pickle.dumps({"BTCUSDT": (1, 2.5)}, 5)
/// let prices = b"\x80\x05\x95\x1b\0\0\0\0\0\0\0}\x94\x8c\x07BTCUSDT\x94K\x01G@\x04\0\0\0\0\0\0\x86\x94s.";
/// let prices: std::collections::BTreeMap<String, (u32, f64)> = pickle.deserialize(prices)?;
/// assert_eq!(prices["BTCUSDT"], (1, 2.5));
/// let error = pickle.deserialize::<()>(b"cos\nsystem\n(S'true'\ntR.").unwrap_err();
/// assert!(error.to_string().starts_with("pickle, at byte 0: GLOBAL: asks for code"));
/// # }
/// # Ok::<(), resilient_factory::serializers::SerializationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PickleOptions {
    protocol: u8,
}

impl PickleOptions {
    /// The highest protocol that is written.
    pub const HIGHEST_PROTOCOL: u8 = 4;

    /// The defaults: protocol 4.
    pub const fn new() -> Self {
        Self { protocol: Self::HIGHEST_PROTOCOL }
    }

    /// At most this protocol; more than 4 is 4, which every Python since 3.4 reads.
    pub const fn protocol(self, protocol: u8) -> Self {
        Self { protocol: if protocol > Self::HIGHEST_PROTOCOL { Self::HIGHEST_PROTOCOL } else { protocol } }
    }

    pub(in crate::serializers) const fn chosen_protocol(self) -> u8 {
        self.protocol
    }
}

impl Default for PickleOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::serializers) enum FormatOptions {
    Json(JsonOptions),
    MessagePack(MessagePackOptions),
    Cbor,
    Binary,
    Pickle(PickleOptions),
}
