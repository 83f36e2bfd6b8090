//! What was written is read again.
use proptest::prelude::*;
use resilient::factory::serializers::{
    Compression, Format, JsonOptions, MessagePackOptions, PickleOptions, Serializer, SerializerOptions, open,
};

use crate::values::{Value, value};

/// Every format, with each of its ways to write.
fn all_options() -> Vec<SerializerOptions> {
    let mut all: Vec<SerializerOptions> = Format::ALL.iter().map(|format| (*format).into()).collect();
    all.push(JsonOptions::new().ensure_ascii(false).into());
    all.push(JsonOptions::new().sort_keys(true).indent(3).into());
    all.push(JsonOptions::new().ensure_ascii(false).indent(0).into());
    all.push(MessagePackOptions::new().named(false).into());
    all.extend((0..=4).map(|protocol| SerializerOptions::from(PickleOptions::new().protocol(protocol))));
    all
}

fn all_serializers() -> Vec<Serializer> {
    all_options()
        .into_iter()
        .flat_map(|options| Compression::ALL.iter().map(move |compression| options.compressed(*compression)))
        .map(|options| Serializer::new(options).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_goes_through_any_format_and_compression_and_envelope_and_back(value in value()) {
        for serializer in all_serializers() {
            let bytes = serializer.serialize(&value).unwrap();
            prop_assert_eq!(&serializer.deserialize::<Value>(&bytes).unwrap(), &value, "{}", serializer.options());
            let sealed = serializer.seal(&value).unwrap();
            prop_assert_eq!(&open::<Value>(&sealed).unwrap(), &value, "{}", serializer.options());
        }
    }

    #[test]
    fn a_byte_behind_the_value_is_an_error_that_says_where(value in value(), byte in any::<u8>()) {
        for serializer in all_serializers() {
            let mut bytes = serializer.serialize(&value).unwrap();
            let end = bytes.len();
            // JSON allows white space around a value.
            let byte = if byte.is_ascii_whitespace() { b'x' } else { byte };
            bytes.push(byte);
            let error = serializer.deserialize::<Value>(&bytes).expect_err(&serializer.options().to_string());
            prop_assert!(error.offset().is_some_and(|at| at.abs_diff(end) <= 1), "{}: {error}", serializer.options());
        }
    }

    #[test]
    fn compressed_data_that_ends_too_early_is_never_taken_for_whole(value in value(), cut in any::<prop::sample::Index>()) {
        for serializer in all_serializers() {
            if serializer.compression() == Compression::None {
                continue;
            }
            let bytes = serializer.serialize(&value).unwrap();
            let cut = cut.index(bytes.len());
            prop_assert!(serializer.deserialize::<Value>(&bytes[..cut]).is_err(), "{} at {cut}", serializer.options());
        }
    }
}

#[test]
fn several_values_are_written_behind_one_another() {
    for serializer in all_serializers() {
        let mut out = b"before".to_vec();
        serializer.serialize_into(&(1_u8, "a"), &mut out).unwrap();
        let first = out.len();
        serializer.serialize_into(&(2_u8, "b"), &mut out).unwrap();
        assert_eq!(&out[..6], b"before");
        assert_eq!(
            serializer.deserialize::<(u8, String)>(&out[6..first]).unwrap(),
            (1, "a".to_owned()),
            "{}",
            serializer.options()
        );
        assert_eq!(serializer.deserialize::<(u8, String)>(&out[first..]).unwrap(), (2, "b".to_owned()));
    }
}

#[test]
fn what_cannot_be_written_leaves_the_buffer_as_it_was() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the password is hunter2"))
        }
    }
    for serializer in all_serializers() {
        let mut out = b"before".to_vec();
        let error = serializer.serialize_into(&(1, "a", Refuses), &mut out).unwrap_err();
        assert_eq!(out, b"before", "{}", serializer.options());
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(serializer.compression_ratio(&Refuses).to_bits(), 1f64.to_bits());
    }
}

