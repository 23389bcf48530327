//! The reference bytes were written by Apache Kafka 4.3.1's own classes (`reference.txt`).

use proptest::prelude::*;

use super::*;
use crate::wire::tests::unhex;

type Encoded = (Vec<u8>, Option<Vec<u8>>);

fn references() -> impl Iterator<Item = (&'static str, Encoded)> {
    include_str!("reference.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [name, key, value] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        (name, (unhex(key), (value != "-").then(|| unhex(value))))
    })
}

fn decode((key, value): &Encoded) -> Result<Option<Record>, Malformed> {
    Record::decode(key, value.as_deref())
}

/// What the Java program gave to `TransactionLog.valueToBytes`, as far as the version holds it.
fn value(state: State, transaction_version: i16) -> Value {
    let id = state as i16;
    let version = transaction_version.min(1);
    let tagged = |value: i64| if version == 1 { value } else { -1 };
    let partitions: &[(&str, &[i32])] = match state {
        State::Ongoing => &[("t", &[0]), ("__consumer_offsets", &[49])],
        State::PrepareCommit | State::PrepareAbort => &[("t", &[0, 7])],
        State::Empty
        | State::CompleteCommit
        | State::CompleteAbort
        | State::Dead
        | State::PrepareEpochFence => &[],
    };
    let is_of_server = matches!(state, State::Empty | State::PrepareAbort);
    Value {
        version,
        producer_id: 1000 + i64::from(id),
        previous_producer_id: tagged(if state == State::Empty { -1 } else { 999 }),
        next_producer_id: tagged(if state == State::PrepareCommit { 1003 } else { -1 }),
        producer_epoch: if state == State::PrepareCommit { i16::MAX } else { id },
        timeout_ms: 60_000 + i32::from(id),
        state,
        partitions: partitions.iter().map(|(t, p)| (Arc::from(*t), p.iter().copied().collect())).collect(),
        last_update_ms: 1_234_567_890_999,
        start_ms: if state == State::Empty { -1 } else { 1_234_567_890_123 },
        client_version: if is_of_server || version == 0 { 0 } else { transaction_version },
    }
}

#[test]
fn every_record_reads_and_writes_as_kafkas_classes_do() {
    for (name, bytes) in references() {
        let value = name
            .split_once('_')
            .map(|(state, version)| value(State::of_name(state).unwrap(), version.parse().unwrap()));
        let record = Record { transactional_id: "pay-é".into(), value };
        assert_eq!(decode(&bytes), Ok(Some(record.clone())), "{name}");
        // Kafka writes several topics in the order of a hash table.
        if !name.starts_with("Ongoing") {
            assert_eq!(record.encode(), bytes, "{name}");
        }
        assert_eq!(decode(&record.encode()), Ok(Some(record)), "{name}");
    }
}

#[test]
fn unknown_kinds_and_versions_are_skipped_and_states_are_not() {
    let (key, value) = references().find(|(name, _)| *name == "Ongoing_2").unwrap().1;
    let value = value.unwrap();
    let kind = [&[0, 1], &key[2..]].concat();
    assert_eq!(Record::decode(&kind, Some(&value)), Ok(None));
    let version = [&[0, 2], &value[2..]].concat();
    assert_eq!(Record::decode(&key, Some(&version)), Ok(None));
    for state in [8, -1] {
        let mut bad = value.clone();
        bad[16] = i8::cast_unsigned(state);
        assert_eq!(Record::decode(&key, Some(&bad)), Err(Malformed::BadValue));
    }
}

#[test]
fn every_cut_and_every_byte_too_many_is_an_error_and_no_byte_flip_panics() {
    for (name, (key, value)) in references() {
        for end in 0..key.len() {
            assert!(Record::decode(&key[..end], value.as_deref()).is_err(), "{name} key cut at {end}");
        }
        let Some(value) = value else { continue };
        for end in 0..value.len() {
            assert!(Record::decode(&key, Some(&value[..end])).is_err(), "{name} value cut at {end}");
        }
        for longer in [[&value[..], &[0]].concat(), [&value[..], &[7; 9]].concat()] {
            assert!(Record::decode(&key, Some(&longer)).is_err(), "{name}");
        }
        for at in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let _ = Record::decode(&key, Some(&flipped));
        }
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let partitions = prop::collection::btree_map(
        "\\PC{0,50}".prop_map(Arc::from),
        prop::collection::btree_set(any::<i32>(), 0..5),
        0..5,
    );
    let ids = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i16>(), any::<i16>());
    let times = (any::<i32>(), any::<i64>(), any::<i64>());
    ("\\PC{0,50}", 0..2_i16, 0..8_usize, ids, times, partitions).prop_map(
        |(transactional_id, version, state, ids, times, partitions)| {
            let state = State::ALL[state];
            let tagged = |id| if version == 1 { id } else { -1 };
            let value = Value {
                version,
                producer_id: ids.0,
                previous_producer_id: tagged(ids.1),
                next_producer_id: tagged(ids.2),
                producer_epoch: ids.3,
                timeout_ms: times.0,
                state,
                partitions: if state == State::Empty { Partitions::new() } else { partitions },
                last_update_ms: times.1,
                start_ms: times.2,
                client_version: if version == 1 { ids.4 } else { 0 },
            };
            Record { transactional_id: transactional_id.into(), value: Some(value) }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(record in any_record()) {
        prop_assert_eq!(decode(&record.encode()), Ok(Some(record)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        kind in 0..2_i16,
        version in 0..3_i16,
        key in prop::collection::vec(any::<u8>(), 0..20),
        value in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let key = [&kind.to_be_bytes()[..], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        let _ = Record::decode(&key, Some(&value));
    }
}
