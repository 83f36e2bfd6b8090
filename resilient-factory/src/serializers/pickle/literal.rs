//! Numbers and texts as they are spelt after their opcode.

use super::error::Why;
use super::scalar::{Scalar, little_endian};

/// An integer in decimal.
pub(super) fn decimal(line: &[u8]) -> Result<Scalar<'static>, Why> {
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Why::Malformed("integer"));
    }
    let text = str::from_utf8(line).map_err(|_| Why::Malformed("integer"))?;
    text.parse().map_or_else(
        |_| text.parse().map(Scalar::Unsigned).map_err(|_| Why::Wide),
        |number| Ok(signed(number)),
    )
}

/// An integer of `BININT1` and `BININT2`.
pub(super) fn unsigned(bytes: &[u8]) -> Scalar<'static> {
    signed(little_endian(bytes).into())
}

/// An integer of `BININT`, `LONG1` and `LONG4`: little-endian, two's complement, of any length.
pub(super) fn long(bytes: &[u8]) -> Result<Scalar<'static>, Why> {
    let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let length = bytes.iter().rposition(|&byte| byte != sign).map_or(0, |last| last + 1);
    let mut wide = [sign; 17];
    wide.get_mut(..length).ok_or(Why::Wide)?.copy_from_slice(&bytes[..length]);
    let [low @ .., high] = wide;
    let number = i128::from_le_bytes(low);
    match (high, number < 0) {
        (0, false) | (0xff, true) => Ok(signed(number)),
        (0, true) => Ok(Scalar::Unsigned(u128::from_le_bytes(low))),
        _ => Err(Why::Wide),
    }
}

fn signed(number: i128) -> Scalar<'static> {
    i64::try_from(number).map_or(Scalar::Signed(number), Scalar::Int)
}

pub(super) fn float(line: &[u8]) -> Result<f64, Why> {
    str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(Why::Malformed("float"))
}

/// An entry of the memo in decimal.
pub(super) fn index(line: &[u8]) -> Result<u32, Why> {
    let text = str::from_utf8(line).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(Why::Malformed("entry of the memo"))
}

/// Text of Python 2, of which only ASCII is text for certain.
pub(super) fn ascii(bytes: &[u8]) -> Result<&str, Why> {
    str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).ok_or(Why::Undecided)
}

/// UTF-8; Python writes lone surrogates as if they had a code in it.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Why> {
    str::from_utf8(bytes).map_err(|wrong| match bytes[wrong.valid_up_to()..] {
        [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => Why::Surrogate,
        _ => Why::NotUtf8,
    })
}

/// A line of `UNICODE`: Latin-1, with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Result<String, Why> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', Some(&second)) => {
                text.extend(['\\', second.into()]);
                rest = &after[1..];
                continue;
            }
            (&first, _) => {
                text.push(first.into());
                rest = after;
                continue;
            }
        };
        let (digits, further) =
            after[1..].split_at_checked(digits).ok_or(Why::Malformed("escape of a character"))?;
        text.push(character(digits)?);
        rest = further;
    }
    Ok(text)
}

fn character(digits: &[u8]) -> Result<char, Why> {
    let code = hexadecimal(digits).ok_or(Why::Malformed("escape of a character"))?;
    char::from_u32(code).ok_or(match code {
        0xd800..=0xdfff => Why::Surrogate,
        _ => Why::Malformed("character that there is"),
    })
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}

/// A line of `STRING`: a literal of Python 2, in quotes.
pub(super) fn quoted(line: &[u8]) -> Result<String, Why> {
    const BAD: Why = Why::Malformed("text in quotes");
    let inside = match line {
        [first @ (b'\'' | b'"'), inside @ .., last] if first == last => inside,
        _ => return Err(BAD),
    };
    let mut text = Vec::with_capacity(inside.len());
    let mut rest = inside.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        text.push(match rest.next().ok_or(BAD)? {
            same @ (b'\\' | b'\'' | b'"') => same,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().ok_or(BAD)?, rest.next().ok_or(BAD)?];
                hexadecimal(&digits).and_then(|code| u8::try_from(code).ok()).ok_or(BAD)?
            }
            _ => return Err(BAD),
        });
    }
    ascii(&text).map(str::to_owned)
}
