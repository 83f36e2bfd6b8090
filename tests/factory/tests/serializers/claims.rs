//! What hostile data claims, and what an error tells of it.
use resilient::factory::serializers::{
    Compression, Format, Layer, Limits, SerializationErrorKind, Serializer, SerializerOptions,
};
use serde::{Deserialize, Serialize};

use crate::values::Value;

fn made(options: impl Into<SerializerOptions>) -> Serializer {
    Serializer::new(options).unwrap()
}

/// As deep as the data says.
#[derive(Debug, Serialize, Deserialize)]
struct Link(Option<Box<Link>>);

#[derive(Debug, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

fn nested(levels: usize) -> Nest {
    (0..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

const DEEP: usize = 1_000_000;

#[test]
fn a_million_levels_are_refused_in_every_format() {
    for (format, bytes) in [
        (Format::Json, [vec![b'['; DEEP], vec![b']'; DEEP]].concat()),
        (Format::MessagePack, vec![0x91; DEEP]),
        (Format::Cbor, vec![0x81; DEEP]),
        (Format::Cbor, vec![0x9f; DEEP]),
        (Format::Binary, vec![1; DEEP]),
        (Format::Pickle, [vec![b']'; DEEP], vec![b'a'; DEEP - 1], vec![b'.']].concat()),
    ] {
        let error = made(format).deserialize::<Nest>(&bytes).unwrap_err();
        assert_eq!(error.kind(), SerializationErrorKind::TooDeep, "{error}");
        assert!(error.to_string().contains("nested deeper than"), "{error}");
        assert!(error.to_string().contains("128 levels"), "{error}");
        assert_eq!(error.layer(), Layer::Format(format));
    }
    let error = made(Format::Binary).deserialize::<Link>(&vec![1; DEEP]).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::TooDeep, "{error}");
    // Any value there is, where the format holds its types.
    for (format, byte) in [(Format::Json, b'['), (Format::MessagePack, 0x91), (Format::Cbor, 0x81)] {
        let error = made(format).deserialize::<serde_json::Value>(&vec![byte; DEEP]).unwrap_err();
        assert_eq!(error.kind(), SerializationErrorKind::TooDeep, "{error}");
    }
}

#[test]
fn what_is_too_deep_to_be_read_is_not_written() {
    for format in Format::ALL {
        for limit in [1, 7, 64, 127, 256] {
            let limits = Limits::default().with_max_depth(limit);
            let serializer = made(SerializerOptions::from(*format).limits(limits));
            // A newtype and its sequence are two levels.
            let (deepest, too_deep) = (nested(limit / 2 - usize::from(limit > 1)), nested(limit / 2));
            if limit > 1 {
                let bytes = serializer.serialize(&deepest).unwrap();
                serializer.deserialize::<Nest>(&bytes).unwrap();
            }
            let error = serializer.serialize(&too_deep).unwrap_err();
            assert_eq!(error.kind(), SerializationErrorKind::TooDeep, "{error}");
        }
    }
}

#[test]
fn a_length_that_the_data_only_claims_is_an_error() {
    let u32_max = [0xff; 4];
    let huge = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (format, bytes) in [
        (Format::MessagePack, [&[0xdd][..], &u32_max].concat()),
        (Format::MessagePack, [&[0xdb][..], &u32_max].concat()),
        (Format::MessagePack, [&[0xc6][..], &u32_max].concat()),
        (Format::Cbor, [&[0x9b][..], &huge].concat()),
        (Format::Cbor, [&[0x9b][..], &[0xff; 8]].concat()),
        (Format::Cbor, [&[0x7b][..], &huge].concat()),
        (Format::Cbor, [&[0x5b][..], &[0xff; 8]].concat()),
        (Format::Binary, [&[0xff; 9][..], &[1]].concat()),
        (Format::Binary, [0xff, 0xff, 0xff, 0xff, 0x0f].to_vec()),
        (Format::Pickle, [&[0x80, 4, 0x8d][..], &[0xff; 8]].concat()),
        (Format::Pickle, [&[0x80, 4, 0x95][..], &[0xff; 8], b"]."].concat()),
    ] {
        let serializer = made(format);
        assert!(serializer.deserialize::<Vec<u64>>(&bytes).is_err());
        assert!(serializer.deserialize::<String>(&bytes).is_err());
    }
}

#[test]
fn elements_that_take_no_bytes_cannot_be_claimed_without_end() {
    // 2^63 times nothing.
    let bytes = [&[0x80; 9][..], &[1]].concat();
    let error = made(Format::Binary).deserialize::<Vec<()>>(&bytes).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::TooLarge, "{error}");
    let error = made(Format::Binary).deserialize::<std::collections::LinkedList<()>>(&bytes).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::TooLarge, "{error}");
    let honest = made(Format::Binary).serialize(&vec![(); 10_000]).unwrap();
    assert_eq!(made(Format::Binary).deserialize::<Vec<()>>(&honest).unwrap().len(), 10_000);
}

