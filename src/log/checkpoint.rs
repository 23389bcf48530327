//! Small text files that are replaced as a whole (`CheckpointFile` and what is built on it).
//!
//! ```text
//! recovery-point-, log-start-,        leader-epoch-checkpoint    partition.metadata
//! replication-offset-checkpoint
//! 0                                   0                          version: 0
//! <count>                             <count>                    topic_id: <uuid>
//! <topic> <partition> <offset>        <epoch> <start offset>
//! ```
//! A file is written beside its name with `.tmp`, synced, renamed, and its directory synced, so a crash leaves the old
//! or the new one. What a reader finds wrong is an [`Error`] that names file and line; the caller rebuilds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::disk::{Disk, Mode};
use super::epochs::{EpochEntry, LeaderEpochs};
use crate::base::id::{TopicId, TopicPartition};

/// Largest file that is read, in bytes: room for some 400,000 partitions with the longest names.
pub const BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Offset up to which each partition of a log directory is known to be on the device.
pub const RECOVERY_POINT_FILE: &str = "recovery-point-offset-checkpoint";
/// Where each partition's log begins, if not where its first segment does.
pub const LOG_START_OFFSET_FILE: &str = "log-start-offset-checkpoint";
/// Each partition's high watermark.
pub const HIGH_WATERMARK_FILE: &str = "replication-offset-checkpoint";
/// Up to where each partition's log was cleaned.
pub const CLEANED_UP_TO_FILE: &str = "cleaner-offset-checkpoint";
/// The leader epochs of one partition.
pub const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";
/// The topic id of one partition.
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";

const VERSION: i32 = 0;

/// An offset for each of some partitions.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Why a checkpoint could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk's fault.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The file's content makes no sense, so its offsets have to be found by other means.
    #[error("{} is corrupt at line {line}: {reason}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

/// Reads a text file; none if there is no such file.
pub fn read_text(disk: &dyn Disk, file: &Path) -> Result<Option<String>, Error> {
    let io = |source| Error::Io { file: file.to_owned(), source };
    let corrupt = |reason| Error::Corrupt { file: file.to_owned(), line: 1, reason };
    let open = match disk.open(file, Mode::Read) {
        Ok(open) => open,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    let len = open.len().map_err(io)?;
    if len > BYTES_MAX {
        return Err(corrupt("the file is too large"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| corrupt("the file is too large"))?];
    open.read_exact_at(&mut bytes, 0).map_err(io)?;
    String::from_utf8(bytes).map(Some).map_err(|_| corrupt("not UTF-8"))
}

/// Replaces `file` by one with `content`; durable when this returns.
pub fn write_text(disk: &dyn Disk, file: &Path, content: &str) -> io::Result<()> {
    write_bytes(disk, file, content.as_bytes())
}

/// Replaces `file` by one with `content`; durable when this returns. After an error it is the old one or the new one.
pub(super) fn write_bytes(disk: &dyn Disk, file: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let open = disk.open(&temporary, Mode::Create)?;
    open.set_len(0)?;
    open.write_at(&[IoSlice::new(content)], 0)?;
    // The name must not point to bytes that a power cut can take back.
    open.sync_data()?;
    disk.rename(&temporary, file)?;
    file.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

/// Reads one of a log directory's offset checkpoints; empty if there is no such file.
pub fn read_offsets(disk: &dyn Disk, file: &Path) -> Result<Offsets, Error> {
    let text = read_text(disk, file)?.unwrap_or_default();
    let entries = parse(&text, offset_entry);
    Ok(entries.map_err(|wrong| wrong.at(file))?.into_iter().collect())
}

/// Replaces one of a log directory's offset checkpoints.
pub fn write_offsets(disk: &dyn Disk, file: &Path, offsets: &Offsets) -> io::Result<()> {
    let lines = offsets.iter().map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition));
    write_text(disk, file, &lay_out(offsets.len(), lines))
}

/// Reads a partition's leader epochs; none if there is no such file.
pub fn read_epochs(disk: &dyn Disk, file: &Path) -> Result<LeaderEpochs, Error> {
    let text = read_text(disk, file)?.unwrap_or_default();
    Ok(LeaderEpochs::from_entries(parse(&text, epoch_entry).map_err(|wrong| wrong.at(file))?))
}

/// Replaces a partition's leader epochs.
pub fn write_epochs(disk: &dyn Disk, file: &Path, epochs: &LeaderEpochs) -> io::Result<()> {
    let entries = epochs.entries();
    let lines = entries.iter().map(|e| format!("{} {}", e.epoch, e.start_offset));
    write_text(disk, file, &lay_out(entries.len(), lines))
}

/// Reads the id of the topic that a partition's directory belongs to; none if there is no such file.
pub fn read_partition_metadata(disk: &dyn Disk, file: &Path) -> Result<Option<TopicId>, Error> {
    let Some(text) = read_text(disk, file)? else { return Ok(None) };
    parse_partition_metadata(&text).map(Some).map_err(|wrong| wrong.at(file))
}

/// Writes which topic a partition's directory belongs to.
pub fn write_partition_metadata(disk: &dyn Disk, file: &Path, topic_id: TopicId) -> io::Result<()> {
    write_text(disk, file, &format!("version: {VERSION}\ntopic_id: {topic_id}"))
}

struct Wrong {
    line: usize,
    reason: &'static str,
}

impl Wrong {
    fn at(self, file: &Path) -> Error {
        Error::Corrupt { file: file.to_owned(), line: self.line, reason: self.reason }
    }
}

fn lay_out(count: usize, lines: impl Iterator<Item = String>) -> String {
    let mut out = format!("{VERSION}\n{count}\n");
    for line in lines {
        writeln!(out, "{line}").expect("a String takes all that is written to it");
    }
    out
}

/// An empty file, or one with a version only, has no entries: Apache Kafka makes the file before its first content.
fn parse<T>(text: &str, entry: fn(&str) -> Option<T>) -> Result<Vec<T>, Wrong> {
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    if version.parse() != Ok(VERSION) {
        return Err(Wrong { line: 1, reason: "unknown version" });
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    let count: usize = count.parse().map_err(|_| Wrong { line: 2, reason: "the count is no number" })?;
    let mut entries = Vec::new();
    for (index, line) in lines.enumerate() {
        entries.push(entry(line).ok_or(Wrong { line: index + 3, reason: "malformed entry" })?);
    }
    if entries.len() == count {
        Ok(entries)
    } else {
        Err(Wrong { line: 2, reason: "the count is not that of the entries" })
    }
}

fn offset_entry(line: &str) -> Option<(TopicPartition, i64)> {
    let mut words = line.split_whitespace();
    let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some((TopicPartition::new(topic, partition.parse().ok()?), offset.parse().ok()?))
}

fn epoch_entry(line: &str) -> Option<EpochEntry> {
    let mut words = line.split_whitespace();
    let entry = EpochEntry { epoch: words.next()?.parse().ok()?, start_offset: words.next()?.parse().ok()? };
    let is_valid = words.next().is_none() && entry.epoch >= 0 && entry.start_offset >= 0;
    is_valid.then_some(entry)
}

fn parse_partition_metadata(text: &str) -> Result<TopicId, Wrong> {
    let field = |line: usize, name: &str| {
        let wrong = Wrong { line: line + 1, reason: "a field is missing" };
        let value =
            text.lines().nth(line).and_then(|l| l.strip_prefix(name)).and_then(|l| l.strip_prefix(':'));
        value.map(str::trim).ok_or(wrong)
    };
    if field(0, "version")?.parse() != Ok(VERSION) {
        return Err(Wrong { line: 1, reason: "unknown version" });
    }
    let topic_id = field(1, "topic_id")?.parse();
    match topic_id {
        Ok(TopicId::ZERO) => Err(Wrong { line: 2, reason: "the topic id is zero" }),
        Ok(topic_id) => Ok(topic_id),
        Err(_) => Err(Wrong { line: 2, reason: "malformed topic id" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::MemDisk;

    #[test]
    fn offsets_read_back_as_kafka_writes_them() {
        let text = "0\n2\n__cluster_metadata 0 17\nmy.topic-1 12 -1\n";
        let entries = parse(text, offset_entry).ok().unwrap();
        assert_eq!(entries[1], (TopicPartition::new("my.topic-1", 12), -1));
        let lines = entries.iter().map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition));
        assert_eq!(lay_out(2, lines), text);
        assert!(parse("", offset_entry).is_ok_and(|e| e.is_empty()));
    }

    #[test]
    fn what_no_broker_writes_is_named_with_its_line() {
        let wrong = |text| parse(text, epoch_entry).err().map(|w| (w.line, w.reason));
        assert_eq!(wrong("1\n0\n"), Some((1, "unknown version")));
        assert_eq!(wrong("0\n-1\n"), Some((2, "the count is no number")));
        assert_eq!(wrong("0\n2\n1 5\n"), Some((2, "the count is not that of the entries")));
        assert_eq!(wrong("0\n2\n1 5\n2 -7\n"), Some((4, "malformed entry")));
        assert_eq!(wrong("0\n1\n1 5 9\n"), Some((3, "malformed entry")));
        assert_eq!(wrong("0\n1\n1 5"), None, "a missing last newline is no harm");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (disk, dir) = (MemDisk::new(), Path::new("/t-0"));
        disk.create_dir_all(dir).unwrap();
        let (epochs_file, metadata) = (dir.join(LEADER_EPOCH_FILE), dir.join(PARTITION_METADATA_FILE));
        assert_eq!(read_epochs(&disk, &epochs_file).unwrap(), LeaderEpochs::default());
        assert_eq!(read_partition_metadata(&disk, &metadata).unwrap(), None);

        let entries = [(0, 0), (4, 17)].map(|(epoch, start_offset)| EpochEntry { epoch, start_offset });
        let epochs = LeaderEpochs::from_entries(entries);
        write_epochs(&disk, &epochs_file, &LeaderEpochs::from_entries([entries[0]])).unwrap();
        write_epochs(&disk, &epochs_file, &epochs).unwrap();
        assert_eq!(read_epochs(&disk, &epochs_file).unwrap(), epochs);
        assert_eq!(read_text(&disk, &epochs_file).unwrap().unwrap(), "0\n2\n0 0\n4 17\n");
        let topic_id = "5L6g3nShT-eMCtK--X86sw".parse().unwrap();
        write_partition_metadata(&disk, &metadata, topic_id).unwrap();
        assert_eq!(read_partition_metadata(&disk, &metadata).unwrap(), Some(topic_id));
        assert_eq!(disk.list(dir).unwrap().len(), 2, "no temporary file stays");

        disk.open(&epochs_file, Mode::Write).unwrap().write_at(&[IoSlice::new(b"\xff")], 2).unwrap();
        let error = read_epochs(&disk, &epochs_file).unwrap_err();
        assert_eq!(error.to_string(), "/t-0/leader-epoch-checkpoint is corrupt at line 1: not UTF-8");
    }

    #[test]
    fn partition_metadata_needs_a_version_and_a_real_topic_id() {
        let id = |text| parse_partition_metadata(text).map_err(|w| w.reason);
        let text = "version: 0\ntopic_id: 5L6g3nShT-eMCtK--X86sw";
        assert_eq!(id(text), Ok("5L6g3nShT-eMCtK--X86sw".parse().unwrap()));
        assert_eq!(id("version: 1\ntopic_id: 5L6g3nShT-eMCtK--X86sw"), Err("unknown version"));
        assert_eq!(id("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), Err("the topic id is zero"));
        assert_eq!(id("version: 0"), Err("a field is missing"));
    }
}
