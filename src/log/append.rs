//! Appending: offsets, producer state, the roll to a new segment, the write, the index entries; in this order.

use std::io;
use std::sync::Arc;

use super::active::Active;
use super::error::{AppendError, Error, is_out_of_descriptors};
use super::log::Log;
use super::names::Kind;
use super::producers::{Guard, Marker, MarkerError, Origin, Outcome, Proof, Verdict};
use super::replay;
use super::segment::Segment;
use crate::base::id::Producer;
use crate::wire::batch::{Batch, BatchHeader, HEADER_LEN};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The broker's timestamp, in ms; -1 if the records carry their own.
    pub log_append_time_ms: i64,
    /// Where the log starts.
    pub log_start_offset: i64,
    /// Whether the batch was in the log already, and nothing was written.
    pub duplicate: bool,
}

/// What a leader appends, besides the batch.
#[derive(Clone, Copy, Debug)]
pub struct Leading {
    /// The leader's epoch, which goes into the header.
    pub leader_epoch: i32,
    /// A client's batch or a coordinator's.
    pub origin: Origin,
    /// Version of the feature `transaction.version`, for markers.
    pub transaction_version: i16,
    /// For a batch of a transaction that its coordinator vouched for.
    pub guard: Option<Guard>,
}

impl Leading {
    /// A client's batch without a transaction.
    pub fn plain(leader_epoch: i32) -> Self {
        Self { leader_epoch, origin: Origin::Client, transaction_version: 0, guard: None }
    }
}

impl Log {
    /// Appends a client's batch at the log's end. Not durable before the next flush.
    pub fn append_as_leader(
        &mut self,
        batch: &Batch,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        self.append_leading(batch, Leading::plain(leader_epoch), now_ms)
    }

    /// Appends a batch, of a coordinator too: data of an internal topic, a transaction marker, a control record.
    pub fn append_leading(
        &mut self,
        batch: &Batch,
        leading: Leading,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        self.alive().map_err(AppendError::Storage)?;
        let mut header = batch.header;
        header.base_offset = self.end_offset;
        header.partition_leader_epoch = leading.leader_epoch;
        if self
            .end_offset
            .checked_add(i64::from(header.last_offset_delta))
            .is_none_or(|last| last == i64::MAX)
        {
            return Err(AppendError::OffsetsExhausted { end_offset: self.end_offset });
        }
        let segment_bytes = self.settings.segment_bytes;
        if batch.bytes.len() > usize::try_from(segment_bytes).unwrap_or(usize::MAX) {
            return Err(AppendError::TooLarge { len: batch.bytes.len(), segment_bytes });
        }
        let marker = marker_of(&header, batch.records())?;
        match (&marker, header.is_control()) {
            (Some(marker), _) => {
                let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
                let version = leading.transaction_version;
                self.producers.check_marker(producer, marker.coordinator_epoch, version)?;
            }
            (None, true) => {}
            (None, false) => {
                let proof = self.proof(leading.guard);
                if let Outcome::Duplicate { first_offset, last_offset, timestamp_ms } =
                    self.producers.check(&header, leading.origin, proof)?
                {
                    return Ok(self.duplicate(&header, first_offset, last_offset, timestamp_ms));
                }
            }
        }
        let encoded = header.encode();
        let aborts = self.aborts([(&header, marker.as_ref())]);
        self.write(&[(header, &[&encoded, batch.records()])], aborts, now_ms)?;
        self.settle(&header, marker.as_ref())?;
        Ok(self.appended(&header, header.base_offset))
    }

    /// What a transactional batch has to show here.
    fn proof(&self, guard: Option<Guard>) -> Proof {
        if self.settings.verify_transactions { Proof::Required(guard) } else { Proof::NotRequired }
    }

    /// Appends what a leader sent, with the offsets and epochs that it gave. Not durable before the next flush.
    pub fn append_as_follower(&mut self, batches: &[Batch], now_ms: i64) -> Result<Appended, AppendError> {
        self.alive().map_err(AppendError::Storage)?;
        let first_offset = self.check_offsets(batches)?;
        let mut rest = batches;
        while !rest.is_empty() {
            let (fitting, after) = rest.split_at(self.count_that_fit(rest));
            let encoded: Vec<_> = fitting.iter().map(|b| b.header.encode()).collect();
            let parts: Vec<_> =
                fitting.iter().zip(&encoded).map(|(b, header)| [&header[..], b.records()]).collect();
            let writes: Vec<_> =
                fitting.iter().zip(&parts).map(|(b, parts)| (b.header, &parts[..])).collect();
            // A marker that nobody understands ends no transaction, here as in recovery.
            let markers = fitting.iter().map(|b| marker_of(&b.header, b.records()).ok().flatten());
            let markers: Vec<_> = markers.collect();
            let with_markers = || fitting.iter().map(|b| &b.header).zip(markers.iter().map(Option::as_ref));
            self.write(&writes, self.aborts(with_markers()), now_ms)?;
            for (header, marker) in with_markers() {
                self.settle(header, marker)?;
            }
            rest = after;
        }
        let last = batches.last().map(|b| b.header);
        Ok(last.map_or_else(|| self.nothing(), |header| self.appended(&header, first_offset)))
    }

