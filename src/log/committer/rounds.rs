//! Rounds of the journal: which logs share an entry, and which half may be written.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::Dirty;
use crate::base::id::TopicId;
use crate::base::random::Random;
use crate::log::disk::Disk;
use crate::log::journal::{self, Entry, Journal};
use crate::log::tail::Tail;

/// Longest tail that goes through the journal, in bytes: a longer one is worth a sync of its own, for the journal
/// would double what is written.
pub(in crate::log) const TAIL_BYTES_MAX: usize = 32 << 10;

/// The journal of a log directory, and when it is used.
#[derive(Clone)]
pub struct Journalling {
    /// Where the directory is.
    pub disk: Arc<dyn Disk>,
    /// The log directory.
    pub dir: PathBuf,
    /// Small syncs after which the journal is made.
    pub after_syncs: u32,
    /// Bytes of each of its halves.
    pub half_bytes: u64,
    /// Where its first generation comes from.
    pub random: Random,
}

/// Small syncs that say that there is use for a journal.
const AFTER_SYNCS: u32 = 500;

impl Journalling {
    /// For the log directory `dir`, when a few hundred small syncs were seen.
    pub fn lazy(disk: Arc<dyn Disk>, dir: PathBuf, random: Random) -> Self {
        Self { disk, dir, after_syncs: AFTER_SYNCS, half_bytes: journal::HALF_BYTES, random }
    }
}

/// A journal, and whom the half speaks of that is being written.
pub(in crate::log) struct Rounds {
    journal: Journal,
    entry: Entry,
    here: Vec<Weak<dyn Dirty>>,
}

/// A log and what of it goes into an entry.
pub(in crate::log) type Small = (Arc<dyn Dirty>, Tail);

/// What a write has come to.
#[derive(Default)]
pub(in crate::log) struct Written {
    /// Who is durable as far as his tail went.
    pub(in crate::log) done: Vec<Arc<dyn Dirty>>,
    /// Who has to be synced otherwise.
    pub(in crate::log) unwritten: Vec<Arc<dyn Dirty>>,
    /// Set when the other half is now the one that is written: whom the half before speaks of. All of them have to be
    /// synced in their own files before that one is written again.
    pub(in crate::log) to_settle: Option<Vec<Weak<dyn Dirty>>>,
}

impl Rounds {
    pub(in crate::log) fn new(journal: Journal) -> Self {
        Self { journal, entry: Entry::new(), here: Vec::new() }
    }

    /// Writes one entry of as many of `small` as it takes, from the front, and tells them; the others stay. If there is
    /// no room, and the other half is still needed (not `is_other_settled`), nothing is written.
    pub(in crate::log) fn write(
        &mut self,
        small: &mut VecDeque<Small>,
        is_other_settled: bool,
    ) -> io::Result<Written> {
        let mut written = Written::default();
        let taken = self.gather(small, &mut written.unwritten);
        if taken.is_empty() {
            return Ok(written);
        }
        if !self.make_room(is_other_settled, &mut written.to_settle) {
            written.unwritten.extend(taken.into_iter().map(|(dirty, _)| dirty));
            return Ok(written);
        }
        self.journal.write(&mut self.entry)?;
        for (dirty, tail) in taken {
            if dirty.ticket().note_generation(self.journal.generation()) {
                self.here.push(Arc::downgrade(&dirty));
            }
            dirty.journalled(&tail);
            written.done.push(dirty);
        }
        Ok(written)
    }

    /// Fills the entry. Whose bytes cannot be read is `unread`: its log was deleted a moment ago, or there are no free
    /// descriptors, or a sync of its own files will tell.
    fn gather(&mut self, small: &mut VecDeque<Small>, unread: &mut Vec<Arc<dyn Dirty>>) -> Vec<Small> {
        self.entry.clear();
        let mut taken = Vec::with_capacity(small.len());
        while let Some((dirty, tail)) = small.pop_front_if(|(_, tail)| self.entry.takes(tail)) {
            match self.entry.add(&tail) {
                Ok(()) => taken.push((dirty, tail)),
                Err(_) => unread.push(dirty),
            }
        }
        taken
    }

    /// Lets no entry so far speak of a log, which must have been synced in its own files; none if there is no room.
    pub(in crate::log) fn forget(
        &mut self,
        topic_id: TopicId,
        dir_name: &str,
        is_other_settled: bool,
    ) -> io::Result<Option<Written>> {
        let mut written = Written::default();
        self.entry.clear();
        self.entry.forget(topic_id, dir_name);
        if !self.make_room(is_other_settled, &mut written.to_settle) {
            return Ok(None);
        }
        self.journal.write(&mut self.entry)?;
        Ok(Some(written))
    }

    /// Goes on in the other half if the entry does not fit this one; false if it may not.
    fn make_room(&mut self, is_other_settled: bool, to_settle: &mut Option<Vec<Weak<dyn Dirty>>>) -> bool {
        if self.journal.fits(&self.entry) {
            return true;
        }
        if is_other_settled {
            self.journal.turn();
            *to_settle = Some(std::mem::take(&mut self.here));
        }
        is_other_settled
    }
}
