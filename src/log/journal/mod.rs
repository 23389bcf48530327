//! One journal per log directory: what several logs were given since the last write, made durable with one sync.
//!
//! ```text
//! .barnabas-journal: two halves of equal size, filled with zeros when it is made
//! half: entries from its start on, each at a multiple of 4096 bytes
//! ```
//! A half is written from start to end in one turn, and turns alternate. Before a turn begins in a half, every log that
//! the half speaks of was synced in its own files, so nothing in it is needed any more. Each turn has a generation of
//! its own in its entries, so that what an earlier turn left behind the last entry is not taken for more of them. The
//! first one is drawn at random, so that no client can give records bytes that would be an entry of a later turn.
//!
//! A plain file that Apache Kafka passes over. It is made when there is use for it, read once after an unclean stop
//! ([`replay`](self::replay::replay)), and gone after a clean one.

mod entry;
mod replay;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, File, Mode};
use crate::base::random::Random;

pub(super) use entry::Entry;
pub use replay::{Replayed, discard, replay};

/// The file's name in the log directory.
pub const FILE: &str = ".barnabas-journal";

/// Bytes of a half, unless a test wants less. A half is full after a second of small records at full speed; what is
/// then synced is one file per log.
pub const HALF_BYTES: u64 = 32 << 20;

/// Entries start at multiples of this: no block that holds an acknowledged entry is written again in its turn.
const BLOCK: usize = 4096;

/// How much is filled with zeros between two syncs, so that acknowledgements are not held up by a large one.
const FILL_BYTES: usize = 1 << 20;

/// Where the journal of a log directory is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The journal of a directory, ready to be written.
pub(super) struct Journal {
    file: Arc<dyn File>,
    half_bytes: u64,
    /// Of the turn, one higher than that of the turn before. Secret.
    generation: i64,
    /// Number of the next entry in the turn.
    sequence: u32,
    /// Where in the half the next entry goes.
    position: u64,
}

impl Journal {
    /// Makes the file, filled with zeros and durable; `Interrupted` if `goes_on` says no meanwhile. After an error
    /// there may be a file that holds nothing.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        half_bytes: u64,
        random: &Random,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        let file = disk.open(&path(dir), Mode::CreateNew)?;
        let zeros = vec![0; FILL_BYTES];
        let end = 2 * half_bytes;
        let mut position = 0;
        while position < end {
            if !goes_on() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let len = usize::try_from(end - position).map_or(FILL_BYTES, |left| left.min(FILL_BYTES));
            file.write_at(&[IoSlice::new(&zeros[..len])], position)?;
            file.sync_data()?;
            position += u64::try_from(len).unwrap_or(u64::MAX);
        }
        disk.sync_dir(dir)?;
        // Odd: the first turn is in the first half.
        let generation = random.positive_i64() | 1;
        Ok(Self { file, half_bytes, generation, sequence: 0, position: 0 })
    }

    /// The generation of the turn.
    pub(super) fn generation(&self) -> i64 {
        self.generation
    }

    /// Whether an entry fits the half.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        self.position + padded(entry.len()) <= self.half_bytes
    }

    /// Goes on in the other half. Every log that it speaks of must have been synced in its own files.
    pub(super) fn turn(&mut self) {
        self.generation += 1;
        (self.sequence, self.position) = (0, 0);
    }

    /// Writes an entry that fits, durably. After an error nobody knows what is on the device: the directory has to be
    /// taken offline.
    pub(super) fn write(&mut self, entry: &mut Entry) -> io::Result<()> {
        assert!(self.fits(entry), "an entry lies within one half");
        let sealed = entry.seal(self.generation, self.sequence);
        let half = if self.generation % 2 == 1 { 0 } else { self.half_bytes };
        self.file.write_at(&[IoSlice::new(sealed)], half + self.position)?;
        self.file.sync_data()?;
        self.position += padded(entry.len());
        self.sequence += 1;
        Ok(())
    }
}

/// Bytes that an entry takes up.
fn padded(len: usize) -> u64 {
    u64::try_from(len.next_multiple_of(BLOCK)).unwrap_or(u64::MAX)
}

/// Removes the journal of a directory, durably; says whether there was one.
fn remove(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    match disk.remove_file(&path(dir)) {
        Ok(()) => disk.sync_dir(dir).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
