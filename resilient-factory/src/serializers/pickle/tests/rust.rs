//! Rust's values: the exact bytes, and back.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

use super::super::super::{Limits, SerializationErrorKind};
use super::super::{from_slice, to_vec};
use super::{bytes, read};

fn written<T: Serialize + ?Sized>(value: &T, protocol: u8) -> Vec<u8> {
    to_vec(value, protocol, Limits::default()).expect("it can be written")
}

#[track_caller]
fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for protocol in 0..=4 {
        let pickle = written(value, protocol);
        let back = from_slice::<T>(&pickle, Limits::default());
        assert_eq!(back.as_ref(), Ok(value), "protocol {protocol}: {}", pickle.escape_ascii());
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    price: Option<f64>,
    tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Newtype(u8),
    Pair(u8, String),
    Named { side: i8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place(u8, String);

struct Raw(&'static [u8]);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

#[test]
fn the_bytes_of_protocol_4_are_these() {
    let order = Order { id: 300, price: None, tags: vec!["a".into()] };
    let expected = b"\x80\x04}(\x8c\x02idM,\x01\x8c\x05priceN\x8c\x04tags](\x8c\x01aeu.";
    assert_eq!(written(&order, 4).escape_ascii().to_string(), expected.escape_ascii().to_string());
    for (shape, expected) in [
        (Shape::Empty, &b"\x80\x04\x8c\x05Empty."[..]),
        (Shape::Newtype(1), b"\x80\x04}(\x8c\x07NewtypeK\x01u."),
        (Shape::Pair(1, String::new()), b"\x80\x04}(\x8c\x04PairK\x01\x8c\x00\x86u."),
        (Shape::Named { side: -1 }, b"\x80\x04}(\x8c\x05Named}(\x8c\x04sideJ\xff\xff\xff\xffuu."),
    ] {
        assert_eq!(written(&shape, 4), expected);
    }
    assert_eq!(written(&(), 4), b"\x80\x04N.");
    assert_eq!(written(&((), (1,), (1, 2, 3, 4)), 4), b"\x80\x04NK\x01\x85(K\x01K\x02K\x03K\x04t\x87.");
    assert_eq!(written(&Raw(b"a\xff"), 4), b"\x80\x04C\x02a\xff.");
    assert_eq!(written(&'x', 4), b"\x80\x04\x8c\x01x.");
    assert_eq!(written(&0.5_f32, 4), b"\x80\x04G\x3f\xe0\x00\x00\x00\x00\x00\x00.");
    assert_eq!(written(&1_u8, 9), written(&1_u8, 4), "higher protocols are protocol 4");
}

/// What no reader of an older Python knows is in none of them.
#[test]
fn the_bytes_of_older_protocols_are_as_python_has_them() {
    assert_eq!(written(&Raw(b"a\xff"), 3), b"\x80\x03C\x02a\xff.");
    assert_eq!(
        written(&Raw(b"a\xff"), 2),
        b"\x80\x02c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1\x86R."
    );
    assert_eq!(
        written(&Raw(b"a\xff"), 1),
        b"c_codecs\nencode\n(X\x03\x00\x00\x00a\xc3\xbfX\x06\x00\x00\x00latin1tR."
    );
    assert_eq!(written(&Raw(b"a\xff"), 0), b"c_codecs\nencode\n(Va\xff\nVlatin1\ntR.");
    assert_eq!(written(&Raw(b""), 2), b"\x80\x02c__builtin__\nbytes\n)R.");
    assert_eq!(written(&Raw(b""), 0), b"c__builtin__\nbytes\n(tR.");
    for protocol in 0..=4 {
        assert_eq!(read(&written(&Raw(b"a\n\xff\0"), protocol)), Ok(bytes(b"a\n\xff\0")));
        assert_eq!(read(&written(&Raw(b""), protocol)), Ok(bytes(b"")));
    }
    assert_eq!(
        written(&(true, 0.5, 1_i64 << 40, "é\n"), 0),
        b"(I01\nF0.5\nL1099511627776L\nV\xe9\\u000a\nt."
    );
    assert_eq!(written(&[[1]], 1), b"((K\x01tt.");
    assert_eq!(written(&vec![BTreeMap::from([(1, false)])], 0), b"(l(dI1\nI00\nsa.");
    assert_eq!(written("\u{100}\u{ffff}\u{10000}", 0), b"V\\u0100\\uffff\\U00010000\n.");
}

#[test]
fn integers_take_as_few_bytes_as_python_gives_them() {
    for (value, expected) in [
        (0_i128, &b"K\x00."[..]),
        (256, b"M\x00\x01."),
        (-1, b"J\xff\xff\xff\xff."),
        (1 << 31, b"\x8a\x05\x00\x00\x00\x80\x00."),
        (-(1 << 31) - 1, b"\x8a\x05\xff\xff\xff\x7f\xff."),
        (-(1 << 63), b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."),
    ] {
        assert_eq!(&written(&value, 4)[2..], expected, "{value}");
    }
    assert_eq!(written(&u128::MAX, 4)[2..], [&b"\x8a\x11"[..], &[0xff; 16], b"\x00."].concat());
    assert_eq!(written(&i128::MIN, 4)[2..], [&b"\x8a\x10"[..], &[0; 15], b"\x80."].concat());
    for value in [i128::MIN, i128::MAX, -1, 0, i64::MIN.into(), u64::MAX.into(), 1 << 64_u32] {
        there_and_back(&value);
    }
    there_and_back(&u128::MAX);
}

#[test]
fn values_come_back_in_every_protocol() {
    there_and_back(&Order {
        id: u64::MAX,
        price: Some(5e-324),
        tags: vec![String::new(), "aé😀\\u0041\n\0".into()],
    });
    there_and_back(&vec![
        Shape::Empty,
        Shape::Newtype(9),
        Shape::Pair(1, "b".into()),
        Shape::Named { side: -3 },
    ]);
    there_and_back(&HashMap::from([((1_u8, "key".to_owned()), vec![(), ()]), ((2, String::new()), vec![])]));
    there_and_back(&BTreeMap::from([(true, 'x'), (false, '\u{10ffff}')]));
    there_and_back(&(f64::MIN_POSITIVE, f64::MAX, f64::NEG_INFINITY, -0.0, 0.1_f32));
    there_and_back(&vec![Some(Some(1)), None]);
    there_and_back(&vec![(Nothing, Place(1, "b".into())), (Nothing, Place(2, String::new()))]);
    there_and_back(&(0..2_500).collect::<Vec<u32>>());
    there_and_back(&(0..2_500).map(|key| (key, [key; 1])).collect::<BTreeMap<u32, [u32; 1]>>());
    there_and_back(&"x".repeat(70_000));
    there_and_back(&[0_u8; 32]);
}

#[test]
fn nan_stays_none() {
    for protocol in 0..=4 {
        let pickle = written(&f64::NAN, protocol);
        assert!(from_slice::<f64>(&pickle, Limits::default()).is_ok_and(f64::is_nan));
    }
}

#[test]
fn bytes_are_read_where_a_sequence_is_asked_for() {
    let read = |pickle: &[u8]| from_slice::<Vec<u8>>(pickle, Limits::default());
    assert_eq!(read(b"C\x02a\xff."), Ok(vec![97, 255]));
    assert_eq!(read(b"c_codecs\nencode\nVa\xff\nVlatin1\n\x86R."), Ok(vec![97, 255]));
    assert_eq!(from_slice::<[u8; 2]>(b"C\x02a\xff.", Limits::default()), Ok([97, 255]));
    assert!(from_slice::<[u8; 2]>(b"C\x03a\xff\x00.", Limits::default()).is_err());
    assert!(read(b"Vab\n.").is_err() && read(b"\x8c\x02ab.").is_err(), "a text is no list of numbers");
}

#[test]
fn a_reader_that_leaves_items_of_a_dict_is_told_how_many_there_are() {
    #[derive(Debug)]
    struct First;

    impl<'de> Deserialize<'de> for First {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct One;

            impl<'de> serde::de::Visitor<'de> for One {
                type Value = First;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a dict")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut items: A) -> Result<First, A::Error> {
                    items.next_entry::<u8, u8>().map(|_| First)
                }
            }

            from.deserialize_map(One)
        }
    }

    let first = |pickle: &[u8]| from_slice::<First>(pickle, Limits::default());
    assert!(first(b"}(K\x01K\x02u.").is_ok());
    assert_eq!(
        first(b"}(K\x01K\x02K\x03K\x04K\x05K\x06u.").expect_err("there are three").to_string(),
        "pickle, at byte 0: expected 1 item, found a length of 3"
    );
}

#[test]
fn a_value_of_another_type_is_told_with_its_place() {
    let why =
        |pickle: &[u8]| from_slice::<Order>(pickle, Limits::default()).expect_err("no order").to_string();
    assert_eq!(
        why(b"\x80\x04}(\x8c\x02id\x8c\x07hunter2u."),
        "pickle, at byte 8: expected u64, found a string"
    );
    assert_eq!(why(b"\x80\x04}."), "pickle, at byte 2: missing field `id`");
    assert_eq!(
        why(b"\x80\x04}(K\x00K\x01u."),
        "pickle, at byte 4: expected field identifier, found an integer"
    );
    assert_eq!(why(b"K\x01."), "pickle, at byte 0: expected struct Order, found an integer");
    let shape =
        |pickle: &[u8]| from_slice::<Shape>(pickle, Limits::default()).expect_err("no shape").to_string();
    assert_eq!(
        shape(b"\x80\x04K\x01."),
        "pickle, at byte 2: expected the name of a variant, or a dict of it and its value, found an integer"
    );
    assert!(shape(b"}.").contains("found a map"));
    for (pickle, found) in [
        (&b"N."[..], "found nothing"),
        (b"\x88.", "found a boolean"),
        (b"G\x3f\xe0\x00\x00\x00\x00\x00\x00.", "found a floating point number"),
        (b"C\x01a.", "found bytes"),
        (b"].", "found a sequence"),
    ] {
        assert!(shape(pickle).ends_with(found), "{}", shape(pickle));
    }
    assert!(shape(b"}(VEmpty\nK\x01u.").contains("expected unit"), "{}", shape(b"}(VEmpty\nK\x01u."));
    assert_eq!(from_slice(b"}(VEmpty\nNu.", Limits::default()), Ok(Shape::Empty));
    assert!(
        shape(b"Vhunter2\n.").contains("a variant whose name is unknown, expected one of `Empty`"),
        "{}",
        shape(b"Vhunter2\n.")
    );
    assert!(shape(b"VPair\n.").contains("a variant with its value"));
    let number =
        |pickle: &[u8]| from_slice::<u64>(pickle, Limits::default()).expect_err("no number").to_string();
    assert_eq!(number(b"L18446744073709551616L\n."), "pickle, at byte 0: expected u64, found an integer");
    assert_eq!(
        from_slice::<(u8, u8)>(b"](K\x01K\x02K\x03e.", Limits::default())
            .expect_err("one too many")
            .to_string(),
        "pickle, at byte 0: expected 2 items, found a length of 3"
    );
}

#[test]
fn a_tuple_that_has_not_what_it_said_is_not_written() {
    struct Liar;

    impl Serialize for Liar {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut items = to.serialize_tuple(2)?;
            items.serialize_element(&1)?;
            items.end()
        }
    }

    let error = to_vec(&Liar, 4, Limits::default()).expect_err("it has one item");
    assert_eq!(error.to_string(), "pickle: 1 of the 2 items that the value said it has");
}

/// Python could not load them.
#[test]
fn a_key_that_could_change_is_not_written() {
    let refused = |value: &dyn Fn() -> Result<Vec<u8>, super::SerializationError>| {
        let error = value().expect_err("Python has no such key");
        assert_eq!(error.kind(), SerializationErrorKind::Unwritable);
        error.to_string()
    };
    let limits = Limits::default();
    assert!(
        refused(&|| to_vec(&BTreeMap::from([(vec![1], 1)]), 4, limits)).contains("a list cannot be a key")
    );
    assert!(
        refused(&|| to_vec(&BTreeMap::from([((1, vec![1]), 1)]), 4, limits))
            .contains("a list cannot be a key")
    );
    assert!(
        refused(&|| to_vec(&BTreeMap::from([(BTreeMap::from([(1, 1)]), 1)]), 4, limits))
            .contains("a dict cannot")
    );
    // A list below a value is none in a key.
    there_and_back(&BTreeMap::from([((1, 2), vec![vec![1]])]));
}
