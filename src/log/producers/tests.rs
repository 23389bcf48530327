use proptest::prelude::*;

use super::*;

const DAY_MS: i64 = 86_400_000;

fn batch(producer_id: i64, producer_epoch: i16, base_sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: 0,
        length: 100,
        partition_leader_epoch: 0,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: 1_000,
        max_timestamp: 1_000,
        producer_id,
        producer_epoch,
        base_sequence,
        record_count: count,
    }
}

fn transactional(header: BatchHeader) -> BatchHeader {
    BatchHeader { attributes: 0x10, ..header }
}

fn control(producer_id: i64, producer_epoch: i16) -> BatchHeader {
    BatchHeader { attributes: 0x30, ..batch(producer_id, producer_epoch, -1, 1) }
}

fn at(base_offset: i64, header: BatchHeader) -> BatchHeader {
    BatchHeader { base_offset, ..header }
}

fn marker(verdict: Verdict, coordinator_epoch: i32) -> Marker {
    Marker { verdict, coordinator_epoch, timestamp_ms: 1_000 }
}

fn append(states: &mut ProducerStates, header: BatchHeader) -> Result<Outcome, ProducerError> {
    let outcome = states.check(&header, Origin::Client, Proof::NotRequired)?;
    if outcome == Outcome::Append {
        states.apply(&at(states.end_offset(), header));
    }
    Ok(outcome)
}

