//! Producer snapshots and indexes of aborted transactions.

use std::path::Path;

use super::segment::optional_long;
use super::{Dump, absolute_path, failed};
use crate::base::reader::Reader;
use crate::log::disk::{Disk, Mode};
use crate::log::producers::Entry;
use crate::log::producers::snapshot::{self, SnapshotError};
use crate::log::txn_index::{AbortedTxn, ENTRY_LEN, VERSION};
use crate::tools::Stop;

/// Bytes of a snapshot before its entries, and of one entry.
const SNAPSHOT_HEADER_LEN: usize = 10;
const SNAPSHOT_ENTRY_LEN: usize = 46;

impl Dump<'_> {
    /// Shows a `.snapshot`. A corrupt one does not end the dump.
    pub(super) fn producer_snapshot(&mut self, path: &Path) -> Result<(), Stop> {
        let file = self.disk.open(path, Mode::Read).map_err(|error| failed(path, &error))?;
        let len = file.len().map_err(|error| failed(path, &error))?;
        let len = usize::try_from(len).ok().filter(|len| *len <= snapshot::BYTES_MAX);
        let len = len.ok_or_else(|| Stop::Failed(format!("{} is too large", path.display())))?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(|error| failed(path, &error))?;
        match snapshot::decode(&bytes) {
            Ok(entries) => {
                for (producer_id, entry) in &entries {
                    self.producer(*producer_id, entry)?;
                }
            }
            Err(error) => {
                let _ = writeln!(self.complaints, "{}", corrupt_snapshot(&bytes, error));
            }
        }
        Ok(())
    }

    fn producer(&mut self, producer_id: i64, entry: &Entry) -> Result<(), Stop> {
        write!(
            self.out,
            "producerId: {producer_id} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
            entry.producer_epoch,
            entry.coordinator_epoch,
            optional_long(entry.txn_first_offset),
            entry.last_timestamp_ms,
        )?;
        if let Some(batch) = entry.recent().first() {
            write!(
                self.out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batch.first_sequence(),
                batch.last_sequence,
                batch.last_offset,
                batch.offset_delta,
                batch.timestamp_ms,
            )?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    /// Shows a `.txnindex`; one that is missing has no entries.
    pub(super) fn transaction_index(&mut self, path: &Path) -> Result<(), Stop> {
        if !self.disk.exists(path).map_err(|error| failed(path, &error))? {
            return Ok(());
        }
        let file = self.disk.open(path, Mode::Read).map_err(|error| failed(path, &error))?;
        let len = file.len().map_err(|error| failed(path, &error))?;
        for at in 0..len / ENTRY_LEN as u64 {
            let mut bytes = [0; ENTRY_LEN];
            file.read_exact_at(&mut bytes, at * ENTRY_LEN as u64).map_err(|error| failed(path, &error))?;
            let version = Reader::new(&bytes).i16().unwrap_or_default();
            let txn = AbortedTxn::decode(&bytes).map_err(|_| {
                Stop::Failed(format!(
                    "Unexpected aborted transaction version {version} in transaction index {}, supported version range is {VERSION} to {VERSION}",
                    absolute_path(path).display()
                ))
            })?;
            writeln!(
                self.out,
                "version: {VERSION} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset
            )?;
        }
        Ok(())
    }
}

/// What Kafka finds first in a snapshot that is none (`ProducerStateManager.readSnapshot`).
fn corrupt_snapshot(bytes: &[u8], error: SnapshotError) -> String {
    const SCHEMA: &str = "Snapshot failed schema validation:";
    if let SnapshotError::Version(version) = error {
        return format!("{SCHEMA} Snapshot contained an unknown file version {version}");
    }
    let count = bytes.get(6..SNAPSHOT_HEADER_LEN).and_then(|count| Reader::new(count).i32().ok());
    let Some(count) = count else { return format!("{SCHEMA} null") };
    let remaining = bytes.len() - SNAPSHOT_HEADER_LEN;
    match usize::try_from(count) {
        Err(_) => format!("{SCHEMA} non-nullable field producerEntries was serialized as null"),
        Ok(count) if count > remaining => format!(
            "{SCHEMA} Tried to allocate a collection of size {count}, but there are only {remaining} bytes remaining."
        ),
        Ok(count) if count.saturating_mul(SNAPSHOT_ENTRY_LEN) > remaining => format!("{SCHEMA} null"),
        Ok(_) => match error {
            SnapshotError::Crc { stored, computed } => {
                format!(
                    "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
                )
            }
            SnapshotError::Truncated
            | SnapshotError::Version(_)
            | SnapshotError::Count { .. }
            | SnapshotError::Entry { .. } => error.to_string(),
        },
    }
}
