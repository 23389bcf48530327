//! The batches of a segment and the records of a batch, however damaged (`FileLogInputStream`, `DefaultRecordBatch`).
//!
//! The broker's own readers end at the first thing that is wrong; here it is to be shown as far as it can be read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::reader::Reader;
use crate::log::disk::{Disk, File, Mode};
use crate::tools::Stop;
use crate::wire::batch::{BatchHeader, CRC_FROM, HEADER_LEN, LOG_OVERHEAD, MAGIC, crc32c};
use crate::wire::compress::{Codec, plain_records};
use crate::wire::record::{self, Base, Record, Split};

/// Bytes up to the magic, which every format has.
const PREFIX_LEN: usize = 17;
const PREFIX_BYTES: u64 = 17;
/// The smallest length that any format has (`LegacyRecord.RECORD_OVERHEAD_V0`).
const LENGTH_MIN: i32 = 14;

/// A segment, open.
pub(super) struct Segment {
    file: Arc<dyn File>,
    path: PathBuf,
    len: u64,
}

/// A batch and where it is.
pub(super) struct Found {
    /// Its first byte.
    pub(super) position: u64,
    /// Its length in bytes.
    pub(super) len: u64,
    /// The format's number, 2 or what nobody knows yet.
    pub(super) magic: i8,
    /// As it would be with magic 2, whatever is there.
    pub(super) header: BatchHeader,
}

impl Segment {
    /// Opens the file.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, Stop> {
        let open = || -> io::Result<Self> {
            let file = disk.open(path, Mode::Read)?;
            let len = file.len()?;
            Ok(Self { file, path: path.to_owned(), len })
        };
        open().map_err(|error| super::failed(path, &error))
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The batch at `position`; none where no whole batch is left before `end`.
    pub(super) fn batch_at(&self, position: u64, end: u64) -> Result<Option<Found>, Stop> {
        let end = end.min(self.len);
        if position.saturating_add(PREFIX_BYTES) >= end {
            return Ok(None);
        }
        let prefix = self.bytes(position, PREFIX_LEN)?;
        let mut reader = Reader::new(&prefix[8..]);
        let length = reader.i32().unwrap_or_default();
        let magic = prefix[PREFIX_LEN - 1].cast_signed();
        let len = match u64::try_from(length) {
            Ok(rest) if length >= LENGTH_MIN => rest + LOG_OVERHEAD as u64,
            _ => return Err(self.too_small(length)),
        };
        if position.saturating_add(len) > end {
            return Ok(None);
        }
        if magic < MAGIC {
            let path = self.path.display();
            return Err(Stop::Failed(format!(
                "{path}: magic {magic} at position {position} is not supported"
            )));
        }
        let mut bytes = self.bytes(position, HEADER_LEN)?;
        let header = header_whatever_it_says(&mut bytes, length);
        let header = header.ok_or_else(|| Stop::Failed(format!("{}: no header", self.path.display())))?;
        Ok(Some(Found { position, len, magic, header }))
    }

    /// All bytes of a batch, which the file has.
    pub(super) fn whole(&self, found: &Found) -> Result<Vec<u8>, Stop> {
        self.bytes(found.position, usize::try_from(found.len).unwrap_or(usize::MAX))
    }

    fn too_small(&self, length: i32) -> Stop {
        Stop::Failed(format!(
            "Found record size {length} smaller than minimum record overhead ({LENGTH_MIN}) in file {}.",
            self.path.display()
        ))
    }

    /// Bytes that may end behind the file only where a header does.
    fn bytes(&self, position: u64, len: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, position).map_err(|_| {
            let path = self.path.display();
            Stop::Failed(format!("Failed to load record batch at position {position} from {path}"))
        })?;
        Ok(bytes)
    }
}

