//! Bytes compressed, and decompressed as far as the limit goes.
use std::io::{self, BufRead, ErrorKind, Read};

use super::{
    Compression, Layer, SerializationError,
    SerializationErrorKind::{self, Malformed, TooLarge, Trailing, Truncated, Unsupported, Unwritable},
};

fn error(
    compression: Compression,
    kind: SerializationErrorKind,
    offset: impl Into<Option<usize>>,
    what: impl Into<std::borrow::Cow<'static, str>>,
) -> SerializationError {
    SerializationError::in_layer(Layer::Compression(compression), kind, offset, what)
}

/// That `compression` is not built in.
pub(super) fn unavailable(compression: Compression) -> SerializationError {
    let what = format!("is not built in: turn on the feature `{compression}` of `resilient`");
    error(compression, Unsupported, None, what)
}

fn too_large(compression: Compression, limit: usize) -> SerializationError {
    error(compression, TooLarge, None, format!("decompresses to more than the limit of {limit} bytes"))
}

/// `bytes` compressed, appended to `out`.
pub(super) fn compress(
    compression: Compression,
    level: u8,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), SerializationError> {
    let written: io::Result<()> = match compression {
        Compression::None => {
            out.extend_from_slice(bytes);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => {
            let level = flate2::Compression::new(level.into());
            flate2::bufread::GzEncoder::new(bytes, level).read_to_end(out).map(drop)
        }
        #[cfg(feature = "zlib")]
        Compression::Zlib => {
            let level = flate2::Compression::new(level.into());
            flate2::bufread::ZlibEncoder::new(bytes, level).read_to_end(out).map(drop)
        }
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(bytes, out),
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd_frame::compress(level, bytes, out),
        #[allow(unreachable_patterns, reason = "with every feature there is none left")]
        _ => return Err(unavailable(compression)),
    };
    let _ = level;
    written.map_err(|_| error(compression, Unwritable, None, "could not be compressed"))
}

/// What `bytes` decompress to: at most `limit` bytes, and nothing may follow. `claimed` bytes, if somebody claims so.
pub(super) fn decompress(
    compression: Compression,
    bytes: &[u8],
    limit: usize,
    claimed: Option<usize>,
) -> Result<Vec<u8>, SerializationError> {
    // A claim is believed as far as such an input usually goes; the rest is asked for when it is there.
    let likely = bytes.len().saturating_mul(8).saturating_add(1024);
    let mut out = Vec::with_capacity(claimed.unwrap_or(likely).min(likely).min(limit));
    match compression {
        Compression::None => out.extend_from_slice(bytes),
        #[cfg(feature = "gzip")]
        Compression::Gzip => {
            let mut reader = flate2::bufread::GzDecoder::new(bytes);
            let read = read_within(&mut reader, limit, &mut out);
            ended(compression, read, bytes, reader.get_ref(), limit)?;
        }
        #[cfg(feature = "zlib")]
        Compression::Zlib => zlib::decompress(bytes, limit, &mut out)?,
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::decompress(bytes, limit, &mut out)?,
        #[cfg(feature = "zstd")]
        Compression::Zstd => zstd_frame::decompress(bytes, limit, &mut out)?,
        #[allow(unreachable_patterns, reason = "with every feature there is none left")]
        _ => return Err(unavailable(compression)),
    }
    Ok(out)
}

/// Reads `reader` to its end, or one byte beyond `limit`; says whether that was the end.
#[allow(dead_code, reason = "of no compression when none is built in")]
fn read_within(reader: &mut impl Read, limit: usize, out: &mut Vec<u8>) -> io::Result<bool> {
    let beyond = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(beyond).read_to_end(out)?;
    Ok(out.len() <= limit)
}

/// Whether all of `bytes` has been read, and well; `left` is what has not.
#[allow(dead_code, reason = "of no compression when none is built in")]
fn ended(
    compression: Compression,
    read: io::Result<bool>,
    bytes: &[u8],
    mut left: &[u8],
    limit: usize,
) -> Result<(), SerializationError> {
    let left = left.fill_buf().map_or(0, <[u8]>::len);
    let offset = bytes.len() - left;
    match read {
        Ok(true) if left == 0 => Ok(()),
        Ok(true) => {
            Err(error(compression, Trailing, offset, "the compressed data has ended, and bytes follow"))
        }
        Ok(false) => Err(too_large(compression, limit)),
        Err(failed) if failed.kind() == ErrorKind::UnexpectedEof => {
            Err(error(compression, Truncated, offset, "the compressed data ends too early"))
        }
        Err(_) => Err(error(compression, Malformed, offset, "no such compressed data, or damaged")),
    }
}

/// flate2's reader takes an input that ends too early for one that has ended: its states tell.
#[cfg(feature = "zlib")]
mod zlib {
    use flate2::{Decompress, FlushDecompress, Status};

    use super::{Compression::Zlib, Malformed, SerializationError, Trailing, Truncated, error, too_large};

    const AT_ONCE: usize = 32 << 10;

    pub(super) fn decompress(
        bytes: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        let mut inflate = Decompress::new(true);
        let read = |inflate: &Decompress| usize::try_from(inflate.total_in()).unwrap_or(bytes.len());
        loop {
            if out.len() == out.capacity() {
                out.reserve(AT_ONCE);
            }
            let (before, offset) = (out.len(), read(&inflate));
            let status = inflate
                .decompress_vec(&bytes[offset..], out, FlushDecompress::None)
                .map_err(|_| error(Zlib, Malformed, read(&inflate), "no such compressed data, or damaged"))?;
            if out.len() > limit {
                return Err(too_large(Zlib, limit));
            }
            let left = bytes.len() - read(&inflate);
            match status {
                Status::StreamEnd if left == 0 => return Ok(()),
                Status::StreamEnd => {
                    let what = "the compressed data has ended, and bytes follow";
                    return Err(error(Zlib, Trailing, read(&inflate), what));
                }
                Status::Ok | Status::BufError
                    if left == 0 && out.len() == before && out.len() < out.capacity() =>
                {
                    return Err(error(Zlib, Truncated, bytes.len(), "the compressed data ends too early"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

#[cfg(feature = "lz4")]
mod lz4 {
    use std::io::{self, Write};

    use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

    use super::{
        Compression::Lz4, Malformed, SerializationError, TooLarge, Trailing, Truncated, ended, error,
        read_within,
    };

    const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();

    pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let block = match bytes.len() {
            ..=0x1_0000 => BlockSize::Max64KB,
            0x1_0001..=0x4_0000 => BlockSize::Max256KB,
            _ => BlockSize::Max1MB,
        };
        let frame =
            FrameInfo::new().block_size(block).content_size(Some(bytes.len() as u64)).content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(frame, out);
        encoder.write_all(bytes)?;
        encoder.finish().map(drop).map_err(io::Error::from)
    }

    pub(super) fn decompress(
        bytes: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        walk(bytes, limit)?;
        let mut reader = FrameDecoder::new(bytes);
        let read = read_within(&mut reader, limit, out);
        ended(Lz4, read, bytes, reader.get_ref(), limit)
    }

    /// Goes through the frame by the lengths of its blocks: `lz4_flex` takes an input that ends between two for a whole
    /// one, and goes on with whatever frame follows.
    fn walk(bytes: &[u8], limit: usize) -> Result<(), SerializationError> {
        let mut rest = Rest { bytes, at: 0 };
        if rest.take(4)? != MAGIC {
            return Err(error(Lz4, Malformed, 0, "no lz4 frame: expected its magic number"));
        }
        let flags = rest.byte()?;
        let _block_size = rest.byte()?;
        if flags & 0b1000 != 0 {
            let claimed = u64::from_le_bytes(rest.array()?);
            if usize::try_from(claimed).map_or(true, |claimed| claimed > limit) {
                let what = format!("claims {claimed} bytes, more than the limit of {limit}");
                return Err(error(Lz4, TooLarge, 6, what));
            }
        }
        if flags & 0b1 != 0 {
            rest.take(4)?;
        }
        let _header_checksum = rest.byte()?;
        let checksum = |flag: u8| if flags & flag == 0 { 0 } else { 4 };
        loop {
            let block = u32::from_le_bytes(rest.array()?);
            if block == 0 {
                break;
            }
            rest.take((block & 0x7fff_ffff) as usize)?;
            rest.take(checksum(0b1_0000))?;
        }
        rest.take(checksum(0b100))?;
        if rest.at == bytes.len() {
            Ok(())
        } else {
            Err(error(Lz4, Trailing, rest.at, "the compressed data has ended, and bytes follow"))
        }
    }

    struct Rest<'a> {
        bytes: &'a [u8],
        at: usize,
    }

    impl<'a> Rest<'a> {
        fn take(&mut self, count: usize) -> Result<&'a [u8], SerializationError> {
            let taken = self.bytes[self.at..].get(..count).ok_or_else(|| {
                error(Lz4, Truncated, self.bytes.len(), "the compressed data ends too early")
            })?;
            self.at += count;
            Ok(taken)
        }

        fn array<const N: usize>(&mut self) -> Result<[u8; N], SerializationError> {
            let mut array = [0; N];
            array.copy_from_slice(self.take(N)?);
            Ok(array)
        }

        fn byte(&mut self) -> Result<u8, SerializationError> {
            self.array::<1>().map(|[byte]| byte)
        }
    }
}

#[cfg(feature = "zstd")]
mod zstd_frame {
    use std::io;

    use zstd::{bulk::Compressor, stream::read::Decoder, zstd_safe};

    use super::{Compression::Zstd, SerializationError, TooLarge, ended, error, read_within};

    pub(super) fn compress(level: u8, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut compressor = Compressor::new(level.into())?;
        compressor.include_checksum(true)?;
        out.append(&mut compressor.compress(bytes)?);
        Ok(())
    }

    pub(super) fn decompress(
        bytes: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SerializationError> {
        if let Ok(Some(claimed)) = zstd_safe::get_frame_content_size(bytes)
            && usize::try_from(claimed).map_or(true, |claimed| claimed > limit)
        {
            let what = format!("claims {claimed} bytes, more than the limit of {limit}");
            return Err(error(Zstd, TooLarge, 0, what));
        }
        let mut reader = match decoder(bytes, limit) {
            Ok(reader) => reader,
            Err(failed) => return ended(Zstd, Err(failed), bytes, bytes, limit),
        };
        let read = read_within(&mut reader, limit, out);
        ended(Zstd, read, bytes, reader.finish(), limit)
    }

    fn decoder(bytes: &[u8], limit: usize) -> io::Result<Decoder<'static, &[u8]>> {
        let mut reader = Decoder::with_buffer(bytes)?.single_frame();
        // A window is allocated before there is anything to put into it.
        let window = limit.max(1 << 10).checked_next_power_of_two().map_or(27, usize::ilog2).min(27);
        reader.window_log_max(window)?;
        Ok(reader)
    }
}
