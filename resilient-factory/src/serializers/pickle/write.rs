//! The opcodes that data is written in, in each protocol.

use super::error::{Error, Why};
use super::opcode as op;

/// How many items a batch has: as many as Python's own, so that its reader's stack stays short.
const BATCH: usize = 1_000;

/// What is written, no longer than `allowed`.
pub(super) struct Sink {
    out: Vec<u8>,
    pub(super) protocol: u8,
    allowed: usize,
}

impl Sink {
    pub(super) fn new(protocol: u8, allowed: usize) -> Self {
        let out = if protocol >= 2 { vec![op::PROTO, protocol] } else { Vec::new() };
        Self { out, protocol, allowed }
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.byte(op::STOP)?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.allowed.saturating_sub(self.out.len()) {
            return Err(Why::Long {
                found: self.out.len().saturating_add(bytes.len()),
                allowed: self.allowed,
            }
            .into());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Error> {
        self.put(&[byte])
    }

    pub(super) fn none(&mut self) -> Result<(), Error> {
        self.byte(op::NONE)
    }

    pub(super) fn bool(&mut self, value: bool) -> Result<(), Error> {
        match (self.protocol, value) {
            (0 | 1, false) => self.put(b"I00\n"),
            (0 | 1, true) => self.put(b"I01\n"),
            (_, false) => self.byte(op::NEWFALSE),
            (_, true) => self.byte(op::NEWTRUE),
        }
    }

    pub(super) fn signed(&mut self, value: i128) -> Result<(), Error> {
        match (self.protocol, i32::try_from(value)) {
            (0, Ok(_)) => self.put(format!("I{value}\n").as_bytes()),
            (0 | 1, Err(_)) => self.put(format!("L{value}L\n").as_bytes()),
            (_, Ok(value)) => self.short(value),
            (_, Err(_)) => self.long(&value.to_le_bytes(), value < 0),
        }
    }

    pub(super) fn unsigned(&mut self, value: u128) -> Result<(), Error> {
        match (i128::try_from(value), self.protocol) {
            (Ok(value), _) => self.signed(value),
            (Err(_), 0 | 1) => self.put(format!("L{value}L\n").as_bytes()),
            (Err(_), _) => self.long(&value.to_le_bytes(), false),
        }
    }

    fn short(&mut self, value: i32) -> Result<(), Error> {
        let [low, high, ..] = value.to_le_bytes();
        match value {
            0..=0xff => self.put(&[op::BININT1, low]),
            0x100..=0xffff => self.put(&[op::BININT2, low, high]),
            _ => self.opcode(op::BININT, &value.to_le_bytes()),
        }
    }

    /// As few bytes as tell the value and its sign.
    fn long(&mut self, bytes: &[u8; 16], negative: bool) -> Result<(), Error> {
        let sign = if negative { 0xff } else { 0 };
        let used = bytes.iter().rposition(|&byte| byte != sign).map_or(0, |last| last + 1);
        let told = used > 0 && (bytes[used - 1] >= 0x80) == negative;
        let mut number = bytes[..used].to_vec();
        if !told {
            number.push(sign);
        }
        let length = u8::try_from(number.len()).unwrap_or(u8::MAX); // 17 at most
        self.put(&[op::LONG1, length])?;
        self.put(&number)
    }

    fn opcode(&mut self, opcode: u8, argument: &[u8]) -> Result<(), Error> {
        self.byte(opcode)?;
        self.put(argument)
    }

    pub(super) fn float(&mut self, value: f64) -> Result<(), Error> {
        match self.protocol {
            0 => self.put(format!("F{value:?}\n").as_bytes()),
            _ => self.opcode(op::BINFLOAT, &value.to_be_bytes()),
        }
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), Error> {
        if self.protocol == 0 {
            return self.escaped(text);
        }
        let short = (self.protocol >= 4).then_some(op::SHORT_BINUNICODE);
        self.counted([short, Some(op::BINUNICODE), Some(op::BINUNICODE8)], text.as_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.protocol >= 3 {
            let opcodes = [Some(op::SHORT_BINBYTES), Some(op::BINBYTES), Some(op::BINBYTES8)];
            return self.counted(opcodes, bytes);
        }
        if bytes.is_empty() {
            self.put(b"c__builtin__\nbytes\n")?;
            self.tuple_begin(0)?;
            self.tuple_end(0)?;
        } else {
            self.put(b"c_codecs\nencode\n")?;
            self.tuple_begin(2)?;
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            self.text(&text)?;
            self.text("latin1")?;
            self.tuple_end(2)?;
        }
        self.byte(op::REDUCE)
    }

    /// With the shortest of the opcodes whose length is of 1, 4, 8 bytes.
    fn counted(&mut self, [short, long, eight]: [Option<u8>; 3], body: &[u8]) -> Result<(), Error> {
        let length = body.len();
        match (short, u8::try_from(length), long, u32::try_from(length), eight) {
            (Some(opcode), Ok(length), ..) => self.put(&[opcode, length])?,
            (_, _, Some(opcode), Ok(length), _) => self.opcode(opcode, &length.to_le_bytes())?,
            (_, _, _, _, Some(opcode)) if self.protocol >= 4 => {
                self.opcode(opcode, &(length as u64).to_le_bytes())?;
            }
            _ => return Err(Why::Wordless(self.protocol).into()),
        }
        self.put(body)
    }

    /// A line of Latin-1, in which whatever would end or change it is escaped.
    fn escaped(&mut self, text: &str) -> Result<(), Error> {
        self.byte(op::UNICODE)?;
        for character in text.chars() {
            let code = u32::from(character);
            match (character, u8::try_from(code)) {
                ('\\' | '\n' | '\r' | '\0' | '\x1a', _) => self.put(format!("\\u{code:04x}").as_bytes())?,
                (_, Ok(byte)) => self.byte(byte)?,
                _ if code <= 0xffff => self.put(format!("\\u{code:04x}").as_bytes())?,
                _ => self.put(format!("\\U{code:08x}").as_bytes())?,
            }
        }
        self.byte(b'\n')
    }

    pub(super) fn list_begin(&mut self) -> Result<(), Error> {
        if self.protocol == 0 { self.put(b"(l") } else { self.byte(op::EMPTY_LIST) }
    }

    pub(super) fn dict_begin(&mut self) -> Result<(), Error> {
        if self.protocol == 0 { self.put(b"(d") } else { self.byte(op::EMPTY_DICT) }
    }

    /// Before an item of a list or dict that has `before` already.
    pub(super) fn item_begin(&mut self, before: usize) -> Result<(), Error> {
        if self.protocol > 0 && before.is_multiple_of(BATCH) { self.byte(op::MARK) } else { Ok(()) }
    }

    /// After it, with which there are `items`.
    pub(super) fn item_end(&mut self, items: usize, dict: bool) -> Result<(), Error> {
        match (self.protocol, dict) {
            (0, false) => self.byte(op::APPEND),
            (0, true) => self.byte(op::SETITEM),
            _ if items.is_multiple_of(BATCH) => self.batch_end(dict),
            _ => Ok(()),
        }
    }

    /// The end of a list or dict of `items`.
    pub(super) fn items_end(&mut self, items: usize, dict: bool) -> Result<(), Error> {
        if self.protocol > 0 && !items.is_multiple_of(BATCH) { self.batch_end(dict) } else { Ok(()) }
    }

    fn batch_end(&mut self, dict: bool) -> Result<(), Error> {
        self.byte(if dict { op::SETITEMS } else { op::APPENDS })
    }

    pub(super) fn tuple_begin(&mut self, items: usize) -> Result<(), Error> {
        match (self.protocol, items) {
            (1.., 0) | (2.., 1..=3) => Ok(()),
            _ => self.byte(op::MARK),
        }
    }

    pub(super) fn tuple_end(&mut self, items: usize) -> Result<(), Error> {
        self.byte(match (self.protocol, items) {
            (1.., 0) => op::EMPTY_TUPLE,
            (2.., 1) => op::TUPLE1,
            (2.., 2) => op::TUPLE2,
            (2.., 3) => op::TUPLE3,
            _ => op::TUPLE,
        })
    }
}
