//! After an unclean stop: puts back what the journal holds and the logs' own files may have lost.
//!
//! Runs before any log is opened and may be cut short and run again. The journal is believed as far as its checksums
//! reach, but not blindly: bytes go only to the last segment of a log that it speaks of, if that is there, of the same
//! incarnation of the topic, and if its batches, one after the other, lead to where they begin and to their offset. No
//! sound batch is ever overwritten by another one. So a journal changes nothing in logs that are not what they were: somebody
//! else wrote to them since, or they were compacted and nobody knows how far they were flushed.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::super::checkpoint;
use super::super::directory::{PartitionDir, Purpose};
use super::super::disk::{Disk, File, Mode};
use super::super::names::Kind;
use super::super::tail::Place;
use super::super::walk::Walk;
use super::entry::{self, HEADER_LEN, Header, Key, Record};
use super::{padded, path, remove};
use crate::wire::batch::{BatchHeader, CRC_FROM, crc32c};

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries that were read.
    pub entries: usize,
    /// Logs that they speak of.
    pub logs: usize,
    /// Bytes that had to be put back.
    pub restored_bytes: u64,
    /// Bytes of the logs' own files that were gone over to find where those belong.
    pub walked_bytes: u64,
}

/// Bytes of a log and where in the journal they are.
#[derive(Clone, Copy)]
struct Range {
    position: u64,
    at: u64,
    len: usize,
}

impl Range {
    /// The bytes of the batches that are not below the recovery point, and where they belong.
    fn read(&self, journal: &dyn File, recovery_point: i64) -> io::Result<(u64, Vec<u8>)> {
        let mut bytes = vec![0; self.len];
        journal.read_exact_at(&mut bytes, self.at)?;
        let known = len_below(&bytes, recovery_point);
        bytes.drain(..known);
        Ok((self.position + u64::try_from(known).unwrap_or(u64::MAX), bytes))
    }
}

/// Per log and segment, oldest first.
type Ranges = BTreeMap<Key, BTreeMap<i64, Vec<Range>>>;

/// Puts back what the journal of `dir` holds, durably, and removes the journal; none if there is none.
pub fn replay(disk: &Arc<dyn Disk>, dir: &Path) -> io::Result<Option<Replayed>> {
    let journal = match disk.open(&path(dir), Mode::Read) {
        Ok(journal) => journal,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let (ranges, mut replayed) = scan(&*journal)?;
    let recovery_points = recovery_points(&**disk, dir)?;
    for (key, segments) in &ranges {
        if !is_there(&**disk, dir, key)? {
            continue;
        }
        replayed.logs += 1;
        let recovery_point = recovery_points.get(&key.dir_name).copied().unwrap_or(0);
        // The log had left the others behind, flushed: else it would have had no tail (`Log::tail`).
        if let Some((base_offset, ranges)) = segments.last_key_value() {
            let file = dir.join(&key.dir_name).join(Kind::Log.name(*base_offset));
            let begin = Reached { position: 0, offset: *base_offset };
            restore((&**disk, &file), begin, &*journal, ranges, recovery_point, &mut replayed)?;
        }
    }
    drop(journal);
    // Only now: all that it holds is in the logs' own files.
    remove(&**disk, dir)?;
    Ok(Some(replayed))
}

/// Up to where each log, by the name of its directory, is in its own files: as was noted, and as far as it was cleaned.
fn recovery_points(disk: &dyn Disk, dir: &Path) -> io::Result<BTreeMap<String, i64>> {
    let mut points = BTreeMap::new();
    for file in [checkpoint::RECOVERY_POINT_FILE, checkpoint::CLEANED_UP_TO_FILE] {
        let offsets = match checkpoint::read_offsets(disk, &dir.join(file)) {
            Ok(offsets) => offsets,
            // Then all is compared.
            Err(checkpoint::Error::Corrupt { .. }) => continue,
            Err(checkpoint::Error::Io { source, .. }) => return Err(source),
        };
        for (tp, offset) in offsets {
            let point = points.entry(tp.to_string()).or_insert(offset);
            *point = offset.max(*point);
        }
    }
    Ok(points)
}

/// How many bytes the batches have that are below the recovery point. The log's own files have them, or had them: they
/// may have been compacted since, and then nothing of the journal fits that file any more.
fn len_below(bytes: &[u8], recovery_point: i64) -> usize {
    let mut at = 0;
    while let Ok(header) = BatchHeader::parse(&bytes[at..]) {
        if header.next_offset() > recovery_point || header.total_len() > bytes.len() - at {
            break;
        }
        at += header.total_len();
    }
    at
}

/// Removes a journal unread; says whether there was one. After a clean stop there is none, unless somebody else has used the
/// directory since the unclean one that left it.
pub fn discard(disk: &Arc<dyn Disk>, dir: &Path) -> io::Result<bool> {
    remove(&**disk, dir)
}

/// Reads both halves, the older one first.
fn scan(journal: &dyn File) -> io::Result<(Ranges, Replayed)> {
    let half_bytes = journal.len()? / 2;
    let mut halves =
        [(first_generation(journal, 0)?, 0), (first_generation(journal, half_bytes)?, half_bytes)];
    halves.sort_unstable();
    let (mut ranges, mut replayed) = (Ranges::new(), Replayed::default());
    for (generation, start) in halves {
        if let Some(generation) = generation {
            scan_half(journal, (start, start + half_bytes), generation, &mut ranges, &mut replayed)?;
        }
    }
    Ok((ranges, replayed))
}

fn header_at(journal: &dyn File, position: u64) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_LEN];
    let read = journal.read_at(&mut bytes, position)?;
    Ok(Header::parse(&bytes).filter(|_| read == HEADER_LEN))
}

