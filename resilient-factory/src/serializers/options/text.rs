//! Options as text, both ways.
use std::{fmt, str::FromStr};

use super::{FormatOptions, PickleOptions, SerializerOptions};
use crate::serializers::{Compression, Format, Limits, UnknownName};

impl SerializerOptions {
    /// What the text says: see [`SerializerOptions`].
    ///
    /// # Errors
    /// [`InvalidOptions`] for a name that nothing has, with the nearest one, and a value that an option does not take.
    pub fn parse(text: &str) -> Result<Self, InvalidOptions> {
        let mut words = text.split(':').peekable();
        let name = words.next().unwrap_or_default();
        let (mut options, otherwise) = match name {
            "json_compressed" => (Self::from(Format::Json), Compression::Gzip),
            "msgpack_compressed" => (Self::from(Format::MessagePack), Compression::Gzip),
            _ => (Self::from(name.parse::<Format>()?), Compression::None),
        };
        options.compression = otherwise;
        if let Some(word) = words.next_if(|word| !word.contains('=')) {
            options.compression = word.parse()?;
        }
        let mut compact = None;
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if name == "compact" && matches!(options.format, FormatOptions::Json(_)) {
                compact = Some(flag(name, value)?);
            } else {
                options = options.with(name, value)?;
            }
        }
        if let (FormatOptions::Json(json), Some(compact)) = (options.format, compact) {
            let json = if compact { json.compact() } else { json.indent(json.indentation().unwrap_or(2)) };
            options.format = FormatOptions::Json(json);
        }
        Ok(options)
    }

    fn with(self, name: &str, value: &str) -> Result<Self, InvalidOptions> {
        let format = match (self.format, name) {
            (_, "compression_level") => {
                let level: i64 = number(name, value)?;
                return Ok(self.level(u8::try_from(level.max(0)).unwrap_or(u8::MAX)));
            }
            (_, "max_size") => {
                return Ok(self.limits(self.limits.with_max_size(number(name, value)?)));
            }
            (_, "max_depth") => {
                return Ok(self.limits(self.limits.with_max_depth(number(name, value)?)));
            }
            (FormatOptions::Json(json), "ensure_ascii") => {
                FormatOptions::Json(json.ensure_ascii(flag(name, value)?))
            }
            (FormatOptions::Json(json), "sort_keys") => {
                FormatOptions::Json(json.sort_keys(flag(name, value)?))
            }
            (FormatOptions::Json(json), "indent") => FormatOptions::Json(match value {
                "None" | "none" => json.compact(),
                _ => json.indent(number(name, value)?),
            }),
            (FormatOptions::MessagePack(packed), "named") => {
                FormatOptions::MessagePack(packed.named(flag(name, value)?))
            }
            // What is always so: bytes are `bin`, and a type says which keys it takes.
            (packed @ FormatOptions::MessagePack(_), "use_bin_type") if flag(name, value)? => packed,
            (packed @ FormatOptions::MessagePack(_), "strict_map_key") if !flag(name, value)? => packed,
            (FormatOptions::MessagePack(_), "use_bin_type") => {
                return Err(InvalidOptions::value(name, value, "True: bytes are always `bin`"));
            }
            (FormatOptions::MessagePack(_), "strict_map_key") => {
                return Err(InvalidOptions::value(
                    name,
                    value,
                    "False: the type that is read says which keys it takes",
                ));
            }
            (FormatOptions::Pickle(pickle), "protocol") => FormatOptions::Pickle(
                pickle.protocol(u8::try_from(number::<u32>(name, value)?).unwrap_or(u8::MAX)),
            ),
            _ => {
                let known = self.known_options();
                return Err(UnknownName::new("option of this format", name, known).into());
            }
        };
        Ok(Self { format, ..self })
    }

    fn known_options(&self) -> impl Iterator<Item = &'static str> + use<> {
        let own: &[&str] = match self.format {
            FormatOptions::Json(_) => &["ensure_ascii", "sort_keys", "indent", "compact"],
            FormatOptions::MessagePack(_) => &["named", "use_bin_type", "strict_map_key"],
            FormatOptions::Cbor | FormatOptions::Binary => &[],
            FormatOptions::Pickle(_) => &["protocol"],
        };
        own.iter().chain(&["compression_level", "max_size", "max_depth"]).copied()
    }
}

fn flag(name: &str, value: &str) -> Result<bool, InvalidOptions> {
    match value {
        "True" | "true" => Ok(true),
        "False" | "false" => Ok(false),
        _ => Err(InvalidOptions::value(name, value, "True or False")),
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, InvalidOptions> {
    value.parse().map_err(|_| InvalidOptions::value(name, value, "a whole number"))
}

impl FromStr for SerializerOptions {
    type Err = InvalidOptions;

    fn from_str(text: &str) -> Result<Self, InvalidOptions> {
        Self::parse(text)
    }
}

impl fmt::Display for SerializerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |value| if value { "True" } else { "False" };
        self.format().fmt(f)?;
        if self.compression != Compression::None {
            write!(f, ":{}", self.compression)?;
        }
        if let Some(level) = self.compression_level().filter(|level| *level != 6) {
            write!(f, ":compression_level={level}")?;
        }
        match self.format {
            FormatOptions::Json(json) => {
                if !json.is_ascii() {
                    write!(f, ":ensure_ascii={}", flag(false))?;
                }
                if let Some(spaces) = json.indentation() {
                    write!(f, ":indent={spaces}")?;
                }
                if json.sorts_keys() {
                    write!(f, ":sort_keys={}", flag(true))?;
                }
            }
            FormatOptions::MessagePack(packed) if !packed.is_named() => write!(f, ":named={}", flag(false))?,
            FormatOptions::Pickle(pickle) if pickle != PickleOptions::new() => {
                write!(f, ":protocol={}", pickle.chosen_protocol())?;
            }
            _ => {}
        }
        if self.limits.max_size() != Limits::DEFAULT.max_size() {
            write!(f, ":max_size={}", self.limits.max_size())?;
        }
        if self.limits.max_depth() != Limits::DEFAULT.max_depth() {
            write!(f, ":max_depth={}", self.limits.max_depth())?;
        }
        Ok(())
    }
}

/// A text that tells no [`SerializerOptions`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOptions {
    /// A format, a compression or an option that is unknown.
    #[error("{0}")]
    Unknown(#[from] UnknownName),
    /// A value that the option does not take.
    #[error("`{option}` takes no `{value}`; it takes {takes}")]
    Value {
        /// The option.
        option: String,
        /// What was given.
        value: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl InvalidOptions {
    fn value(option: &str, value: &str, takes: &'static str) -> Self {
        Self::Value { option: option.to_owned(), value: value.escape_debug().to_string(), takes }
    }
}
