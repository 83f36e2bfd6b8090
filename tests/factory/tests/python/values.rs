//! The values of `interchange.py`, in Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Named<T> = BTreeMap<String, T>;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    text: String,
    truth: Vec<bool>,
    nothing: Option<u8>,
    integers: Vec<i64>,
    largest: u64,
    floats: Vec<f64>,
    bytes: Bytes,
    no_bytes: Bytes,
    nested: Named<Named<Vec<Named<Vec<String>>>>>,
    no_items: Vec<Sample>,
    no_text: String,
    ports: BTreeMap<u16, String>,
    shapes: Vec<Shape>,
    long: String,
    many: Vec<u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: i8, height: i8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Big {
    signed: Vec<i128>,
    unsigned: u128,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Extra {
    set: BTreeSet<u8>,
    frozen: BTreeSet<String>,
    no_set: BTreeSet<u8>,
    pair: (u8, String),
    grid: BTreeMap<(u8, u8), String>,
    array: Bytes,
    no_array: Bytes,
    shared: Vec<Vec<String>>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        let map = |items: [(&str, Vec<&str>); 1]| {
            items.map(|(key, texts)| (key.to_owned(), texts.into_iter().map(str::to_owned).collect())).into()
        };
        let (i32_min, i32_max) = (i64::from(i32::MIN), i64::from(i32::MAX));
        let mut floats = vec![0.0, -0.0, 0.1, 0.5, 1e16, 1e22, 5e-324, f64::MIN_POSITIVE, f64::MAX, 3.0];
        let mut state = 1_u64;
        while floats.len() < 510 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            floats.extend(Some(f64::from_bits(state)).filter(|float| float.is_finite()));
        }
        Self {
            text: "Grüße, 日本 😀 \0 \"quoted\" \\ \r\n \u{2028} \x7f".into(),
            truth: vec![true, false],
            nothing: None,
            integers: vec![
                0,
                -1,
                127,
                128,
                255,
                256,
                -128,
                -129,
                65_535,
                65_536,
                -32_769,
                i32_max,
                i32_max + 1,
                i32_min,
                i32_min - 1,
                1 << 32,
                (1 << 53) + 1,
                i64::MAX,
                i64::MIN,
            ],
            largest: u64::MAX,
            floats,
            bytes: Bytes((0..=255).collect()),
            no_bytes: Bytes(Vec::new()),
            nested: BTreeMap::from([
                (
                    "a".into(),
                    BTreeMap::from([
                        ("b".into(), vec![map([("c", vec![])]), BTreeMap::new()]),
                        (String::new(), vec![map([("日本", vec!["d", ""])])]),
                    ]),
                ),
                ("e".into(), BTreeMap::new()),
            ]),
            no_items: Vec::new(),
            no_text: String::new(),
            ports: BTreeMap::from([(80, "http".into()), (443, "https".into())]),
            shapes: vec![Shape::Point, Shape::Circle(1.5), Shape::Box { width: 1, height: -2 }],
            long: "0123456789".repeat(30_000),
            many: (0..2_500).collect(),
        }
    }
}

impl Big {
    pub(crate) fn new() -> Self {
        let signed = vec![i128::MAX, i128::MIN, 1 << 64, i128::from(i64::MIN) - 1];
        Self { signed, unsigned: u128::MAX }
    }
}

pub(crate) fn infinite() -> Vec<f64> {
    vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
}

impl Extra {
    pub(crate) fn new() -> Self {
        Self {
            set: BTreeSet::from([1, 2, 3]),
            frozen: BTreeSet::from(["a".into()]),
            no_set: BTreeSet::new(),
            pair: (1, "a".into()),
            grid: BTreeMap::from([((1, 2), "x".into()), ((3, 4), "y".into())]),
            array: Bytes(vec![0, 255]),
            no_array: Bytes(Vec::new()),
            shared: vec![vec!["shared".into()]; 2],
        }
    }
}

/// Bytes, where a format has them; a list of numbers in JSON.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }

        from.deserialize_byte_buf(Either)
    }
}