    /// Checks that replicated offsets grow from the log's end on, and gives the first.
    fn check_offsets(&self, batches: &[Batch]) -> Result<i64, AppendError> {
        let mut end_offset = self.end_offset;
        for BatchHeader { base_offset, last_offset_delta, .. } in batches.iter().map(|b| b.header) {
            let last_offset = base_offset.saturating_add(i64::from(last_offset_delta));
            if base_offset < end_offset || last_offset_delta < 0 || last_offset == i64::MAX {
                return Err(AppendError::UnexpectedOffset { base_offset, last_offset, end_offset });
            }
            end_offset = last_offset + 1;
        }
        Ok(batches.first().map_or(self.end_offset, |b| b.header.base_offset))
    }

    /// How many of the batches, at least one, fit one segment together.
    fn count_that_fit(&self, batches: &[Batch]) -> usize {
        let segment_bytes = u64::from(self.settings.segment_bytes);
        let size = self.active_segment().size();
        // When the first one makes the log roll, there is a whole segment for the rest.
        let mut total = 0;
        let first_rolls = batches.first().is_some_and(|b| size + len_of(b) > segment_bytes);
        let room = if first_rolls { segment_bytes } else { segment_bytes - size.min(segment_bytes) };
        let fitting = batches.iter().take_while(|b| {
            total += len_of(b);
            total <= room
        });
        fitting.count().max(1)
    }

