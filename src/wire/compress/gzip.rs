//! gzip as `java.util.zip` reads it: members may follow each other.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Failure, fill};

pub(super) struct Decoder<'a> {
    stream: MultiGzDecoder<&'a [u8]>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { stream: MultiGzDecoder::new(input) }
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
        fill(out, left, |room| Ok(self.stream.read(room)?))
    }
}

pub(super) fn compress(level: i32, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let level =
        u32::try_from(level).map_or_else(|_| flate2::Compression::default(), flate2::Compression::new);
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(input)?;
    Ok(encoder.finish()?)
}
