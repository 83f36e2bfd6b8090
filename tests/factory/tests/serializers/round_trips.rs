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
