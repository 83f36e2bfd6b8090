//! Envelopes of every format and compression, as they came and with a checksum that is right: what opens can be sealed and
//! is then the same; what does not, says where and why.
#![no_main]

mod value;

use libfuzzer_sys::fuzz_target;
use resilient_factory::serializers::{Compression, Envelope, Format, Limits, Serializer, SerializerOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use value::{Value, accepted};

const HEADER: usize = 28;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    price: Option<f64>,
    tags: Vec<String>,
    sides: (bool, char),
    shape: Shape,
}

#[derive(Serialize, Deserialize)]
enum Shape {
    Empty,
    Newtype(i64),
    Named { side: i8 },
}

/// What it opens to seals to an envelope that opens to the same.
fn open<T: Serialize + DeserializeOwned>(bytes: &[u8], limits: Limits) {
    let Some(envelope) = accepted(Envelope::read(bytes, limits)) else { return };
    let Some(value) = accepted(envelope.open::<T>(limits)) else { return };
    let options = SerializerOptions::from(envelope.format()).compressed(envelope.compression());
    let serializer = Serializer::new(options).expect("it opened one of these");
    // A key that Python has not, a number that JSON has not.
    let Ok(sealed) = serializer.seal(&value) else { return };
    let again: T = serializer.open(&sealed).expect("what was sealed opens");
    assert_eq!(serializer.seal(&again).expect("it was sealed before"), sealed);
}

/// The same with a header that is right but for what it says of format, compression and length.
fn repaired(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut envelope = bytes.to_vec();
    let payload = bytes.len().checked_sub(HEADER)?;
    let like = Serializer::new(Format::Json).ok()?.seal(&()).ok()?;
    envelope[..5].copy_from_slice(&like[..5]);
    envelope[5] %= 8;
    envelope[6] %= 8;
    envelope[7] = 0;
    envelope[16..24].copy_from_slice(&(payload as u64).to_be_bytes());
    if envelope[6] == like[6] {
        envelope.copy_within(16..24, 8);
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&envelope[..HEADER - 4]);
    checksum.update(&envelope[HEADER..]);
    envelope[HEADER - 4..HEADER].copy_from_slice(&checksum.finalize().to_be_bytes());
    Some(envelope)
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default().with_max_size(1 << 16).with_max_depth(32);
    let _ = accepted(Envelope::read(bytes, limits));
    for envelope in [Some(bytes.to_vec()), repaired(bytes)].into_iter().flatten() {
        open::<Order>(&envelope, limits);
        open::<Value>(&envelope, limits);
        open::<Vec<u64>>(&envelope, limits);
    }
    debug_assert!(Format::ALL.len() <= 8 && Compression::ALL.len() <= 8);
});
