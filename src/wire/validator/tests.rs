use proptest::prelude::*;

use super::*;
use crate::wire::batch::BatchHeader;
use crate::wire::builder::{BatchBuilder, Fields, assemble};
use crate::wire::record::Records;

const NOW: i64 = 1_700_000_100_000;
const DAY: i64 = 86_400_000;

const RULES: Rules = Rules {
    message_bytes_max: 1_048_588,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: 3_600_000,
    compacted: false,
    compression: None,
    decompressed_bytes_max: DECOMPRESSION_BUDGET_MIN,
};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Batches that Kafka's Java client 4.3.1 wrote: transactional, producer 4711, epoch 3, sequence 42, and
/// three records: `key-a` with the headers h=1 and h=null, a null key, and `key-c` with a null value.
const JAVA: [(Codec, &str); 5] = [
    (
        Codec::None,
        "000000000000000000000091ffffffff02ec984b040010000000020000018bcfe568000000018bcfe56807000000000000126700\
         030000002a000000035e0000000a6b65792d613a76616c75652d76616c75652d76616c75652d76616c75652d76616c7565040268\
         023102680146000e02013a76616c75652d76616c75652d76616c75652d76616c75652d76616c756500160001040a6b65792d6301\
         00",
    ),
    (
        Codec::Gzip,
        "000000000000000000000071ffffffff0259512c090011000000020000018bcfe568000000018bcfe56807000000000000126700\
         030000002a000000031f8b08000000000000ff8b636060e0ca4eadd44db42a4bcc294dd5c541b230653019326530ba31f03131e2\
         57ca20c6c0c8023633999101006b7e186c60000000",
    ),
    (
        Codec::Snappy,
        "00000000000000000000007affffffff02d579e6fc0012000000020000018bcfe568000000018bcfe56807000000000000126700\
         030000002a0000000382534e415050590000000001000000010000003560405e0000000a6b65792d613a76616c75652d5a060030\
         040268023102680146000e0201762b003000160001040a6b65792d630100",
    ),
    (
        Codec::Lz4,
        "000000000000000000000075ffffffff0263ce9b460013000000020000018bcfe568000000018bcfe56807000000000000126700\
         030000002a0000000304224d1860408235000000ff025e0000000a6b65792d613a76616c75652d060004df040268023102680146\
         000e02012b000bd000160001040a6b65792d63010000000000",
    ),
    (
        Codec::Zstd,
        "000000000000000000000072ffffffff029211acc50014000000020000018bcfe568000000018bcfe56807000000000000126700\
         030000002a0000000328b52ffd0058ac0100b4025e0000000a6b65792d613a76616c75652d040268023102680146000e02010016\
         0001040a6b65792d63010002004e897feab204010000",
    ),
];

/// The same at zstd's level 22, whose frames announce a window of 128 MiB whatever they hold.
const JAVA_ZSTD_22: &str = "000000000000000000000072ffffffff02c71e0c150014000000020000018bcfe568000000018bcfe568070000000000\
     00126700030000002a0000000328b52ffd0088ac0100b4025e0000000a6b65792d613a76616c75652d040268023102680146000e0201\
     00160001040a6b65792d63010002004e897feab204010000";

