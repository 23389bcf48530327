//! Puts a cleaned segment in the place of its sources (`LocalLog.replaceSegments`).
//!
//! ```text
//! other .cleaned      -> removed
//! .cleaned, durable -> .swap, durable     from here on a crash ends with the new segment
//! sources -> .deleted                     all of them, indexes first
//! .swap -> no suffix                      the log first: without it an index means nothing
//! ```
//! A directory's changes reach the device in their order, so each step finds the ones before it done.
//! [`leftovers`](crate::log::leftovers) finishes what a crash has cut short.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::copy::{Cleaned, cleaned_path, discard};
use crate::log::Log;
use crate::log::disk::Dir;
use crate::log::names::{CLEANED, Kind, SWAP, parse};
use crate::log::retention::Retired;
use crate::log::truncate::remove_if_there;

/// A change of files that needs no further descriptor.
pub struct Swap<'a> {
    cleaned: &'a Cleaned,
    dir: Arc<dyn Dir>,
    /// Of the producers, to go with the merged segments.
    snapshots: Vec<PathBuf>,
}

impl Cleaned {
    /// Bytes of the sources.
    pub fn bytes_before(&self) -> u64 {
        self.sources.iter().map(|s| s.size()).sum()
    }

    /// Bytes of what replaces them.
    pub fn bytes_after(&self) -> u64 {
        self.segment.size()
    }

    /// Removes the files that were to replace others.
    pub fn discard(&self) {
        discard(&*self.disk, &self.dir, self.segment.base_offset);
    }

    /// Opens what the change needs. After an error nothing is changed, and it can be tried again.
    pub fn begin_swap(&self) -> io::Result<Swap<'_>> {
        self.try_begin_swap().inspect_err(|_| self.discard())
    }

    fn try_begin_swap(&self) -> io::Result<Swap<'_>> {
        self.remove_foreign()?;
        let snapshots = self.snapshots_of_merged()?;
        Ok(Swap { cleaned: self, dir: self.disk.open_dir(&self.dir)?, snapshots })
    }

    /// Removes what another cleaning has left, of the topic that had the name before: next to it, the next start would
    /// take the swap for an unfinished split, and remove it.
    fn remove_foreign(&self) -> io::Result<()> {
        let own: Vec<_> = self.kinds.iter().map(|kind| (self.segment.base_offset, *kind)).collect();
        for entry in self.disk.list(&self.dir)? {
            let cleaned = entry.name.strip_suffix(CLEANED).and_then(parse);
            if cleaned.is_some_and(|cleaned| !own.contains(&cleaned)) {
                self.disk.remove_file(&self.dir.join(entry.name))?;
            }
        }
        Ok(())
    }

    /// The producers' snapshots at offsets where no segment is going to begin, but never the newest of all.
    fn snapshots_of_merged(&self) -> io::Result<Vec<PathBuf>> {
        let mut snapshots = Log::snapshots(&*self.disk, &self.dir)?;
        snapshots.pop();
        let merged = self.sources.get(1..).unwrap_or_default();
        snapshots.retain(|(offset, _)| merged.iter().any(|source| source.base_offset == *offset));
        Ok(snapshots.into_iter().map(|(_, path)| path).collect())
    }

    fn swap_path(&self, kind: Kind) -> PathBuf {
        self.dir.join(kind.name(self.segment.base_offset) + SWAP)
    }
}

impl Swap<'_> {
    /// Changes the files; who reads the sources still finds them. The recovery point that is checkpointed must not be
    /// below the end of the sources: else recovery, or the journal, might take the new file for the old one. Nothing
    /// else may sync, retire or rename the log's files meanwhile. [`Log::replace`] has to follow.
    ///
    /// After an error only the next start can tell which segment it is.
    pub fn run(&self) -> io::Result<()> {
        let Cleaned { disk, dir, sources, segment, kinds } = self.cleaned;
        for kind in kinds.iter().rev() {
            let from = cleaned_path(dir, *kind, segment.base_offset);
            disk.rename(&from, &self.cleaned.swap_path(*kind))?;
        }
        self.dir.sync()?;
        sources.iter().try_for_each(|source| source.set_aside())?;
        for kind in kinds {
            disk.rename(&self.cleaned.swap_path(*kind), &segment.path(*kind))?;
        }
        self.dir.sync()?;
        self.snapshots.iter().try_for_each(|path| remove_if_there(&**disk, path))
    }
}

impl Log {
    /// Lets the log have the cleaned segment instead of its sources, whose files are to be removed later.
    pub fn replace(&mut self, cleaned: &Cleaned) -> Retired {
        let first = cleaned.sources.first().expect("a group has a segment");
        let at = self.segments.iter().position(|s| Arc::ptr_eq(s, first));
        let at = at.expect("old segments change by nobody else meanwhile");
        let count = cleaned.sources.len();
        let is_same = self.segments[at..].iter().zip(&cleaned.sources).all(|(a, b)| Arc::ptr_eq(a, b));
        assert!(is_same && at + count < self.segments.len(), "old segments were changed by somebody else");
        let segments = Arc::make_mut(&mut self.segments);
        let replaced = segments.splice(at..at + count, [cleaned.segment.clone()]).collect();
        self.retired(replaced)
    }
}
