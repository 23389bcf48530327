//! Records of magic 2, read in place from the (decompressed) bytes after a batch header (`DefaultRecord`).
//!
//! ```text
//! length           varint   of everything after it
//! attributes       i8       unused, ignored
//! timestamp delta  varlong
//! offset delta     varint
//! key              varint length, -1 for null, then the bytes
//! value            varint length, -1 for null, then the bytes
//! headers          varint count; each a key (never null) and a value (-1 for null)
//! ```
//! Nothing here allocates: a length or a count is believed only as far as bytes are there. Header keys are
//! bytes, not text, and may repeat, because Kafka's broker accepts both. Varints may be padded with zero
//! bits as in Kafka (encoders that reserve room do that), but not beyond the width of their type.

use super::batch::BatchHeader;
use crate::base::reader::{ReadError, Reader};

/// Bytes of the smallest record: a length and six fields of one byte.
pub const LEN_MIN: usize = 7;

/// Why bytes are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A record, or a length in it, passes the end of the bytes.
    #[error("the records end early")]
    Truncated,
    /// A varint runs past the width of its type.
    #[error("a varint in a record is too long")]
    VarintTooLong,
    /// A length below -1, or -1 where null is not allowed.
    #[error("a record has the length {0}")]
    BadLength(i32),
    /// A header count that is negative or that the bytes cannot hold.
    #[error("a record has {0} headers")]
    BadHeaderCount(i32),
    /// The fields of a record end before its length says.
    #[error("{0} bytes are left over in a record")]
    LeftOver(usize),
    /// Base and delta add up to no timestamp.
    #[error("the timestamp of a record is out of range")]
    TimestampOverflow,
    /// Base and delta add up to no offset.
    #[error("the offset of a record is out of range")]
    OffsetOverflow,
    /// A record count that is negative.
    #[error("a batch has {0} records")]
    BadCount(i32),
    /// Bytes after the last record.
    #[error("bytes are left over after the last record")]
    Trailing,
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Truncated => Self::Truncated,
            ReadError::VarintTooLong => Self::VarintTooLong,
        }
    }
}

/// One record; its bytes belong to the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unused bits.
    pub attributes: i8,
    /// In ms; the batch's max timestamp where the broker set the timestamps.
    pub timestamp: i64,
    /// Absolute, if the batch's base offset is.
    pub offset: i64,
    /// `None` is null, which differs from empty.
    pub key: Option<&'a [u8]>,
    /// `None` is null: a tombstone.
    pub value: Option<&'a [u8]>,
    /// How many headers `headers` holds.
    pub header_count: usize,
    /// The encoded headers, already checked, without their count.
    pub headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// The headers in the order of the record, duplicates included.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut reader = Reader::new(self.headers);
        std::iter::from_fn(move || read_header(&mut reader).ok())
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Usually UTF-8, but nothing enforces it.
    pub key: &'a [u8],
    /// `None` is null.
    pub value: Option<&'a [u8]>,
}

/// What the deltas in the records of one batch are relative to.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    offset: i64,
    timestamp: i64,
    log_append_time_ms: Option<i64>,
}

impl Base {
    /// The base of the batch with this header.
    pub fn of(header: &BatchHeader) -> Self {
        Self {
            offset: header.base_offset,
            timestamp: header.base_timestamp,
            log_append_time_ms: header.is_log_append_time().then_some(header.max_timestamp),
        }
    }

