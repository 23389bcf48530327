//! zstd: frames that may follow each other.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::{Failure, fill};

/// Largest window that a frame may ask for, as a power of two; zstd's default, and so Kafka's.
///
/// Not the 23 of RFC 8878: Java's levels 20 to 22 announce 25 to 27 for batches of any size. The window is
/// only reserved; what a stream touches of it is bounded by its output, and so by the budget.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) struct Decoder<'a> {
    input: &'a [u8],
    context: &'a mut DCtx<'static>,
    /// Whether the input so far ends with a frame.
    whole: bool,
}

impl<'a> Decoder<'a> {
    /// Works with the context in `slot`, which may be left from another stream.
    pub(super) fn new(input: &'a [u8], slot: &'a mut Option<DCtx<'static>>) -> Result<Self, Failure> {
        let context = match slot {
            Some(context) => context,
            None => slot.insert(DCtx::try_create().ok_or("no memory for a context")?),
        };
        context.reset(ResetDirective::SessionOnly).map_err(named)?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(named)?;
        Ok(Self { input, context, whole: false })
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>, left: usize) -> Result<bool, Failure> {
        fill(out, left, |room| self.read(room))
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize, Failure> {
        let mut output = OutBuffer::around(room);
        while output.pos() == 0 && !(self.whole && self.input.is_empty()) {
            let mut input = InBuffer::around(self.input);
            let hint = self.context.decompress_stream(&mut output, &mut input).map_err(named)?;
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

fn named(code: usize) -> Failure {
    get_error_name(code).into()
}

pub(super) fn compress(level: i32, input: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(zstd::bulk::compress(input, level)?)
}
