use proptest::prelude::*;

use super::*;
use crate::wire::batch::{self, BatchError};
use crate::wire::compress::Codec;
use crate::wire::record::Records;

type Field = Option<Vec<u8>>;
type OwnedRecord = (i64, Field, Field, Vec<(Vec<u8>, Field)>);

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn field() -> impl Strategy<Value = Field> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200))
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let key = proptest::collection::vec(any::<u8>(), 0..3);
    (0..i64::MAX, field(), field(), proptest::collection::vec((key, field()), 0..3))
}

fn build(records: &[OwnedRecord], fields: &Fields, codec: Codec) -> Batch {
    let mut builder = BatchBuilder::new();
    for (timestamp, key, value, headers) in records {
        let headers: Vec<Header<'_>> =
            headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        builder.push(*timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    let (len, count) = (builder.len(), builder.count());
    let batch = builder.build(fields, codec.into()).unwrap();
    assert_eq!(batch.header.record_count, count);
    assert!(codec != Codec::None || batch.bytes.len() == len);
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_built_is_read_back(
        records in proptest::collection::vec(record(), 1..20), base_offset in 0..i64::MAX / 2, codec in 0..5usize,
    ) {
        let fields = Fields { base_offset, producer_id: 7, producer_epoch: 1, base_sequence: 9, ..Fields::default() };
        let built = build(&records, &fields, CODECS[codec]);
        let mut bytes = built.bytes.clone();
        let batch = Batch::split_from(&mut bytes).unwrap();
        prop_assert!(bytes.is_empty());
        prop_assert_eq!(batch.header, built.header);
        prop_assert_eq!(batch.header.max_timestamp, records.iter().map(|r| r.0).max().unwrap());
        let mut plain = Vec::new();
        compress::decompress(CODECS[codec], batch.records(), 1 << 20, &mut plain).unwrap();
        let read: Vec<Record<'_>> = Records::new(&batch.header, &plain).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        for ((index, read), (timestamp, key, value, headers)) in read.iter().enumerate().zip(&records) {
            prop_assert_eq!(read.timestamp, *timestamp);
            prop_assert_eq!(read.offset, base_offset + i64::try_from(index).unwrap());
            prop_assert_eq!(read.key, key.as_deref());
            prop_assert_eq!(read.value, value.as_deref());
            let read: Vec<_> = read.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(&read, headers);
        }
    }

    #[test]
    fn a_flipped_bit_or_a_missing_end_never_passes(
        records in proptest::collection::vec(record(), 1..5), at in any::<proptest::sample::Index>(), bit in 0..8u8,
    ) {
        let built = build(&records, &Fields::default(), Codec::None).bytes;
        let mut bad = built.to_vec();
        let at = at.index(bad.len());
        bad[at] ^= 1 << bit;
        let flipped = Batch::split_from(&mut Bytes::from(bad));
        // The CRC covers neither the base offset nor the leader epoch.
        prop_assert_eq!(flipped.is_ok(), at < 8 || (12..16).contains(&at));
        let cut = Batch::split_from(&mut built.slice(..at));
        prop_assert_eq!(cut.unwrap_err(), BatchError::Truncated);
    }
}

#[test]
fn the_header_says_what_the_fields_say() {
    let fields = Fields {
        base_offset: 100,
        partition_leader_epoch: 5,
        producer_id: 7,
        producer_epoch: 2,
        base_sequence: -1,
        transactional: true,
        control: true,
        log_append_time_ms: Some(99),
    };
    let mut builder = BatchBuilder::new();
    builder.push(50, Some(&ControlRecord::Commit.key()), Some(&[0; 6]), &[]);
    let batch = builder.build(&fields, Compression::None).unwrap();
    let header = BatchHeader::parse(&batch.bytes).unwrap();
    assert!(header.is_control() && header.is_transactional() && header.is_log_append_time());
    assert_eq!((header.base_offset, header.partition_leader_epoch, header.max_timestamp), (100, 5, 99));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 2, -1));
    assert_eq!(header.crc, batch::crc32c(&batch.bytes[batch::CRC_FROM..]));
    let record = Records::new(&header, batch.records()).unwrap().next().unwrap().unwrap();
    assert_eq!(record.timestamp, 99);
    assert_eq!(ControlRecord::of_key(record.key.unwrap()), Some(ControlRecord::Commit));
}

#[test]
fn control_keys_are_kafkas() {
    assert_eq!(ControlRecord::Abort.key(), [0, 0, 0, 0]);
    assert_eq!(ControlRecord::KraftVoters.key(), [0, 0, 0, 6]);
    assert_eq!(ControlRecord::of_key(&[0, 9, 0, 1, 0xff]), Some(ControlRecord::Commit));
    assert_eq!(ControlRecord::of_key(&[0x80, 0, 0, 1]), None);
    assert_eq!(ControlRecord::of_key(&[0, 0, 0, 7]), None);
    assert_eq!(ControlRecord::of_key(&[0, 0, 0]), None);
}
