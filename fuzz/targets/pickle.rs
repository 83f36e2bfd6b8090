//! Pickles: whatever is read can be written in every protocol and is then the same; nothing is deeper or larger than it may
//! be, whatever its memo repeats.
#![no_main]

mod value;

use libfuzzer_sys::fuzz_target;
use resilient_factory::serializers::{
    Format, Limits, PickleOptions, SerializationErrorKind, Serializer, SerializerOptions,
};
use serde::Deserialize;

use value::{Value, accepted};

const DEPTH: usize = 32;

/// What a program would ask for.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Order {
    id: u64,
    price: Option<f64>,
    tags: Vec<String>,
    raw: Vec<u8>,
    shape: Shape,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Shape {
    Empty,
    Newtype(i128),
    Pair(u8, char),
    Named { side: bool },
}

fn serializer(options: impl Into<SerializerOptions>, limits: Limits) -> Serializer {
    Serializer::new(options.into().limits(limits)).expect("it is built in")
}

/// Whether Python could have such keys: nothing in them changes.
fn hashable(value: &Value, key: bool) -> bool {
    match value {
        Value::List(items) => items.iter().all(|item| hashable(item, key)),
        Value::Dict(items) => {
            !key && items.iter().all(|(key, value)| hashable(key, true) && hashable(value, false))
        }
        _ => true,
    }
}

fn levels(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Dict(items) => {
            1 + items.iter().map(|(key, value)| levels(key).max(levels(value))).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// The bytes that it takes to spell it, at the least.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Dict(items) => 1 + items.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>(),
        _ => 1,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default().with_max_size(1 << 16).with_max_depth(DEPTH);
    let reader = serializer(Format::Pickle, limits);
    let _ = accepted(reader.deserialize::<Order>(bytes));
    let _ = accepted(reader.deserialize::<Vec<Shape>>(bytes));
    let Some(value) = accepted(reader.deserialize::<Value>(bytes)) else { return };
    assert!(levels(&value) <= DEPTH && size(&value) <= 1 << 16);
    // A text may take ten times the room in protocol 0.
    let limits = limits.with_max_size(1 << 20);
    for protocol in 0..=4 {
        let serializer = serializer(PickleOptions::new().protocol(protocol), limits);
        match serializer.serialize(&value) {
            Ok(written) => {
                let again = serializer.deserialize::<Value>(&written).expect("what was written is read");
                assert_eq!(again, value, "{protocol}: {}", written.escape_ascii());
            }
            Err(why) => {
                assert!(why.kind() == SerializationErrorKind::Unwritable && !hashable(&value, false), "{why}");
            }
        }
    }
});
