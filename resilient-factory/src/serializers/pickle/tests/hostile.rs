//! Small inputs that claim to be large, and large ones.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::super::{Limits, SerializationErrorKind};
use super::{Plain, int, list, read, why};

/// A million lists in one another, in each of the ways to write them.
#[test]
fn a_million_levels_are_an_error() {
    const LEVELS: usize = 1_000_000;
    let appended = [vec![b']'; LEVELS], vec![b'a'; LEVELS - 1], vec![b'.']].concat();
    let marked = [vec![b'('; LEVELS], vec![b'l'; LEVELS], vec![b'.']].concat();
    let tuples = [vec![b'N'], vec![0x85; LEVELS], vec![b'.']].concat();
    let dicts = [b"}N".repeat(LEVELS), vec![b'}'], vec![b's'; LEVELS], vec![b'.']].concat();
    let options = [b"N".to_vec(), vec![0x85; 128], vec![b'.']].concat();
    for pickle in [&appended, &marked, &tuples, &dicts] {
        let error = read(pickle).expect_err("it is too deep");
        assert_eq!(error.kind(), SerializationErrorKind::TooDeep, "{error}");
        assert!(error.offset().is_some());
    }
    assert!(read(&options).is_ok(), "128 levels are allowed");
}

#[test]
fn a_type_without_an_end_is_no_deeper_than_the_limit() {
    #[derive(Debug, Deserialize)]
    struct Endless(#[allow(dead_code)] Option<Box<Endless>>);

    let error = super::super::from_slice::<Endless>(b"K\x01.", Limits::default()).expect_err("it has no end");
    assert_eq!(error.kind(), SerializationErrorKind::TooDeep);
    assert!(super::super::from_slice::<Endless>(b"N.", Limits::default()).is_ok());
}

/// Each list holds the one before it ten times: a thousand bytes that would be 10^60 values.
#[test]
fn laughs_are_counted_before_they_are_told() {
    let mut laughs = b"\x80\x04]\x8c\x03lola\x940".to_vec();
    for before in 0..60 {
        laughs.extend(b"](");
        laughs.extend([b'h', before].repeat(10));
        laughs.extend(b"e\x940");
    }
    laughs.extend(b"h\x3c.");
    // Pairs of one another need no memo.
    let doubled = [b"N".to_vec(), b"2\x86".repeat(60), b".".to_vec()].concat();
    for pickle in [laughs, doubled] {
        let error = read(&pickle).expect_err("it is too large");
        assert_eq!(error.kind(), SerializationErrorKind::TooLarge, "{error}");
        assert!(error.to_string().ends_with("more than 67108864 bytes when every reference is followed"));
    }
}

/// One text of a kilobyte a million times.
#[test]
fn a_text_counts_as_often_as_it_is_named() {
    let mut pickle = b"(X\x00\x04\x00\x00".to_vec();
    pickle.extend([b'a'; 1_024]);
    pickle.extend(b"q\x00");
    pickle.extend(b"h\x00".repeat(1_000_000));
    pickle.extend(b"l.");
    let error = read(&pickle).expect_err("it would be a gigabyte");
    assert_eq!(error.kind(), SerializationErrorKind::TooLarge);

    // As bytes of protocol 2, made anew each time, and as numbers that are long to read.
    for repeated in [&b"c_codecs\nencode\nh\x00Vlatin1\n\x86R"[..], b"h\x01"] {
        let mut pickle = b"(X\x00\x00\x10\x00".to_vec();
        pickle.extend(vec![b'a'; 1 << 20]);
        pickle.extend(b"q\x00F0.");
        pickle.extend(vec![b'0'; 1 << 20]);
        pickle.extend(b"\nq\x01");
        pickle.extend(repeated.repeat(20_000));
        pickle.extend(b"l.");
        let error = read(&pickle).expect_err("it would be gigabytes");
        assert_eq!(error.kind(), SerializationErrorKind::TooLarge);
    }
}

#[test]
fn what_holds_itself_is_refused() {
    for (pickle, place) in [
        (&b"]\x94h\x00a."[..], "0: EMPTY_LIST"),
        (b"\x80\x02}q\x00K\x01h\x00s.", "2: EMPTY_DICT"),
        (b"((lp0\n(g0\ntp1\na00g1\n.", "10: TUPLE"),
        (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94h\x00\x85\x94a0h\x01.", "15: TUPLE1"),
    ] {
        assert_eq!(why(pickle), format!("pickle, at byte {place}: a value holds itself"));
    }
    // A set was made of what the list held then.
    assert_eq!(read(b"]\x94K\x01ac__builtin__\nset\nh\x00\x85Ra."), Ok(list([int(1), list([int(1)])])));
}

#[test]
fn claims_are_checked_before_anything_is_made() {
    for (pickle, text) in [
        (
            &b"\x8d\x00\x00\x00\x00\x00\x00\x00\x80."[..],
            "BINUNICODE8: needs 9223372036854775808 bytes, and 1 are left",
        ),
        (
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            "BINBYTES8: needs 18446744073709551615 bytes, and 1 are left",
        ),
        (
            b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
            "BYTEARRAY8: needs 9223372036854775807 bytes, and 1 are left",
        ),
        (b"\x8b\xff\xff\xff\x7f.", "LONG4: needs 2147483647 bytes, and 1 are left"),
        (b"\x8b\x00\x00\x00\x80.", "LONG4: needs 2147483648 bytes, and 1 are left"),
        (b"\x8a\xff.", "LONG1: needs 255 bytes, and 1 are left"),
        (b"X\xff\xff\xff\xff.", "BINUNICODE: needs 4294967295 bytes, and 1 are left"),
        (
            b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
            "FRAME: needs 18446744073709551615 bytes, and 2 are left",
        ),
    ] {
        assert_eq!(why(pickle), format!("pickle, at byte 0: {text}"));
    }
    // A great index of the memo takes no memory.
    assert_eq!(read(b"Nr\xfe\xff\xff\xff0Nj\xfe\xff\xff\xff\x86."), Ok(list([Plain::None, Plain::None])));
}

#[test]
fn integers_of_more_than_128_bits_are_refused_and_padding_is_none() {
    let wide = "an integer of more than 128 bits";
    assert_eq!(
        why(b"\x8a\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01."),
        format!("pickle, at byte 0: LONG1: {wide}")
    );
    assert_eq!(
        why(b"\x8a\x11\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff."),
        format!("pickle, at byte 0: LONG1: {wide}")
    );
    assert_eq!(
        why(&[b"L1".to_vec(), vec![b'0'; 100_000], b"L\n.".to_vec()].concat()),
        format!("pickle, at byte 0: LONG: {wide}")
    );
    let padded = |byte: u8| [b"\x8b\x00\x00\x01\x00".to_vec(), vec![byte; 65_536], b".".to_vec()].concat();
    assert_eq!((read(&padded(0)), read(&padded(0xff))), (Ok(int(0)), Ok(int(-1))));
    assert_eq!(read(b"\x8a\x00."), Ok(int(0)));
}

/// Sixty levels within sixty-seven are as many as are allowed, with the pair that holds them.
#[test]
fn what_is_named_again_is_as_deep_as_where_it_stands() {
    let sixty = [b"N".to_vec(), vec![0x85; 60], b"q\x00".to_vec()].concat();
    let twice = |more: usize| [&sixty[..], b"h\x00", &vec![0x85; more], b"\x86."].concat();
    let read = |pickle: Vec<u8>| super::super::from_slice::<IgnoredAny>(&pickle, Limits::default());
    assert!(read(twice(67)).is_ok());
    assert_eq!(read(twice(68)).expect_err("129 levels").kind(), SerializationErrorKind::TooDeep);
}

/// What a type does not ask for is looked at as well.
#[test]
fn what_is_ignored_was_checked() {
    let ignored = |pickle: &[u8]| super::super::from_slice::<IgnoredAny>(pickle, Limits::default());
    assert!(ignored(b"](K\x01e.").is_ok());
    assert!(ignored(b"cos\nsystem\n.").is_err());
    assert!(ignored(b"c__builtin__\nset\n.").is_err());
    assert!(ignored(b"]\x94h\x00a.").is_err());
}

#[test]
fn limits_are_those_that_were_given() {
    let pickle = b"\x80\x04](K\x01K\x02K\x03e.";
    let limits = Limits::default();
    let read = |limits| super::super::from_slice::<Vec<u8>>(pickle, limits);
    assert_eq!(read(limits.with_max_size(12).with_max_depth(1)), Ok(vec![1, 2, 3]));
    assert_eq!(
        read(limits.with_max_size(11)).expect_err("12 bytes").kind(),
        SerializationErrorKind::TooLarge
    );
    assert_eq!(read(limits.with_max_depth(0)).expect_err("1 level").kind(), SerializationErrorKind::TooDeep);
    let write = |limits| super::super::to_vec(&HashMap::from([("a", [1_u8])]), 4, limits);
    assert!(write(limits.with_max_size(12).with_max_depth(2)).is_ok());
    assert_eq!(
        write(limits.with_max_size(11)).expect_err("12 bytes").kind(),
        SerializationErrorKind::TooLarge
    );
    assert_eq!(
        write(limits.with_max_depth(1)).expect_err("2 levels").kind(),
        SerializationErrorKind::TooDeep
    );
}
