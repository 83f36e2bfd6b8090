//! A serializer around another that counts levels: what is written can be read again.
use std::cell::Cell;
use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::Exceeded;
use crate::serializers::{Format, Limits, SerializationError};

thread_local! {
    /// Whether the writing that failed on this thread was too deep. It is here, and not beside the count of levels, so that
    /// a serializer with its count is two words, which are handed on in registers.
    static TOO_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// How many levels may still be inside.
#[derive(Clone, Copy, Debug)]
struct Depth {
    left: usize,
}

impl Depth {
    #[inline(always)]
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.left == 0 { Err(too_deep()) } else { Ok(Self { left: self.left - 1 }) }
    }
}

#[cold]
fn too_deep<E: Error>() -> E {
    TOO_DEEP.set(true);
    E::custom("beyond a limit")
}

/// That the writing which failed last on this thread was too deep, if it was.
pub(in crate::serializers) fn exceeded(format: Format, limits: Limits) -> Option<SerializationError> {
    TOO_DEEP.take().then(|| Exceeded::Depth(limits.max_depth()).into_error(format, None))
}

/// A value whose levels are counted while it is written.
#[derive(Debug)]
pub(in crate::serializers) struct Counted<'v, T: ?Sized> {
    value: &'v T,
    depth: Depth,
}

impl<'v, T: ?Sized> Counted<'v, T> {
    pub(in crate::serializers) fn new(value: &'v T, limits: Limits) -> Self {
        TOO_DEEP.set(false);
        Self { value, depth: Depth { left: limits.max_depth() } }
    }
}

impl<T: Serialize + ?Sized> Serialize for Counted<'_, T> {
    #[inline(always)]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Counting { inner, depth: self.depth })
    }
}

/// The serializer `inner`, or what it makes of a sequence or a map, at a depth.
#[derive(Debug)]
pub(in crate::serializers) struct Counting<S> {
    inner: S,
    depth: Depth,
}

impl<S> Counting<S> {
    #[inline(always)]
    fn deeper<I, E: Error>(
        self,
        levels: usize,
        inside: impl FnOnce(S) -> Result<I, E>,
    ) -> Result<Counting<I>, E> {
        let mut depth = self.depth;
        for _ in 0..levels {
            depth = depth.inside()?;
        }
        Ok(Counting { inner: inside(self.inner)?, depth })
    }
}

macro_rules! scalars {
    ($($serialize:ident: $type:ty),*) => {$(
        #[inline(always)]
        fn $serialize(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$serialize(value)
        }
    )*};
}

impl<S: Serializer> Serializer for Counting<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Counting<S::SerializeSeq>;
    type SerializeTuple = Counting<S::SerializeTuple>;
    type SerializeTupleStruct = Counting<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Counting<S::SerializeTupleVariant>;
    type SerializeMap = Counting<S::SerializeMap>;
    type SerializeStruct = Counting<S::SerializeStruct>;
    type SerializeStructVariant = Counting<S::SerializeStructVariant>;

    scalars! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str,
        serialize_bytes: &[u8]
    }

    #[inline(always)]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let depth = self.depth.inside()?;
        self.inner.serialize_some(&Counted { value, depth })
    }

    #[inline(always)]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline(always)]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_struct(name)
    }

    #[inline(always)]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.depth.inside()?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.depth.inside()?;
        self.inner.serialize_newtype_struct(name, &Counted { value, depth })
    }

    #[inline(always)]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.depth.inside()?;
        self.inner.serialize_newtype_variant(name, index, variant, &Counted { value, depth })
    }

    #[inline(always)]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.deeper(1, |inner| inner.serialize_seq(len))
    }

    #[inline(always)]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.deeper(1, |inner| inner.serialize_tuple(len))
    }

    #[inline(always)]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.deeper(1, |inner| inner.serialize_tuple_struct(name, len))
    }

    // Those who read count the variant and what is in it.
    #[inline(always)]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.deeper(2, |inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    #[inline(always)]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.deeper(1, |inner| inner.serialize_map(len))
    }

    #[inline(always)]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.deeper(1, |inner| inner.serialize_struct(name, len))
    }

    #[inline(always)]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.deeper(2, |inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    #[inline(always)]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident :: $serialize:ident)*) => {$(
        impl<S: $trait> $trait for Counting<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline(always)]
            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.inner.$serialize(&Counted { value, depth: self.depth })
            }

            #[inline(always)]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

impl<S: SerializeMap> SerializeMap for Counting<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline(always)]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(&Counted { value, depth: self.depth })
    }

    #[inline(always)]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Counted { value, depth: self.depth })
    }

    #[inline(always)]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        let depth = self.depth;
        self.inner.serialize_entry(&Counted { value: key, depth }, &Counted { value, depth })
    }

    #[inline(always)]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<S: $trait> $trait for Counting<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.inner.serialize_field(key, &Counted { value, depth: self.depth })
            }

            #[inline(always)]
            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(key)
            }

            #[inline(always)]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }
