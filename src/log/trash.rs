//! What a replica in the trash says of itself: the file `topic.trash` in its directory.
//!
//! It is written before the topic is deleted, so that no crash separates the two: a directory that is set aside with
//! this file in it is in the trash, whoever set it aside. The directory's name ends with `-stray`, which Apache Kafka
//! leaves alone as well.
//!
//! ```text
//! version=0                      log.start.offset, recovery.point: the checkpoints' entries
//! topic, topic.id, partition     whose replica
//! partitions                     how many the topic has
//! leader.epoch, partition.epoch  of the partition
//! deleted.ms                     when, since 1970
//! cleaned.up.to                  the checkpoint's entry, -1 for none
//! config.<key>                   the topic's configuration
//! ```

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::checkpoint::{self, PARTITION_METADATA_FILE};
use super::directory::{PartitionDir, Purpose, is_topic_name};
use super::disk::Disk;
use super::meta_properties::{escape, parse_properties};
use super::truncate::remove_if_there;
use crate::base::id::{TopicId, uuid_from_text};

/// The file's name.
pub const FILE: &str = "topic.trash";
const VERSION: &str = "0";
const CONFIG: &str = "config.";

/// A replica in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// The topic's name; a directory's may be cut.
    pub topic: Arc<str>,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's index.
    pub partition: i32,
    /// How many partitions the topic has.
    pub partitions: i32,
    /// The partition's leader epoch.
    pub leader_epoch: i32,
    /// The partition's epoch.
    pub partition_epoch: i32,
    /// When the topic was deleted, in ms since 1970.
    pub deleted_ms: i64,
    /// Where the log begins.
    pub log_start_offset: i64,
    /// Up to where it is durable.
    pub recovery_point: i64,
    /// Up to where it was cleaned; -1 for never.
    pub cleaned_up_to: i64,
    /// The topic's configuration.
    pub configs: Vec<(Arc<str>, Arc<str>)>,
}

impl Trashed {
    /// Writes the file into the replica's directory `dir`; durable when this returns.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        checkpoint::write_text(disk, &dir.join(FILE), &self.encode())
    }

    fn encode(&self) -> String {
        let mut out = String::new();
        let mut line = |key: &str, value: &str| {
            writeln!(out, "{}={}", escape(key), escape(value))
                .expect("a String takes all that is written to it");
        };
        line("version", VERSION);
        line("topic", &self.topic);
        line("topic.id", &self.topic_id.to_string());
        line("partition", &self.partition.to_string());
        line("partitions", &self.partitions.to_string());
        line("leader.epoch", &self.leader_epoch.to_string());
        line("partition.epoch", &self.partition_epoch.to_string());
        line("deleted.ms", &self.deleted_ms.to_string());
        line("log.start.offset", &self.log_start_offset.to_string());
        line("recovery.point", &self.recovery_point.to_string());
        line("cleaned.up.to", &self.cleaned_up_to.to_string());
        for (key, value) in &self.configs {
            line(&format!("{CONFIG}{key}"), value);
        }
        out
    }

    fn decode(text: &str) -> Option<Self> {
        let properties = parse_properties(text);
        let text = |key: &str| properties.get(key).map(String::as_str);
        if text("version") != Some(VERSION) {
            return None;
        }
        let offset = |key: &str| text(key)?.parse::<i64>().ok().filter(|offset| *offset >= 0);
        let index = |key: &str| text(key)?.parse::<i32>().ok().filter(|index| *index >= 0);
        let configs = properties.iter().filter_map(|(key, value)| {
            Some((Arc::from(key.strip_prefix(CONFIG)?), Arc::from(value.as_str())))
        });
        let log_start_offset = offset("log.start.offset")?;
        let cleaned_up_to = match text("cleaned.up.to") {
            Some(text) => text.parse::<i64>().ok().filter(|offset| *offset >= -1)?,
            // An earlier version does not say; a log that may have been cleaned may have gaps.
            None => log_start_offset,
        };
        Some(Self {
            topic: Arc::from(text("topic").filter(|topic| is_topic_name(topic))?),
            topic_id: TopicId(uuid_from_text(text("topic.id")?).ok()?),
            partition: index("partition")?,
            partitions: index("partitions")?,
            leader_epoch: index("leader.epoch")?,
            partition_epoch: index("partition.epoch")?,
            deleted_ms: offset("deleted.ms")?,
            log_start_offset,
            recovery_point: offset("recovery.point")?,
            cleaned_up_to,
            configs: configs.collect(),
        })
    }

    /// Reads the file in `dir`; none if there is none. A damaged one is no reason to fail: the directory stays, and is
    /// for a person to look at.
    pub fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let file = dir.join(FILE);
        match checkpoint::read_text(disk, &file) {
            Ok(None) => Ok(None),
            Ok(Some(text)) => {
                let found = Self::decode(&text);
                if found.is_none() {
                    warn!(file = %file.display(), "trash file is damaged and left alone");
                }
                Ok(found)
            }
            Err(error @ checkpoint::Error::Corrupt { .. }) => {
                warn!(%error, "trash file is damaged and left alone");
                Ok(None)
            }
            Err(checkpoint::Error::Io { source, .. }) => Err(source),
        }
    }

    /// Whether a directory of that name may be the replica's: one in use tells all of the topic's name, one in the
    /// trash perhaps only its beginning.
    fn is_of(&self, dir: &PartitionDir) -> bool {
        let is_topic = match dir.purpose {
            Purpose::Current => self.topic == dir.tp.topic,
            Purpose::Future | Purpose::Delete | Purpose::Stray => self.topic.starts_with(&*dir.tp.topic),
        };
        is_topic && self.partition == dir.tp.partition
    }

    /// Takes the file away: the replica is in use.
    pub fn forget(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        remove_if_there(disk, &dir.join(FILE))
    }
}

