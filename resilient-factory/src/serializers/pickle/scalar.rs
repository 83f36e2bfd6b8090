//! Values that hold no others, as they stand in the input: found, and read wherever they are asked for.

use std::borrow::Cow;

use super::error::Why;
use super::{literal, opcode as op};

#[derive(Debug, PartialEq)]
pub(super) enum Scalar<'de> {
    None,
    Bool(bool),
    Int(i64),
    /// More than an `i64` holds.
    Signed(i128),
    /// More than an `i128` holds.
    Unsigned(u128),
    Float(f64),
    Text(Cow<'de, str>),
    Bytes(&'de [u8]),
}

/// What follows the opcode at a byte.
pub(super) struct Body<'de> {
    pub(super) opcode: u8,
    pub(super) bytes: &'de [u8],
    /// The byte that the next opcode is at.
    pub(super) next: usize,
}

impl<'de> Body<'de> {
    /// None where the opcode at this byte makes no scalar.
    pub(super) fn at(input: &'de [u8], at: usize) -> Option<Result<Self, Why>> {
        let opcode = *input.get(at)?;
        let after = at + 1;
        let found = match opcode {
            op::NONE | op::NEWTRUE | op::NEWFALSE => Ok((&input[..0], after)),
            op::BININT1 => take(input, after, 1),
            op::BININT2 => take(input, after, 2),
            op::BININT => take(input, after, 4),
            op::BINFLOAT => take(input, after, 8),
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE => line(input, after),
            op::LONG1 | op::SHORT_BINSTRING | op::SHORT_BINUNICODE | op::SHORT_BINBYTES => {
                counted::<1>(input, after)
            }
            op::LONG4 | op::BINSTRING | op::BINUNICODE | op::BINBYTES => counted::<4>(input, after),
            op::BINUNICODE8 | op::BINBYTES8 | op::BYTEARRAY8 => counted::<8>(input, after),
            _ => return None,
        };
        Some(found.map(|(bytes, next)| Self { opcode, bytes, next }))
    }

    pub(super) fn read(&self) -> Result<Scalar<'de>, Why> {
        let body = self.bytes;
        Ok(match self.opcode {
            op::NONE => Scalar::None,
            op::NEWTRUE => Scalar::Bool(true),
            op::NEWFALSE => Scalar::Bool(false),
            op::BININT1 | op::BININT2 => literal::unsigned(body),
            op::BININT | op::LONG1 | op::LONG4 => literal::long(body)?,
            op::BINFLOAT => {
                Scalar::Float(f64::from_be_bytes(body.try_into().map_err(|_| Why::Malformed("float"))?))
            }
            op::INT => match body {
                b"00" => Scalar::Bool(false),
                b"01" => Scalar::Bool(true),
                line => literal::decimal(line)?,
            },
            op::LONG => literal::decimal(body.strip_suffix(b"L").unwrap_or(body))?,
            op::FLOAT => Scalar::Float(literal::float(body)?),
            op::STRING => Scalar::Text(Cow::Owned(literal::quoted(body)?)),
            op::UNICODE => Scalar::Text(Cow::Owned(literal::raw_unicode_escape(body)?)),
            op::BINSTRING | op::SHORT_BINSTRING => Scalar::Text(Cow::Borrowed(literal::ascii(body)?)),
            op::BINUNICODE | op::SHORT_BINUNICODE | op::BINUNICODE8 => {
                Scalar::Text(Cow::Borrowed(literal::utf8(body)?))
            }
            _ => Scalar::Bytes(body),
        })
    }
}

/// Whether an opcode makes a text.
pub(super) fn is_text(opcode: u8) -> bool {
    matches!(
        opcode,
        op::STRING
            | op::UNICODE
            | op::BINSTRING
            | op::SHORT_BINSTRING
            | op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
    )
}

/// Whether an opcode makes bytes.
pub(super) fn is_bytes(opcode: u8) -> bool {
    matches!(opcode, op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8)
}

type Found<'de> = Result<(&'de [u8], usize), Why>;

/// `needed` bytes from `at` on: claimed first, looked at only where they are.
pub(super) fn take(input: &[u8], at: usize, needed: u64) -> Found<'_> {
    let rest = &input[at..];
    let taken = usize::try_from(needed).ok().and_then(|needed| rest.get(..needed));
    taken.map(|taken| (taken, at + taken.len())).ok_or(Why::Cut { needed, left: rest.len() })
}

pub(super) fn line(input: &[u8], at: usize) -> Found<'_> {
    let rest = &input[at..];
    let length = rest.iter().position(|&byte| byte == b'\n').ok_or(Why::Endless)?;
    Ok((&rest[..length], at + length + 1))
}

/// As many bytes as the `WIDTH` before them say.
fn counted<const WIDTH: usize>(input: &[u8], at: usize) -> Found<'_> {
    let (length, at) = take(input, at, WIDTH as u64)?;
    take(input, at, little_endian(length))
}

/// A number of up to 8 bytes.
pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
