//! The four codecs of record batches, in the framings that Kafka's Java classes read and write
//! (`org.apache.kafka.common.compress`).
//!
//! Decompression trusts nothing: it works in steps, and the budget for the output is checked before the
//! bytes of a step get memory. It is as strict as Java or stricter: a stream must be whole, end with the
//! input, and pass every checksum that it carries.

mod gzip;
mod lz4;
mod lz4_high;
mod snappy;
mod zstd;

use std::fmt;

/// How much a step of a codec without own blocks gives out, in bytes.
const STEP: usize = 64 * 1024;
/// Most bytes that a batch of a log may decompress to. Larger ones pass no validation.
pub const LOGGED_BYTES_MAX: usize = 1 << 30;
/// Largest zstd context that is kept: that of level 3, whose streams announce windows of 2 MiB, fits.
const ZSTD_CONTEXT_KEPT: usize = 4 << 20;

/// The codec in the attributes of a batch (`CompressionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not compressed.
    None,
    /// RFC 1952, one or more members.
    Gzip,
    /// Raw, or in the blocks of snappy-java ("xerial").
    Snappy,
    /// An lz4 frame of independent blocks.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// The codec with this number in a batch's attributes.
    pub fn from_id(id: i16) -> Result<Self, Error> {
        match id {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            _ => Err(Error::UnknownCodec(id)),
        }
    }

    /// The number in a batch's attributes.
    pub fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// How to compress: a codec and, where it has levels, the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Do not.
    None,
    /// `compression.gzip.level`: 1 to 9, or -1 for zlib's default.
    Gzip(i32),
    /// Has no levels.
    Snappy,
    /// `compression.lz4.level`: 1 to 17. The default 9 is the fast compressor, as in Kafka; all others search, the
    /// harder the higher.
    Lz4(i32),
    /// `compression.zstd.level`: -131072 to 22.
    Zstd(i32),
}

impl Compression {
    /// The codec.
    pub fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip(_) => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4(_) => Codec::Lz4,
            Self::Zstd(_) => Codec::Zstd,
        }
    }
}

impl From<Codec> for Compression {
    /// The codec at Kafka's default level.
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip => Self::Gzip(-1),
            Codec::Snappy => Self::Snappy,
            Codec::Lz4 => Self::Lz4(9),
            Codec::Zstd => Self::Zstd(3),
        }
    }
}

/// Why bytes could not be (de)compressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A number that no codec has.
    #[error("unknown compression type id: {0}")]
    UnknownCodec(i16),
    /// The bytes are no stream of the codec, are cut short, or more bytes follow the stream.
    #[error("{codec}: {what}")]
    Corrupt {
        /// The codec.
        codec: Codec,
        /// What is wrong.
        what: String,
    },
    /// The output would be larger than allowed.
    #[error("more than {budget} bytes when decompressed")]
    OverBudget {
        /// What was allowed.
        budget: usize,
    },
}

/// What a step of a decoder ends with.
enum Failure {
    Corrupt(String),
    OverBudget,
}

