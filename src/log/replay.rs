//! Rebuilding what is derived from batches: producer state, leader epochs.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::append::marker_of;
use super::disk::{Disk, File, Mode};
use super::epochs::{EpochEntry, LeaderEpochs};
use super::log::Log;
use super::producers::{CompletedTxn, Entry, Marker, ProducerStates, snapshot};
use super::segment::Segment;
use super::walk::{Found, Walk};
use crate::wire::batch::{BatchHeader, HEADER_LEN};

/// Larger control batches are not read; no coordinator writes them.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Notes a batch of the log in the producers' state; gives the transaction that it ends.
pub(super) fn apply(
    producers: &mut ProducerStates,
    header: &BatchHeader,
    marker: Option<&Marker>,
) -> Option<CompletedTxn> {
    match marker {
        Some(marker) => return producers.apply_marker(header, marker),
        None if header.is_control() => producers.set_end_offset(header.next_offset()),
        None => producers.apply(header),
    }
    None
}

/// The producers' state at `end_offset`: the newest sound snapshot that is not above, and the batches since. Snapshots
/// above `end_offset` and broken ones are removed.
pub(super) fn producers_at(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Arc<Segment>],
    (start_offset, end_offset): (i64, i64),
    (now_ms, producer_id_expiration_ms): (i64, i64),
) -> io::Result<ProducerStates> {
    let mut producers = None;
    for (offset, path) in Log::snapshots(disk, dir)?.into_iter().rev() {
        if offset > end_offset {
            disk.remove_file(&path)?;
        } else if let Some(entries) = read_snapshot(disk, &path)? {
            producers = Some(ProducerStates::restore(entries, offset, now_ms, producer_id_expiration_ms));
            break;
        } else {
            warn!(file = %path.display(), "producer snapshot is broken and not used");
            disk.remove_file(&path)?;
        }
    }
    let mut producers = producers.unwrap_or_else(|| ProducerStates::new(start_offset));
    let from = producers.end_offset().max(start_offset);
    walk_all(segments, from, end_offset, |log, found| {
        let marker = marker_of(&found.header, &control_records(log, found)?).ok().flatten();
        apply(&mut producers, &found.header, marker.as_ref());
        Ok(())
    })?;
    producers.set_end_offset(end_offset);
    Ok(producers)
}

/// The transactions that end in the last of the segments, which ends at `end_offset`.
pub(super) fn ended_in(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[Arc<Segment>],
    (start_offset, end_offset): (i64, i64),
) -> io::Result<Vec<CompletedTxn>> {
    let Some(last) = segments.last() else { return Ok(Vec::new()) };
    let mut producers = ProducerStates::new(start_offset);
    for (offset, path) in Log::snapshots(disk, dir)?.into_iter().rev() {
        if offset <= last.base_offset
            && let Some(entries) = read_snapshot(disk, &path)?
        {
            // A transaction may be older than its producer is remembered.
            producers = ProducerStates::restore(entries, offset, 0, i64::MAX);
            break;
        }
    }
    let mut ended = Vec::new();
    let from = producers.end_offset().max(start_offset);
    walk_all(segments, from, end_offset, |log, found| {
        let marker = marker_of(&found.header, &control_records(log, found)?).ok().flatten();
        let txn = apply(&mut producers, &found.header, marker.as_ref());
        ended.extend(txn.filter(|txn| txn.last_offset >= last.base_offset));
        Ok(())
    })?;
    Ok(ended)
}

/// Writes the snapshot of the producers' end offset and gives its path. Not durable.
pub(super) fn write_snapshot(disk: &dyn Disk, dir: &Path, producers: &ProducerStates) -> io::Result<PathBuf> {
    let path = dir.join(snapshot::file_name(producers.end_offset()));
    let file = disk.open(&path, Mode::Create)?;
    let bytes = snapshot::encode(producers);
    file.write_at(&[IoSlice::new(&bytes)], 0)?;
    file.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    Ok(path)
}

/// What a snapshot holds; none if it is broken.
pub(super) fn read_snapshot(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<(i64, Entry)>>> {
    let file = disk.open(path, Mode::Read)?;
    let len = usize::try_from(file.len()?).ok().filter(|len| *len <= snapshot::BYTES_MAX);
    let Some(len) = len else { return Ok(None) };
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(snapshot::decode(&bytes).ok())
}

/// The records of a control batch; nothing for other batches.
fn control_records(log: &dyn File, found: &Found) -> io::Result<Vec<u8>> {
    if !found.header.is_control() {
        return Ok(Vec::new());
    }
    let len = found.header.total_len() - HEADER_LEN;
    let mut records = vec![0; len.min(CONTROL_BYTES_MAX)];
    log.read_exact_at(&mut records, found.position + u64::try_from(HEADER_LEN).unwrap_or(u64::MAX))?;
    Ok(records)
}

/// The leader epochs of all batches below `end_offset`.
pub(super) fn epochs_below(segments: &[Arc<Segment>], end_offset: i64) -> io::Result<LeaderEpochs> {
    let mut epochs = LeaderEpochs::default();
    walk_all(segments, 0, end_offset, |_, found| {
        assign(&mut epochs, &found.header);
        Ok(())
    })?;
    Ok(epochs)
}

/// Notes the epoch of a batch of the log.
pub(super) fn assign(epochs: &mut LeaderEpochs, header: &BatchHeader) {
    let epoch = header.partition_leader_epoch;
    if epochs.latest().is_none_or(|latest| latest.epoch < epoch) {
        epochs.assign(EpochEntry { epoch, start_offset: header.base_offset });
    }
}

/// Shows the batches that end at or above `from` and start below `up_to`.
fn walk_all(
    segments: &[Arc<Segment>],
    from: i64,
    up_to: i64,
    mut visit: impl FnMut(&dyn File, &Found) -> io::Result<()>,
) -> io::Result<()> {
    if from >= up_to {
        return Ok(());
    }
    let first = segments.partition_point(|s| s.base_offset <= from).saturating_sub(1);
    for segment in segments[first..].iter().take_while(|s| s.base_offset < up_to) {
        let log = segment.log()?;
        let mut walk = Walk::new(&*log, 0, segment.size());
        while let Some(found) = walk.next()?.filter(|f| f.header.base_offset < up_to) {
            if found.header.last_offset() >= from {
                visit(&*log, &found)?;
            }
        }
    }
    Ok(())
}
