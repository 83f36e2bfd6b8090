//! Values as serde hands them over, as Python would have them.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::super::Limits;
use super::error::{Error, Why};
use super::write::Sink;

/// Writes a value.
pub(super) fn write<T: Serialize + ?Sized>(
    value: &T,
    protocol: u8,
    limits: Limits,
) -> Result<Vec<u8>, Error> {
    let mut sink = Sink::new(protocol.min(4), limits.max_size());
    value.serialize(Writer { sink: &mut sink, depth: 0, max_depth: limits.max_depth(), key: false })?;
    sink.finish()
}

/// Writes one value.
struct Writer<'s> {
    sink: &'s mut Sink,
    depth: usize,
    max_depth: usize,
    /// Whether it is a key of a dict, or inside of one.
    key: bool,
}

impl<'s> Writer<'s> {
    fn again(&mut self) -> Writer<'_> {
        Writer { sink: self.sink, ..*self }
    }

    fn deeper(self) -> Result<Self, Error> {
        if self.depth >= self.max_depth {
            return Err(Why::Deep { allowed: self.max_depth }.into());
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn no_key(&self, what: &'static str) -> Result<(), Error> {
        if self.key { Err(Why::Key(what).into()) } else { Ok(()) }
    }

    fn items(self, shape: Shape, said: usize, tagged: bool) -> Result<Items<'s>, Error> {
        match shape {
            Shape::List => {
                self.no_key("list")?;
                self.sink.list_begin()?;
            }
            Shape::Dict => {
                self.no_key("dict")?;
                self.sink.dict_begin()?;
            }
            Shape::Tuple => self.sink.tuple_begin(said)?,
        }
        Ok(Items { writer: self.deeper()?, shape, said, written: 0, tagged })
    }

    /// The dict of a variant, up to its value.
    fn tag(self, name: &str) -> Result<Self, Error> {
        self.no_key("dict")?;
        self.sink.dict_begin()?;
        self.sink.item_begin(0)?;
        self.sink.text(name)?;
        self.deeper()
    }

    fn tag_end(&mut self) -> Result<(), Error> {
        self.sink.item_end(1, true)?;
        self.sink.items_end(1, true)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    List,
    Tuple,
    Dict,
}

/// A container that is being written.
struct Items<'s> {
    writer: Writer<'s>,
    shape: Shape,
    said: usize,
    written: usize,
    /// Whether it is the value of a variant.
    tagged: bool,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if self.shape == Shape::List {
            self.writer.sink.item_begin(self.written)?;
        }
        value.serialize(self.writer.again())?;
        self.written += 1;
        if self.shape == Shape::List { self.writer.sink.item_end(self.written, false) } else { Ok(()) }
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.writer.sink.item_begin(self.written)?;
        key.serialize(Writer { key: true, ..self.writer.again() })
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(self.writer.again())?;
        self.written += 1;
        self.writer.sink.item_end(self.written, true)
    }

    fn close(mut self) -> Result<(), Error> {
        let sink = &mut *self.writer.sink;
        match self.shape {
            Shape::List => sink.items_end(self.written, false)?,
            Shape::Dict => sink.items_end(self.written, true)?,
            Shape::Tuple if self.written == self.said => sink.tuple_end(self.written)?,
            Shape::Tuple => return Err(Why::Count { said: self.said, found: self.written }.into()),
        }
        if self.tagged { self.writer.tag_end() } else { Ok(()) }
    }
}

macro_rules! scalars {
    ($($serialize:ident: $type:ty as $kind:ident),*) => {$(
        fn $serialize(self, value: $type) -> Result<(), Error> {
            self.sink.$kind(value.into())
        }
    )*};
}

#[allow(clippy::useless_conversion, reason = "the widest of each kind are what the sink takes")]
impl<'s> Serializer for Writer<'s> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'s>;
    type SerializeTuple = Items<'s>;
    type SerializeTupleStruct = Items<'s>;
    type SerializeTupleVariant = Items<'s>;
    type SerializeMap = Items<'s>;
    type SerializeStruct = Items<'s>;
    type SerializeStructVariant = Items<'s>;

    scalars! {
        serialize_bool: bool as bool, serialize_i8: i8 as signed, serialize_i16: i16 as signed, serialize_i32: i32 as signed,
        serialize_i64: i64 as signed, serialize_i128: i128 as signed, serialize_u8: u8 as signed, serialize_u16: u16 as signed,
        serialize_u32: u32 as signed, serialize_u64: u64 as signed, serialize_u128: u128 as unsigned, serialize_f32: f32 as float,
        serialize_f64: f64 as float
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.sink.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.sink.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.sink.bytes(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.sink.none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self.deeper()?)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.sink.none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.sink.none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), Error> {
        self.sink.text(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.deeper()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut inside = self.tag(name)?;
        value.serialize(inside.again())?;
        inside.tag_end()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'s>, Error> {
        self.items(Shape::List, 0, false)
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'s>, Error> {
        self.items(Shape::Tuple, length, false)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items<'s>, Error> {
        self.items(Shape::Tuple, length, false)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Items<'s>, Error> {
        self.tag(name)?.items(Shape::Tuple, length, true)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'s>, Error> {
        self.items(Shape::Dict, 0, false)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'s>, Error> {
        self.items(Shape::Dict, 0, false)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Items<'s>, Error> {
        self.tag(name)?.items(Shape::Dict, 0, true)
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeTupleVariant for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.item(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeStruct for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

impl SerializeStructVariant for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}
