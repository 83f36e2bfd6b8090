//! How much of an input is read at most.

/// How large and how deeply nested data may be: what bounds memory and stack while reading what others wrote.
///
/// [`max_size`](Self::max_size): bytes, of the input and of what it decompresses to; default 64 MiB.
/// [`max_depth`](Self::max_depth): levels of sequences, maps, structs, tuples, variants with content, `Some` and
/// newtypes inside one another; default 128, at most 256, which a thread's 2 MiB of stack hold unless the types are large.
///
/// What is claimed is checked before anything is allocated for it. Memory while reading is at most the decompressed
/// bytes, what the decompressor itself needs (12 MiB for lz4's largest blocks; zstd's window up to `max_size`), and the
/// value: a `Vec<u64>` of small numbers is eight times the size of its bytes, a `Vec<Value>` more, and what reads a pickle
/// takes up to forty times its bytes. Sequences whose elements take no bytes, as a `Vec<()>` in `binary`, have at most
/// 65,536 of them more than the input has bytes.
///
/// The trap: a value larger than `max_size`, or nested deeper than `max_depth`, is not written either, since it could not
/// be read again.
///
/// ```
/// # use resilient_factory::serializers::Limits;
/// let limits = Limits::default().with_max_size(1 << 20).with_max_depth(32);
/// assert_eq!((limits.max_size(), limits.max_depth()), (1_048_576, 32));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    max_size: usize,
    max_depth: usize,
}

impl Limits {
    /// 64 MiB, 128 levels.
    pub const DEFAULT: Self = Self { max_size: 64 << 20, max_depth: 128 };

    /// At most this many bytes, of the input and decompressed.
    pub const fn with_max_size(self, bytes: usize) -> Self {
        Self { max_size: bytes, ..self }
    }

    /// At most this many levels; more than 256 are 256.
    pub const fn with_max_depth(self, levels: usize) -> Self {
        Self { max_depth: if levels > 256 { 256 } else { levels }, ..self }
    }

    /// The most bytes, of the input and decompressed.
    pub const fn max_size(self) -> usize {
        self.max_size
    }

    /// The most levels.
    pub const fn max_depth(self) -> usize {
        self.max_depth
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
