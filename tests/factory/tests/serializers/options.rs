//! Names, content types, options and their texts.
use std::collections::HashSet;

use resilient::factory::serializers::{
    Compression, Format, JsonOptions, MessagePackOptions, PickleOptions, Serializer, SerializerOptions,
};
use serde_json::json;

fn made(options: impl Into<SerializerOptions>) -> Serializer {
    Serializer::new(options).unwrap()
}

#[test]
fn s000_12_a_level_is_1_to_9_and_a_protocol_at_most_4() {
    let gzip = |level| SerializerOptions::from(Format::Json).compressed(Compression::Gzip).level(level);
    assert_eq!(gzip(99).compression_level(), Some(9));
    assert_eq!(gzip(0).compression_level(), Some(1));
    assert_eq!(SerializerOptions::parse("json:gzip:compression_level=-7").unwrap(), gzip(1));
    assert_eq!(
        SerializerOptions::from(Format::Json).compressed(Compression::Gzip).compression_level(),
        Some(6)
    );
    assert_eq!(
        SerializerOptions::parse("json:gzip:compression_level=99").unwrap(),
        SerializerOptions::parse("json:gzip:compression_level=9").unwrap()
    );
    assert_eq!(
        SerializerOptions::from(PickleOptions::new().protocol(5)),
        SerializerOptions::from(Format::Pickle)
    );
    assert_eq!(made(PickleOptions::new().protocol(5)).serialize(&1).unwrap()[..2], [0x80, 4]);
    assert_eq!(made(PickleOptions::new().protocol(2)).serialize(&1).unwrap()[..2], [0x80, 2]);
}

#[test]
fn s000_02_what_makes_the_same_serializer_is_equal_however_it_is_written() {
    let same = [
        "json",
        "json:none",
        "json:compact=True",
        "json:sort_keys=False:ensure_ascii=true",
        "json:compression_level=3",
        "json:indent=4:compact=True",
        "json:indent=None",
        "json:max_depth=128",
    ];
    let all: HashSet<_> = same.iter().map(|text| SerializerOptions::parse(text).unwrap()).collect();
    assert_eq!(all.len(), 1);
    assert!(all.contains(&Format::Json.into()));
    for text in same {
        assert_eq!(SerializerOptions::parse(text).unwrap().to_string(), "json");
    }
    for (one, other) in [
        ("json:gzip:sort_keys=True:ensure_ascii=False", "json:gzip:ensure_ascii=False:sort_keys=True"),
        ("json_compressed", "json:gzip"),
        ("json_compressed:zstd", "json:zstd"),
        ("msgpack_compressed", "msgpack:gzip:compression_level=6"),
        ("msgpack:use_bin_type=True:strict_map_key=False", "msgpack"),
        ("json:compact=False", "json:indent=2"),
        ("json:compact=False:indent=4", "json:indent=4"),
        ("pickle:protocol=5", "pickle"),
    ] {
        let (one, other) = (SerializerOptions::parse(one).unwrap(), SerializerOptions::parse(other).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.to_string(), other.to_string());
    }
}

#[test]
fn what_options_say_of_themselves_makes_them_again() {
    for text in [
        "json",
        "json:gzip:compression_level=9:ensure_ascii=False:indent=4:sort_keys=True",
        "msgpack:zstd:named=False",
        "cbor",
        "cbor:lz4",
        "msgpack",
        "pickle",
        "binary:max_size=1024:max_depth=8",
        "pickle:zlib:protocol=2",
    ] {
        let options = SerializerOptions::parse(text).unwrap();
        assert_eq!(options.to_string(), text);
    }
}

#[test]
fn an_unknown_word_is_told_with_the_nearest_and_all_known_ones() {
    for (text, told) in [
        ("yaml", "no format is called `yaml`. Known: json, msgpack, cbor, binary, pickle"),
        ("jsn", "no format is called `jsn`; did you mean `json`? Known: json, msgpack, cbor, binary, pickle"),
        (
            "json:gzp",
            "no compression is called `gzp`; did you mean `gzip`? Known: none, gzip, zlib, lz4, zstd",
        ),
        (
            "json:sort_key=True",
            "no option of this format is called `sort_key`; did you mean `sort_keys`? Known: ensure_ascii, sort_keys, \
             indent, compact, compression_level, max_size, max_depth",
        ),
        (
            "cbor:indent=2",
            "no option of this format is called `indent`. Known: compression_level, max_size, max_depth",
        ),
        ("json:sort_keys=maybe", "`sort_keys` takes no `maybe`; it takes True or False"),
        ("json:indent=wide", "`indent` takes no `wide`; it takes a whole number"),
        (
            "msgpack:use_bin_type=False",
            "`use_bin_type` takes no `False`; it takes True: bytes are always `bin`",
        ),
        (
            "msgpack:strict_map_key=True",
            "`strict_map_key` takes no `True`; it takes False: the type that is read says which keys it takes",
        ),
    ] {
        assert_eq!(SerializerOptions::parse(text).unwrap_err().to_string(), told);
    }
}

#[test]
fn an_unknown_name_is_data_too() {
    let unknown = "yaml".parse::<Format>().unwrap_err();
    assert_eq!((unknown.name(), unknown.nearest()), ("yaml", None));
    assert_eq!(unknown.known(), ["json", "msgpack", "cbor", "binary", "pickle"]);
}