fn first_generation(journal: &dyn File, position: u64) -> io::Result<Option<i64>> {
    Ok(header_at(journal, position)?.map(|header| header.generation))
}

/// Takes the entries of one turn, up to the first that is not whole: nothing from there on was acknowledged, unless the
/// entry after it is whole. Each is written after the one before was synced, so that one has been damaged since. Its logs
/// end before it then: no later bytes of theirs continue their files.
fn scan_half(
    journal: &dyn File,
    (start, end): (u64, u64),
    generation: i64,
    ranges: &mut Ranges,
    replayed: &mut Replayed,
) -> io::Result<()> {
    let mut position = start;
    let mut damaged_at = None;
    for sequence in 0.. {
        let Some(header) = header_at(journal, position)? else { break };
        let len = HEADER_LEN + header.body_len;
        if header.generation != generation || header.sequence != sequence || position + padded(len) > end {
            break;
        }
        let mut bytes = vec![0; len];
        let read = journal.read_at(&mut bytes, position)?;
        let records = Some(&bytes[HEADER_LEN..]).filter(|_| read == len && header.fits(&bytes));
        match records.and_then(entry::records) {
            Some(records) => {
                if let Some(position) = damaged_at.take() {
                    warn!(position, "entry of the journal is damaged and passed over");
                }
                records.into_iter().for_each(|record| take(record, position, ranges));
                replayed.entries += 1;
            }
            None if damaged_at.is_some() => break,
            None => damaged_at = Some(position),
        }
        position += padded(len);
    }
    Ok(())
}

fn take(record: Record, entry: u64, ranges: &mut Ranges) {
    match record {
        Record::Bytes { key, place: Place { base_offset, position }, at, len } => {
            let at = entry + u64::try_from(HEADER_LEN + at).unwrap_or(u64::MAX);
            let segments = ranges.entry(key).or_default();
            segments.entry(base_offset).or_default().push(Range { position, at, len });
        }
        Record::Forget { key } => drop(ranges.remove(&key)),
    }
}

/// Whether the log is still where the journal says. A topic that was deleted, or replaced by another one of its name,
/// is not.
fn is_there(disk: &dyn Disk, dir: &Path, key: &Key) -> io::Result<bool> {
    if PartitionDir::parse(&key.dir_name).is_none_or(|dir| dir.purpose != Purpose::Current) {
        return Ok(false);
    }
    let file = dir.join(&key.dir_name).join(checkpoint::PARTITION_METADATA_FILE);
    match checkpoint::read_partition_metadata(disk, &file) {
        Ok(topic_id) => Ok(topic_id == Some(key.topic_id)),
        // The log is opened all the same, under the id that the metadata has.
        Err(checkpoint::Error::Corrupt { .. }) => Ok(true),
        Err(checkpoint::Error::Io { source, .. }) => Err(source),
    }
}

