//! Python's own modules read what is written here, and what they write is read here: JSON, MessagePack, CBOR and pickle in
//! each compression. The binary format is Rust's alone.

mod values;

use std::fs;
use std::path::Path;
use std::process::Command;

use resilient::factory::serializers::{Serializer, SerializerOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use values::{Big, Extra, Sample, infinite};

const COMPRESSIONS: [&str; 5] = ["none", "gzip", "zlib", "lz4", "zstd"];

fn python(action: &str, folder: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/interchange.py");
    let output =
        Command::new("python3").arg(script).arg(action).arg(folder).output().expect("there is a python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn serializer(options: &str) -> Serializer {
    let options = SerializerOptions::parse(options).expect("the options are known");
    Serializer::new(options).expect("all formats are built in")
}

/// Reads each file of a kind by the options that it is named by, and says how many there were.
fn read_all<T: DeserializeOwned>(folder: &Path, kind: &str, check: impl Fn(T, &str)) -> usize {
    let files = fs::read_dir(folder.join(kind)).expect("Python made it");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    names
        .map(|name| {
            let data = fs::read(folder.join(kind).join(&name)).expect("a file");
            match serializer(&name).deserialize::<T>(&data) {
                Ok(value) => check(value, &name),
                Err(why) => panic!("{kind}/{name}: {why}"),
            }
        })
        .count()
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs Python's packages: scripts/test")]
fn what_python_writes_is_read_in_every_format_protocol_and_compression() {
    let folder = TempDir::new().expect("a folder");
    python("write", folder.path());
    let pickles = 6;
    let read =
        read_all(folder.path(), "sample", |value: Sample, name| assert_eq!(value, Sample::new(), "{name}"));
    assert_eq!(read, (3 + pickles) * COMPRESSIONS.len());
    let read = read_all(folder.path(), "big", |value: Big, name| assert_eq!(value, Big::new(), "{name}"));
    assert_eq!(read, (2 + pickles) * COMPRESSIONS.len());
    let read = read_all(folder.path(), "infinite", |value: Vec<f64>, name| {
        let texts = |floats: &[f64]| floats.iter().map(f64::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&value), texts(&infinite()), "{name}");
    });
    assert_eq!(read, (2 + pickles) * COMPRESSIONS.len());
    let read =
        read_all(folder.path(), "extra", |value: Extra, name| assert_eq!(value, Extra::new(), "{name}"));
    assert_eq!(read, pickles * COMPRESSIONS.len());
}

/// Writes a value in each format and compression.
fn write_all<T: Serialize>(folder: &Path, kind: &str, formats: &[&str], value: &T) -> usize {
    fs::create_dir(folder.join(kind)).expect("a folder");
    let mut written = 0;
    for format in formats {
        let (format, option) = format.split_once(' ').unwrap_or((format, ""));
        for compression in COMPRESSIONS {
            for level in ["", "compression_level=1", "compression_level=9"] {
                let words = [format, compression, option, level];
                let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(":");
                let data =
                    serializer(&name).serialize(value).unwrap_or_else(|why| panic!("{kind}/{name}: {why}"));
                fs::write(folder.join(kind).join(&name), data).expect("a file");
                written += 1;
            }
        }
    }
    written
}

#[test]
#[cfg_attr(not(feature = "servers"), ignore = "needs Python's packages: scripts/test")]
fn what_is_written_python_reads_as_its_own_values() {
    const PICKLES: [&str; 6] = [
        "pickle",
        "pickle protocol=0",
        "pickle protocol=1",
        "pickle protocol=2",
        "pickle protocol=3",
        "pickle protocol=5",
    ];
    let folder = TempDir::new().expect("a folder");
    let with = |formats: &[&'static str]| [&PICKLES, formats].concat();
    let json = ["json", "json indent=2", "json ensure_ascii=False"];
    let written = write_all(
        folder.path(),
        "sample",
        &[with(&["msgpack", "cbor"]), json.to_vec()].concat(),
        &Sample::new(),
    ) + write_all(folder.path(), "big", &with(&["json", "cbor"]), &Big::new())
        + write_all(folder.path(), "infinite", &with(&["msgpack", "cbor"]), &infinite())
        + write_all(folder.path(), "extra", &PICKLES, &Extra::new());
    assert_eq!(python("read", folder.path()), written.to_string());
}
