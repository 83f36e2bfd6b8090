//! A recursive type with something of everything serde knows, and values of it.
use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    Nothing,
    Flag(bool),
    Signed(i64),
    Unsigned(u64),
    Number(f64),
    Letter(char),
    Text(String),
    Bytes(Vec<u8>),
    Maybe(Option<Box<Value>>),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Pair(i8, u16),
    Fields { name: String, value: Box<Value> },
    Record(Box<Record>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) score: Option<f32>,
    pub(crate) tags: Vec<String>,
    pub(crate) place: (i16, i32),
    pub(crate) nothing: (),
    pub(crate) inner: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Id(pub(crate) u64);

fn text() -> impl Strategy<Value = String> {
    collection::vec(any::<char>(), 0..12).prop_map(|letters| letters.into_iter().collect())
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no infinities", |number| number.is_finite())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nothing),
        any::<bool>().prop_map(Value::Flag),
        any::<i64>().prop_map(Value::Signed),
        any::<u64>().prop_map(Value::Unsigned),
        finite().prop_map(Value::Number),
        any::<char>().prop_map(Value::Letter),
        text().prop_map(Value::Text),
        collection::vec(any::<u8>(), 0..16).prop_map(Value::Bytes),
        (any::<i8>(), any::<u16>()).prop_map(|(one, other)| Value::Pair(one, other)),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 6, |inner| {
        let score =
            option::of(any::<f32>().prop_filter("JSON has no infinities", |number| number.is_finite()));
        let record =
            (any::<u64>(), text(), score, collection::vec(text(), 0..3), any::<(i16, i32)>(), inner.clone())
                .prop_map(|(id, name, score, tags, place, inner)| Record {
                    id: Id(id),
                    name,
                    score,
                    tags,
                    place,
                    nothing: (),
                    inner,
                });
        prop_oneof![
            option::of(inner.clone().prop_map(Box::new)).prop_map(Value::Maybe),
            collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            collection::btree_map(text(), inner.clone(), 0..5).prop_map(Value::Map),
            (text(), inner.prop_map(Box::new)).prop_map(|(name, value)| Value::Fields { name, value }),
            record.prop_map(|record| Value::Record(Box::new(record))),
        ]
    })
}