fn out_of_order(result: Result<Outcome, ProducerError>) -> Option<(i32, i32)> {
    match result {
        Err(ProducerError::OutOfOrderSequence { sequence, last_sequence, .. }) => {
            Some((sequence, last_sequence))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn five_batches_back_is_a_duplicate_and_six_is_out_of_order() {
    let mut states = ProducerStates::new(100);
    for sequence in 0..6 {
        append(&mut states, batch(1, 0, sequence * 10, 10)).unwrap();
    }
    let duplicate = Outcome::Duplicate { first_offset: 110, last_offset: 119, timestamp_ms: 1_000 };
    assert_eq!(append(&mut states, batch(1, 0, 10, 10)), Ok(duplicate));
    assert_eq!(out_of_order(append(&mut states, batch(1, 0, 0, 10))), Some((0, 59)));
    assert_eq!(out_of_order(append(&mut states, batch(1, 0, 10, 9))), Some((10, 59)), "other bounds");
    assert_eq!(out_of_order(append(&mut states, batch(1, 0, 61, 10))), Some((61, 59)), "a gap");
    assert_eq!(states.get(1).unwrap().recent().len(), BATCHES_RETAINED);
}

#[test]
fn zero_follows_the_largest_sequence_also_inside_a_batch() {
    let mut states = ProducerStates::new(0);
    append(&mut states, batch(1, 0, i32::MAX - 9, 10)).unwrap();
    append(&mut states, batch(1, 0, 0, 1)).unwrap();

    append(&mut states, batch(2, 0, i32::MAX - 1, 4)).unwrap();
    assert_eq!(states.get(2).unwrap().last_sequence(), 1);
    let duplicate = Outcome::Duplicate { first_offset: 11, last_offset: 14, timestamp_ms: 1_000 };
    assert_eq!(append(&mut states, batch(2, 0, i32::MAX - 1, 4)), Ok(duplicate));
    assert_eq!(append(&mut states, batch(2, 0, 2, 1)), Ok(Outcome::Append));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one_except_for_replication() {
    let mut states = ProducerStates::new(0);
    append(&mut states, batch(1, 4, 77, 1)).unwrap();
    assert_eq!(out_of_order(append(&mut states, batch(1, 5, 78, 1))), Some((78, 77)));
    append(&mut states, batch(1, 5, 0, 1)).unwrap();

    let stale = batch(1, 4, 77, 1);
    let error = ProducerError::InvalidProducerEpoch { producer_id: 1, epoch: 4, current: 5 };
    assert_eq!(
        states.check(&stale, Origin::Client, Proof::NotRequired),
        Err(error),
        "no duplicate: its epoch is over"
    );
    assert_eq!(states.check(&stale, Origin::Coordinator, Proof::NotRequired), Err(error));
    assert_eq!(states.check(&stale, Origin::Replication, Proof::NotRequired), Ok(Outcome::Append));
}

#[test]
fn a_coordinators_batches_have_no_sequence() {
    let mut states = ProducerStates::new(0);
    for _ in 0..3 {
        let header = transactional(batch(1, 0, -1, 2));
        assert_eq!(states.check(&header, Origin::Coordinator, Proof::NotRequired), Ok(Outcome::Append));
        states.apply(&at(states.end_offset(), header));
    }
    assert_eq!(states.end_offset(), 6);
    assert_eq!(states.first_unstable_offset(), Some(0));
}

#[test]
fn a_plain_batch_does_not_slip_into_an_open_transaction() {
    let mut states = ProducerStates::new(10);
    append(&mut states, transactional(batch(1, 0, 0, 5))).unwrap();
    let error = ProducerError::InvalidTxnState { producer_id: 1, open_since: 10 };
    assert_eq!(append(&mut states, batch(1, 0, 5, 1)), Err(error));

    let end = states.apply_marker(&at(15, control(1, 0)), &marker(Verdict::Abort, 0)).unwrap();
    assert_eq!((end.first_offset, end.last_offset, end.last_stable_offset), (10, 15, 16));
    assert_eq!(append(&mut states, batch(1, 0, 5, 1)), Ok(Outcome::Append));
}

#[test]
fn a_transaction_stays_unstable_until_the_high_watermark_has_passed_its_marker() {
    let mut states = ProducerStates::new(0);
    append(&mut states, transactional(batch(1, 0, 0, 5))).unwrap();
    append(&mut states, transactional(batch(2, 0, 0, 5))).unwrap();
    let end = states.apply_marker(&at(10, control(1, 0)), &marker(Verdict::Commit, 0)).unwrap();
    assert_eq!(end.last_stable_offset, 5, "held back by producer 2");
    states.high_watermark_advanced(10);
    assert_eq!(states.first_unstable_offset(), Some(0));
    states.high_watermark_advanced(11);
    assert_eq!(states.first_unstable_offset(), Some(5));
    assert_eq!(states.apply_marker(&at(11, control(1, 0)), &marker(Verdict::Commit, 0)), None, "empty");
    states.apply_marker(&at(12, control(2, 0)), &marker(Verdict::Abort, 0)).unwrap();
    states.log_start_advanced(13);
    assert_eq!((states.first_unstable_offset(), states.end_offset()), (None, 13));
}

#[test]
fn markers_are_fenced_by_producer_epoch_and_coordinator_epoch() {
    let mut states = ProducerStates::new(0);
    append(&mut states, transactional(batch(1, 3, 0, 1))).unwrap();
    states.apply_marker(&at(1, control(1, 3)), &marker(Verdict::Commit, 8)).unwrap();
    append(&mut states, transactional(batch(1, 3, 1, 1))).unwrap();

    let check = |epoch, coordinator_epoch, version| {
        states.check_marker(Producer { id: 1, epoch }, coordinator_epoch, version).err()
    };
    let stale = |epoch| ProducerError::InvalidProducerEpoch { producer_id: 1, epoch, current: 3 };
    assert_eq!(check(2, 8, 1), Some(stale(2)));
    assert_eq!(check(3, 8, 1), None);
    assert_eq!(check(3, 8, 2), Some(stale(3)), "it would end a later transaction");
    assert_eq!(check(4, 8, 2), None);
    let fenced = ProducerError::TransactionCoordinatorFenced { producer_id: 1, epoch: 7, current: 8 };
    assert_eq!(check(4, 7, 2), Some(fenced));

    states.apply_marker(&at(3, control(1, 4)), &marker(Verdict::Commit, 8)).unwrap();
    let retry = states.check_marker(Producer { id: 1, epoch: 4 }, 8, 2);
    assert_eq!(retry, Ok(()), "nothing is open, so it is a retry");
    assert_eq!(
        out_of_order(states.check(&batch(1, 4, 2, 1), Origin::Client, Proof::NotRequired)),
        Some((2, -1))
    );
}

#[test]
fn a_marker_is_read_from_its_record() {
    let header = control(1, 0);
    // length, attributes, timestamp delta 5, offset delta, key (version 0, commit), value (version 0, epoch 9), headers
    let record = [0x20, 0, 10, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 9, 0];
    let read = Marker { verdict: Verdict::Commit, coordinator_epoch: 9, timestamp_ms: 1_005 };
    assert_eq!(Marker::read(&header, &record), Ok(Some(read)));
    for len in 0..record.len() - 1 {
        assert!(matches!(Marker::read(&header, &record[..len]), Err(MarkerError::Malformed(_))), "{len}");
    }
    let mut leader_change = record;
    leader_change[8] = 2;
    assert_eq!(Marker::read(&header, &leader_change), Err(MarkerError::Type(2)));
    let cleaned = BatchHeader { record_count: 0, ..header };
    assert_eq!(Marker::read(&cleaned, &[]), Ok(None));
}

#[test]
fn an_idle_producer_expires_unless_its_transaction_is_open() {
    let mut states = ProducerStates::new(0);
    append(&mut states, batch(1, 0, 0, 1)).unwrap();
    append(&mut states, transactional(batch(2, 0, 0, 1))).unwrap();
    assert_eq!(states.remove_expired(999 + DAY_MS, DAY_MS), 0);
    assert_eq!(states.remove_expired(1_000 + DAY_MS, DAY_MS), 1);
    assert_eq!(states.oldest_txn_last_timestamp(), Some(1_000));
    assert_eq!(append(&mut states, batch(1, 0, 500, 1)), Ok(Outcome::Append), "unknown: any sequence");

    let entries = snapshot::decode(&snapshot::encode(&states)).unwrap();
    let restored = ProducerStates::restore(entries, states.end_offset(), 8 * DAY_MS, DAY_MS);
    assert_eq!(restored.sorted().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_verified_producer_of_transactions_version_2_starts_at_zero_and_in_order() {
    let mut states = ProducerStates::new(0);
    let wanted = |lowest_sequence| Verification { lowest_sequence, supports_epoch_bump: true };
    let first = Producer { id: 1, epoch: 0 };
    let guard = states.begin_verification(first, wanted(5), 0).unwrap().unwrap();
    assert_eq!(
        out_of_order(states.check(&transactional(batch(1, 0, 5, 1)), Origin::Client, Proof::NotRequired)),
        Some((5, -1))
    );
    assert_eq!(states.begin_verification(first, wanted(0), 0), Ok(Some(guard)), "one wait per producer");
    assert!(states.is_verified(1, guard));

    append(&mut states, transactional(batch(1, 0, 0, 1))).unwrap();
    assert!(!states.is_verified(1, guard), "the first batch ends the wait");
    let later = states.begin_verification(Producer { id: 1, epoch: 1 }, wanted(3), 0).unwrap().unwrap();
    assert_ne!(later, guard);
    states.apply_marker(&at(1, control(1, 1)), &marker(Verdict::Commit, 0)).unwrap();
    assert!(states.is_verified(1, later), "the marker ended the transaction before");
}

fn first_version(lowest_sequence: i32) -> Verification {
    Verification { lowest_sequence, supports_epoch_bump: false }
}

#[test]
fn a_transaction_begins_only_with_the_guard_of_the_wait_that_is_under_way() {
    let mut states = ProducerStates::new(0);
    let producer = Producer { id: 1, epoch: 3 };
    let first = transactional(batch(1, 3, 0, 1));
    let not_verified = ProducerError::NotVerified { producer_id: 1, epoch: 3 };
    for origin in [Origin::Client, Origin::Coordinator] {
        assert_eq!(states.check(&first, origin, Proof::Required(None)), Err(not_verified));
    }
    assert_eq!(states.check(&first, Origin::Replication, Proof::Required(None)), Ok(Outcome::Append));
    assert_eq!(states.check(&first, Origin::Client, Proof::NotRequired), Ok(Outcome::Append));
    assert_eq!(states.check(&batch(1, 3, 0, 1), Origin::Client, Proof::Required(None)), Ok(Outcome::Append));

    let stale = states.begin_verification(producer, first_version(0), 0).unwrap();
    // The coordinator aborts before its word arrives, and the next transaction waits for another.
    assert_eq!(states.apply_marker(&at(0, control(1, 3)), &marker(Verdict::Abort, 0)), None);
    assert_eq!(states.check(&first, Origin::Client, Proof::Required(stale)), Err(not_verified));
    let guard = states.begin_verification(producer, first_version(0), 0).unwrap();
    assert_eq!(states.check(&first, Origin::Client, Proof::Required(stale)), Err(not_verified));
    assert_eq!(states.check(&first, Origin::Client, Proof::Required(guard)), Ok(Outcome::Append));
    states.apply(&at(1, first));

    assert_eq!(states.begin_verification(producer, first_version(1), 0), Ok(None), "it is open");
    let second = transactional(batch(1, 3, 1, 1));
    assert_eq!(states.check(&second, Origin::Client, Proof::Required(None)), Ok(Outcome::Append));
    assert_eq!(states.check(&second, Origin::Coordinator, Proof::Required(None)), Ok(Outcome::Append));
    states.apply_marker(&at(2, control(1, 3)), &marker(Verdict::Abort, 0)).unwrap();
    assert_eq!(states.check(&second, Origin::Client, Proof::Required(guard)), Err(not_verified), "a zombie");
    assert_eq!(states.check(&second, Origin::Coordinator, Proof::Required(None)), Err(not_verified));
}

#[test]
fn a_stale_epoch_is_told_before_the_lack_of_a_guard_and_a_duplicate_before_both() {
    let mut states = ProducerStates::new(0);
    let sent = transactional(batch(1, 3, 0, 1));
    append(&mut states, sent).unwrap();
    states.apply_marker(&at(1, control(1, 3)), &marker(Verdict::Commit, 0)).unwrap();
    let duplicate = Outcome::Duplicate { first_offset: 0, last_offset: 0, timestamp_ms: 1_000 };
    assert_eq!(states.check(&sent, Origin::Client, Proof::Required(None)), Ok(duplicate));

    let stale = ProducerError::InvalidProducerEpoch { producer_id: 1, epoch: 2, current: 3 };
    let producer = Producer { id: 1, epoch: 2 };
    let zombie = transactional(batch(1, 2, 0, 1));
    assert_eq!(states.check(&zombie, Origin::Client, Proof::Required(None)), Err(stale));
    assert_eq!(states.begin_verification(producer, first_version(0), 0), Err(stale));
    assert_eq!(states.check(&zombie, Origin::Coordinator, Proof::Required(None)), Err(stale));
}

#[test]
fn a_lower_sequence_that_waits_holds_higher_ones_back() {
    let mut states = ProducerStates::new(0);
    let producer = Producer { id: 1, epoch: 0 };
    let guard = states.begin_verification(producer, first_version(4), 0).unwrap();
    assert_eq!(states.begin_verification(producer, first_version(2), 0), Ok(guard));
    let check = |sequence| {
        states.check(&transactional(batch(1, 0, sequence, 1)), Origin::Client, Proof::Required(guard))
    };
    assert_eq!(out_of_order(check(4)), Some((4, 2)));
    assert_eq!(check(2), Ok(Outcome::Append));
    let newer = Producer { id: 1, epoch: 1 };
    states.begin_verification(newer, first_version(4), 0).unwrap();
    let reset = states.check(&transactional(batch(1, 1, 4, 1)), Origin::Client, Proof::Required(guard));
    assert_eq!(reset, Ok(Outcome::Append), "what waited under the old epoch counts no more");
}

#[test]
fn a_wait_for_a_word_that_never_comes_is_forgotten() {
    let mut states = ProducerStates::new(0);
    let producer = Producer { id: 1, epoch: 0 };
    let guard = states.begin_verification(producer, first_version(0), 100).unwrap().unwrap();
    states.remove_expired(99 + DAY_MS, DAY_MS);
    assert!(states.is_verified(1, guard));
    states.remove_expired(100 + DAY_MS, DAY_MS);
    assert!(!states.is_verified(1, guard));
}

#[test]
fn the_largest_epoch_can_be_ended_although_none_follows_it() {
    let mut states = ProducerStates::new(0);
    append(&mut states, transactional(batch(1, i16::MAX, 0, 1))).unwrap();
    let producer = Producer { id: 1, epoch: i16::MAX };
    assert_eq!(states.check_marker(producer, 0, 2), Ok(()));
    assert!(states.check_marker(Producer { id: 1, epoch: i16::MAX - 1 }, 0, 2).is_err());
    assert_eq!(states.check_marker(Producer { id: 2, epoch: 0 }, 0, 2), Ok(()), "nobody is known");
}

#[test]
fn a_marker_is_written_as_kafka_writes_it() {
    let marker = EndTxnMarker {
        producer: Producer { id: 5, epoch: 6 },
        coordinator_epoch: 9,
        verdict: Verdict::Commit,
    };
    let batch = marker.batch(7, 8, 1_005);
    assert_eq!(*batch.records(), [0x20, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 9, 0]);
    let header = batch.header;
    assert_eq!((header.base_offset, header.partition_leader_epoch), (7, 8));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (5, 6, -1));
    assert!(header.is_control() && header.is_transactional());
    let read = Marker { verdict: Verdict::Commit, coordinator_epoch: 9, timestamp_ms: 1_005 };
    assert_eq!(Marker::read(&header, batch.records()), Ok(Some(read)));
}

/// Written by `ProducerStateManager.writeSnapshot` of Apache Kafka 4.3.1.
const KAFKAS_SNAPSHOT: [u8; 102] = [
    0, 1, 0x61, 0xf3, 0x55, 0x3a, 0, 0, 0, 2, // version, crc, count
    0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 49, 0, 0, 0, 9, //
    0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 40, //
    0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0,
    0, //
    0, 0, 1, 0x8b, 0xcf, 0xe5, 0x6b, 0xe7, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
];

#[test]
fn a_snapshot_of_kafka_is_read_and_written_byte_for_byte() {
    let now_ms = 1_700_000_001_000;
    let states = ProducerStates::restore(snapshot::decode(&KAFKAS_SNAPSHOT).unwrap(), 50, now_ms, DAY_MS);
    let entry = states.get(7).unwrap();
    assert_eq!((entry.producer_epoch, entry.coordinator_epoch, entry.last_sequence()), (3, 5, 9));
    assert_eq!((entry.recent()[0].first_offset(), entry.txn_first_offset), (40, Some(40)));
    assert!(states.get(9).unwrap().recent().is_empty());
    assert_eq!(states.first_unstable_offset(), Some(40));
    assert_eq!(snapshot::encode(&states), KAFKAS_SNAPSHOT);
    assert_eq!(snapshot::file_name(50), "00000000000000000050.snapshot");
}

#[test]
fn a_snapshot_with_any_byte_changed_or_missing_is_refused() {
    for index in 0..KAFKAS_SNAPSHOT.len() {
        let mut bytes = KAFKAS_SNAPSHOT;
        bytes[index] ^= 0x40;
        assert!(snapshot::decode(&bytes).is_err(), "byte {index}");
        assert!(snapshot::decode(&bytes[..index]).is_err(), "cut at {index}");
    }
    let mut huge = KAFKAS_SNAPSHOT[..10].to_vec();
    huge[6..10].copy_from_slice(&i32::MAX.to_be_bytes());
    let crc = crate::wire::batch::crc32c(&huge[6..]);
    huge[2..6].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(snapshot::decode(&huge), Err(snapshot::SnapshotError::Count { count: i32::MAX, len: 10 }));
}

/// A log in which everything is looked up by walking it from the start.
#[derive(Default)]
struct Model {
    batches: Vec<(BatchHeader, bool)>,
}

impl Model {
    fn epoch(&self, producer_id: i64) -> Option<i16> {
        self.batches.iter().rev().find(|(h, _)| h.producer_id == producer_id).map(|(h, _)| h.producer_epoch)
    }

    /// Data batches since the producer's epoch last changed, newest first.
    fn since_epoch(&self, producer_id: i64) -> Vec<BatchHeader> {
        let epoch = self.epoch(producer_id);
        let own = self.batches.iter().rev().filter(|(h, _)| h.producer_id == producer_id);
        own.take_while(|(h, _)| Some(h.producer_epoch) == epoch)
            .filter(|(_, is_marker)| !is_marker)
            .map(|(h, _)| *h)
            .collect()
    }

    fn open_since(&self, producer_id: i64) -> Option<i64> {
        let own = self.batches.iter().filter(|(h, _)| h.producer_id == producer_id);
        own.fold(None, |open: Option<i64>, (h, is_marker)| match is_marker {
            true => None,
            false => open.or(h.is_transactional().then_some(h.base_offset)),
        })
    }

    fn expect(&self, header: &BatchHeader) -> &'static str {
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        let recent = self.since_epoch(id);
        let same = |b: &&BatchHeader| {
            b.producer_epoch == epoch
                && b.base_sequence == header.base_sequence
                && b.last_sequence() == header.last_sequence()
        };
        let next = recent.first().map_or(0, |b| (i64::from(b.last_sequence()) + 1) % (1 << 31));
        let next = if self.epoch(id) == Some(epoch) { next } else { 0 };
        if recent.iter().take(5).any(|b| same(&b)) {
            "duplicate"
        } else if self.epoch(id).is_some_and(|known| epoch < known) {
            "epoch"
        } else if self.epoch(id).is_some() && next != i64::from(header.base_sequence) {
            "sequence"
        } else if self.open_since(id).is_some() && !header.is_transactional() {
            "transaction"
        } else {
            "append"
        }
    }

    fn first_unstable(&self, high_watermark: i64) -> Option<i64> {
        let is_unstable = |(index, first): (usize, &BatchHeader)| {
            let id = first.producer_id;
            let before = Self { batches: self.batches[..index].to_vec() };
            let end = self.batches[index..].iter().find(|(h, is_marker)| *is_marker && h.producer_id == id);
            let starts = first.is_transactional() && before.open_since(id).is_none();
            (starts && end.is_none_or(|(h, _)| h.base_offset >= high_watermark)).then_some(first.base_offset)
        };
        let data = self.batches.iter().enumerate().filter(|(_, (_, is_marker))| !is_marker);
        data.filter_map(|(index, (h, _))| is_unstable((index, h))).min()
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// `sequence` is relative to the producer's next one, or absolute if `anew`.
    Data {
        id: i64,
        epoch_step: i16,
        sequence: i32,
        anew: bool,
        count: i32,
        transactional: bool,
    },
    /// Repeats the producer's n-th last batch.
    Repeat {
        id: i64,
        back: usize,
    },
    End {
        id: i64,
        epoch_step: i16,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let data = (0..2i64, -1..2i16, -1..2i32, prop::bool::weighted(0.2), 1..4i32, any::<bool>());
    let data = data.prop_map(|(id, epoch_step, sequence, anew, count, transactional)| {
        let epoch_step = if anew { epoch_step } else { 0 };
        Op::Data { id, epoch_step, sequence, anew, count, transactional }
    });
    let repeat = (0..2i64, 0..7usize).prop_map(|(id, back)| Op::Repeat { id, back });
    let end = (0..2i64, 0..2i16).prop_map(|(id, epoch_step)| Op::End { id, epoch_step });
    prop_oneof![6 => data, 2 => repeat, 1 => end]
}

fn name(result: &Result<Outcome, ProducerError>) -> &'static str {
    match result {
        Ok(Outcome::Append) => "append",
        Ok(Outcome::Duplicate { .. }) => "duplicate",
        Err(ProducerError::OutOfOrderSequence { .. }) => "sequence",
        Err(ProducerError::InvalidProducerEpoch { .. }) => "epoch",
        Err(ProducerError::InvalidTxnState { .. }) => "transaction",
        Err(ProducerError::TransactionCoordinatorFenced { .. }) => "fenced",
        Err(ProducerError::NotVerified { .. }) => "not verified",
    }
}

fn header_of(op: &Op, model: &Model) -> Option<BatchHeader> {
    match *op {
        Op::Data { id, epoch_step, sequence, anew, count, transactional: open } => {
            let recent = model.since_epoch(id);
            let next = recent.first().map_or(i32::MAX - 6, |b| add_sequence(b.last_sequence(), 1));
            let base = if anew { sequence } else { next.saturating_add(sequence) };
            let header = batch(id, model.epoch(id).unwrap_or(3) + epoch_step, base.max(0), count);
            Some(if open { transactional(header) } else { header })
        }
        Op::Repeat { id, back } => model.since_epoch(id).get(back).copied(),
        Op::End { id, epoch_step } => Some(control(id, model.epoch(id).unwrap_or(3) + epoch_step)),
    }
}

proptest! {
    #[test]
    fn states_agree_with_a_walk_over_the_whole_log(ops in prop::collection::vec(op(), 1..120), lag in 0..20i64) {
        let mut states = ProducerStates::new(0);
        let mut model = Model::default();
        for op in ops {
            let Some(header) = header_of(&op, &model) else { continue };
            let placed = at(states.end_offset(), header);
            if header.is_control() {
                states.apply_marker(&placed, &marker(Verdict::Abort, 0));
                model.batches.push((placed, true));
            } else {
                let result = states.check(&header, Origin::Client, Proof::NotRequired);
                prop_assert_eq!(name(&result), model.expect(&header));
                if result == Ok(Outcome::Append) {
                    states.apply(&placed);
                    model.batches.push((placed, false));
                }
            }
            let high_watermark = (states.end_offset() - lag).max(0);
            states.high_watermark_advanced(high_watermark);
            prop_assert_eq!(states.first_unstable_offset(), model.first_unstable(high_watermark));
        }
        let mut replayed = ProducerStates::new(0);
        for (header, is_marker) in &model.batches {
            if *is_marker {
                replayed.apply_marker(header, &marker(Verdict::Abort, 0));
            } else {
                replayed.apply(header);
            }
        }
        replayed.high_watermark_advanced((states.end_offset() - lag).max(0));
        prop_assert_eq!(replayed, states);
    }

    #[test]
    fn snapshots_read_any_bytes_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = snapshot::decode(&bytes);
    }
}
