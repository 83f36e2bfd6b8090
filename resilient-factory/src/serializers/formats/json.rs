//! JSON, by `serde_json`.
use std::io::Write;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{error::Category, ser::PrettyFormatter};

use crate::serializers::{
    Format, JsonOptions, Limits, SerializationError,
    SerializationErrorKind::{Malformed, Mismatched, Unwritable},
    bounded::{Bounded, Counted, Gauge, exceeded},
};

use super::{trailing, truncated};

pub(in crate::serializers) fn write<T: Serialize + ?Sized>(
    value: &T,
    options: JsonOptions,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    let value = Counted::new(value, limits);
    let written = if options.sorts_keys() {
        serde_json::to_value(&value).and_then(|mut value| {
            value.sort_all_objects();
            write_as(&value, options, out)
        })
    } else {
        write_as(&value, options, out)
    };
    written.map_err(|error| {
        exceeded(Format::Json, limits).unwrap_or_else(|| {
            let what = if error.is_data() {
                "the value's own type refuses to be written"
            } else {
                "JSON has no such value: its keys are strings, and its numbers have 64 bits"
            };
            SerializationError::in_format(Format::Json, Unwritable, None, what)
        })
    })
}

fn write_as<T: Serialize + ?Sized>(
    value: &T,
    options: JsonOptions,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let before = out.len();
    match options.indentation() {
        None => value.serialize(&mut serde_json::Serializer::new(&mut *out))?,
        Some(width) => {
            let spaces = vec![b' '; usize::from(width)];
            let pretty = PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, pretty))?;
        }
    }
    if options.is_ascii() && !out[before..].is_ascii() {
        let text = out.split_off(before);
        escape(&text, out);
    }
    Ok(())
}

/// What is not ASCII as `\u..`: in JSON only strings hold it.
#[cold]
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for character in String::from_utf8_lossy(text).chars() {
        if character.is_ascii() {
            out.push(character as u8);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

pub(in crate::serializers) fn read<T: DeserializeOwned>(
    bytes: &[u8],
    limits: Limits,
) -> Result<T, SerializationError> {
    let gauge = Gauge::new(limits, bytes.len());
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // Ours counts more of what nests, for every format alike, and stops sooner.
    json.disable_recursion_limit();
    Bounded::new(&mut json, &gauge)
        .read()
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| of_json(&error, bytes, &gauge))
}

fn of_json(error: &serde_json::Error, bytes: &[u8], gauge: &Gauge) -> SerializationError {
    let offset = offset(error, bytes);
    if let Some(exceeded) = gauge.exceeded(Format::Json, offset) {
        return exceeded;
    }
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(&*text, |at| &text[..at]);
    match error.classify() {
        Category::Data => SerializationError::mismatched(Format::Json, offset, text),
        Category::Eof => truncated(Format::Json, bytes.len()),
        Category::Syntax if text == "trailing characters" => {
            trailing(Format::Json, offset.unwrap_or_default())
        }
        // serde_json's own words for syntax, which hold nothing of the data.
        Category::Syntax => SerializationError::in_format(Format::Json, Malformed, offset, text.to_owned()),
        Category::Io => SerializationError::in_format(Format::Json, Mismatched, offset, "could not be read"),
    }
}

/// The byte that a line and a column, both counted from 1, are.
fn offset(error: &serde_json::Error, bytes: &[u8]) -> Option<usize> {
    let line = error.line().checked_sub(1)?;
    let start = match line.checked_sub(1) {
        None => 0,
        Some(breaks) => {
            let (at, _) = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(breaks)?;
            at + 1
        }
    };
    Some((start + error.column().saturating_sub(1)).min(bytes.len()))
}