/// The replicas in the trash of the log directory `dir`, with their directories.
pub fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(PathBuf, Trashed)>> {
    with_purpose(disk, dir, Purpose::Stray)
}

/// The replicas in use that have the file: a deletion was asked for and has not come, or was undone.
pub(crate) fn in_use(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(PathBuf, Trashed)>> {
    with_purpose(disk, dir, Purpose::Current)
}

fn with_purpose(disk: &dyn Disk, dir: &Path, purpose: Purpose) -> io::Result<Vec<(PathBuf, Trashed)>> {
    let mut found = Vec::new();
    for entry in disk.list(dir)?.into_iter().filter(|entry| entry.is_dir) {
        let Some(parsed) = PartitionDir::parse(&entry.name).filter(|dir| dir.purpose == purpose) else {
            continue;
        };
        let path = dir.join(&entry.name);
        // One that cannot be had is no reason to do without the others.
        match Trashed::read(disk, &path) {
            Ok(Some(trashed))
                if trashed.is_of(&parsed) && !is_of_other_topic(disk, &path, trashed.topic_id) =>
            {
                found.push((path, trashed));
            }
            Ok(Some(trashed)) => {
                let (topic, partition) = (&trashed.topic, trashed.partition);
                warn!(dir = %path.display(), %topic, partition, "trash file of another replica is left alone");
            }
            Ok(None) => {}
            Err(error) => warn!(dir = %path.display(), %error, "trash file cannot be read"),
        }
    }
    Ok(found)
}

/// Whether the replica in `dir` is one of another topic of that name, as far as it can be read.
fn is_of_other_topic(disk: &dyn Disk, dir: &Path, topic_id: TopicId) -> bool {
    let metadata = checkpoint::read_partition_metadata(disk, &dir.join(PARTITION_METADATA_FILE));
    metadata.is_ok_and(|found| found.is_some_and(|found| found != topic_id))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::log::disk::{MemDisk, Mode};

    fn trashed() -> Trashed {
        Trashed {
            topic: "a.b_c-d".into(),
            topic_id: TopicId(Uuid::from_u128(0x1234)),
            partition: 2,
            partitions: 3,
            leader_epoch: 7,
            partition_epoch: 8,
            deleted_ms: 1_700_000_000_000,
            log_start_offset: 5,
            recovery_point: 9,
            cleaned_up_to: -1,
            configs: vec![("retention.ms".into(), "1=2:\\ #!".into())],
        }
    }

    #[test]
    fn what_was_written_is_read_wherever_the_directory_was_moved() {
        let disk = MemDisk::new();
        let dir = Path::new("/data");
        let name = format!("a.b_c-d-2.{}-stray", Uuid::from_u128(1).simple());
        for dir in [dir.join(&name), dir.join("a.b_c-d-2"), dir.join("else")] {
            disk.create_dir_all(&dir).unwrap();
            trashed().write(&disk, &dir).unwrap();
        }
        assert_eq!(list(&disk, dir).unwrap(), [(dir.join(&name), trashed())]);
        assert_eq!(in_use(&disk, dir).unwrap(), [(dir.join("a.b_c-d-2"), trashed())]);
        Trashed::forget(&disk, &dir.join(&name)).unwrap();
        assert_eq!(list(&disk, dir).unwrap(), []);
    }

    #[test]
    fn a_file_of_another_replica_is_left_alone() {
        let disk = MemDisk::new();
        let dir = Path::new("/data");
        let stray = |start: &str| dir.join(format!("{start}.{}-stray", Uuid::from_u128(1).simple()));
        let cut = stray("a.b-2");
        let others = [dir.join("a.b-2"), dir.join("a.b_c-d-1"), stray("a.b_c-d-1"), stray("b-2")];
        for dir in others.iter().chain([&cut]) {
            disk.create_dir_all(dir).unwrap();
            trashed().write(&disk, dir).unwrap();
        }
        let own = stray("a.b_c-d-2");
        let next = dir.join("a.b_c-d-2");
        for (dir, topic_id) in [(&own, trashed().topic_id), (&next, TopicId(Uuid::from_u128(0x1235)))] {
            disk.create_dir_all(dir).unwrap();
            trashed().write(&disk, dir).unwrap();
            checkpoint::write_partition_metadata(&disk, &dir.join(PARTITION_METADATA_FILE), topic_id)
                .unwrap();
        }
        assert_eq!(list(&disk, dir).unwrap(), [(cut, trashed()), (own, trashed())]);
        assert_eq!(in_use(&disk, dir).unwrap(), [], "the next one of the name is in use");
    }

    #[test]
    fn a_damaged_file_is_no_trash_and_no_error() {
        let disk = MemDisk::new();
        let dir = Path::new("/data").join(format!("t-0.{}-stray", Uuid::from_u128(1).simple()));
        disk.create_dir_all(&dir).unwrap();
        let good = trashed().encode();
        let whole = good.replace("partitions=3", "partitions=-3");
        let elsewhere = good.replace("topic=a.b_c-d", "topic=../a");
        assert_ne!(elsewhere, good);
        for text in ["", "version=1", &whole, &elsewhere, &good[..good.len() / 2], "\u{0}\u{0}"] {
            let file = disk.open(&dir.join(FILE), Mode::Create).unwrap();
            file.set_len(0).unwrap();
            file.write_at(&[io::IoSlice::new(text.as_bytes())], 0).unwrap();
            assert_eq!(list(&disk, Path::new("/data")).unwrap(), [], "{text}");
        }
    }
}