    /// Reads the record at the start of `bytes`, which may end within it.
    #[inline]
    pub fn split<'a>(&self, bytes: &'a [u8]) -> Result<Split<'a>, Error> {
        let mut reader = Reader::new(bytes);
        let length = match reader.varint() {
            Ok(length) => usize::try_from(length).map_err(|_| Error::BadLength(length))?,
            Err(ReadError::Truncated) => return Ok(Split::Partial { missing: 1 }),
            Err(ReadError::VarintTooLong) => return Err(Error::VarintTooLong),
        };
        match reader.take(length) {
            Ok(body) => Ok(Split::Whole { record: self.read(body)?, rest: reader.rest() }),
            Err(_) => Ok(Split::Partial { missing: length - reader.remaining() }),
        }
    }

    /// Reads the record that `body` is, without its length.
    #[inline]
    fn read<'a>(&self, body: &'a [u8]) -> Result<Record<'a>, Error> {
        let mut reader = Reader::new(body);
        let attributes = reader.i8()?;
        let delta = reader.varlong()?;
        let timestamp = self.timestamp.checked_add(delta).ok_or(Error::TimestampOverflow)?;
        let delta = i64::from(reader.varint()?);
        let offset = self.offset.checked_add(delta).ok_or(Error::OffsetOverflow)?;
        let key = read_nullable(&mut reader)?;
        let value = read_nullable(&mut reader)?;
        let count = reader.varint()?;
        let header_count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= reader.remaining() / 2)
            .ok_or(Error::BadHeaderCount(count))?;
        let headers = reader.rest();
        for _ in 0..header_count {
            read_header(&mut reader)?;
        }
        if reader.remaining() > 0 {
            return Err(Error::LeftOver(reader.remaining()));
        }
        let timestamp = self.log_append_time_ms.unwrap_or(timestamp);
        Ok(Record { attributes, timestamp, offset, key, value, header_count, headers })
    }
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug)]
pub enum Split<'a> {
    /// A whole record.
    Whole {
        /// The record.
        record: Record<'a>,
        /// The bytes after it.
        rest: &'a [u8],
    },
    /// The beginning of a record.
    Partial {
        /// How many bytes are missing at least.
        missing: usize,
    },
}

fn read_nullable<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Error> {
    match reader.varint()? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| Error::BadLength(length))?;
            Ok(Some(reader.take(length)?))
        }
    }
}

fn read_header<'a>(reader: &mut Reader<'a>) -> Result<Header<'a>, Error> {
    let key = read_nullable(reader)?.ok_or(Error::BadLength(-1))?;
    Ok(Header { key, value: read_nullable(reader)? })
}

