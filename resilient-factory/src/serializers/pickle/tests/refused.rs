//! What names code, and what is none of the language.

use super::super::super::SerializationErrorKind;
use super::{bytes, list, read, text, why};

#[test]
fn every_opcode_that_names_code_is_refused_by_its_name_and_place() {
    let code = "asks for code, which is never looked up and never run: only data is read";
    let outside = "asks for data that is not in the pickle";
    let cases: [(&[u8], usize, &str, &str); 17] = [
        (b"cos\nsystem\n(S'true'\ntR.", 0, "GLOBAL", code),
        (b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", 2, "GLOBAL", code),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", 17, "STACK_GLOBAL", code),
        (b"\x80\x04)]\x93.", 4, "STACK_GLOBAL", code),
        (b"(S'true'\nios\nsystem\n.", 9, "INST", code),
        (b"(cos\nsystem\no.", 1, "GLOBAL", code),
        (b"(]o.", 2, "OBJ", code),
        (b"]]R.", 2, "REDUCE", code),
        (b"])\x81.", 2, "NEWOBJ", code),
        (b"])}\x92.", 3, "NEWOBJ_EX", code),
        (b"]}b.", 2, "BUILD", code),
        (b"\x80\x02\x82\x01.", 2, "EXT1", code),
        (b"\x80\x02\x83\x01\x00.", 2, "EXT2", code),
        (b"\x80\x02\x84\x01\x00\x00\x00.", 2, "EXT4", code),
        (b"P7\n.", 0, "PERSID", outside),
        (b"K\x07Q.", 2, "BINPERSID", outside),
        (b"\x80\x05\x97\x98.", 2, "NEXT_BUFFER", outside),
    ];
    for (pickle, at, opcode, text) in cases {
        assert_eq!(why(pickle), format!("pickle, at byte {at}: {opcode}: {text}"));
    }
    assert_eq!(why(b"K\x01\x98."), format!("pickle, at byte 2: READONLY_BUFFER: {outside}"));
}

/// Names that stand for data are no data themselves, and are called in no other way than Python's writer does.
#[test]
fn the_names_that_data_is_spelt_with_make_nothing_else() {
    for (pickle, at) in [
        (&b"c__builtin__\nset\n."[..], "GLOBAL"),
        (b"]c__builtin__\nset\na.", "GLOBAL"),
        (b"c__builtin__\nset\n]R.", "REDUCE"),
        (b"c__builtin__\nset\n)\x85R.", "REDUCE"),
        (b"c__builtin__\nset\n]]\x86R.", "REDUCE"),
        (b"c__builtin__\nbytes\nK\x07\x85R.", "REDUCE"),
        (b"c__builtin__\nbytearray\nJ\x00\x00\x00\x7f\x85R.", "REDUCE"),
        (b"c_codecs\nencode\n)R.", "REDUCE"),
        (b"c_codecs\nencode\nVa\nVrot13\n\x86R.", "REDUCE"),
        (b"c_codecs\nencode\nK\x01Vlatin1\n\x86R.", "REDUCE"),
        (b"c_codecs\nencode\nVa\nVlatin1\nVstrict\n\x87R.", "REDUCE"),
        (b"c_codecs\nencode\nVa\nC\x06latin1\x86R.", "REDUCE"),
    ] {
        let why = why(pickle);
        assert!(why.contains(at), "{}: {why}", pickle.escape_ascii());
    }
    for name in
        ["eval", "exec", "getattr", "__import__", "compile", "open", "list", "dict", "complex", "range"]
    {
        for module in ["builtins", "__builtin__", "_codecs"] {
            assert!(why(format!("c{module}\n{name}\n)R.").as_bytes()).contains("GLOBAL: asks for code"));
        }
    }
    assert!(
        why(b"c_codecs\nencode\nV\\u0100\nVlatin1\n\x86R.").contains("a character that is not of Latin-1")
    );
    assert_eq!(read(b"c__builtin__\nset\n)R."), Ok(list([])));
    // Nothing is added to a set that was made at once.
    assert!(why(b"c__builtin__\nset\n]\x85R(K\x01\x90.").contains("ADDITEMS"));
}

#[test]
fn python_2_is_read_where_it_is_certain() {
    assert_eq!(read(b"S'a\\r\\n\\tb'\n."), Ok(text("a\r\n\tb")));
    assert_eq!(read(b"(lp0\nS'a\\'b\\n'\np1\naI5\na."), read(b"\x80\x02](U\x04a'b\nK\x05e."));
    assert_eq!(
        read(b"\x80\x02c__builtin__\nbytearray\nX\x03\x00\x00\x00a\xc3\xbfU\x07latin-1\x86R."),
        Ok(bytes(b"a\xff"))
    );
    assert_eq!(read(b"c__builtin__\nbytearray\n(Va\nS'latin-1'\ntR."), Ok(bytes(b"a")));
    for undecided in [&b"S'\\xff'\n."[..], b"U\x01\xff.", b"T\x01\x00\x00\x00\xff.", b"U\x02\xc3\xa9."] {
        assert!(why(undecided).contains("nothing says whether it is a text or bytes"));
    }
}

