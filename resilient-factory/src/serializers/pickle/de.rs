//! A tree of values as serde sees it.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Error, Why};
use super::opcode;
use super::scalar::{self, Scalar};
use super::tree::{Chain, Entry, Items, Kind, Tree};

/// What all readers of a tree have in common.
#[derive(Clone, Copy)]
pub(super) struct Source<'t, 'de> {
    pub(super) tree: &'t Tree<'de>,
    pub(super) max_depth: usize,
}

/// A value that is asked for. Its tree was weighed: nothing holds itself. `depth` counts what holds it, with the options and
/// newtypes that are nowhere in the pickle.
pub(super) struct Reader<'t, 'de> {
    source: Source<'t, 'de>,
    entry: Entry,
    depth: usize,
}

impl<'t, 'de> Source<'t, 'de> {
    pub(super) fn reader(self, entry: Entry) -> Reader<'t, 'de> {
        Reader { source: self, entry, depth: 0 }
    }
}

impl<'t, 'de> Reader<'t, 'de> {
    fn tree(&self) -> &'t Tree<'de> {
        self.source.tree
    }

    /// What is wrong is here, unless it is inside.
    fn here<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        let tree = self.tree();
        read.map_err(|error| error.or_at(tree.input, tree.at(self.entry)))
    }

    /// One level further in.
    fn deeper(&self) -> Result<Inside<'t, 'de>, Error> {
        let allowed = self.source.max_depth;
        if self.depth >= allowed {
            return self.here(Err(Why::Deep { allowed }.into()));
        }
        Ok(Inside { source: self.source, depth: self.depth + 1 })
    }

    fn any<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        if let Some(held) = self.tree().container(self.entry) {
            return match held.kind {
                Kind::Dict => self.dict(held.chain, visitor),
                Kind::Encoded => visitor.visit_byte_buf(self.encoded(held.chain)?),
                Kind::Name(_) => Err(Why::Code.into()),
                Kind::List | Kind::Tuple | Kind::Set | Kind::Closed => self.sequence(held.chain, visitor),
            };
        }
        match self.tree().read(self.entry)? {
            Scalar::None => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::Int(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(value),
            },
            Scalar::Signed(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i128(value),
            },
            Scalar::Unsigned(value) => visitor.visit_u128(value),
            Scalar::Float(value) => visitor.visit_f64(value),
            Scalar::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Scalar::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Scalar::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn encoded(&self, chain: Chain) -> Result<Vec<u8>, Error> {
        let Some(text) = self.tree().items(chain).next() else { return Ok(Vec::new()) };
        let Scalar::Text(text) = self.tree().read(text)? else { return Err(Why::Call.into()) };
        let bytes = text.chars().map(|character| u8::try_from(u32::from(character)));
        bytes.collect::<Result<_, _>>().map_err(|_| Why::NotLatin.into())
    }

    fn bytes(&self) -> Result<Option<Cow<'de, [u8]>>, Error> {
        if let Some(chain) = self.tree().chain_of(self.entry, Kind::Encoded) {
            return self.encoded(chain).map(|bytes| Some(Cow::Owned(bytes)));
        }
        match self.tree().opcode(self.entry) {
            Some(opcode) if scalar::is_bytes(opcode) => {
                Ok(Some(Cow::Borrowed(self.tree().body(self.entry)?.bytes)))
            }
            _ => Ok(None),
        }
    }

    fn is_text(&self) -> bool {
        self.tree().opcode(self.entry).is_some_and(scalar::is_text)
    }

    fn sequence<V: Visitor<'de>>(&self, chain: Chain, visitor: V) -> Result<V::Value, Error> {
        let mut items = Sequence { inside: self.deeper()?, items: self.tree().items(chain) };
        let value = visitor.visit_seq(&mut items)?;
        match items.items.len() {
            0 => Ok(value),
            left => Err(Error::invalid_length(chain.len(), &Fewer(chain.len() - left))),
        }
    }

    fn dict<V: Visitor<'de>>(&self, chain: Chain, visitor: V) -> Result<V::Value, Error> {
        let mut items = Dict { inside: self.deeper()?, items: self.tree().items(chain) };
        let value = visitor.visit_map(&mut items)?;
        match items.items.len() {
            0 => Ok(value),
            left => {
                let (all, left) = (chain.len() / 2, left.div_ceil(2));
                Err(Error::invalid_length(all, &Fewer(all - left)))
            }
        }
    }

    /// A sequence, which may be bytes: Python has no other word for many small numbers.
    fn listed<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        let Some(bytes) = self.bytes()? else { return self.any(visitor) };
        let mut items = SeqDeserializer::<_, Error>::new(bytes.iter().copied());
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    /// The name of a variant with its value: a text, or the one key and the one value of a dict.
    fn variant<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        const EXPECTED: &str = "the name of a variant, or a dict of it and its value";
        if self.is_text() {
            let inside = Inside { source: self.source, depth: self.depth };
            return visitor.visit_enum(Variant { inside, name: self.entry, value: None });
        }
        let chain = self.tree().chain_of(self.entry, Kind::Dict);
        let mut items = self.tree().items(chain.ok_or_else(|| self.mismatch(&EXPECTED))?);
        match (items.next(), items.next(), items.next()) {
            (Some(name), value @ Some(_), None) => {
                visitor.visit_enum(Variant { inside: self.deeper()?, name, value })
            }
            _ => Err(self.mismatch(&EXPECTED)),
        }
    }

    /// What it is, in serde's words.
    fn mismatch(&self, expected: &dyn Expected) -> Error {
        let found = match self.tree().container(self.entry).map(|held| held.kind) {
            Some(Kind::Dict) => Unexpected::Map,
            Some(Kind::Encoded) => Unexpected::Bytes(&[]),
            Some(_) => Unexpected::Seq,
            None => match self.tree().read(self.entry) {
                Ok(Scalar::None) => Unexpected::Unit,
                Ok(Scalar::Bool(value)) => Unexpected::Bool(value),
                Ok(Scalar::Int(value)) => Unexpected::Signed(value),
                Ok(Scalar::Float(value)) => Unexpected::Float(value),
                Ok(Scalar::Text(_)) => Unexpected::Str(""),
                Ok(Scalar::Bytes(_)) => Unexpected::Bytes(&[]),
                _ => Unexpected::Other("integer of more than 64 bits"),
            },
        };
        Error::invalid_type(found, expected)
    }
}