fn unhex(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn validate_at(bytes: Bytes, rules: &Rules, produce_version: i16) -> Result<Validated, Rejection> {
    let tp = TopicPartition::new("t", 0);
    let mut scratch = Scratch::new();
    let arrival = Arrival { tp: &tp, produce_version, now_ms: NOW };
    let validated = validate_produce(bytes, rules, &arrival, &mut scratch, &|_, _, work| work());
    assert!(scratch.window.capacity() <= WINDOW_KEPT);
    if let Ok(validated) = &validated {
        // What is appended is what a reader will check.
        let mut written = validated.batch.header.encode().to_vec();
        written.extend_from_slice(validated.batch.records());
        let read = Batch::split_from(&mut Bytes::from(written)).unwrap();
        assert_eq!(read.header, validated.batch.header);
    }
    validated
}

fn accept(bytes: Bytes, rules: &Rules) -> Validated {
    validate_at(bytes, rules, 13).unwrap()
}

fn refuse(bytes: Bytes, rules: &Rules) -> Rejection {
    validate_at(bytes, rules, 13).unwrap_err()
}

fn batch(records: &[(i64, Option<&str>, &str)], compression: Compression) -> Batch {
    let mut builder = BatchBuilder::new();
    for (timestamp, key, value) in records {
        builder.push(*timestamp, key.map(str::as_bytes), Some(value.as_bytes()), &[]);
    }
    builder.build(&Fields::default(), compression).unwrap()
}

fn three(compression: Compression) -> Batch {
    batch(&[(NOW, Some("k"), "v0"), (NOW + 5, None, "v1"), (NOW - 5, Some("k"), "v2")], compression)
}

/// The batch with another header, and a CRC that fits it.
fn patched(batch: &Batch, patch: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = batch.header;
    patch(&mut header);
    header.seal(batch.records());
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(batch.records());
    bytes.into()
}

/// An uncompressed batch around hand-made records.
fn around(records: &[u8], count: i32) -> Batch {
    let mut header = three(Compression::None).header;
    header.record_count = count;
    header.last_offset_delta = count.wrapping_sub(1);
    assemble(header, records)
}

/// Offset, timestamp, key and value.
type Seen = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn read(batch: &Batch) -> Vec<Seen> {
    let mut plain = Vec::new();
    let codec = Codec::from_id(batch.header.codec()).unwrap();
    compress::decompress(codec, batch.records(), 1 << 20, &mut plain).unwrap();
    let records = Records::new(&batch.header, &plain).unwrap().map(Result::unwrap);
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    records.map(|r| (r.offset, r.timestamp, own(r.key), own(r.value))).collect()
}

#[test]
fn batches_of_the_java_client_pass_without_a_copy() {
    for (codec, hex) in JAVA {
        let bytes = unhex(hex);
        let validated = accept(bytes.clone(), &RULES);
        assert_eq!(validated.batch.bytes.as_ptr(), bytes.as_ptr(), "{codec}");
        assert_eq!(validated.batch.header, BatchHeader::parse(&bytes).unwrap(), "{codec}");
        assert_eq!((validated.record_count, validated.log_append_time_ms), (3, -1));
        let value = Some(b"value-value-value-value-value".to_vec());
        let expected = [
            (0, 1_700_000_000_000, Some(b"key-a".to_vec()), value.clone()),
            (1, 1_700_000_000_007, None, value),
            (2, 1_699_999_999_999, Some(b"key-c".to_vec()), None),
        ];
        assert_eq!(read(&validated.batch), expected, "{codec}");
    }
}

#[test]
fn a_scratch_serves_on_after_a_broken_or_a_large_stream() {
    let tp = TopicPartition::new("t", 0);
    let arrival = Arrival { tp: &tp, produce_version: 13, now_ms: NOW };
    let mut scratch = Scratch::new();
    let good = unhex(JAVA_ZSTD_22);
    let whole = Batch::split_from(&mut good.clone()).unwrap();
    let broken = assemble(whole.header, &whole.records()[..30]);
    for bytes in [&broken.bytes, &good, &broken.bytes, &unhex(JAVA[4].1), &unhex(JAVA[1].1), &good] {
        let validated = validate_produce(bytes.clone(), &RULES, &arrival, &mut scratch, &|_, _, work| work());
        assert_eq!(validated.is_ok(), *bytes != broken.bytes, "{validated:?}");
    }
}

#[test]
fn a_topic_with_a_codec_gets_every_batch_in_it() {
    let levels = [
        Compression::None,
        Compression::Gzip(9),
        Compression::Snappy,
        Compression::Lz4(9),
        Compression::Zstd(1),
    ];
    for (source, hex) in JAVA {
        let original = accept(unhex(hex), &RULES).batch;
        for target in levels {
            let rules = Rules { compression: Some(target), ..RULES };
            let validated = accept(unhex(hex), &rules).batch;
            assert_eq!(validated.header.codec(), target.codec().id(), "{source} to {target:?}");
            assert_eq!(read(&validated), read(&original), "{source} to {target:?}");
            assert!(validated.header.is_transactional());
            assert_eq!(validated.header.base_sequence, 42);
        }
    }
}

#[test]
fn recompression_may_make_a_batch_too_large() {
    let rules = Rules { compression: Some(Compression::None), message_bytes_max: 200, ..RULES };
    let zeros = "0".repeat(1000);
    let rejection = refuse(batch(&[(NOW, None, &zeros)], Compression::Zstd(3)).bytes, &rules);
    assert_eq!(rejection.reason, Reason::MessageTooLarge);
}

#[test]
fn log_append_time_is_stamped_with_a_new_crc() {
    let rules = Rules { timestamp_type: TimestampType::LogAppendTime, timestamp_after_max_ms: 0, ..RULES };
    for codec in CODECS {
        let sent = three(codec.into());
        let validated = accept(sent.bytes.clone(), &rules);
        assert_eq!(validated.log_append_time_ms, NOW);
        assert_eq!(validated.batch.header.max_timestamp, NOW);
        assert_eq!(validated.batch.bytes.as_ptr(), sent.bytes.as_ptr());
        assert!(read(&validated.batch).iter().all(|(_, timestamp, ..)| *timestamp == NOW), "{codec}");
    }
}

#[test]
fn the_max_timestamp_is_what_the_records_say() {
    let bytes = patched(&three(Compression::Zstd(3)), |header| header.max_timestamp = 12);
    assert_eq!(accept(bytes, &RULES).batch.header.max_timestamp, NOW + 5);
}

#[test]
fn wrong_offset_deltas_are_repaired() {
    for codec in CODECS {
        // H18: offsets 0, 0, 5.
        let records = [[12, 0, 2, 0, 1, 0, 0], [12, 0, 4, 0, 1, 0, 0], [12, 0, 6, 10, 1, 0, 0]].concat();
        let mut header = three(codec.into()).header;
        header.base_timestamp = NOW;
        let sent = assemble(header, &compress::compress(codec.into(), &records).unwrap());
        let validated = accept(sent.bytes, &RULES).batch;
        let offsets: Vec<_> =
            read(&validated).into_iter().map(|(offset, timestamp, ..)| (offset, timestamp)).collect();
        assert_eq!(offsets, [(0, NOW + 1), (1, NOW + 2), (2, NOW + 3)], "{codec}");
    }
}

#[test]
fn all_that_is_written_anew_is_written_where_the_caller_wants() {
    let arrival = Arrival { tp: &TopicPartition::new("t", 0), produce_version: 13, now_ms: NOW };
    let rewritten = |bytes: &Bytes, rules: &Rules| {
        let seen = std::cell::Cell::new(None);
        let rewriting = |codec: Codec, len: usize, work: &mut dyn FnMut()| {
            seen.set(Some((codec, len)));
            work();
        };
        validate_produce(bytes.clone(), rules, &arrival, &mut Scratch::new(), &rewriting).unwrap();
        seen.get()
    };
    let records = [[12, 0, 2, 0, 1, 0, 0], [12, 0, 4, 0, 1, 0, 0], [12, 0, 6, 10, 1, 0, 0]].concat();
    let out_of_order = compress::compress(Compression::Zstd(3), &records).unwrap();
    let sent = three(Compression::Zstd(3));
    let len = Some((Codec::Zstd, out_of_order.len()));
    assert_eq!(rewritten(&assemble(sent.header, &out_of_order).bytes, &RULES), len, "in the same codec");
    let len = Some((Codec::Zstd, sent.records().len()));
    assert_eq!(rewritten(&sent.bytes, &Rules { compression: Some(Compression::None), ..RULES }), len);
    let stamped = Rules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    assert_eq!(rewritten(&sent.bytes, &stamped), None, "a header");
}

#[test]
fn a_batch_that_lies_about_itself_is_refused() {
    let good = three(Compression::None);
    type Case = (&'static str, fn(&mut BatchHeader), Reason);
    let cases: [Case; 14] = [
        ("base offset 1", |h| h.base_offset = 1, Reason::InvalidRecord),
        ("last delta 3", |h| h.last_offset_delta = 3, Reason::InvalidRecord),
        ("last delta -1", |h| h.last_offset_delta = -1, Reason::InvalidRecord),
        ("count 0", |h| (h.record_count, h.last_offset_delta) = (0, -1), Reason::InvalidRecord),
        ("count 2", |h| (h.record_count, h.last_offset_delta) = (2, 1), Reason::InvalidRecord),
        ("count 4", |h| (h.record_count, h.last_offset_delta) = (4, 3), Reason::InvalidRecord),
        (
            "count max",
            |h| (h.record_count, h.last_offset_delta) = (i32::MAX, i32::MAX - 1),
            Reason::InvalidRecord,
        ),
        ("control", |h| h.attributes |= 0x20, Reason::InvalidRecord),
        ("delete horizon", |h| h.attributes |= 0x40, Reason::InvalidRecord),
        ("transaction", |h| h.attributes |= 0x10, Reason::InvalidRecord),
        ("sequence", |h| (h.producer_id, h.producer_epoch) = (1, 0), Reason::InvalidRecord),
        ("epoch", |h| (h.producer_id, h.base_sequence) = (1, 0), Reason::InvalidRecord),
        ("log append time", |h| h.attributes |= 0x08, Reason::InvalidTimestamp),
        ("codec 5", |h| h.attributes |= 5, Reason::UnsupportedCompressionType),
    ];
    for (name, patch, reason) in cases {
        assert_eq!(refuse(patched(&good, patch), &RULES).reason, reason, "{name}");
    }
}

#[test]
fn exactly_one_whole_batch_of_magic_2_is_taken() {
    let good = three(Compression::None).bytes;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        Bytes::from(bytes)
    };
    let two = Bytes::from([&good[..], &good[..]].concat());
    // H19: junk behind the batch.
    let junk = Bytes::from([&good[..], &[0][..]].concat());
    let cases = [
        (Bytes::new(), Reason::InvalidRecord),
        (good.slice(..16), Reason::InvalidRecord),
        (good.slice(..good.len() - 1), Reason::InvalidRecord),
        (two, Reason::InvalidRecord),
        (junk, Reason::InvalidRecord),
        (with(16, 1), Reason::InvalidRecord),
        (with(16, 3), Reason::CorruptMessage),
        (with(16, 0xff), Reason::CorruptMessage),
        (with(8, 0x80), Reason::CorruptMessage),
        (with(11, 13), Reason::CorruptMessage),
        (with(good.len() - 1, 1), Reason::CorruptMessage),
    ];
    for (index, (bytes, reason)) in cases.into_iter().enumerate() {
        assert_eq!(refuse(bytes, &RULES).reason, reason, "case {index}");
    }
    // A length that holds no header.
    let mut short = good.slice(..12 + 40).to_vec();
    short[11] = 40;
    assert_eq!(refuse(short.into(), &RULES).reason, Reason::CorruptMessage);
}

#[test]
fn max_message_bytes_counts_the_whole_batch() {
    let good = three(Compression::None).bytes;
    accept(good.clone(), &Rules { message_bytes_max: good.len(), ..RULES });
    let rejection = refuse(good.clone(), &Rules { message_bytes_max: good.len() - 1, ..RULES });
    assert_eq!(rejection.reason, Reason::MessageTooLarge);
}

#[test]
fn zstd_needs_produce_version_7() {
    let zstd = three(Compression::Zstd(3)).bytes;
    assert_eq!(validate_at(zstd.clone(), &RULES, 6).unwrap_err().reason, Reason::UnsupportedCompressionType);
    assert!(validate_at(zstd, &RULES, 7).is_ok());
    assert!(validate_at(three(Compression::Lz4(9)).bytes, &RULES, 3).is_ok());
}

#[test]
fn a_compacted_topic_needs_keys() {
    let rules = Rules { compacted: true, ..RULES };
    for codec in CODECS {
        let rejection = refuse(three(codec.into()).bytes, &rules);
        assert_eq!(rejection.reason, Reason::InvalidRecord);
        let text = "Compacted topic cannot accept message without key in topic partition t-0";
        let errors = [RecordError { batch_index: 1, message: Some(text.to_owned()) }];
        assert_eq!(rejection.record_errors, errors);
        assert_eq!(
            rejection.message,
            format!(
                "One or more records have been rejected due to 1 record errors in total, and only showing the \
                 first three errors at most: [RecordError(batchIndex=1, message='{text}')]"
            )
        );
    }
    accept(batch(&[(NOW, Some(""), "empty is not null")], Compression::None).bytes, &rules);
}

#[test]
fn timestamps_out_of_range_are_named() {
    let rules = Rules { timestamp_before_max_ms: DAY, timestamp_after_max_ms: 3_600_000, ..RULES };
    let times = [NOW - DAY, NOW - DAY - 1, -1, NOW + 3_600_000, NOW + 3_600_001, 0, i64::MAX];
    let records: Vec<_> = times.iter().map(|timestamp| (*timestamp, None, "v")).collect();
    let rejection = refuse(batch(&records, Compression::Snappy).bytes, &rules);
    assert_eq!(rejection.reason, Reason::InvalidTimestamp);
    assert_eq!(rejection.message, "One or more records have been rejected due to invalid timestamp");
    let indexes: Vec<_> = rejection.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(indexes, [1, 4, 5, 6]);
    let text = "Timestamp 1699913699999 of message with offset 1 is out of range. The timestamp should be \
                within [1699913700000, 1700003700000]";
    assert_eq!(rejection.record_errors[0].message.as_deref(), Some(text));
}

#[test]
fn millions_of_bad_records_make_a_small_answer() {
    let mut builder = BatchBuilder::new();
    for _ in 0..100_000 {
        builder.push(NOW, None, None, &[]);
    }
    let bytes = builder.build(&Fields::default(), Compression::Zstd(3)).unwrap().bytes;
    let rejection = refuse(bytes, &Rules { compacted: true, ..RULES });
    assert_eq!(rejection.record_errors.len(), RECORD_ERRORS_MAX);
    assert!(rejection.message.contains("due to 100000 record errors"));
    assert!(rejection.message.len() < 1000);
}

#[test]
fn hostile_records_with_a_good_crc_are_refused() {
    let cases: [(&str, &[u8], i32); 5] = [
        ("H6", &[], i32::MAX),
        ("H7", &[24, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 1], 1),
        ("H17", &[12, 0, 2, 0, 1, 0, 0, 12, 0, 2, 0, 1, 0, 0], 1),
        ("H20", &[0x8c, 0x80, 0x80, 0x80, 0x10, 0, 2, 0, 1, 0, 0], 1),
        ("H8", &[30, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0, 0], 1),
    ];
    for (name, records, count) in cases {
        let plain = around(records, count);
        assert_eq!(refuse(plain.bytes, &RULES).reason, Reason::InvalidRecord, "{name}");
        for codec in CODECS.into_iter().skip(1) {
            let mut header = around(records, count).header;
            header.attributes |= codec.id();
            let batch = assemble(header, &compress::compress(codec.into(), records).unwrap());
            assert_eq!(refuse(batch.bytes, &RULES).reason, Reason::InvalidRecord, "{name} {codec}");
        }
    }
}

#[test]
fn header_keys_need_not_be_text_and_survive_recompression() {
    // H15 and H16: key 0xff twice.
    let records = [26, 0, 0, 0, 1, 1, 4, 2, 0xff, 2, 1, 2, 0xff, 1];
    let rules = Rules { compression: Some(Compression::Gzip(1)), ..RULES };
    let validated = accept(around(&records, 1).bytes, &rules).batch;
    let mut plain = Vec::new();
    compress::decompress(Codec::Gzip, validated.records(), 1000, &mut plain).unwrap();
    assert_eq!(plain, records);
}

#[test]
fn a_bomb_is_too_large_and_takes_little_memory() {
    let rules = Rules { decompressed_bytes_max: 1 << 20, ..RULES };
    // 4 MiB of small records: seen record by record, until the budget ends.
    let mut builder = BatchBuilder::new();
    for _ in 0..4096 {
        builder.push(NOW, None, Some(&[0; 1024]), &[]);
    }
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let bytes = builder.clone().build(&Fields::default(), codec.into()).unwrap().bytes;
        let mut scratch = Scratch::new();
        let tp = TopicPartition::new("t", 0);
        let arrival = Arrival { tp: &tp, produce_version: 13, now_ms: NOW };
        let rejection =
            validate(bytes.clone(), &rules, &arrival, &mut scratch, &|_, _, work| work()).unwrap_err();
        assert_eq!(rejection.reason, Reason::MessageTooLarge, "{codec}");
        let capacity = scratch.window.capacity();
        assert!(capacity <= 256 * 1024, "{codec} {capacity}");
        accept(bytes, &RULES);
    }
    // One record that announces more than the budget: refused at its length.
    let header = BatchHeader { attributes: Codec::Gzip.id(), ..around(&[], 1).header };
    let record = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let bytes = assemble(header, &compress::compress(Compression::Gzip(1), &record).unwrap()).bytes;
    assert_eq!(refuse(bytes, &RULES).reason, Reason::MessageTooLarge);
}

