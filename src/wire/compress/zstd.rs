//! zstd: frames that may follow each other.

use zstd::stream::raw::{DParameter, Decoder as RawDecoder, InBuffer, Operation, OutBuffer};

use super::{Failure, fill};

/// Largest window that a frame may ask for, as a power of two; zstd's default, and so Kafka's.
///
/// Not the 23 of RFC 8878: Java's levels 20 to 22 announce 25 to 27 for batches of any size. The window is
/// only reserved; what a stream touches of it is bounded by its output, and so by the budget.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) struct Decoder<'a> {
    input: &'a [u8],
    stream: RawDecoder<'static>,
    /// Whether the input so far ends with a frame.
    whole: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Result<Self, Failure> {
        let mut stream = RawDecoder::new()?;
        stream.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self { input, stream, whole: false })
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
        fill(out, left, |room| self.read(room))
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        let mut output = OutBuffer::around(room);
        while output.pos() == 0 && !(self.whole && self.input.is_empty()) {
            let mut input = InBuffer::around(self.input);
            let hint = self.stream.run(&mut input, &mut output)?;
            let read = input.pos();
            if read == 0 && output.pos() == 0 {
                return Err("the stream is cut short".into());
            }
            self.input = &self.input[read..];
            self.whole = hint == 0;
        }
        Ok(output.pos())
    }
}

pub(super) fn compress(level: i32, input: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(zstd::bulk::compress(input, level)?)
}
