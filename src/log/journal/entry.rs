//! One entry of the journal: what one sync made durable.
//!
//! ```text
//! 0   4  magic                          a record of the body:
//! 4   4  crc32c of all that follows     1     what: 1 bytes of a log, 2 a log is forgotten
//! 8   8  generation of the turn         16    topic id
//! 16  4  number in the turn             2 n   name of the log's directory
//! 20  4  length of the body             8 8   only 1: base offset of the segment, position in its file
//! 24  n  records                        4 n   only 1: the bytes, whole batches
//! ```

use std::io;

use uuid::Uuid;

use super::super::tail::{Place, Tail};
use crate::base::id::TopicId;
use crate::base::reader::{ReadError, Reader};
use crate::wire::batch::crc32c;

const MAGIC: u32 = 0x424e_4a31;
/// Bytes before the body.
pub(super) const HEADER_LEN: usize = 24;
/// Where what the CRC covers begins.
const CRC_FROM: usize = 8;
/// Bytes of a record besides the name and the bytes of the log.
const RECORD_LEN: usize = 1 + 16 + 2 + 8 + 8 + 4;
/// Largest body: what a scan of a broken journal has in memory at most.
pub(super) const BODY_LEN_MAX: usize = 1 << 20;
/// What the buffer keeps when an entry is done.
const CAPACITY_KEPT: usize = 128 << 10;

const BYTES: u8 = 1;
const FORGET: u8 = 2;

/// An entry that is being put together.
pub(in crate::log) struct Entry {
    bytes: Vec<u8>,
}

impl Entry {
    /// Without records.
    pub(in crate::log) fn new() -> Self {
        Self { bytes: vec![0; HEADER_LEN] }
    }

    /// Takes the records out.
    pub(in crate::log) fn clear(&mut self) {
        self.bytes.truncate(HEADER_LEN);
        self.bytes.shrink_to(CAPACITY_KEPT);
    }

    /// Bytes with the header.
    pub(in crate::log) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a tail of `len` bytes fits besides what is there.
    pub(in crate::log) fn takes(&self, tail: &Tail) -> bool {
        self.len() - HEADER_LEN + RECORD_LEN + tail.dir_name().len() + tail.len() <= BODY_LEN_MAX
    }

    /// Adds the bytes of a log; after an error the entry is as it was.
    pub(in crate::log) fn add(&mut self, tail: &Tail) -> io::Result<()> {
        let before = self.len();
        let Place { base_offset, position } = tail.place();
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let position = i64::try_from(position).map_err(invalid)?;
        let len = u32::try_from(tail.len()).map_err(invalid)?;
        self.begin(BYTES, tail.topic_id(), tail.dir_name());
        self.bytes.extend_from_slice(&base_offset.to_be_bytes());
        self.bytes.extend_from_slice(&position.to_be_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        let at = self.len();
        self.bytes.resize(at + tail.len(), 0);
        tail.read(&mut self.bytes[at..]).inspect_err(|_| self.bytes.truncate(before))
    }

    /// Lets no earlier entry speak of a log.
    pub(in crate::log) fn forget(&mut self, topic_id: TopicId, dir_name: &str) {
        self.begin(FORGET, topic_id, dir_name);
    }

    fn begin(&mut self, what: u8, topic_id: TopicId, dir_name: &str) {
        self.bytes.push(what);
        self.bytes.extend_from_slice(topic_id.0.as_bytes());
        let len = i16::try_from(dir_name.len()).expect("a file system takes names of at most 255 bytes");
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(dir_name.as_bytes());
    }

    /// The bytes to write as entry `sequence` of the turn `generation`.
    pub(super) fn seal(&mut self, generation: i64, sequence: u32) -> &[u8] {
        let body_len = u32::try_from(self.len() - HEADER_LEN).expect("a body is below its limit");
        self.bytes[..4].copy_from_slice(&MAGIC.to_be_bytes());
        self.bytes[8..16].copy_from_slice(&generation.to_be_bytes());
        self.bytes[16..20].copy_from_slice(&sequence.to_be_bytes());
        self.bytes[20..24].copy_from_slice(&body_len.to_be_bytes());
        let crc = crc32c(&self.bytes[CRC_FROM..]);
        self.bytes[4..8].copy_from_slice(&crc.to_be_bytes());
        &self.bytes
    }
}

/// What the first bytes of an entry say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    crc: u32,
    pub(super) generation: i64,
    pub(super) sequence: u32,
    pub(super) body_len: usize,
}

impl Header {
    /// Reads a header; none if no entry begins so.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        Self::read(&mut Reader::new(bytes)).ok().flatten()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, ReadError> {
        if reader.u32()? != MAGIC {
            return Ok(None);
        }
        let (crc, generation, sequence, body_len) =
            (reader.u32()?, reader.i64()?, reader.u32()?, reader.u32()?);
        let body_len = usize::try_from(body_len).ok().filter(|len| (1..=BODY_LEN_MAX).contains(len));
        Ok(body_len.filter(|_| generation > 0).map(|body_len| Self { crc, generation, sequence, body_len }))
    }

    /// Whether `entry`, header and body, is what was written.
    pub(super) fn fits(&self, entry: &[u8]) -> bool {
        crc32c(&entry[CRC_FROM..]) == self.crc
    }
}

/// A log in the journal: name of its directory and incarnation of its topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) dir_name: String,
    pub(super) topic_id: TopicId,
}

/// A record of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Bytes of a log; `at` is where in the body they are.
    Bytes { key: Key, place: Place, at: usize, len: usize },
    /// Earlier entries have no say over the log any more.
    Forget { key: Key },
}

/// The records of a body; none if it is not well formed.
pub(super) fn records(body: &[u8]) -> Option<Vec<Record>> {
    let mut reader = Reader::new(body);
    let mut records = Vec::new();
    while reader.remaining() > 0 {
        records.push(record(&mut reader, body.len()).ok().flatten()?);
    }
    Some(records)
}

fn record(reader: &mut Reader<'_>, body_len: usize) -> Result<Option<Record>, ReadError> {
    let what = reader.u8()?;
    let topic_id = reader.take(16)?;
    let name_len = usize::try_from(reader.i16()?).unwrap_or(usize::MAX);
    let name = std::str::from_utf8(reader.take(name_len)?);
    let (Ok(name), Ok(topic_id)) = (name, Uuid::from_slice(topic_id)) else { return Ok(None) };
    let key = Key { dir_name: name.to_owned(), topic_id: TopicId(topic_id) };
    match what {
        FORGET => Ok(Some(Record::Forget { key })),
        BYTES => {
            let (base_offset, position) = (reader.i64()?, reader.i64()?);
            let len = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
            let at = body_len - reader.remaining();
            reader.take(len)?;
            let Ok(position) = u64::try_from(position) else { return Ok(None) };
            let place = Place { base_offset, position };
            Ok((base_offset >= 0).then_some(Record::Bytes { key, place, at, len }))
        }
        _ => Ok(None),
    }
}
