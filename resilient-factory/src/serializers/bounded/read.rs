//! A deserializer around another that counts levels and grants what lengths claim only as far as the input could hold it.
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::{Gauge, Level};

/// The deserializer, access or seed `inner`, at a level.
#[derive(Debug)]
pub(in crate::serializers) struct Bounded<'g, I> {
    inner: I,
    level: Level<'g>,
}

impl<'g, I> Bounded<'g, I> {
    pub(in crate::serializers) fn new(inner: I, gauge: &'g Gauge) -> Self {
        Self { inner, level: Level::outermost(gauge) }
    }
}

impl<'de, D: Deserializer<'de>> Bounded<'_, D> {
    /// What `D` reads as a `T`.
    pub(in crate::serializers) fn read<T: Deserialize<'de>>(self) -> Result<T, D::Error> {
        T::deserialize(self)
    }
}

/// A visitor. `COUNTED`: its sequences are as long as the data claims. Those of a tuple or a struct are not: the type says
/// how many they are, and any number of them may take no byte.
struct Visiting<'g, V, const COUNTED: bool> {
    visitor: V,
    level: Level<'g>,
}

macro_rules! through {
    ($counted:literal: $($deserialize:ident($($argument:ident: $type:ty),*))*) => {$(
        #[inline(always)]
        fn $deserialize<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$deserialize($($argument,)* Visiting::<V, $counted> { visitor, level: self.level })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    through! { true:
        deserialize_any() deserialize_seq() deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_option()
    }

    through! { false:
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char() deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($visit:ident: $type:ty),*) => {$(
        #[inline(always)]
        fn $visit<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$visit(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const COUNTED: bool> Visitor<'de> for Visiting<'_, V, COUNTED> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>
    }

    #[inline(always)]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    #[inline(always)]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    #[inline(always)]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let level = self.level.inside(D::Error::custom)?;
        self.visitor.visit_some(Bounded { inner, level })
    }

    #[inline(always)]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let level = self.level.inside(D::Error::custom)?;
        self.visitor.visit_newtype_struct(Bounded { inner, level })
    }

    #[inline(always)]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let level = self.level.inside(A::Error::custom)?;
        self.visitor.visit_seq(Elements::<A, COUNTED> { access, level })
    }

    #[inline(always)]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let level = self.level.inside(A::Error::custom)?;
        self.visitor.visit_map(Elements::<A, COUNTED> { access, level })
    }

    #[inline(always)]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level.inside(A::Error::custom)?;
        self.visitor.visit_enum(Bounded { inner, level })
    }
}

struct Elements<'g, A, const COUNTED: bool> {
    access: A,
    level: Level<'g>,
}

impl<A, const COUNTED: bool> Elements<'_, A, COUNTED> {
    #[inline(always)]
    fn count<E: Error>(&self) -> Result<(), E> {
        if COUNTED { self.level.gauge.element(E::custom) } else { Ok(()) }
    }
}

impl<'de, A: SeqAccess<'de>, const COUNTED: bool> SeqAccess<'de> for Elements<'_, A, COUNTED> {
    type Error = A::Error;

    #[inline(always)]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.count()?;
        self.access.next_element_seed(Bounded { inner: seed, level: self.level })
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.access.size_hint().map(|claimed| self.level.gauge.reserve(claimed))
    }
}

impl<'de, A: MapAccess<'de>, const COUNTED: bool> MapAccess<'de> for Elements<'_, A, COUNTED> {
    type Error = A::Error;

    #[inline(always)]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.count()?;
        self.access.next_key_seed(Bounded { inner: seed, level: self.level })
    }

    #[inline(always)]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.access.next_value_seed(Bounded { inner: seed, level: self.level })
    }

    #[inline(always)]
    fn size_hint(&self) -> Option<usize> {
        self.access.size_hint().map(|claimed| self.level.gauge.reserve(claimed))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded { inner, level: self.level })
    }
}

impl<'de, 'g, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'g, A> {
    type Error = A::Error;
    type Variant = Bounded<'g, A::Variant>;

    #[inline(always)]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(Bounded { inner: seed, level: self.level })?;
        Ok((value, Bounded { inner, level: self.level }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline(always)]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Bounded { inner: seed, level: self.level })
    }

    #[inline(always)]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Visiting::<V, false> { visitor, level: self.level })
    }

    #[inline(always)]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Visiting::<V, false> { visitor, level: self.level })
    }
}