#[test]
fn options_that_make_another_serializer_are_not_equal() {
    let all = [
        "json",
        "json:gzip",
        "json:indent=2",
        "json:gzip:compression_level=9",
        "msgpack",
        "pickle:protocol=2",
    ];
    let all = all.map(|text| SerializerOptions::parse(text).unwrap());
    for (at, one) in all.iter().enumerate() {
        for (other_at, other) in all.iter().enumerate() {
            assert_eq!(one == other, at == other_at, "{one} {other}");
        }
    }
}

#[test]
fn names_and_content_types_are_the_seeds() {
    for (options, name, content_type) in [
        ("json", "json", "application/json"),
        ("json:gzip", "json_compressed", "application/json+gzip"),
        ("msgpack", "msgpack", "application/msgpack"),
        ("msgpack:zstd", "msgpack_compressed", "application/msgpack+zstd"),
        ("cbor", "cbor", "application/cbor"),
        ("cbor:lz4", "cbor", "application/cbor+lz4"),
        ("binary", "binary", "application/octet-stream"),
        ("binary:zlib", "binary", "application/octet-stream+zlib"),
        ("pickle", "pickle", "application/python-pickle"),
        ("pickle:gzip", "pickle", "application/python-pickle+gzip"),
    ] {
        let serializer = made(SerializerOptions::parse(options).unwrap());
        assert_eq!((serializer.name(), serializer.content_type()), (name, content_type));
    }
}

#[test]
fn d000_06_compressed_json_and_msgpack_are_made_as_such() {
    for (text, magic) in [("json_compressed", [0x1f, 0x8b]), ("msgpack_compressed", [0x1f, 0x8b])] {
        let serializer = made(SerializerOptions::parse(text).unwrap());
        assert_eq!(serializer.name(), text);
        let bytes = serializer.serialize(&json!({"key": "value"})).unwrap();
        assert_eq!(bytes[..2], magic);
        assert_eq!(serializer.deserialize::<serde_json::Value>(&bytes).unwrap(), json!({"key": "value"}));
    }
}

#[test]
fn d000_05_messagepack_serializes_what_it_is_given() {
    #[derive(serde::Serialize)]
    struct Point {
        x: i8,
    }
    assert_eq!(made(Format::MessagePack).serialize(&Point { x: -1 }).unwrap(), [0x81, 0xa1, b'x', 0xff]);
    let positional = made(MessagePackOptions::new().named(false));
    assert_eq!(positional.serialize(&Point { x: -1 }).unwrap(), [0x91, 0xff]);
}

#[test]
fn json_is_written_as_its_options_say() {
    #[derive(serde::Serialize)]
    struct Point {
        y: u8,
        x: u8,
    }
    let value = json!({"b": [1, "ä😀\n"], "a": {}});
    let text = |options: JsonOptions| String::from_utf8(made(options).serialize(&value).unwrap()).unwrap();
    let sorted = JsonOptions::new().sort_keys(true);
    assert_eq!(text(sorted), r#"{"a":{},"b":[1,"\u00e4\ud83d\ude00\n"]}"#);
    assert_eq!(text(sorted.ensure_ascii(false)), "{\"a\":{},\"b\":[1,\"ä😀\\n\"]}");
    assert_eq!(
        text(sorted.ensure_ascii(false).indent(2)),
        "{\n  \"a\": {},\n  \"b\": [\n    1,\n    \"ä😀\\n\"\n  ]\n}"
    );
    assert_eq!(text(sorted.indent(2).compact()), text(sorted));
    // A struct's own order, unless the keys are to be sorted.
    assert_eq!(made(JsonOptions::new()).serialize(&Point { y: 1, x: 2 }).unwrap(), br#"{"y":1,"x":2}"#);
    for sorted in [sorted, sorted.indent(2).compact()] {
        assert_eq!(made(sorted).serialize(&Point { y: 1, x: 2 }).unwrap(), br#"{"x":2,"y":1}"#);
    }
}

#[test]
fn what_a_compression_saves_is_told_with_the_seeds_keys() {
    let value = vec!["the same"; 1000];
    let stats = made(SerializerOptions::from(Format::Json).compressed(Compression::Gzip))
        .compression_stats(&value)
        .unwrap();
    assert_eq!(stats.original_size, 11_001);
    assert!(stats.compressed_size < 200, "{stats:?}");
    let told = serde_json::to_value(&stats).unwrap();
    let keys: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["original_size", "compressed_size", "compression_ratio", "space_savings", "compression_type"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(told["compression_type"], "gzip");
    let ratio = stats.original_size as f64 / stats.compressed_size as f64;
    assert!(
        (stats.compression_ratio - ratio).abs() < 1e-9
            && (1.0 - 1.0 / ratio - stats.space_savings).abs() < 1e-9
    );
    let compressed = made(SerializerOptions::from(Format::Json).compressed(Compression::Gzip));
    assert_eq!(compressed.compression_ratio(&value).to_bits(), stats.compression_ratio.to_bits());
    // Nothing, which no division by its size may trouble.
    let nothing = made(Format::Binary).compression_stats(&()).unwrap();
    assert_eq!((nothing.original_size, nothing.compression_ratio, nothing.space_savings), (0, 1.0, 0.0));
}

#[test]
fn a_higher_level_is_not_larger() {
    let value: Vec<u32> = (0..20_000).map(|number: u32| number.wrapping_mul(2_654_435_761) >> 18).collect();
    for compression in [Compression::Gzip, Compression::Zlib, Compression::Zstd] {
        let size = |level| {
            let options = SerializerOptions::from(Format::Binary).compressed(compression).level(level);
            made(options).serialize(&value).unwrap().len()
        };
        assert!(size(9) <= size(1), "{compression}");
    }
}