impl From<&str> for Failure {
    fn from(what: &str) -> Self {
        Self::Corrupt(what.to_owned())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

enum Decoder<'a> {
    None(&'a [u8]),
    Gzip(gzip::Decoder<'a>),
    Snappy(snappy::Decoder<'a>),
    Lz4(lz4::Decoder<'a>),
    Zstd(zstd::Decoder<'a>),
}

/// What decoders can keep from one stream to the next: a context of zstd costs as much as 16 KiB of output.
#[derive(Default)]
pub struct Contexts {
    zstd: Option<::zstd::zstd_safe::DCtx<'static>>,
}

impl Contexts {
    /// Frees what the last stream made larger than usual.
    pub fn trim(&mut self) {
        self.zstd.take_if(|context| context.sizeof() > ZSTD_CONTEXT_KEPT);
    }
}

/// Decompresses one stream step by step.
pub struct Decompressor<'a> {
    codec: Codec,
    decoder: Decoder<'a>,
    budget: usize,
    used: usize,
}

impl<'a> Decompressor<'a> {
    /// Decompresses `input` into at most `budget` bytes.
    pub fn new(
        codec: Codec,
        input: &'a [u8],
        budget: usize,
        contexts: &'a mut Contexts,
    ) -> Result<Self, Error> {
        let decoder = match codec {
            Codec::None => Ok(Decoder::None(input)),
            Codec::Gzip => Ok(Decoder::Gzip(gzip::Decoder::new(input))),
            Codec::Snappy => snappy::Decoder::new(input).map(Decoder::Snappy),
            Codec::Lz4 => lz4::Decoder::new(input).map(Decoder::Lz4),
            Codec::Zstd => zstd::Decoder::new(input, &mut contexts.zstd).map(Decoder::Zstd),
        };
        let decoder = decoder.map_err(|failure| described(failure, codec, budget))?;
        Ok(Self { codec, decoder, budget, used: 0 })
    }

    /// Appends the output of one step to `out`: a codec's block, or up to 64 KiB. `false` at the end, and
    /// only after the whole input was read and found good. An error leaves `out` as it was.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let before = out.len();
        let left = self.budget - self.used;
        let step = match &mut self.decoder {
            Decoder::None(input) => copy(input, out, left),
            Decoder::Gzip(decoder) => decoder.step(out, left),
            Decoder::Snappy(decoder) => decoder.step(out, left),
            Decoder::Lz4(decoder) => decoder.step(out, left),
            Decoder::Zstd(decoder) => decoder.step(out, left),
        };
        let more = step.map_err(|failure| {
            out.truncate(before);
            described(failure, self.codec, self.budget)
        })?;
        self.used += out.len() - before;
        assert!(self.used <= self.budget, "a decoder went over its budget");
        Ok(more)
    }

    /// How many bytes of the budget are left.
    pub fn budget_left(&self) -> usize {
        self.budget - self.used
    }
}

fn described(failure: Failure, codec: Codec, budget: usize) -> Error {
    match failure {
        Failure::Corrupt(what) => Error::Corrupt { codec, what },
        Failure::OverBudget => Error::OverBudget { budget },
    }
}

fn copy(input: &mut &[u8], out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
    if input.len() > left {
        return Err(Failure::OverBudget);
    }
    out.extend_from_slice(input);
    Ok(!std::mem::take(input).is_empty())
}

/// Appends what `read` gives to `out` until it gives nothing or [`STEP`] bytes are full; `false` when it gave
/// nothing at all. Short reads are put together, so that a stream of tiny members or frames costs no more.
fn fill(
    out: &mut Vec<u8>,
    left: usize,
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Failure>,
) -> Result<bool, Failure> {
    let before = out.len();
    // One byte more than is left tells a stream that ends here from one that goes on.
    out.resize(before + STEP.min(left.saturating_add(1)), 0);
    let room = &mut out[before..];
    let mut filled = 0;
    while filled < room.len() {
        match read(&mut room[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    if filled > left {
        return Err(Failure::OverBudget);
    }
    out.truncate(before + filled);
    Ok(filled > 0)
}

/// Appends the whole output of `input` to `out`, at most `budget` bytes.
pub fn decompress(codec: Codec, input: &[u8], budget: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut contexts = Contexts::default();
    let mut decompressor = Decompressor::new(codec, input, budget, &mut contexts)?;
    while decompressor.step(out)? {}
    Ok(())
}

/// The records of a batch in a log: `stored` itself, or what it decompresses to, in `room`.
pub fn plain_records<'a>(codec: Codec, stored: &'a [u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    match codec {
        Codec::None => Ok(stored),
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => {
            room.clear();
            decompress(codec, stored, LOGGED_BYTES_MAX, room)?;
            Ok(room)
        }
    }
}

/// Compresses `input` as Kafka's broker would.
pub fn compress(compression: Compression, input: &[u8]) -> Result<Vec<u8>, Error> {
    let compressed = match compression {
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip(level) => gzip::compress(level, input),
        Compression::Snappy => snappy::compress(input),
        Compression::Lz4(level) => lz4::compress(level, input),
        Compression::Zstd(level) => zstd::compress(level, input),
    };
    compressed.map_err(|failure| described(failure, compression.codec(), usize::MAX))
}

#[cfg(test)]
mod tests;