#[test]
fn broken_streams_are_not_retriable() {
    for codec in CODECS.into_iter().skip(1) {
        let good = three(codec.into());
        let cut = &good.records()[..good.records().len() - 4];
        let mut longer = good.records().to_vec();
        longer.push(0);
        for records in [cut, &longer, &[]] {
            let bytes = assemble(good.header, records).bytes;
            assert_eq!(refuse(bytes, &RULES).reason, Reason::InvalidRecord, "{codec}");
        }
    }
}

#[test]
fn records_longer_than_a_step_are_put_together() {
    let long = "long ".repeat(100_000);
    for codec in CODECS {
        let sent = batch(
            &[(NOW, None, "a"), (NOW, None, &long), (NOW, None, "b"), (NOW, None, &long)],
            codec.into(),
        );
        assert_eq!(accept(sent.bytes, &Rules { message_bytes_max: 2 << 20, ..RULES }).record_count, 4);
    }
}

#[test]
fn the_budget_grows_with_max_message_bytes_between_its_bounds() {
    assert_eq!(decompression_budget(1000), DECOMPRESSION_BUDGET_MIN);
    assert_eq!(decompression_budget(1_048_588), 104_858_800);
    assert_eq!(decompression_budget(usize::MAX), DECOMPRESSION_BUDGET_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn arbitrary_records_with_a_good_crc_never_panic(
        records in proptest::collection::vec(prop_oneof![0..20u8, any::<u8>()], 0..120),
        attributes in 0..0x20i16, count in 1..4, base_timestamp in any::<i64>(), target in 0..6usize,
    ) {
        let header = BatchHeader { attributes, base_timestamp, ..around(&[], count).header };
        let compression = CODECS.get(target).map(|codec| Compression::from(*codec));
        let rules = Rules { compression, timestamp_type: TimestampType::LogAppendTime, ..RULES };
        let codec = Codec::from_id(attributes & 7).unwrap_or(Codec::None);
        let _ = validate_at(assemble(header, &records).bytes, &rules, 13);
        let compressed = compress::compress(codec.into(), &records).unwrap();
        let _ = validate_at(assemble(header, &compressed).bytes, &rules, 13);
    }

    #[test]
    fn a_flipped_bit_never_passes_unless_the_appender_patches_it(
        codec in 0..5usize, at in any::<proptest::sample::Index>(), bit in 0..8u8,
    ) {
        let mut bytes = unhex(JAVA[codec].1).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let validated = validate_at(bytes.into(), &RULES, 13);
        prop_assert_eq!(validated.is_ok(), (12..16).contains(&at));
    }
}
