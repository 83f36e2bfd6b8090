//! What an envelope says of itself.
use resilient::factory::serializers::{
    Compression, Envelope, Format, Limits, PickleOptions, SerializationErrorKind, Serializer,
    SerializerOptions, open,
};

pub(crate) fn all_serializers() -> Vec<Serializer> {
    let mut all: Vec<Serializer> = Vec::new();
    for format in Format::ALL {
        for compression in Compression::ALL {
            let options = SerializerOptions::from(*format).compressed(*compression);
            all.push(Serializer::new(options).unwrap());
        }
    }
    all
}

#[test]
fn any_serializer_opens_what_any_other_sealed() {
    let value = (7_u64, "text".to_owned(), vec![Some(true), None]);
    for writer in all_serializers() {
        let sealed = writer.seal(&value).unwrap();
        for reader in all_serializers() {
            assert_eq!(reader.open::<(u64, String, Vec<Option<bool>>)>(&sealed).unwrap(), value);
        }
        let envelope = Envelope::read(&sealed, Limits::default()).unwrap();
        assert_eq!((envelope.format(), envelope.compression()), (writer.format(), writer.compression()));
        let plain =
            Serializer::new(SerializerOptions::from(writer.format())).unwrap().serialize(&value).unwrap();
        assert_eq!(envelope.original_len(), plain.len());
        assert_eq!(sealed.len(), 28 + envelope.payload().len());
    }
}

#[test]
fn an_envelope_of_version_1_stays_readable() {
    let sealed = [
        0x8e, b'R', b'S', b'E', 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7, 0x17, 0x7a, 0x53,
        0xbb, b'[', b'1', b',', b'2', b',', b'3', b']',
    ];
    assert_eq!(Serializer::new(Format::Json).unwrap().seal(&[1, 2, 3]).unwrap(), sealed);
    assert_eq!(open::<Vec<u8>>(&sealed).unwrap(), [1, 2, 3]);
}

#[test]
fn another_version_is_said_by_its_number() {
    let mut sealed = Serializer::new(Format::Json).unwrap().seal(&1).unwrap();
    sealed[4] = 2;
    let error = open::<u8>(&sealed).unwrap_err();
    assert_eq!(error.to_string(), "envelope, at byte 4: is of version 2, and this program reads version 1");
    assert_eq!(error.kind(), SerializationErrorKind::Unsupported);
}

#[test]
fn an_envelope_within_a_value_is_a_value_like_any_other() {
    let inner = Serializer::new(PickleOptions::new()).unwrap().seal("text").unwrap();
    let outer = Serializer::new(SerializerOptions::from(Format::Cbor).compressed(Compression::Zlib)).unwrap();
    let sealed = outer.seal(&inner).unwrap();
    assert_eq!(open::<String>(&open::<Vec<u8>>(&sealed).unwrap()).unwrap(), "text");
}

#[test]
fn what_is_no_envelope_is_said_to_be_none() {
    for bytes in [&b""[..], b"\x8e", b"\x8eRSE\x01"] {
        let error = open::<u8>(bytes).unwrap_err();
        assert_eq!(error.kind(), SerializationErrorKind::Truncated, "{error}");
    }
    for bytes in [&b"{}"[..], b"{\"a\": \"json that is longer than a header\"}", &[0; 100]] {
        let error = open::<u8>(bytes).unwrap_err();
        assert_eq!(error.to_string(), "envelope, at byte 0: no envelope: expected its magic number");
    }
}

#[test]
fn what_follows_an_envelope_or_is_missing_of_it_is_said_with_its_place() {
    let mut sealed = Serializer::new(Format::Json).unwrap().seal("text").unwrap();
    let end = sealed.len();
    sealed.push(0);
    let error = open::<String>(&sealed).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (SerializationErrorKind::Trailing, Some(end)), "{error}");
    let error = open::<String>(&sealed[..end - 1]).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (SerializationErrorKind::Truncated, Some(end - 1)), "{error}");
}

#[test]
fn a_limit_is_for_the_payload_as_it_comes_and_for_what_it_becomes() {
    let limits = |most| Limits::default().with_max_size(most);
    let plain = Serializer::new(Format::Json).unwrap().seal("text").unwrap();
    assert!(Envelope::read(&plain, limits(6)).is_ok());
    assert!(Envelope::read(&plain, limits(5)).is_err());
    // So small a text only grows.
    let gzip = SerializerOptions::from(Format::Json).compressed(Compression::Gzip);
    let grown = Serializer::new(gzip).unwrap().seal("text").unwrap();
    let payload = grown.len() - 28;
    assert!(payload > 20);
    assert!(Envelope::read(&grown, limits(payload)).is_ok());
    let error = Envelope::read(&grown, limits(payload - 1)).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::TooLarge);
}
