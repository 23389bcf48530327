//! Strings, bytes and arrays of messages that are older than KIP-482: a length is a big-endian number before the
//! message's first flexible version, and a varint from then on.
//!
//! Owns both encodings and the way from them to the message crate's traits. [`super::field`] is for messages
//! that were flexible from their first version.

use bytes::{BufMut, Bytes};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};

use super::field::{Malformed, read_tagged, write_uvarint};
use crate::base::reader::Reader;

/// Where fields are read from.
pub(super) struct Input<'a> {
    reader: Reader<'a>,
    flexible: bool,
}

impl<'a> Input<'a> {
    /// Reads `bytes` from their start.
    pub(super) fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self { reader: Reader::new(bytes), flexible }
    }

    pub(super) fn reader(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(self.reader.i16()?)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(self.reader.i32()?)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(self.reader.i64()?)
    }

    /// A length or count, none if null, of things that take at least `len_min` bytes each. As in Kafka every
    /// negative number is null.
    fn count(&mut self, long: bool, len_min: usize) -> Result<Option<usize>, Malformed> {
        let count = match (self.flexible, long) {
            (true, _) => self.reader.uvarint()?.checked_sub(1),
            (false, true) => u32::try_from(self.reader.i32()?).ok(),
            (false, false) => u32::try_from(self.reader.i16()?).ok(),
        };
        let Some(count) = count else { return Ok(None) };
        let remaining = self.reader.remaining();
        match usize::try_from(count) {
            Ok(fits) if fits.saturating_mul(len_min) <= remaining => Ok(Some(fits)),
            _ => Err(Malformed::TooMany { count, remaining }),
        }
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<&'a str>, Malformed> {
        let Some(len) = self.count(false, 1)? else { return Ok(None) };
        let text = std::str::from_utf8(self.reader.take(len)?);
        text.map(Some).map_err(|_| Malformed::NotUtf8)
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Malformed> {
        self.nullable_string()?.ok_or(Malformed::Null)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count(true, 1)?.ok_or(Malformed::Null)?;
        Ok(self.reader.take(len)?)
    }

    /// An array of elements of at least `len_min` bytes; none if null.
    pub(super) fn nullable_array<T>(
        &mut self,
        len_min: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        let Some(count) = self.count(true, len_min)? else { return Ok(None) };
        (0..count).map(|_| element(self)).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn array<T>(
        &mut self,
        len_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.nullable_array(len_min, element)?.ok_or(Malformed::Null)
    }

    /// The end of a structure: tagged fields, of which none are known.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        if self.flexible { read_tagged(&mut self.reader, |_, _| Ok(false)) } else { Ok(()) }
    }
}

/// Where bytes go.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts them.
struct Size(usize);

impl Sink for Size {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

struct Buffer<'a, B>(&'a mut B);

impl<B: BufMut> Sink for Buffer<'_, B> {
    fn put(&mut self, bytes: &[u8]) {
        self.0.put_slice(bytes);
    }
}

/// Where fields are written to.
pub(super) struct Output<'a> {
    sink: &'a mut dyn Sink,
    flexible: bool,
}

impl<'a> Output<'a> {
    /// Appends to `sink`.
    pub(super) fn new(sink: &'a mut dyn Sink, flexible: bool) -> Self {
        Self { sink, flexible }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.sink.put(bytes);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.put(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.put(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.put(&value.to_be_bytes());
    }

    fn uvarint(&mut self, value: u32) {
        let mut bytes = Vec::with_capacity(5);
        write_uvarint(value, &mut bytes);
        self.put(&bytes);
    }

    fn count(&mut self, long: bool, count: Option<usize>) {
        let count = count.map(|count| i32::try_from(count).expect("a message is smaller than 2 GiB"));
        match (self.flexible, long) {
            (true, _) => self.uvarint(count.map_or(0, |count| count.unsigned_abs() + 1)),
            (false, true) => self.i32(count.unwrap_or(-1)),
            (false, false) => {
                let short = i16::try_from(count.unwrap_or(-1));
                self.i16(short.expect("Kafka's strings have at most 32767 bytes"));
            }
        }
    }

    pub(super) fn nullable_string(&mut self, value: Option<&str>) {
        self.count(false, value.map(str::len));
        self.put(value.unwrap_or_default().as_bytes());
    }

    pub(super) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.count(true, Some(value.len()));
        self.put(value);
    }

    pub(super) fn array<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.count(true, Some(elements.len()));
        for value in elements {
            element(self, value);
        }
    }

    /// An array that is null.
    pub(super) fn no_array(&mut self) {
        self.count(true, None);
    }

    /// The end of a structure without tagged fields.
    pub(super) fn end(&mut self) {
        if self.flexible {
            self.put(&[0]);
        }
    }
}

/// The frame of a request; its strings stay slices of it.
pub(super) struct Frame(Bytes);

impl Frame {
    /// The part of the frame that `text` is.
    pub(super) fn text(&self, text: &str) -> StrBytes {
        StrBytes::from_utf8(self.0.slice_ref(text.as_bytes())).expect("a string is UTF-8")
    }
}

/// What `Decodable::decode` does: takes one message off `buf`.
pub(super) fn decode<B: ByteBuf, T>(
    buf: &mut B,
    flexible: bool,
    read: impl FnOnce(&mut Input<'_>, &Frame) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let frame = Frame(buf.peek_bytes(0..buf.remaining()));
    let mut input = Input::new(&frame.0, flexible);
    let message = read(&mut input, &frame)?;
    let taken = frame.0.len() - input.reader.remaining();
    buf.advance(taken);
    Ok(message)
}

/// What `Encodable::encode` does.
pub(super) fn encode<B: ByteBufMut>(buf: &mut B, flexible: bool, write: impl FnOnce(&mut Output<'_>)) {
    write(&mut Output::new(&mut Buffer(buf), flexible));
}

/// What `Encodable::compute_size` does.
pub(super) fn size(flexible: bool, write: impl FnOnce(&mut Output<'_>)) -> usize {
    let mut size = Size(0);
    write(&mut Output::new(&mut size, flexible));
    size.0
}

/// Gives requests the crate's `Decodable` and responses its `Encodable`; the type brings `read` or `write`.
macro_rules! crate_traits {
    ($versions:expr, flexible $flexible:literal, request $request:ty, response $response:ty) => {
        impl kafka_protocol::protocol::Decodable for $request {
            fn decode<B: kafka_protocol::protocol::buf::ByteBuf>(
                buf: &mut B,
                version: i16,
            ) -> anyhow::Result<Self> {
                anyhow::ensure!($versions.contains(&version), "version {version} is not known");
                let read = |input: &mut Input<'_>, frame: &Frame| Self::read(version, input, frame);
                Ok($crate::wire::lengths::decode(buf, version >= $flexible, read)?)
            }
        }

        impl kafka_protocol::protocol::Encodable for $response {
            fn encode<B: kafka_protocol::protocol::buf::ByteBufMut>(
                &self,
                buf: &mut B,
                version: i16,
            ) -> anyhow::Result<()> {
                anyhow::ensure!($versions.contains(&version), "version {version} is not known");
                $crate::wire::lengths::encode(buf, version >= $flexible, |output| {
                    self.write(version, output)
                });
                Ok(())
            }

            fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
                anyhow::ensure!($versions.contains(&version), "version {version} is not known");
                Ok($crate::wire::lengths::size(version >= $flexible, |output| self.write(version, output)))
            }
        }
    };
}
pub(super) use crate_traits;
