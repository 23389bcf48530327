//! Checks the transaction indexes of a log that is being opened, and makes broken ones anew.
//!
//! A reader of committed data believes them: an entry that is lost or wrong shows it aborted records. An index that is
//! missing, or whose last entries are, is as plausible as one of a segment with fewer aborts; that is not noticed, nor
//! does Apache Kafka notice it.
//!
//! A broken index whose successor cannot be written stays as it is, and so does the log: nobody may read it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tracing::{debug, warn};

use super::disk::Disk;
use super::names::Kind;
use super::producers::Verdict;
use super::replay;
use super::segment::Segment;
use super::txn_index::AbortedTxn;

/// Most entries of one index that are held against their markers; of a longer one only the entries themselves are
/// looked at.
const CHECKED_MAX: usize = 1_000;

/// Looks at the indexes of the first `count` segments of a log that begins at `start_offset` and ends at `end_offset`.
pub(super) fn transaction_indexes(
    disk: &dyn Disk,
    dir: &Path,
    (segments, count): (&[Arc<Segment>], usize),
    (start_offset, end_offset): (i64, i64),
) -> io::Result<()> {
    let names: Vec<String> = disk.list(dir)?.into_iter().map(|entry| entry.name).collect();
    for (at, segment) in segments.iter().enumerate().take(count) {
        let next_base = segments.get(at + 1).map_or(end_offset, |next| next.base_offset);
        if !names.contains(&Kind::TxnIndex.name(segment.base_offset)) {
            continue;
        }
        let is_sound = is_sound(segment, next_base)?;
        // Many segments are looked at, and few will be read soon.
        segment.close();
        if is_sound {
            continue;
        }
        let file = segment.path(Kind::TxnIndex);
        match mend(disk, dir, &segments[..=at], (start_offset, next_base)) {
            Ok(true) => warn!(file = %file.display(), "transaction index is broken and made anew"),
            // There is nothing wrong with an empty one where nothing was aborted.
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                warn!(file = %file.display(), %error, "transaction index is broken, and so is the log");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the index of the last of the segments anew; whether it was another one.
fn mend(disk: &dyn Disk, dir: &Path, segments: &[Arc<Segment>], range: (i64, i64)) -> io::Result<bool> {
    let Some(segment) = segments.last() else { return Ok(false) };
    let ended = replay::ended_in(disk, dir, segments, range)?;
    let aborted = ended.into_iter().filter(|txn| txn.verdict == Verdict::Abort).map(AbortedTxn::from);
    let aborted: Vec<_> = aborted.collect();
    let is_another = segment.aborted_entries()?.is_none_or(|before| before != aborted);
    if is_another {
        segment.replace_aborted(&aborted).map_err(|e| unwritable(e, segment))?;
    } else if aborted.is_empty()
        && let Err(error) = segment.replace_aborted(&aborted)
    {
        // It says what none at all would say.
        debug!(file = %segment.path(Kind::TxnIndex).display(), %error, "empty transaction index stays");
    }
    Ok(is_another)
}

/// A full disk is the log's own trouble, and no reason to take all others in the directory offline.
fn unwritable(error: io::Error, segment: &Segment) -> io::Error {
    if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return error;
    }
    let file = segment.path(Kind::TxnIndex);
    let what = format!("{} is broken and cannot be made anew: {error}", file.display());
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

fn is_sound(segment: &Segment, next_base: i64) -> io::Result<bool> {
    let Some(entries) = segment.aborted_entries()?.filter(|entries| !entries.is_empty()) else {
        return Ok(false);
    };
    let mut last_offset = segment.base_offset - 1;
    for txn in &entries {
        let is_plausible = (last_offset + 1..next_base).contains(&txn.last_offset)
            && (0..=txn.last_offset).contains(&txn.first_offset)
            && (0..=txn.last_offset + 1).contains(&txn.last_stable_offset);
        if !is_plausible {
            return Ok(false);
        }
        last_offset = txn.last_offset;
    }
    for txn in entries.iter().take(CHECKED_MAX) {
        if !fits_the_log(segment, txn)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the marker, and the first record if it is in this segment, are where the entry says. A cleaner may have taken
/// the record away, and leaves the marker.
fn fits_the_log(segment: &Segment, txn: &AbortedTxn) -> io::Result<bool> {
    let is_there = |offset: i64, is_marker: bool| -> io::Result<bool> {
        let found = segment.locate(offset, segment.anchor(offset)?, segment.size())?;
        Ok(found.is_some_and(|found| {
            let header = found.header;
            let is_its = header.producer_id == txn.producer_id && header.is_control() == is_marker;
            if header.base_offset > offset { !is_marker } else { is_its }
        }))
    };
    let sound = is_there(txn.last_offset, true).and_then(|has_marker| {
        Ok(has_marker && (txn.first_offset < segment.base_offset || is_there(txn.first_offset, false)?))
    });
    match sound {
        // It is for the reader to meet.
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Ok(true),
        sound => sound,
    }
}
