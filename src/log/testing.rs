//! Batches and logs for the tests of this folder.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::{Disk, MemDisk, Mode};
use super::{Appended, Error, Log, Opening, Recovered, Settings};
use crate::base::id::TopicId;
use crate::wire::batch::{Batch, BatchHeader};
use crate::wire::builder::{BatchBuilder, ControlRecord, Fields};
use crate::wire::compress::Compression;

/// Where the tests' log lives.
pub(super) const DIR: &str = "/data/t-0";
/// What the tests' clock shows.
pub(super) const NOW: i64 = 1_000_000;

/// Small segments and dense indexes.
pub(super) fn settings() -> Settings {
    Settings {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        verify_transactions: false,
        ..Settings::default()
    }
}

/// An empty log in memory.
pub(super) fn create(settings: Settings) -> (MemDisk, Log) {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let topic_id = TopicId(uuid::Uuid::from_u128(7));
    let log = Log::create(Arc::new(disk.clone()), Path::new(DIR), topic_id, settings, NOW).unwrap();
    (disk, log)
}

/// Opens the log after a crash that left `recovery_point`.
pub(super) fn recover(
    disk: &MemDisk,
    settings: Settings,
    recovery_point: i64,
) -> Result<(Log, Recovered), Error> {
    open(disk, settings, Opening { recovery_point, log_start_offset: 0, clean: false, is_checkpointed: true })
}

/// Opens the log after [`Log::close`].
pub(super) fn reopen(disk: &MemDisk, settings: Settings) -> (Log, Recovered) {
    open(
        disk,
        settings,
        Opening { recovery_point: 0, log_start_offset: 0, clean: true, is_checkpointed: true },
    )
    .unwrap()
}

/// Opens the log.
pub(super) fn open(disk: &MemDisk, settings: Settings, opening: Opening) -> Result<(Log, Recovered), Error> {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), settings, opening, NOW)
}

/// Flushes everything.
pub(super) fn flush(log: &mut Log) -> i64 {
    if let Some(flush) = log.begin_flush() {
        flush.run().unwrap();
        log.flushed(&flush);
    }
    log.flushed_offset()
}

/// Appends a batch of `count` records.
pub(super) fn append(log: &mut Log, count: i32, timestamp: i64) -> Appended {
    log.append_as_leader(&built(count, timestamp, 10, &Fields::default()), 0, NOW).unwrap()
}

/// A batch of `count` records with one timestamp.
pub(super) fn batch(count: i32, timestamp: i64) -> Bytes {
    built(count, timestamp, 10, &Fields::default()).bytes
}

/// A batch of `count` records of `len` bytes.
pub(super) fn built(count: i32, timestamp: i64, len: usize, fields: &Fields) -> Batch {
    let mut builder = BatchBuilder::new();
    for i in 0..count {
        let value = vec![u8::try_from(i % 251).unwrap(); len];
        builder.push(timestamp, Some(b"key"), Some(&value), &[]);
    }
    builder.build(fields, Compression::None).unwrap()
}

/// All bytes from the log's start to its end.
pub(super) fn contents(log: &Log) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut from = log.start_offset();
    while let Some(slice) =
        log.plan_read(from, usize::MAX, i64::MAX, true).unwrap().and_then(|plan| plan.resolve().unwrap())
    {
        let read = slice.read().unwrap();
        from = headers(&read).last().unwrap().next_offset();
        bytes.extend(read);
    }
    bytes
}

/// The headers of whole batches.
pub(super) fn headers(mut bytes: &[u8]) -> Vec<BatchHeader> {
    let mut headers = Vec::new();
    while let Ok(header) = BatchHeader::parse(bytes) {
        let Some(rest) = bytes.get(header.total_len()..) else { break };
        headers.push(header);
        bytes = rest;
    }
    headers
}

/// All files of the log's directory.
pub(super) fn files(disk: &MemDisk) -> std::collections::BTreeMap<String, Vec<u8>> {
    let names = disk.list(Path::new(DIR)).unwrap().into_iter().map(|e| e.name);
    names.map(|name| (name.clone(), read_file(disk, &name))).collect()
}

/// The bytes of a file of the log's directory.
pub(super) fn read_file(disk: &MemDisk, name: &str) -> Vec<u8> {
    let file = disk.open(&Path::new(DIR).join(name), Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Replaces the bytes of a file of the log's directory, durably.
pub(super) fn write_file(disk: &MemDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(&Path::new(DIR).join(name), Mode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_at(&[std::io::IoSlice::new(bytes)], 0).unwrap();
    file.sync_data().unwrap();
}

/// Removes a file of the log's directory.
pub(super) fn remove_file(disk: &MemDisk, name: &str) {
    disk.remove_file(&Path::new(DIR).join(name)).unwrap();
}

/// The marker that aborts a transaction of producer 7.
pub(super) fn abort() -> Batch {
    let fields =
        Fields { producer_id: 7, producer_epoch: 0, transactional: true, control: true, ..Fields::default() };
    let mut builder = BatchBuilder::new();
    builder.push(2000, Some(&ControlRecord::Abort.key()), Some(&[0, 0, 0, 0, 0, 3]), &[]);
    builder.build(&fields, Compression::None).unwrap()
}
