//! Exact bytes, there and back.

mod hostile;
mod python;
mod refused;
mod rust;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::{Limits, SerializationError};

/// Any value that a pickle can hold.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    None,
    Bool(bool),
    Int(i128),
    Unsigned(u128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Plain>),
    Dict(Vec<(Plain, Plain)>),
}

fn int(value: i128) -> Plain {
    Plain::Int(value)
}

fn text(value: &str) -> Plain {
    Plain::Text(value.to_owned())
}

fn bytes(value: &[u8]) -> Plain {
    Plain::Bytes(value.to_owned())
}

fn list(items: impl Into<Vec<Plain>>) -> Plain {
    Plain::List(items.into())
}

fn dict(items: impl Into<Vec<(Plain, Plain)>>) -> Plain {
    Plain::Dict(items.into())
}

fn read(pickle: &[u8]) -> Result<Plain, SerializationError> {
    super::from_slice(pickle, Limits::default())
}

fn why(pickle: &[u8]) -> String {
    read(pickle).expect_err("it is refused").to_string()
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Plain, E> {
                Ok(Plain::None)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
                Ok(Plain::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Plain, E> {
                Ok(Plain::Int(value))
            }

            fn visit_u128<E>(self, value: u128) -> Result<Plain, E> {
                Ok(Plain::Unsigned(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
                Ok(Plain::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
                Ok(text(value))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Plain, E> {
                Ok(bytes(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Plain::List(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_entry()? {
                    all.push(item);
                }
                Ok(Plain::Dict(all))
            }
        }

        from.deserialize_any(Any)
    }
}
