//! lz4 frames as Kafka's `Lz4BlockInputStream` takes them: one frame of independent blocks, no dictionary.
//!
//! ```text
//! magic        u32  0x184d2204, little-endian as all numbers here
//! flags        u8   version 01, block independence, block checksum, content size, content checksum, 0, 0
//! block size   u8   4 to 7 in bits 4-6: 64 KiB, 256 KiB, 1 MiB, 4 MiB
//! content size u64  if flagged
//! checksum     u8   second byte of the xxh32 of flags to content size
//! blocks            u32 length (top bit: stored, not compressed), the bytes, u32 xxh32 of them if flagged
//! end mark     u32  0
//! checksum     u32  xxh32 of the content, if flagged
//! ```

use std::hash::Hasher as _;
use std::io::Write;

use lz4_flex::block::DecompressError;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::xxhash32::Hasher;

use super::{Failure, lz4_high};
use crate::base::reader::{ReadError, Reader};

const MAGIC: u32 = 0x184d_2204;
const STORED: u32 = 0x8000_0000;
/// First guess at the output of a block, as a multiple of the block and at least.
const ROOM_RATIO: usize = 8;
const ROOM_MIN: usize = 1024;

const RESERVED: u8 = 0b0000_0011;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const CONTENT_SIZE: u8 = 0b0000_1000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;

pub(super) struct Decoder<'a> {
    input: Reader<'a>,
    block_len_max: usize,
    block_checksum: bool,
    content_checksum: Option<Hasher>,
    content_size: Option<u64>,
    written: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Result<Self, Failure> {
        let mut input = Reader::new(input);
        if u32_le(&mut input)? != MAGIC {
            return Err("no lz4 frame".into());
        }
        let descriptor = input.rest();
        let (flags, size) = (input.u8()?, input.u8()?);
        if flags & VERSION_MASK != VERSION || flags & INDEPENDENT == 0 || flags & RESERVED != 0 {
            return Err("unsupported kind of lz4 frame".into());
        }
        if size & 0b1000_1111 != 0 || size < 0b0100_0000 {
            return Err("unknown block size".into());
        }
        let content_size = if flags & CONTENT_SIZE == 0 { None } else { Some(u64_le(&mut input)?) };
        let described = &descriptor[..descriptor.len() - input.remaining()];
        if input.u8()? != Hasher::oneshot(0, described).to_be_bytes()[2] {
            return Err("wrong checksum of the frame header".into());
        }
        Ok(Self {
            input,
            block_len_max: 1 << (2 * (size >> 4) + 8),
            block_checksum: flags & BLOCK_CHECKSUM != 0,
            content_checksum: (flags & CONTENT_CHECKSUM != 0).then(|| Hasher::with_seed(0)),
            content_size,
            written: 0,
        })
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
        let word = u32_le(&mut self.input)?;
        if word == 0 {
            return self.end();
        }
        let len = usize::try_from(word & !STORED).unwrap_or(usize::MAX);
        if len > self.block_len_max {
            return Err("a block is longer than the frame allows".into());
        }
        let block = self.input.take(len)?;
        if self.block_checksum && u32_le(&mut self.input)? != Hasher::oneshot(0, block) {
            return Err("wrong checksum of a block".into());
        }
        let before = out.len();
        if word & STORED == 0 {
            self.decompress_block(block, out, left)?;
        } else if len > left {
            return Err(Failure::OverBudget);
        } else {
            out.extend_from_slice(block);
        }
        let added = &out[before..];
        if let Some(hasher) = &mut self.content_checksum {
            hasher.write(added);
        }
        self.written += u64::try_from(added.len()).expect("a usize fits a u64");
        Ok(true)
    }

    /// Guesses the size of the output, because clients that allow blocks of 4 MiB send blocks of 16 KiB, and
    /// hostile ones thousands of a few bytes.
    fn decompress_block(&self, block: &[u8], out: &mut Vec<u8>, left: usize) -> Result<(), Failure> {
        let before = out.len();
        let room_max = self.block_len_max.min(left);
        let mut room = room_max.min(ROOM_MIN.max(ROOM_RATIO * block.len()));
        loop {
            out.resize(before + room, 0);
            match lz4_flex::block::decompress_into(block, &mut out[before..]) {
                Ok(len) => {
                    out.truncate(before + len);
                    return Ok(());
                }
                Err(DecompressError::OutputTooSmall { .. }) if room < room_max => {
                    room = room_max.min(4 * room)
                }
                Err(DecompressError::OutputTooSmall { .. }) if left < self.block_len_max => {
                    return Err(Failure::OverBudget);
                }
                Err(error) => return Err(Failure::Corrupt(error.to_string())),
            }
        }
    }

    fn end(&mut self) -> Result<bool, Failure> {
        if let Some(hasher) = &self.content_checksum
            && u32_le(&mut self.input)? != hasher.finish_32()
        {
            return Err("wrong checksum of the content".into());
        }
        if self.content_size.is_some_and(|size| size != self.written) {
            return Err("wrong size of the content".into());
        }
        if self.input.remaining() > 0 {
            return Err("bytes follow the frame".into());
        }
        Ok(false)
    }
}

impl From<ReadError> for Failure {
    fn from(_: ReadError) -> Self {
        "the stream is cut short".into()
    }
}

fn u32_le(reader: &mut Reader<'_>) -> Result<u32, ReadError> {
    Ok(reader.u32()?.swap_bytes())
}

fn u64_le(reader: &mut Reader<'_>) -> Result<u64, ReadError> {
    Ok(reader.i64()?.swap_bytes().cast_unsigned())
}

/// Bytes in a block that we write, as Kafka does.
const BLOCK_LEN: usize = 64 * 1024;
/// The level that is made with the fast compressor (`CompressionType.LZ4.defaultLevel`).
const LEVEL_FAST: i32 = 9;

pub(super) fn compress(level: i32, input: &[u8]) -> Result<Vec<u8>, Failure> {
    if level == LEVEL_FAST { compress_fast(input) } else { Ok(compress_high(level, input)) }
}

/// One frame of blocks that were searched through; those that do not shrink are stored.
fn compress_high(level: i32, input: &[u8]) -> Vec<u8> {
    let descriptor = [VERSION | INDEPENDENT, 0x40];
    let mut out = MAGIC.swap_bytes().to_be_bytes().to_vec();
    out.extend_from_slice(&descriptor);
    out.push(Hasher::oneshot(0, &descriptor).to_be_bytes()[2]);
    let mut packed = Vec::new();
    for block in input.chunks(BLOCK_LEN) {
        packed.clear();
        lz4_high::compress_block(level, block, &mut packed);
        let (bytes, flag) = if packed.len() < block.len() { (&packed[..], 0) } else { (block, STORED) };
        let len = u32::try_from(bytes.len()).expect("a block is at most 64 KiB");
        out.extend_from_slice(&(len | flag).swap_bytes().to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[0; 4]);
    out
}

fn compress_fast(input: &[u8]) -> Result<Vec<u8>, Failure> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(input)?;
    encoder.finish().map_err(|error| Failure::Corrupt(error.to_string()))
}
