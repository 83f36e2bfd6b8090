//! Envelopes of somebody who knows how a checksum is made.
use resilient::factory::serializers::{
    Compression, Envelope, Format, Limits, SerializationErrorKind, Serializer, SerializerOptions, open,
};

use crate::{MOST_MEMORY, counting::peak_of, damaged::values, values::Value, whole::all_serializers};

/// `envelope` with a right length of its payload and a right checksum.
fn forged(mut envelope: Vec<u8>) -> Vec<u8> {
    let payload = (envelope.len() - 28) as u64;
    envelope[16..24].copy_from_slice(&payload.to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&envelope[..24]);
    crc.update(&envelope[28..]);
    envelope[24..28].copy_from_slice(&crc.finalize().to_be_bytes());
    envelope
}

fn sealed(compression: Compression, value: &impl serde::Serialize) -> Vec<u8> {
    let options = SerializerOptions::from(Format::Binary).compressed(compression);
    Serializer::new(options).unwrap().seal(value).unwrap()
}

#[test]
fn changed_payloads_with_right_checksums_never_panic_and_stay_in_their_memory() {
    let serializers = all_serializers();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut values = values();
    for serializer in serializers.iter().cycle().take(10_000) {
        let mut envelope = serializer.seal(&values.next().unwrap()).unwrap();
        for _ in 0..=draw(4) {
            // The format and compression too, and the length that is claimed; the rest is the payload.
            let in_header = [5, 6, 8, 12, 14, 15].get(draw(30)).copied();
            let at = in_header.unwrap_or_else(|| (28 + draw(envelope.len() - 27)).min(envelope.len() - 1));
            envelope[at] = u8::try_from(draw(256)).unwrap();
        }
        let envelope = forged(envelope);
        let (_, peak) = peak_of(|| open::<Value>(&envelope).map(drop));
        assert!(peak < MOST_MEMORY, "{peak} bytes: {envelope:02x?}");
    }
}

#[test]
fn a_claimed_size_is_checked_before_anything_is_allocated() {
    for compression in Compression::ALL {
        for claim in [u64::from(u32::MAX), 1 << 63, u64::MAX, (64 << 20) + 1] {
            let mut envelope = sealed(*compression, &vec![1_u8; 100]);
            envelope[8..16].copy_from_slice(&claim.to_be_bytes());
            let envelope = forged(envelope);
            let (opened, peak) = peak_of(|| open::<Vec<u8>>(&envelope));
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), SerializationErrorKind::TooLarge, "{error}");
            assert_eq!(
                error.to_string(),
                "envelope, at byte 8: claims more than the limit of 67108864 bytes"
            );
            assert!(peak < 1024, "{peak}");
        }
        // What is allowed, and is not there.
        let mut envelope = sealed(*compression, &vec![1_u8; 100]);
        envelope[8..16].copy_from_slice(&(60_u64 << 20).to_be_bytes());
        let envelope = forged(envelope);
        let (opened, peak) = peak_of(|| open::<Vec<u8>>(&envelope));
        assert_eq!(opened.unwrap_err().kind(), SerializationErrorKind::Malformed);
        assert!(peak < 1 << 20, "{compression}: {peak}");
    }
}

#[test]
fn a_bomb_is_over_at_the_size_it_claims() {
    for compression in &Compression::ALL[1..] {
        let mut bomb = sealed(*compression, &vec![0_u8; 50_000_000]);
        bomb[8..16].copy_from_slice(&1000_u64.to_be_bytes());
        let bomb = forged(bomb);
        let (opened, peak) = peak_of(|| open::<Vec<u8>>(&bomb));
        assert_eq!(opened.unwrap_err().kind(), SerializationErrorKind::TooLarge);
        // lz4 takes a whole block at once, here of 1 MiB.
        let most = if *compression == Compression::Lz4 { 4 << 20 } else { 256 << 10 };
        assert!(peak < most, "{compression}: {peak}");
    }
}

#[test]
fn who_opens_may_allow_less_than_who_read_the_header() {
    let sealed = sealed(Compression::Zlib, &vec![0_u8; 10_000]);
    let envelope = Envelope::read(&sealed, Limits::default()).unwrap();
    let (opened, peak) = peak_of(|| envelope.open::<Vec<u8>>(Limits::default().with_max_size(1000)));
    assert_eq!(opened.unwrap_err().kind(), SerializationErrorKind::TooLarge);
    assert!(peak < 1024, "{peak}");
}

