//! Pickles from whoever sends them: data is read, and nothing else.

use resilient::factory::serializers::{
    Format, Layer, Limits, SerializationError, SerializationErrorKind, Serializer, SerializerOptions, open,
};
use serde::de::IgnoredAny;
use serde_json::Value;

fn pickles() -> Serializer {
    Serializer::new(Format::Pickle).expect("it is built in")
}

fn refused(pickle: &[u8]) -> SerializationError {
    pickles().deserialize::<Value>(pickle).expect_err("it is refused")
}

/// What Python's own writer makes of objects whose reading runs code, and of some that seem harmless: where each says so.
const OBJECTS: &[(&str, &[u8], usize, &str)] = &[
    ("os.system('true')", b"cposix\nsystem\np0\n(Vtrue\np1\ntp2\nRp3\n.", 0, "GLOBAL"),
    (
        "os.system('true')",
        b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.",
        2,
        "GLOBAL",
    ),
    (
        "os.system('true')",
        b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
        28,
        "STACK_GLOBAL",
    ),
    (
        "eval('1')",
        b"\x80\x05\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94\x8c\x04eval\x94\x93\x94\x8c\x011\x94\x85\x94R\x94.",
        29,
        "STACK_GLOBAL",
    ),
    ("len", b"c__builtin__\nlen\np0\n.", 0, "GLOBAL"),
    (
        "an object",
        b"ccopy_reg\n_reconstructor\np0\n(c__main__\nAccount\np1\nc__builtin__\nobject\np2\nNtp3\nRp4\n(dp5\nVbalance\np6\nI1\nsb.",
        0,
        "GLOBAL",
    ),
    (
        "an object",
        b"\x80\x02c__main__\nAccount\nq\x00)\x81q\x01}q\x02X\x07\x00\x00\x00balanceq\x03K\x01sb.",
        2,
        "GLOBAL",
    ),
    (
        "a date",
        b"\x80\x02cdatetime\ndate\nq\x00c_codecs\nencode\nq\x01X\x05\x00\x00\x00\x07\xc3\xa4\x01\x01q\x02X\x06\x00\x00\x00latin1q\x03\x86q\x04Rq\x05\x85q\x06Rq\x07.",
        2,
        "GLOBAL",
    ),
    (
        "an OrderedDict",
        b"\x80\x04\x95)\x00\x00\x00\x00\x00\x00\x00\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01a\x94K\x01s.",
        39,
        "STACK_GLOBAL",
    ),
    ("one of Python 2's classes", b"(dp0\n(S'true'\nios\nsystem\n.", 14, "INST"),
    ("a call of a call", b"]]\x85R.", 3, "REDUCE"),
    ("state for an object", b"]}b.", 2, "BUILD"),
    ("an extension", b"\x80\x02\x82\x01.", 2, "EXT1"),
    ("an object outside", b"P7\n.", 0, "PERSID"),
    ("a buffer outside", b"\x80\x05\x97.", 2, "NEXT_BUFFER"),
];

#[test]
fn s11_a_pickle_that_names_code_is_refused_by_opcode_and_place() {
    for &(object, pickle, at, opcode) in OBJECTS {
        let error = refused(pickle);
        assert_eq!(error.kind(), SerializationErrorKind::Malformed, "{object}: {error}");
        assert_eq!((error.layer(), error.offset()), (Layer::Format(Format::Pickle), Some(at)), "{object}");
        assert!(error.to_string().contains(&format!("{opcode}: asks for")), "{object}: {error}");
        // What it names is not told, and is read in no other way.
        assert!(!error.to_string().contains("system"), "{error}");
        assert!(pickles().deserialize::<IgnoredAny>(pickle).is_err(), "{object}");
    }
}

/// Its checksum says that an envelope is whole, and not who made it.
#[test]
fn s11_no_envelope_lets_code_pass() {
    let sealed = pickles().seal(&()).expect("nothing can be sealed");
    for &(object, pickle, at, _) in OBJECTS {
        let length = (pickle.len() as u64).to_be_bytes();
        let mut forged = [&sealed[..8], &length, &length].concat();
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&forged);
        checksum.update(pickle);
        forged.extend(checksum.finalize().to_be_bytes());
        forged.extend(pickle);
        let error = open::<Value>(&forged).expect_err(object);
        assert_eq!(
            (error.layer(), error.offset()),
            (Layer::Format(Format::Pickle), Some(at)),
            "{object}: {error}"
        );
    }
}

#[test]
fn s11_what_repeats_nests_or_claims_without_end_is_refused_before_it_is_made() {
    let mut laughs = b"\x80\x04]\x8c\x03lola\x940".to_vec();
    for before in 0..60 {
        laughs.extend([&b"]("[..], &[b'h', before].repeat(10), b"e\x940"].concat());
    }
    laughs.extend(b"h\x3c.");
    let nested = [vec![b']'; 1_000_000], vec![b'a'; 999_999], vec![b'.']].concat();
    for (pickle, kind) in [
        (laughs, SerializationErrorKind::TooLarge),
        (nested, SerializationErrorKind::TooDeep),
        (b"\x8b\xff\xff\xff\x7f.".to_vec(), SerializationErrorKind::Truncated),
        (b"\x8d\x00\x00\x00\x00\x00\x00\x00\x80.".to_vec(), SerializationErrorKind::Truncated),
        (b"]\x94h\x00a.".to_vec(), SerializationErrorKind::Malformed),
    ] {
        let error = refused(&pickle);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.offset().is_some(), "{error}");
    }
    let narrow = SerializerOptions::from(Format::Pickle).limits(Limits::default().with_max_depth(2));
    let narrow = Serializer::new(narrow).expect("it is built in");
    assert!(narrow.deserialize::<Value>(b"]]a.").is_ok());
    assert!(narrow.deserialize::<Value>(b"]]]aa.").is_err());
}
