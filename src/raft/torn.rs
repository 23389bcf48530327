//! Whether a log's end was torn by a power cut, or bytes were damaged that had been committed.
//!
//! Batches of one round are written one after the other and synced together, and the next round writes only then. So
//! behind what a power cut has torn lies nothing, or some of the same round: those have one timestamp, which is never
//! that of the round before ([`Sink::place`](super::sink::Sink::place)). Apache Kafka does not mark its rounds so: there
//! any batch of the last epoch may be of the last round, and one of another epoch shows that the log was opened since.

use std::path::PathBuf;

use super::batch_file::{BatchFile, Unreadable};
use super::batches::Malformed;
use super::error::{Error, Evidence};
use crate::log::disk::{Disk, Mode};
use crate::wire::batch::{BatchHeader, HEADER_LEN, MAGIC};

/// How much is searched at a time, in bytes.
const CHUNK_LEN: usize = 256 << 10;
/// Where in a batch the magic number is.
const MAGIC_AT: usize = 16;
/// Where in a batch its offset is.
const BASE_OFFSET: std::ops::Range<usize> = 0..8;
/// Where in a batch the leader's epoch is.
const EPOCH: std::ops::Range<usize> = 12..16;
/// Where in a batch its two timestamps are.
const TIMESTAMPS: std::ops::Range<usize> = 27..43;

/// A segment's file.
pub(super) struct Segment {
    pub(super) base_offset: i64,
    pub(super) path: PathBuf,
}

/// What comes where the sound part of a log ends.
pub(super) struct Flaw {
    /// Which segment.
    pub(super) segment: usize,
    /// The first bad byte.
    pub(super) position: u64,
    /// The offset that should be there.
    pub(super) offset: i64,
    /// What is wrong.
    pub(super) cause: Malformed,
}

/// The epoch of the vote: the last one in which anything was appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastEpoch {
    pub(super) epoch: i32,
    /// Whether this broker led in it, and marked its rounds.
    pub(super) is_own: bool,
}

/// What a flaw is.
pub(super) enum Verdict {
    /// A power cut may have torn the log there.
    Torn {
        /// How many sound batches come after it.
        followers: usize,
    },
    /// It may not.
    Damaged(Evidence),
}

/// What a flaw in the first of `segments` is, as far as what follows can tell.
pub(super) fn judge(
    disk: &dyn Disk,
    segments: &[Segment],
    flaw: &Flaw,
    last_epoch: LastEpoch,
) -> Result<Verdict, Error> {
    let mut followers = 0;
    let Some(first) = segments.first() else { return Ok(Verdict::Torn { followers }) };
    let torn = header_of(disk, first, flaw.position)?;
    let mut round: Option<BatchHeader> = None;
    let mut from = flaw.position;
    for Segment { path, .. } in segments {
        let io = |e| Error::io(path, e);
        let mut search = Search::begin(disk, path, from, flaw.offset).map_err(io)?;
        from = 0;
        while let Some((position, header)) = search.next().map_err(io)? {
            let is_possible = if last_epoch.is_own {
                let round = round.get_or_insert(header);
                round.max_timestamp == header.max_timestamp && is_left_of(&torn, &header, TIMESTAMPS)
            } else {
                header.partition_leader_epoch == last_epoch.epoch && is_left_of(&torn, &header, EPOCH)
            };
            if !is_possible {
                let (path, offset) = (path.clone(), header.base_offset);
                return Ok(Verdict::Damaged(Evidence::SoundBatch { path, position, offset }));
            }
            followers += 1;
        }
    }
    Ok(Verdict::Torn { followers })
}

/// The bytes where a header should be; zeros for what is behind the end.
fn header_of(disk: &dyn Disk, segment: &Segment, position: u64) -> Result<[u8; HEADER_LEN], Error> {
    let io = |e| Error::io(&segment.path, e);
    let mut bytes = [0; HEADER_LEN];
    disk.open(&segment.path, Mode::Read).map_err(io)?.read_at(&mut bytes, position).map_err(io)?;
    Ok(bytes)
}

/// Whether the fields in `at` of a `torn` header may have been those of `whole`: a device keeps or loses bytes, it does not
/// change them.
fn is_left_of(torn: &[u8; HEADER_LEN], whole: &BatchHeader, at: std::ops::Range<usize>) -> bool {
    let whole = whole.encode();
    torn[at.clone()].iter().zip(&whole[at]).all(|(torn, whole)| *torn == 0 || torn == whole)
}

/// Whether a batch whose checksum is right may be one for `expected` that has lost bytes in front of what the checksum
/// covers.
pub(super) fn has_lost_offset(header: &BatchHeader, expected: i64) -> bool {
    is_left_of(&header.encode(), &BatchHeader { base_offset: expected, ..*header }, BASE_OFFSET)
}

/// Finds sound batches among bytes that make no sense.
struct Search {
    file: BatchFile,
    /// The lowest base offset that is looked for.
    offset: i64,
    chunk: Vec<u8>,
    chunk_position: u64,
}

impl Search {
    fn begin(disk: &dyn Disk, path: &std::path::Path, from: u64, offset: i64) -> std::io::Result<Self> {
        let mut file = BatchFile::open(disk, path)?;
        file.seek(from);
        Ok(Self { file, offset, chunk: Vec::new(), chunk_position: from })
    }

    /// The next sound batch and where it begins.
    fn next(&mut self) -> std::io::Result<Option<(u64, BatchHeader)>> {
        loop {
            let position = self.file.position();
            let Some(bytes) = self.header_at(position)? else { return Ok(None) };
            if self.is_candidate(&bytes) {
                match self.file.next() {
                    Ok(Some(batch)) => return Ok(Some((position, batch.header))),
                    Ok(None) | Err(Unreadable::Malformed(_)) => {}
                    Err(Unreadable::Io(error)) => return Err(error),
                }
            }
            self.file.seek(position + 1);
        }
    }

    /// Whether a batch with an offset of the right size may begin so.
    fn is_candidate(&self, bytes: &[u8; HEADER_LEN]) -> bool {
        let magic = u8::try_from(MAGIC).unwrap_or_default();
        // No record takes less than a byte.
        let offset_max = self.offset.saturating_add_unsigned(self.file.len());
        bytes[MAGIC_AT] == magic
            && BatchHeader::parse(bytes)
                .is_ok_and(|header| (self.offset..=offset_max).contains(&header.base_offset))
    }

    fn header_at(&mut self, position: u64) -> std::io::Result<Option<[u8; HEADER_LEN]>> {
        let at = |chunk_position: u64| usize::try_from(position.wrapping_sub(chunk_position)).ok();
        let mut held = at(self.chunk_position).and_then(|at| self.chunk.get(at..));
        if held.is_none_or(|held| held.len() < HEADER_LEN) {
            self.chunk.resize(CHUNK_LEN, 0);
            let read = self.file.read_at(&mut self.chunk, position)?;
            self.chunk.truncate(read);
            self.chunk_position = position;
            held = Some(&self.chunk);
        }
        Ok(held.and_then(|held| held.first_chunk()).copied())
    }
}