#[test]
fn a_lone_surrogate_is_no_text() {
    for pickle in
        [&b"V\\ud800\n."[..], b"X\x03\x00\x00\x00\xed\xa0\x80.", b"\x8c\x06\xed\xa0\xbd\xed\xb8\x80."]
    {
        assert!(why(pickle).contains("a lone surrogate, which no text of Rust holds"), "{}", why(pickle));
    }
    assert_eq!(why(b"\x80\x04]\x8c\x02a\xffa."), "pickle, at byte 3: SHORT_BINUNICODE: no UTF-8");
}

#[test]
fn what_is_no_pickle_says_where_it_stops_to_be_one() {
    for (pickle, text) in [
        (&b""[..], "at byte 0: the pickle ends before its STOP"),
        (b"\x80\x06N.", "at byte 0: PROTO: protocol 6, of which 0 to 5 are known"),
        (b"{\"a\": 1}", "at byte 0: no opcode of protocols 0 to 5"),
        (b"N", "at byte 1: the pickle ends before its STOP"),
        (b".", "at byte 0: STOP: finds no value on the stack"),
        (b"(.", "at byte 1: STOP: finds no value on the stack"),
        (b"NN.", "at byte 2: STOP: leaves more than one value, or a MARK"),
        (b"(N.", "at byte 2: STOP: leaves more than one value, or a MARK"),
        (b"N.N.", "at byte 2: NONE: 2 bytes follow its STOP"),
        (
            b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.",
            "at byte 2: FRAME: needs 9 bytes, and 2 are left",
        ),
        (b"(N}N", "at byte 4: the pickle ends before its STOP"),
        (b"N(NNNd.", "at byte 5: DICT: the last key has no value"),
        (b"}(NNNu.", "at byte 5: SETITEMS: the last key has no value"),
        (b"(Na.", "at byte 2: APPEND: finds nothing on the stack that it could fill"),
        (b"](Na.", "at byte 3: APPEND: finds nothing on the stack that it could fill"),
        (b")Na.", "at byte 2: APPEND: finds nothing on the stack that it could fill"),
        (b"N(Ne.", "at byte 3: APPENDS: finds nothing on the stack that it could fill"),
        (b"(Ne.", "at byte 2: APPENDS: finds nothing on the stack that it could fill"),
        (b"Nt.", "at byte 1: TUPLE: finds no MARK on the stack"),
        (b"(N\x86.", "at byte 2: TUPLE2: finds no value on the stack"),
        (b"h\x07.", "at byte 0: BINGET: an entry of the memo that was never written"),
        (b"Np-1\n.", "at byte 1: PUT: no entry of the memo"),
        (b"I1_0\n.", "at byte 0: INT: no integer"),
        (b"L\n.", "at byte 0: LONG: no integer"),
        (b"I12", "at byte 0: INT: its line has no end"),
        (b"F1,5\n.", "at byte 0: FLOAT: no float"),
        (b"V\\u12\n.", "at byte 0: UNICODE: no escape of a character"),
        (b"V\\U00110000\n.", "at byte 0: UNICODE: no character that there is"),
        (b"S'a\n.", "at byte 0: STRING: no text in quotes"),
    ] {
        assert_eq!(why(pickle), format!("pickle, {text}"), "{}", pickle.escape_ascii());
    }
}

#[test]
fn what_is_wrong_has_its_kind() {
    for (pickle, kind) in [
        (&b"N.N."[..], SerializationErrorKind::Trailing),
        (b"N", SerializationErrorKind::Truncated),
        (b".", SerializationErrorKind::Malformed),
        (b"V\\ud800\n.", SerializationErrorKind::Mismatched),
    ] {
        assert_eq!(read(pickle).unwrap_err().kind(), kind, "{}", pickle.escape_ascii());
    }
}

#[test]
fn the_stack_is_used_as_python_uses_it() {
    for (pickle, same) in [
        (&b"NK\x010."[..], &b"N."[..]),
        (b"N(0.", b"N."),
        (b"N(K\x01K\x021.", b"N."),
        (b"K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff.", b"K\x07."),
        (b"K\x07p1\n0K\x08\x94q\x000g1\n.", b"K\x08."),
        (b"K\x07p1\n0K\x08p0\n0K\x09p1\n0K\x0a\x940g2\n.", b"K\x0a."),
    ] {
        assert_eq!(read(pickle), read(same), "{}", pickle.escape_ascii());
    }
    assert_eq!(read(b"]2\x86."), Ok(list([list([]), list([])])));
}
