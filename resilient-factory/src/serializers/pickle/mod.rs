//! Pickles that carry data alone, for interchange with Python: read and written by hand, since whatever reads the whole
//! language can be told to run code.
//!
//! What is read: protocols 0 to 5 as `pickle.dumps` writes None, bool, int, float, str, bytes, bytearray, list, tuple, set,
//! frozenset and dict. What names code is refused where it stands; the few names that data of older protocols is spelt with
//! are known by their shape and call nothing.
mod de;
mod error;
mod literal;
mod machine;
mod opcode;
mod scalar;
mod ser;
#[cfg(test)]
mod tests;
mod tree;
mod weigh;
mod write;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Limits, SerializationError};

/// Writes a value in a protocol, 0 to 4.
pub(super) fn to_vec<T: Serialize + ?Sized>(
    value: &T,
    protocol: u8,
    limits: Limits,
) -> Result<Vec<u8>, SerializationError> {
    ser::write(value, protocol, limits).map_err(error::Error::told)
}

/// Reads a value: first all opcodes, then how deep and how large it is, and only then the value.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, SerializationError> {
    read(bytes, limits).map_err(error::Error::told)
}

fn read<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, error::Error> {
    let (tree, root) = machine::load(bytes, limits.max_size())?;
    weigh::check(&tree, root, limits.max_size(), limits.max_depth())?;
    let source = de::Source { tree: &tree, max_depth: limits.max_depth() };
    T::deserialize(source.reader(root))
}
