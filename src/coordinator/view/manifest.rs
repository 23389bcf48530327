//! What vouches for a view: a text file beside the database, written last and taken away first.
//!
//! ```text
//! barnabas coordinator view 1 (0.1.0)
//! file <bytes> <crc32c> <name, relative to the database>
//! log <topic id> <partition> <leader epoch> <end offset> <crc32c of the last batch> <chunks>
//! end <crc32c of the lines before>
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::Position;
use crate::base::id::TopicId;
use crate::wire::batch::crc32c;

/// The form of the view, and whose it is: another version may make other records of the same state.
const HEAD: &str = concat!("barnabas coordinator view 1 (", env!("CARGO_PKG_VERSION"), ")");
/// Bytes read at a time to find a file's checksum.
const READ_BYTES: usize = 1 << 16;
/// A manifest is a line per partition and file; more than this is none.
const BYTES_MAX: u64 = 16 << 20;

/// Size and checksum of every file of a database, by name.
type Files = BTreeMap<String, (u64, u32)>;

/// What a view holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Manifest {
    files: Files,
    /// Which logs it stands for, and how many chunks each has.
    pub(super) logs: Vec<(Position, u32)>,
}

/// Why a view is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The files.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another version wrote it.
    #[error("it is another version's")]
    Version,
    /// The manifest is damaged.
    #[error("its manifest is damaged")]
    Damaged,
    /// The database is not as it was written.
    #[error("its files are not those that were written")]
    Files,
}

impl Manifest {
    /// Of the database in `db`, as it is now.
    pub(super) fn of(db: &Path, logs: Vec<(Position, u32)>) -> io::Result<Self> {
        Ok(Self { files: checksums(db)?, logs })
    }

    /// Whether the database in `db` is the one that this was written for.
    pub(super) fn verify(&self, db: &Path) -> Result<(), Error> {
        if checksums(db)? == self.files { Ok(()) } else { Err(Error::Files) }
    }

    /// Makes it durable, with the database's files.
    pub(super) fn write(&self, path: &Path, db: &Path) -> io::Result<()> {
        for name in self.files.keys() {
            File::open(db.join(name))?.sync_all()?;
        }
        sync_tree(db)?;
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), sync_dir)
    }

    /// Reads it, and takes it away for good; none if there is none. A view is used once, or not at all.
    pub(super) fn take(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut text = String::new();
        let read = file.take(BYTES_MAX).read_to_string(&mut text);
        fs::remove_file(path)?;
        path.parent().map_or(Ok(()), sync_dir)?;
        read.map_err(|_| Error::Damaged)?;
        Self::parse(&text).map(Some)
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        // Writing to a String cannot fail.
        for (name, (bytes, crc)) in &self.files {
            let _ = writeln!(text, "file {bytes} {crc} {name}");
        }
        for (at, chunks) in &self.logs {
            let Position { topic_id, partition, leader_epoch, end_offset, crc } = at;
            let _ = writeln!(text, "log {topic_id} {partition} {leader_epoch} {end_offset} {crc} {chunks}");
        }
        let crc = crc32c(text.as_bytes());
        let _ = writeln!(text, "end {crc}");
        text
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let (head, _) = text.split_once('\n').ok_or(Error::Damaged)?;
        if head != HEAD {
            return Err(Error::Version);
        }
        let end = text.rfind("end ").ok_or(Error::Damaged)?;
        let crc = crc32c(&text.as_bytes()[..end]);
        if text[end..] != format!("end {crc}\n") {
            return Err(Error::Damaged);
        }
        let mut manifest = Self::default();
        for line in text[..end].lines().skip(1) {
            manifest.add(line).ok_or(Error::Damaged)?;
        }
        Ok(manifest)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "file" {
            let [bytes, crc, name] = rest.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
            self.files.insert(name.to_owned(), (bytes.parse().ok()?, crc.parse().ok()?));
            return Some(());
        }
        let [topic_id, partition, leader_epoch, end_offset, crc, chunks] =
            rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let at = Position {
            topic_id: topic_id.parse::<TopicId>().ok()?,
            partition: partition.parse().ok()?,
            leader_epoch: leader_epoch.parse().ok()?,
            end_offset: end_offset.parse().ok()?,
            crc: crc.parse().ok()?,
        };
        self.logs.push((at, chunks.parse().ok()?));
        (kind == "log").then_some(())
    }
}

/// Of every file below `dir`.
fn checksums(dir: &Path) -> io::Result<Files> {
    let mut found = Files::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).map_err(io::Error::other)?;
            let name = name.to_str().ok_or_else(|| io::Error::other("a file name that is not UTF-8"))?;
            found.insert(name.to_owned(), checksum(&path)?);
        }
    }
    Ok(found)
}

fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    let (mut bytes, mut total) = (vec![0; READ_BYTES], 0);
    loop {
        let count = file.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        digest.update(&bytes[..count]);
        total += u64::try_from(count).map_err(io::Error::other)?;
    }
    Ok((total, u32::try_from(digest.finalize()).map_err(io::Error::other)?))
}

/// The names in `dir` and below it.
fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