/// How far the batches of a segment were followed.
struct Reached {
    position: u64,
    /// The next one.
    offset: i64,
}

impl Reached {
    /// Whether the batches of `file`, one after the other, lead to `position`, and the next offset there is `offset`.
    fn leads_to(&mut self, file: &dyn File, position: u64, offset: i64) -> io::Result<bool> {
        let mut walk = Walk::new(file, self.position, position.min(file.len()?));
        loop {
            match walk.next() {
                Ok(Some(found)) => {
                    (self.position, self.offset) = (found.end(), found.header.next_offset());
                }
                Ok(None) => return Ok((self.position, self.offset) == (position, offset)),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }
}

/// Puts the ranges of one segment back, which is read from `reached` on, and syncs it.
fn restore(
    (disk, path): (&dyn Disk, &Path),
    mut reached: Reached,
    journal: &dyn File,
    ranges: &[Range],
    recovery_point: i64,
    replayed: &mut Replayed,
) -> io::Result<()> {
    let file = match disk.open(path, Mode::Write) {
        Ok(file) => file,
        // Retention has removed it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    // As after a kill: then none of the log in front of them has to be read.
    let is_all_there = is_all_there(&*file, journal, ranges, recovery_point)?;
    for range in ranges {
        let (position, bytes) = range.read(journal, recovery_point)?;
        let Ok(first) = BatchHeader::parse(&bytes) else { continue };
        let fits = is_all_there || reached.leads_to(&*file, position, first.base_offset)?;
        match if fits { missing_from(&*file, position, &bytes)? } else { Missing::Differs } {
            Missing::From(from) => {
                // All of it, whatever can be read back: after a failed sync the page cache holds what the disk does
                // not, and takes it for clean.
                file.write_at(&[IoSlice::new(&bytes)], position)?;
                replayed.restored_bytes += u64::try_from(bytes.len() - from).unwrap_or(u64::MAX);
            }
            Missing::Differs => {
                warn!(file = %path.display(), position, "journal does not fit the log, left alone");
                break;
            }
        }
    }
    replayed.walked_bytes += reached.position;
    file.sync_data()
}

/// Whether the file holds every byte of the ranges where they belong: writing those again cannot harm it.
fn is_all_there(
    file: &dyn File,
    journal: &dyn File,
    ranges: &[Range],
    recovery_point: i64,
) -> io::Result<bool> {
    for range in ranges {
        let (position, bytes) = range.read(journal, recovery_point)?;
        let mut there = vec![0; bytes.len()];
        let read = file.read_at(&mut there, position)?;
        if there[..read] != *bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

enum Missing {
    /// The file has the bytes before.
    From(usize),
    /// The file is another one than the journal knew.
    Differs,
}

/// Compares batch by batch what the journal has with what the file has from `position` on.
fn missing_from(file: &dyn File, position: u64, bytes: &[u8]) -> io::Result<Missing> {
    let file_len = file.len()?;
    let mut at = 0;
    while at < bytes.len() {
        let position = position + u64::try_from(at).unwrap_or(u64::MAX);
        let Some(len) = BatchHeader::parse(&bytes[at..]).ok().map(|header| header.total_len()) else {
            return Ok(Missing::Differs);
        };
        let Some(batch) = bytes.get(at..at + len) else { return Ok(Missing::Differs) };
        let mut there = vec![0; len];
        let read = file.read_at(&mut there, position)?;
        if there[..read] != *batch {
            let is_other = is_sound_batch(file, position, file_len)?;
            return Ok(if is_other { Missing::Differs } else { Missing::From(at) });
        }
        at += len;
    }
    Ok(Missing::From(at))
}

fn is_sound_batch(file: &dyn File, position: u64, file_len: u64) -> io::Result<bool> {
    let mut header = [0; crate::wire::batch::HEADER_LEN];
    if file.read_at(&mut header, position)? < header.len() {
        return Ok(false);
    }
    let Ok(header) = BatchHeader::parse(&header) else { return Ok(false) };
    let len = header.total_len();
    if position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX)) > file_len {
        return Ok(false);
    }
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, position)?;
    Ok(crc32c(&bytes[CRC_FROM..]) == header.crc)
}
