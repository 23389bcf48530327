//! What a crash leaves of unfinished deletions and replacements of segments (first passes of `LogLoader.load`).
//!
//! A cleaner writes `.cleaned` files, renames them to `.swap` when all are complete, removes the segments that they
//! replace, and takes the suffix off. So `.cleaned` is thrown away, `.swap` is carried through, and `.deleted` removed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, Mode};
use super::error::Error;
use super::names::{CLEANED, DELETED, Kind, SWAP, parse};
use super::walk::Walk;

/// Finishes what was unfinished and gives the base offsets of the segments, in order. Files with names that no broker
/// gives are left alone.
pub(super) fn tidy(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<i64>, Error> {
    tidy_names(&**disk, dir).map_err(|e| Error::io(dir, e))
}

fn tidy_names(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<i64>> {
    let names: Vec<String> = disk.list(dir)?.into_iter().filter(|e| !e.is_dir).map(|e| e.name).collect();
    let with = |suffix: &'static str| {
        names.iter().filter_map(move |name| Some((parse(name.strip_suffix(suffix)?)?, name.clone())))
    };
    // A swap from a split that was not finished: the source is still there, and complete.
    let cleaned_from = with(CLEANED).map(|((offset, _), _)| offset).min().unwrap_or(i64::MAX);
    let (swaps, dead): (Vec<_>, Vec<_>) = with(SWAP).partition(|((offset, _), _)| *offset < cleaned_from);
    let stale: Vec<_> = with(DELETED).chain(dead).chain(with(CLEANED)).map(|(_, name)| name).collect();
    for name in &stale {
        disk.remove_file(&dir.join(name))?;
    }
    if !swaps.is_empty() {
        remove_replaced(disk, dir, &names, swaps.iter().map(|(parsed, _)| *parsed))?;
        for (_, name) in &swaps {
            disk.rename(&dir.join(name), &dir.join(name.strip_suffix(SWAP).unwrap_or(name)))?;
        }
    }
    let (bases, orphans) = bases_and_orphans(disk, dir)?;
    for name in &orphans {
        disk.remove_file(&dir.join(name))?;
    }
    if !(stale.is_empty() && swaps.is_empty() && orphans.is_empty()) {
        disk.sync_dir(dir)?;
    }
    Ok(bases)
}

/// Removes the segments that lie wholly below the log's start, and gives the others: their deletion was cut short, and
/// what is left of them may have holes.
pub(super) fn remove_below(
    disk: &dyn Disk,
    dir: &Path,
    mut bases: Vec<i64>,
    log_start_offset: i64,
) -> Result<Vec<i64>, Error> {
    let count = bases.windows(2).take_while(|pair| pair[1] <= log_start_offset).count();
    for base_offset in bases.drain(..count) {
        for kind in Kind::OF_A_SEGMENT.into_iter().chain([Kind::Snapshot]) {
            match disk.remove_file(&dir.join(kind.name(base_offset))) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(dir, e)),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(bases)
}

/// Removes the segments whose offsets the swap files cover.
fn remove_replaced(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    swaps: impl Iterator<Item = (i64, Kind)>,
) -> io::Result<()> {
    let (mut from, mut up_to) = (i64::MAX, i64::MIN);
    for (base_offset, _) in swaps.filter(|(_, kind)| *kind == Kind::Log) {
        let file = disk.open(&dir.join(Kind::Log.name(base_offset) + SWAP), Mode::Read)?;
        let mut walk = Walk::new(&*file, 0, file.len()?);
        let mut next_offset = base_offset;
        while let Some(found) = walk.next()? {
            next_offset = found.header.next_offset();
        }
        (from, up_to) = (from.min(base_offset), up_to.max(next_offset));
    }
    for name in names {
        if parse(name).is_some_and(|(offset, _)| (from..up_to).contains(&offset)) {
            disk.remove_file(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Base offsets of the log files, and index files without one.
fn bases_and_orphans(disk: &dyn Disk, dir: &Path) -> io::Result<(Vec<i64>, Vec<String>)> {
    let entries = disk.list(dir)?;
    let parsed: Vec<_> =
        entries.iter().filter(|e| !e.is_dir).filter_map(|e| Some((parse(&e.name)?, &e.name))).collect();
    let mut bases: Vec<i64> =
        parsed.iter().filter(|((_, kind), _)| *kind == Kind::Log).map(|((base, _), _)| *base).collect();
    bases.sort_unstable();
    let is_orphan = |(offset, kind): (i64, Kind)| {
        matches!(kind, Kind::OffsetIndex | Kind::TimeIndex | Kind::TxnIndex)
            && bases.binary_search(&offset).is_err()
    };
    let orphans = parsed.iter().filter(|(parsed, _)| is_orphan(*parsed)).map(|(_, name)| (*name).clone());
    Ok((bases.clone(), orphans.collect()))
}