#[test]
fn lengths_within_lengths_reserve_no_more_than_the_input_has() {
    type Deep<T> = Vec<Vec<Vec<Vec<Vec<Vec<Vec<Vec<T>>>>>>>>;
    // Eight levels, each of which claims 2^32-1 elements.
    let claims = |prefix: &[u8]| prefix.repeat(8);
    for (format, payload) in [
        (Format::Binary, claims(&[0xff, 0xff, 0xff, 0xff, 0x0f])),
        (Format::MessagePack, claims(&[0xdd, 0xff, 0xff, 0xff, 0xff])),
        (Format::Cbor, claims(&[0x9a, 0xff, 0xff, 0xff, 0xff])),
        (Format::Cbor, claims(&[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ] {
        let serializer = Serializer::new(format).unwrap();
        let (opened, peak) = peak_of(|| serializer.deserialize::<Deep<[u64; 32]>>(&payload).map(drop));
        assert_eq!(opened.unwrap_err().kind(), SerializationErrorKind::Truncated, "{format}");
        assert!(peak < 64 << 10, "{format}: {peak}");
        let (opened, peak) = peak_of(|| {
            serializer.deserialize::<std::collections::HashMap<u64, [u64; 32]>>(&payload).map(drop)
        });
        assert!(opened.is_err());
        assert!(peak < 64 << 10, "{format}: {peak}");
    }
}

#[test]
fn lengths_of_text_and_bytes_reserve_no_more_than_the_input_has() {
    for (format, payload) in [
        (Format::Binary, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        (Format::MessagePack, vec![0xdb, 0xff, 0xff, 0xff, 0xff]),
        (Format::MessagePack, vec![0xc6, 0xff, 0xff, 0xff, 0xff]),
        (Format::Cbor, vec![0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (Format::Cbor, vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (Format::Pickle, vec![0x80, 4, 0x8d, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        (Format::Pickle, vec![0x80, 4, b'B', 0xff, 0xff, 0xff, 0xff]),
    ] {
        let serializer = Serializer::new(format).unwrap();
        let (opened, peak) = peak_of(|| serializer.deserialize::<String>(&payload).map(drop));
        assert!(opened.is_err());
        assert!(peak < 64 << 10, "{format}: {peak}");
    }
}

#[test]
fn a_million_levels_cost_no_stack_and_no_more_than_forty_times_their_bytes() {
    for (format, payload) in [
        (Format::Json, vec![b'['; 1_000_000]),
        (Format::MessagePack, vec![0x91; 1_000_000]),
        (Format::Cbor, vec![0x81; 1_000_000]),
        (Format::Pickle, vec![b']'; 1_000_000]),
    ] {
        let options = SerializerOptions::from(format).limits(Limits::default().with_max_size(2 << 20));
        let serializer = Serializer::new(options).unwrap();
        let (opened, peak) = peak_of(|| serializer.deserialize::<serde_json::Value>(&payload).map(drop));
        assert!(opened.is_err());
        assert!(peak < 40 * payload.len(), "{format}: {peak}");
    }
}

#[test]
fn a_code_that_is_unknown_is_named() {
    for (at, code, told) in [
        (5, 9, "envelope, at byte 5: names a format (code 9) that this program does not know"),
        (6, 77, "envelope, at byte 6: names a compression (code 77) that this program does not know"),
        (7, 1, "envelope, at byte 7: expected a zero"),
    ] {
        let mut envelope = sealed(Compression::Gzip, &1_u8);
        envelope[at] = code;
        assert_eq!(open::<u8>(&forged(envelope)).unwrap_err().to_string(), told);
    }
}

#[test]
fn another_formats_data_is_an_error_and_no_other_value() {
    let mut envelope = Serializer::new(Format::MessagePack).unwrap().seal("text").unwrap();
    envelope[5] = 1;
    let error = open::<String>(&forged(envelope)).unwrap_err();
    assert_eq!(error.kind(), SerializationErrorKind::Malformed);
}