    /// Whether a transaction may be aborted by one of these batches, each given with its marker.
    fn aborts<'a>(&self, batches: impl IntoIterator<Item = (&'a BatchHeader, Option<&'a Marker>)>) -> bool {
        batches.into_iter().enumerate().any(|(at, (header, marker))| {
            // The transaction may begin with a batch before.
            let may_be_open = at > 0
                || self.producers.get(header.producer_id).is_some_and(|e| e.txn_first_offset.is_some());
            may_be_open && marker.is_some_and(|marker| marker.verdict == Verdict::Abort)
        })
    }

    /// Writes batches to one segment, a new one if it has to be. If one `aborts` a transaction, what that takes is open
    /// before: without descriptors left nothing is written, and it can be tried again.
    fn write(
        &mut self,
        batches: &[(BatchHeader, &[&[u8]])],
        aborts: bool,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let written = self.roll_for(batches, now_ms).and_then(|()| {
            if aborts {
                self.active_segment().open_aborted()?;
            }
            self.write_to_active(batches)
        });
        written.map_err(|e| {
            if !is_out_of_descriptors(&e) {
                self.poison();
            }
            AppendError::Storage(e)
        })
    }

    fn write_to_active(&mut self, batches: &[(BatchHeader, &[&[u8]])]) -> io::Result<()> {
        let segment = self.active_segment().clone();
        let mut position = segment.size();
        let interval_bytes = self.settings.index_interval_bytes;
        self.active.warm_up(&segment, interval_bytes)?;
        let parts: Vec<&[u8]> = batches.iter().flat_map(|(_, parts)| parts.iter().copied()).collect();
        self.unflushed.segment(&segment);
        segment.append(&parts)?;
        for (header, _) in batches {
            self.assign_epoch(header.partition_leader_epoch, header.base_offset);
            self.active.warm_up(&segment, interval_bytes)?.add(header, position, interval_bytes);
            self.active.add_mark(header, position);
            position += u64::try_from(header.total_len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    /// Rolls if the active segment may not take these batches (`LogSegment.shouldRoll`).
    fn roll_for(&mut self, batches: &[(BatchHeader, &[&[u8]])], now_ms: i64) -> io::Result<()> {
        let (Some((first, _)), Some((last, _))) = (batches.first(), batches.last()) else { return Ok(()) };
        let segment = self.active_segment().clone();
        let (size, settings) = (segment.size(), self.settings);
        let len: u64 = batches.iter().map(|(h, _)| u64::try_from(h.total_len()).unwrap_or(u64::MAX)).sum();
        // Of a segment without batches only the offsets can be wrong.
        let is_far = i32::try_from(last.last_offset() - segment.base_offset).is_err();
        let rolls = is_far
            || size > 0
                && (size + len > u64::from(settings.segment_bytes)
                    || self.is_time_to_roll(&segment, batches, now_ms)?
                    || self
                        .active
                        .warm_up(&segment, settings.index_interval_bytes)?
                        .is_full(settings.segment_index_bytes));
        if rolls { self.roll_at(first.base_offset, now_ms) } else { Ok(()) }
    }

    fn is_time_to_roll(
        &mut self,
        segment: &Segment,
        batches: &[(BatchHeader, &[&[u8]])],
        now_ms: i64,
    ) -> io::Result<bool> {
        let timestamp = batches.iter().map(|(h, _)| h.max_timestamp).max().unwrap_or(-1);
        let roll_ms = self.settings.roll_ms(&self.dir, segment.base_offset);
        Ok(self.active.waited_ms(segment, timestamp, now_ms)? > roll_ms)
    }

    /// Starts a new segment at the log's end, unless the active one is empty.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), Error> {
        let dir = self.dir.clone();
        if self.active_segment().size() == 0 {
            return Ok(());
        }
        let rolled = self.alive().and_then(|()| self.roll_at(self.end_offset, now_ms));
        rolled.map_err(|e| {
            if !is_out_of_descriptors(&e) {
                self.poison();
            }
            Error::io(&dir, e)
        })
    }

    /// Starts a new segment at `base_offset`.
    pub(super) fn roll_at(&mut self, base_offset: i64, now_ms: i64) -> io::Result<()> {
        let old = self.active_segment().clone();
        if self.active.cool_down(&old)? {
            self.unflushed.file(old.path(Kind::OffsetIndex));
            self.unflushed.file(old.path(Kind::TimeIndex));
        }
        let new = Segment::existing(&self.disk, &self.dir, base_offset, 0);
        // Left over from a roll that a crash cut short.
        new.remove()?;
        let new = Arc::new(Segment::create(&self.disk, &self.dir, base_offset)?);
        // Room that was set aside before the setting changed goes too.
        if self.settings.preallocate || old.is_reserved() {
            old.release()?;
        }
        if self.settings.preallocate {
            new.reserve(self.settings.segment_bytes);
        }
        Arc::make_mut(&mut self.segments).push(new);
        self.active = Active::new(base_offset, now_ms);
        self.unflushed.names();
        // Recovery of the new segment starts from here.
        self.producers.set_end_offset(base_offset);
        self.write_snapshot()
    }

    /// Takes note of a batch that was written.
    fn settle(&mut self, header: &BatchHeader, marker: Option<&Marker>) -> Result<(), AppendError> {
        let ended = replay::apply(&mut self.producers, header, marker);
        self.end_offset = header.next_offset();
        let Some(ended) = ended else { return Ok(()) };
        let segment = self.active_segment().clone();
        if ended.verdict == Verdict::Abort {
            self.unflushed.file(segment.path(Kind::TxnIndex));
        }
        segment.append_aborted(&[ended]).map_err(|e| {
            self.poison();
            AppendError::Storage(e)
        })
    }

    fn appended(&self, header: &BatchHeader, first_offset: i64) -> Appended {
        Appended {
            first_offset,
            last_offset: header.last_offset(),
            log_append_time_ms: if header.is_log_append_time() { header.max_timestamp } else { -1 },
            log_start_offset: self.start_offset,
            duplicate: false,
        }
    }

    fn duplicate(
        &self,
        header: &BatchHeader,
        first_offset: i64,
        last_offset: i64,
        timestamp_ms: i64,
    ) -> Appended {
        let log_append_time_ms = if header.is_log_append_time() { timestamp_ms } else { -1 };
        let log_start_offset = self.start_offset;
        Appended { first_offset, last_offset, log_append_time_ms, log_start_offset, duplicate: true }
    }

    fn nothing(&self) -> Appended {
        Appended {
            first_offset: self.end_offset,
            last_offset: self.end_offset - 1,
            log_append_time_ms: -1,
            log_start_offset: self.start_offset,
            duplicate: false,
        }
    }
}

fn len_of(batch: &Batch) -> u64 {
    u64::try_from(batch.header.total_len()).unwrap_or(u64::MAX)
}

/// The transaction marker in a control batch of a producer.
pub(super) fn marker_of(header: &BatchHeader, records: &[u8]) -> Result<Option<Marker>, MarkerError> {
    if header.is_control() && header.has_producer() { Marker::read(header, records) } else { Ok(None) }
}

const _: () = assert!(HEADER_LEN == 61, "the encoded header takes the place of as many bytes");