#[test]
fn numbers_of_every_width_come_back_bit_for_bit() {
    for serializer in all_serializers() {
        for number in [
            0.1,
            -0.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1.797_693_134_862_315_5e308,
            123_456_789.987_654_3,
        ] {
            let bytes = serializer.serialize(&number).unwrap();
            let back: f64 = serializer.deserialize(&bytes).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{} {number}", serializer.options());
        }
        for number in [u64::MAX, u64::MAX - 1, 1 << 53, (1 << 53) + 1] {
            let bytes = serializer.serialize(&number).unwrap();
            assert_eq!(serializer.deserialize::<u64>(&bytes).unwrap(), number, "{}", serializer.options());
        }
        for number in [i64::MIN, i64::MIN + 1, -1] {
            let bytes = serializer.serialize(&number).unwrap();
            assert_eq!(serializer.deserialize::<i64>(&bytes).unwrap(), number, "{}", serializer.options());
        }
    }
}

#[test]
fn what_grows_much_when_it_is_decompressed_comes_back_whole() {
    let value = vec!["the same"; 50_000];
    for compression in &Compression::ALL[1..] {
        let serializer =
            Serializer::new(SerializerOptions::from(Format::Json).compressed(*compression)).unwrap();
        let bytes = serializer.serialize(&value).unwrap();
        assert!(bytes.len() < 10_000, "{compression}");
        assert_eq!(serializer.deserialize::<Vec<String>>(&bytes).unwrap(), value, "{compression}");
        assert_eq!(open::<Vec<String>>(&serializer.seal(&value).unwrap()).unwrap(), value, "{compression}");
    }
}

#[test]
fn a_type_is_asked_for_its_text_where_people_read_the_format_and_for_its_bytes_elsewhere() {
    use std::net::Ipv4Addr;
    let address = Ipv4Addr::LOCALHOST;
    for serializer in all_serializers() {
        let bytes = serializer.serialize(&address).unwrap();
        assert_eq!(serializer.deserialize::<Ipv4Addr>(&bytes).unwrap(), address, "{}", serializer.options());
    }
    let written = |format: Format| Serializer::new(format).unwrap().serialize(&address).unwrap();
    assert_eq!(written(Format::Json), b"\"127.0.0.1\"");
    assert_eq!(written(Format::Binary), [127, 0, 0, 1]);
    assert_eq!(written(Format::MessagePack), [0x94, 127, 0, 0, 1]);
    assert_eq!(written(Format::Cbor), [0x84, 0x18, 127, 0, 0, 1]);
}

/// Gives its keys and its values by themselves.
struct ByHalves;

impl serde::Serialize for ByHalves {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = to.serialize_map(Some(2))?;
        for (key, value) in [("one", 1), ("two", 2)] {
            map.serialize_key(key)?;
            map.serialize_value(&value)?;
        }
        map.end()
    }
}

#[test]
fn a_map_may_be_written_by_its_keys_and_values_apart() {
    use std::collections::BTreeMap;
    let whole = BTreeMap::from([("one".to_owned(), 1), ("two".to_owned(), 2)]);
    for serializer in all_serializers() {
        let bytes = serializer.serialize(&ByHalves).unwrap();
        let back = serializer.deserialize::<BTreeMap<String, i32>>(&bytes).unwrap();
        assert_eq!(back, whole, "{}", serializer.options());
    }
}

#[test]
fn what_does_not_know_its_length_is_told_so_by_the_formats_that_write_lengths_first() {
    struct Endless;
    impl serde::Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq((0..3).filter(|number| *number != 1))
        }
    }
    for format in Format::ALL {
        let serializer = Serializer::new(*format).unwrap();
        match serializer.serialize(&Endless) {
            Ok(bytes) => assert_eq!(serializer.deserialize::<Vec<u8>>(&bytes).unwrap(), [0, 2], "{format}"),
            Err(error) => {
                assert!(matches!(format, Format::Binary | Format::MessagePack), "{error}");
                assert_eq!(
                    error.to_string(),
                    format!("{format}: a sequence or map must know its length to be written")
                );
            }
        }
    }
}

#[test]
fn the_limit_is_for_what_is_written_and_not_for_what_was_there_before() {
    for serializer in all_serializers() {
        let limits = resilient::factory::serializers::Limits::default().with_max_size(100);
        let small = Serializer::new(serializer.options().limits(limits)).unwrap();
        let mut out = vec![0; 90];
        small.serialize_into(&[1, 2, 3], &mut out).unwrap();
        assert_eq!(small.deserialize::<[i32; 3]>(&out[90..]).unwrap(), [1, 2, 3], "{}", small.options());
    }
}
