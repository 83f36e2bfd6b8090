//! Any value that a format without a schema holds, read and written back as it was.

use std::fmt;

use resilient_factory::serializers::{SerializationError, SerializationErrorKind};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeTuple, Serializer};

/// Floats by their bits: one that is no number is the same as itself.
#[derive(Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Signed(i128),
    Unsigned(u128),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

/// What is refused says why, on one line, and holds nothing of the data.
pub fn accepted<T>(read: Result<T, SerializationError>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(why) => {
            let text = why.to_string();
            assert!(!text.is_empty() && !text.contains(char::is_control) && text.len() < 400, "{text:?}");
            assert!(why.kind() != SerializationErrorKind::Unwritable, "{text:?}");
            None
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::None)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::None)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Signed(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Signed(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
                Ok(Value::Signed(value))
            }

            fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
                Ok(i128::try_from(value).map_or(Value::Unsigned(value), Value::Signed))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(if value.is_nan() { f64::NAN } else { value }.to_bits()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
                Ok(Value::Bytes(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Value::List(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_entry()? {
                    all.push(item);
                }
                Ok(Value::Dict(all))
            }
        }

        from.deserialize_any(Any)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Signed(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => to.serialize_i64(value),
                (_, Ok(value)) => to.serialize_u64(value),
                _ => to.serialize_i128(*value),
            },
            Self::Unsigned(value) => to.serialize_u128(*value),
            Self::Float(bits) => to.serialize_f64(f64::from_bits(*bits)),
            Self::Text(value) => to.serialize_str(value),
            Self::Bytes(value) => to.serialize_bytes(value),
            // As a tuple, which may be part of a key.
            Self::List(items) => {
                let mut all = to.serialize_tuple(items.len())?;
                for item in items {
                    all.serialize_element(item)?;
                }
                all.end()
            }
            Self::Dict(items) => {
                let mut all = to.serialize_map(Some(items.len()))?;
                for (key, value) in items {
                    all.serialize_entry(key, value)?;
                }
                all.end()
            }
        }
    }
}
