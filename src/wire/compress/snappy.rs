//! snappy, in both framings that clients use: one raw block (librdkafka, franz-go), or the blocks of
//! snappy-java ("xerial"): a header, then for each block its big-endian `i32` length and the raw block.

use snap::raw;

use super::Failure;
use crate::base::reader::Reader;

/// Magic, version 1 and lowest compatible version 1 of snappy-java's `SnappyOutputStream`.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// How many bytes of the header tell xerial from raw.
const XERIAL_MAGIC_LEN: usize = 8;
/// Uncompressed bytes in a block that we write, as snappy-java does.
const XERIAL_BLOCK_LEN: usize = 32 * 1024;
/// No block expands further than this: the best element makes 64 bytes out of 3.
const EXPANSION_MAX: usize = 22;

pub(super) struct Decoder<'a> {
    xerial: bool,
    input: Reader<'a>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Result<Self, Failure> {
        let xerial =
            input.len() >= XERIAL_HEADER.len() && input.starts_with(&XERIAL_HEADER[..XERIAL_MAGIC_LEN]);
        let mut reader = Reader::new(input);
        if xerial {
            reader.take(XERIAL_MAGIC_LEN).map_err(cut)?;
            let (version, _compatible) = (reader.i32().map_err(cut)?, reader.i32().map_err(cut)?);
            if version < 1 {
                return Err("unknown version of the xerial framing".into());
            }
        } else if input.is_empty() {
            return Err("the stream is empty".into());
        }
        Ok(Self { xerial, input: reader })
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
        // A block may be empty; only the end of the input is the end.
        if self.input.remaining() == 0 {
            return Ok(false);
        }
        let len = if self.xerial { self.input.i32().map_err(cut)? } else { -1 };
        let block = match usize::try_from(len) {
            Ok(len) => self.input.take(len).map_err(cut)?,
            Err(_) if self.xerial => return Err("a block has a negative length".into()),
            Err(_) => self.input.take(self.input.remaining()).map_err(cut)?,
        };
        decompress_block(block, out, left)?;
        Ok(true)
    }
}

fn cut(_: crate::base::reader::ReadError) -> Failure {
    "the stream is cut short".into()
}

fn decompress_block(block: &[u8], out: &mut Vec<u8>, left: usize) -> Result<(), Failure> {
    let len = raw::decompress_len(block).map_err(|error| Failure::Corrupt(error.to_string()))?;
    if len > block.len().saturating_mul(EXPANSION_MAX) {
        return Err("a block announces more bytes than it can hold".into());
    }
    if len > left {
        return Err(Failure::OverBudget);
    }
    let before = out.len();
    out.resize(before + len, 0);
    let written = raw::Decoder::new().decompress(block, &mut out[before..]);
    let written = written.map_err(|error| Failure::Corrupt(error.to_string()))?;
    assert_eq!(written, len, "a snappy block gives the bytes that it announces");
    Ok(())
}

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = raw::Encoder::new();
    for block in input.chunks(XERIAL_BLOCK_LEN) {
        let block = encoder.compress_vec(block).map_err(|error| Failure::Corrupt(error.to_string()))?;
        let len = i32::try_from(block.len()).expect("a compressed block of 32 KiB fits an i32");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(out)
}