#[test]
fn what_decompresses_beyond_the_limit_is_refused() {
    let limits = Limits::default().with_max_size(100_000);
    for compression in &Compression::ALL[1..] {
        let written = SerializerOptions::from(Format::Binary).compressed(*compression);
        let bomb = made(written).serialize(&vec![0_u8; 30_000_000]).unwrap();
        let read = made(written.limits(limits));
        let error = read.deserialize::<Vec<u8>>(&bomb).unwrap_err();
        // lz4 makes a 255th of it at best, and so is refused for what comes in.
        assert_eq!(error.kind(), SerializationErrorKind::TooLarge, "{error}");
        assert!(error.to_string().contains("the limit of 100000"), "{error}");
        let at_the_limit = made(written).serialize(&vec![7_u8; 99_997]).unwrap();
        read.deserialize::<Vec<u8>>(&at_the_limit).unwrap();
        let beyond = made(written).serialize(&vec![7_u8; 99_998]).unwrap();
        assert!(read.deserialize::<Vec<u8>>(&beyond).is_err());
        assert!(read.serialize(&vec![7_u8; 99_998]).is_err());
    }
}

#[test]
fn an_error_says_where_and_never_what_the_data_holds() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Account {
        id: u32,
        active: bool,
    }
    #[derive(Serialize)]
    struct Wrong {
        id: &'static str,
        active: bool,
    }
    let wrong = Wrong { id: "hunter2", active: true };
    for format in Format::ALL {
        let serializer = made(*format);
        let bytes = serializer.serialize(&wrong).unwrap();
        let error = serializer.deserialize::<Account>(&bytes).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(error.layer(), Layer::Format(*format));
        if *format != Format::Binary {
            assert_eq!(error.kind(), SerializationErrorKind::Mismatched, "{error}");
            assert!(error.offset().is_some_and(|at| (3..=bytes.len()).contains(&at)), "{error}");
        }
    }
    let error = made(Format::Json)
        .deserialize::<Account>(b"{\n  \"id\": 1,\n  \"active\": \"hunter2\"}")
        .unwrap_err();
    assert_eq!(error.to_string(), "json, at byte 33: expected a boolean, found a string");
    for (bytes, told) in [
        (&b"[1, 2"[..], "json, at byte 5: the data ends within a value"),
        (b"[1, 2]]", "json, at byte 6: the value has ended, and bytes follow"),
        (b"[1, 300]", "json, at byte 6: expected u8, found an integer that is none"),
        (b"", "json, at byte 0: the data ends within a value"),
    ] {
        assert_eq!(made(Format::Json).deserialize::<Vec<u8>>(bytes).unwrap_err().to_string(), told);
    }
}

#[test]
fn binary_says_what_it_expected() {
    let why = |error: resilient::factory::serializers::SerializationError| {
        assert_eq!(error.kind(), SerializationErrorKind::Malformed, "{error}");
        error.to_string()
    };
    let binary = made(Format::Binary);
    let text = binary.deserialize::<String>(&[1, 0xff]).unwrap_err();
    assert_eq!(why(text), "binary, at byte 2: a string is no UTF-8");
    let flag = binary.deserialize::<bool>(&[2]).unwrap_err();
    assert_eq!(why(flag), "binary, at byte 1: expected a boolean, 0 or 1");
    let letter = binary.deserialize::<char>(&[5, 0, 0, 0, 0, 0]).unwrap_err();
    assert!(why(letter).ends_with("expected a character of UTF-8"));
    let maybe = binary.deserialize::<Option<u8>>(&[2]).unwrap_err();
    assert!(why(maybe).ends_with("expected an optional value, which begins with 0 or 1"));
    let number = binary.deserialize::<u32>(&[0xff; 10]).unwrap_err();
    assert!(why(number).ends_with("a number of variable length does not end, or is too large"));
}