/// `2 items`, as what was expected.
struct Fewer(usize);

impl Expected for Fewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 item"),
            items => write!(f, "{items} items"),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(self.any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.tree().opcode(self.entry) == Some(opcode::NONE) {
            return self.here(visitor.visit_none());
        }
        let inner = self.deeper()?.reader(self.entry);
        self.here(visitor.visit_some(inner))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, Error> {
        let inner = self.deeper()?.reader(self.entry);
        self.here(visitor.visit_newtype_struct(inner))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(self.listed(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.here(self.listed(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.here(self.listed(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &str, _: &[&str], visitor: V) -> Result<V::Value, Error> {
        self.here(self.variant(visitor))
    }

    /// A field's name is a text: a number is never taken for its place.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let named = if self.is_text() { self.any(visitor) } else { Err(self.mismatch(&visitor)) };
        self.here(named)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map struct
    }
}

/// What the items of a container are read with.
struct Inside<'t, 'de> {
    source: Source<'t, 'de>,
    depth: usize,
}

impl<'t, 'de> Inside<'t, 'de> {
    fn reader(&self, entry: Entry) -> Reader<'t, 'de> {
        Reader { source: self.source, entry, depth: self.depth }
    }
}

struct Sequence<'t, 'de> {
    inside: Inside<'t, 'de>,
    items: Items<'t>,
}

impl<'de> SeqAccess<'de> for Sequence<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.inside.reader(entry)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Dict<'t, 'de> {
    inside: Inside<'t, 'de>,
    items: Items<'t>,
}

impl<'de> MapAccess<'de> for Dict<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.inside.reader(entry)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let entry = self.items.next().ok_or(Why::Odd)?;
        seed.deserialize(self.inside.reader(entry))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() / 2)
    }
}

struct Variant<'t, 'de> {
    inside: Inside<'t, 'de>,
    name: Entry,
    value: Option<Entry>,
}

impl<'t, 'de> Variant<'t, 'de> {
    fn value(&self) -> Result<Reader<'t, 'de>, Error> {
        let missing = || Error::invalid_type(Unexpected::UnitVariant, &"a variant with its value");
        self.value.map(|entry| self.inside.reader(entry)).ok_or_else(missing)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = seed.deserialize(self.inside.reader(self.name))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(entry) => <()>::deserialize(self.inside.reader(entry)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.value()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value()?.deserialize_any(visitor)
    }
}