/// The records of one batch, in order. Ends after the first error; an error instead of an end says that
/// the bytes do not hold exactly the number of records that the header announces.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    base: Base,
    left: i32,
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// Walks `bytes`, the decompressed records of the batch with this header.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, Error> {
        let count = header.record_count;
        let room = bytes.len() / LEN_MIN;
        match usize::try_from(count) {
            Err(_) => Err(Error::BadCount(count)),
            Ok(count) if count > room => Err(Error::Truncated),
            Ok(0) if !bytes.is_empty() => Err(Error::Trailing),
            Ok(_) => Ok(Self { base: Base::of(header), left: count, bytes }),
        }
    }

    #[inline]
    fn step(&mut self) -> Result<Record<'a>, Error> {
        match self.base.split(self.bytes)? {
            Split::Partial { missing: _ } => Err(Error::Truncated),
            Split::Whole { record, rest } => {
                self.bytes = rest;
                self.left -= 1;
                if self.left == 0 && !rest.is_empty() { Err(Error::Trailing) } else { Ok(record) }
            }
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.left = 0;
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(record_count: i32) -> BatchHeader {
        BatchHeader {
            base_offset: 0,
            length: 0,
            partition_leader_epoch: -1,
            crc: 0,
            attributes: 0,
            last_offset_delta: record_count - 1,
            base_timestamp: 1000,
            max_timestamp: 1000,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count,
        }
    }

    fn walk(header: &BatchHeader, bytes: &[u8]) -> Result<usize, Error> {
        Records::new(header, bytes)?.try_fold(0, |count, record| record.map(|_| count + 1))
    }

    /// Length 6, attributes, timestamp +1, offset 0, null key, empty value, no headers.
    const RECORD: [u8; 7] = [12, 0, 2, 0, 1, 0, 0];

    #[test]
    fn null_and_empty_differ() {
        let record = Records::new(&header(1), &RECORD).unwrap().next().unwrap().unwrap();
        assert_eq!((record.timestamp, record.offset), (1001, 0));
        assert_eq!((record.key, record.value), (None, Some(&[][..])));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused_before_anything_is_read() {
        // H6.
        for count in [2, 60_000_000, i32::MAX] {
            assert_eq!(walk(&header(count), &RECORD), Err(Error::Truncated));
        }
        assert_eq!(walk(&header(-1), &RECORD), Err(Error::BadCount(-1)));
    }

    #[test]
    fn a_header_count_that_the_bytes_cannot_hold_is_refused() {
        // H7: 2^31 - 1 headers in the room of one.
        let bytes = [24, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 1];
        assert_eq!(walk(&header(1), &bytes), Err(Error::BadHeaderCount(i32::MAX)));
        assert_eq!(walk(&header(1), &[12, 0, 0, 0, 1, 1, 1]), Err(Error::BadHeaderCount(-1)));
    }

    #[test]
    fn timestamps_and_offsets_never_wrap() {
        // H8.
        let late = BatchHeader { base_timestamp: i64::MAX, ..header(1) };
        assert_eq!(walk(&late, &RECORD), Err(Error::TimestampOverflow));
        let far = BatchHeader { base_offset: i64::MAX, ..header(1) };
        assert_eq!(walk(&far, &RECORD), Ok(1));
        assert_eq!(walk(&far, &[12, 0, 2, 2, 1, 0, 0]), Err(Error::OffsetOverflow));
    }

    #[test]
    fn header_keys_are_bytes_and_may_repeat() {
        // H15 and H16: key 0xff twice, with value 1 and with null.
        let bytes = [26, 0, 0, 0, 1, 1, 4, 2, 0xff, 2, 1, 2, 0xff, 1];
        let record = Records::new(&header(1), &bytes).unwrap().next().unwrap().unwrap();
        let headers: Vec<_> = record.headers().map(|header| (header.key, header.value)).collect();
        assert_eq!(headers, [(&[0xff][..], Some(&[1][..])), (&[0xff][..], None)]);
        // But a key is never null.
        assert_eq!(walk(&header(1), &[16, 0, 0, 0, 1, 1, 2, 1, 1]), Err(Error::BadLength(-1)));
    }

    #[test]
    fn the_bytes_hold_exactly_the_announced_records() {
        // H17.
        let two = [RECORD, RECORD].concat();
        assert_eq!(walk(&header(2), &two), Ok(2));
        assert_eq!(walk(&header(1), &two), Err(Error::Trailing));
        assert_eq!(walk(&header(2), &two[..13]), Err(Error::Truncated));
        assert_eq!(walk(&header(0), &[]), Ok(0));
        assert_eq!(walk(&header(0), &RECORD), Err(Error::Trailing));
    }

    #[test]
    fn fields_fill_their_record_exactly() {
        assert_eq!(walk(&header(1), &[14, 0, 2, 0, 1, 0, 0, 0]), Err(Error::LeftOver(1)));
        assert_eq!(walk(&header(1), &[10, 0, 2, 0, 1, 0, 0]), Err(Error::Truncated));
        // A value that reaches into the next record.
        let two = [[12, 0, 2, 0, 1, 4, 0], RECORD].concat();
        assert_eq!(walk(&header(2), &two), Err(Error::Truncated));
        assert_eq!(walk(&header(1), &[12, 0, 2, 0, 3, 0, 0]), Err(Error::BadLength(-2)));
        assert_eq!(walk(&header(1), &[1, 0, 2, 0, 1, 0, 0]), Err(Error::BadLength(-1)));
    }

    #[test]
    fn varints_may_be_padded_but_not_overflow() {
        // H20. The length, then the timestamp delta.
        assert_eq!(walk(&header(1), &[0x8c, 0x80, 0x80, 0x80, 0, 0, 2, 0, 1, 0, 0]), Ok(1));
        assert_eq!(
            walk(&header(1), &[0x8c, 0x80, 0x80, 0x80, 0x10, 0, 2, 0, 1, 0, 0]),
            Err(Error::VarintTooLong)
        );
        let mut long = vec![30, 0];
        long.extend([0x80; 9]);
        long.extend([2, 0, 1, 0, 0]);
        assert_eq!(walk(&header(1), &long), Err(Error::VarintTooLong));
    }

    #[test]
    fn log_append_time_replaces_all_timestamps() {
        let stamped = BatchHeader { attributes: 0x08, max_timestamp: 77, ..header(1) };
        let record = Records::new(&stamped, &RECORD).unwrap().next().unwrap().unwrap();
        assert_eq!(record.timestamp, 77);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(prop_oneof![0..20u8, any::<u8>()], 0..100), count in 0..8,
            base in any::<i64>(),
        ) {
            let header = BatchHeader { base_offset: base, base_timestamp: base, ..header(count) };
            if let Ok(records) = Records::new(&header, &bytes) {
                for record in records.flatten() {
                    prop_assert_eq!(record.headers().count(), record.header_count);
                }
            }
        }
    }
}