#[test]
fn a_variant_that_holds_nothing_is_not_read_of_one_with_a_value() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Empty,
    }
    for format in [Format::Json, Format::MessagePack, Format::Cbor, Format::Pickle] {
        let serializer = made(format);
        let bytes = serializer.serialize("Empty").unwrap();
        assert_eq!(serializer.deserialize::<Shape>(&bytes).unwrap(), Shape::Empty, "{format}");
        let bytes = serializer.serialize(&serde_json::json!({"Empty": 1})).unwrap();
        assert!(serializer.deserialize::<Shape>(&bytes).is_err(), "{format}");
    }
}

#[test]
fn compressed_data_that_is_cut_is_too_short_and_that_is_changed_is_damaged() {
    let value: Vec<u32> = (0..500).map(|number: u32| number.wrapping_mul(2_654_435_761)).collect();
    for compression in &Compression::ALL[1..] {
        let serializer = made(SerializerOptions::from(Format::Json).compressed(*compression));
        let bytes = serializer.serialize(&value).unwrap();
        let kind = |bytes: &[u8]| serializer.deserialize::<Vec<u32>>(bytes).unwrap_err().kind();
        assert_eq!(kind(&bytes[..bytes.len() / 2]), SerializationErrorKind::Truncated, "{compression}");
        let mut changed = bytes.clone();
        changed[0] ^= 0xff;
        assert_eq!(kind(&changed), SerializationErrorKind::Malformed, "{compression}");
        changed[0] ^= 0xff;
        changed.push(0);
        assert_eq!(kind(&changed), SerializationErrorKind::Trailing, "{compression}");
    }
}

#[test]
fn an_lz4_frame_that_does_not_say_its_length_is_read_too() {
    // Without the length and the checksum that our own frames have; its only block is as it was.
    let frame = [&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82][..], &[3, 0, 0, 0x80], b"[1]", &[0; 4]].concat();
    let serializer = made(SerializerOptions::from(Format::Json).compressed(Compression::Lz4));
    assert_eq!(serializer.deserialize::<Vec<u8>>(&frame).unwrap(), [1]);
}

#[test]
fn an_unknown_fields_name_is_of_the_data() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Account {
        #[allow(dead_code)]
        id: Option<u32>,
    }
    let value = serde_json::json!({"hunter2": 1});
    for format in [Format::Json, Format::MessagePack, Format::Cbor, Format::Pickle] {
        let bytes = made(format).serialize(&value).unwrap();
        let told = made(format).deserialize::<Account>(&bytes).unwrap_err().to_string();
        assert!(!told.contains("hunter2") && told.contains("whose name is unknown, expected `id`"), "{told}");
    }
}

#[test]
fn binary_says_that_it_holds_no_types() {
    let bytes = made(Format::Binary).serialize(&1_u8).unwrap();
    let error = made(Format::Binary).deserialize::<serde_json::Value>(&bytes).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::Mismatched);
    assert!(error.to_string().contains("write and read it in another format"), "{error}");
}

#[test]
fn d000_04_no_format_makes_numbers_of_booleans_or_lists_of_tuples() {
    for format in Format::ALL {
        let serializer = made(*format);
        let bytes = serializer.serialize(&(true, (1_u8, 2_u8), i64::MAX)).unwrap();
        let (flag, pair, number): (bool, (u8, u8), i64) = serializer.deserialize(&bytes).unwrap();
        assert_eq!((flag, pair, number), (true, (1, 2), i64::MAX));
        if *format != Format::Binary {
            assert!(serializer.deserialize::<(u8, (u8, u8), i64)>(&bytes).is_err(), "{format}");
        }
    }
}

#[test]
fn the_deepest_limit_there_is_fits_the_stack_of_a_thread() {
    let limits = Limits::default().with_max_depth(usize::MAX);
    assert_eq!(limits.max_depth(), 256);
    // A variant and its sequence are two levels.
    let deep = (0..127).fold(Value::Nothing, |inner, _| Value::List(vec![inner]));
    for format in Format::ALL {
        let serializer = made(SerializerOptions::from(*format).limits(limits));
        let bytes = serializer.serialize(&deep).unwrap();
        assert_eq!(serializer.deserialize::<Value>(&bytes).unwrap(), deep);
        if *format != Format::Binary {
            serializer.deserialize::<serde_json::Value>(&bytes).unwrap();
        }
    }
}