/// The fields of a header whose magic and length may be wrong.
fn header_whatever_it_says(bytes: &mut [u8], length: i32) -> Option<BatchHeader> {
    let plausible = i32::try_from(HEADER_LEN - LOG_OVERHEAD).ok()?;
    bytes.get_mut(8..LOG_OVERHEAD)?.copy_from_slice(&plausible.to_be_bytes());
    *bytes.get_mut(PREFIX_LEN - 1)? = MAGIC.cast_unsigned();
    BatchHeader::parse(bytes).ok().map(|header| BatchHeader { length, ..header })
}

/// Whether the checksum of a whole batch is right.
pub(super) fn is_valid(found: &Found, bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_LEN && crc32c(&bytes[CRC_FROM..]) == found.header.crc
}

/// Hands the records of a whole batch to `visit`. A compressed one is gone through before anything is handed out, as in Kafka.
pub(super) fn for_each_record(
    found: &Found,
    bytes: &[u8],
    mut visit: impl FnMut(&Record<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let header = &found.header;
    let Some(stored) = bytes.get(HEADER_LEN..) else {
        let len = bytes.len();
        return Err(Stop::Failed(format!(
            "Record batch is corrupt (the size {len} is smaller than the minimum allowed overhead {HEADER_LEN})"
        )));
    };
    if header.record_count < 0 {
        let (count, magic) = (header.record_count, found.magic);
        return Err(Stop::Failed(format!("Found invalid record count {count} in magic v{magic} batch")));
    }
    if header.record_count == 0 {
        return Ok(());
    }
    let codec = Codec::from_id(header.codec()).map_err(|why| Stop::Failed(why.to_string()))?;
    let mut room = Vec::new();
    let records = plain_records(codec, stored, &mut room)
        .map_err(|why| Stop::Failed(format!("Failed to decompress record stream: {why}")))?;
    if codec != Codec::None {
        walk(header, records, true, &mut |_| Ok(()))?;
    }
    walk(header, records, codec != Codec::None, &mut visit)
}

fn walk(
    header: &BatchHeader,
    records: &[u8],
    is_stream: bool,
    visit: &mut dyn FnMut(&Record<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let base = Base::of(header);
    let mut left = records;
    for number in 1..=header.record_count {
        let read = base.split(left);
        let Ok(Split::Whole { record, rest }) = read else {
            return Err(Stop::Failed(broken(left, read.err(), is_stream)));
        };
        if number == header.record_count && !rest.is_empty() {
            return Err(Stop::Failed(
                "Incorrect declared batch size, records still remaining in file".to_owned(),
            ));
        }
        visit(&record)?;
        left = rest;
    }
    Ok(())
}

/// What Kafka says of the record at the start of `bytes`.
fn broken(bytes: &[u8], error: Option<record::Error>, is_stream: bool) -> String {
    let mut reader = Reader::new(bytes);
    let Ok(size) = reader.varint() else {
        return "Incorrect declared batch size, premature EOF reached".to_owned();
    };
    let remaining = reader.remaining();
    match error {
        None if is_stream => {
            format!(
                "Invalid record size: expected {size} bytes in record payload, but the record payload reached EOF."
            )
        }
        None => format!(
            "Invalid record size: expected {size} bytes in record payload, but instead the buffer has only {remaining} remaining bytes."
        ),
        Some(record::Error::LeftOver(left)) => format!(
            "Invalid record size: expected to read {size} bytes in record payload, but instead read {}",
            i64::from(size) - i64::try_from(left).unwrap_or(0)
        ),
        Some(record::Error::BadHeaderCount(count)) if count < 0 => {
            format!("Found invalid number of record headers {count}")
        }
        Some(record::Error::BadHeaderCount(count)) => {
            format!(
                "Found invalid number of record headers. {count} is larger than the remaining size of the buffer"
            )
        }
        Some(
            record::Error::Truncated
            | record::Error::VarintTooLong
            | record::Error::BadLength(_)
            | record::Error::TimestampOverflow
            | record::Error::OffsetOverflow
            | record::Error::BadCount(_)
            | record::Error::Trailing,
        ) => "Found invalid record structure".to_owned(),
    }
}
