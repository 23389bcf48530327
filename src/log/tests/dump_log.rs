//! Apache Kafka's own DumpLogSegments over files that a log wrote.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::base::id::TopicId;
use crate::log::disk::StdDisk;
use crate::log::producers::Origin;
use crate::log::testing::{abort, flush};
use crate::log::{Leading, Log, Settings};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

/// What the tool prints when it finds something wrong.
const COMPLAINTS: &[&str] = &[
    "isvalid: false",
    "Exception",
    "mismatch",
    "Mismatch",
    "out of order",
    "Could not",
    "corrupt",
    "not match",
];

/// Five segments with every codec, producers, epochs, an aborted transaction and timestamps that go back; the last one
/// by appends after a clean restart, and left open.
fn write_log(dir: &Path) {
    let settings = Settings {
        segment_bytes: 60_000,
        index_interval_bytes: 1000,
        verify_transactions: false,
        ..Settings::default()
    };
    let disk = Arc::new(StdDisk);
    let topic_id = TopicId(uuid::Uuid::from_u128(0x1234_5678_9abc_4def_8000_0000_0000_0001));
    let mut log = Log::create(disk.clone(), dir, topic_id, settings, 0).unwrap();
    let codecs = [
        Compression::None,
        Compression::Gzip(6),
        Compression::Snappy,
        Compression::Lz4(9),
        Compression::Zstd(3),
    ];
    let mut sequence = 0;
    for round in 0..600i32 {
        let mut builder = BatchBuilder::new();
        for i in 0..1 + round % 7 {
            let value = vec![u8::try_from((round + i) % 251).unwrap(); 300];
            let timestamp = 1_700_000_000_000 + i64::from(round * 10 - (round % 5) * 23 + i);
            builder.push(timestamp, Some(b"key"), Some(&value), &[]);
        }
        let fields = match round % 3 {
            0 => Fields::default(),
            kind => Fields {
                producer_id: 7,
                producer_epoch: 0,
                base_sequence: sequence,
                transactional: kind == 2,
                ..Fields::default()
            },
        };
        sequence += if round % 3 == 0 { 0 } else { builder.count() };
        let batch = builder.build(&fields, codecs[usize::try_from(round % 5).unwrap()]).unwrap();
        log.append_as_leader(&batch, round / 200, 0).unwrap();
        if round % 3 == 2 {
            let leading = Leading {
                origin: Origin::Coordinator,
                transaction_version: 1,
                ..Leading::plain(round / 200)
            };
            log.append_leading(&abort(), leading, 0).unwrap();
        }
        if round == 500 {
            log.close().unwrap();
            let opening = crate::log::Opening {
                recovery_point: log.end_offset(),
                log_start_offset: 0,
                clean: true,
                is_checkpointed: true,
            };
            log = Log::open(disk.clone(), dir, settings, opening, 0).unwrap().0;
        }
    }
    flush(&mut log);
    assert!(log.segment_count() > 3);
    log.close().unwrap();
}

/// `KAFKA_LIB` names the directory of the jars.
#[test]
#[ignore = "needs Java and the jars of Apache Kafka in KAFKA_LIB"]
fn kafkas_dump_log_finds_nothing_wrong() {
    let jars = std::env::var("KAFKA_LIB").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("topic-0");
    write_log(&dir);
    let named = |suffix: &str| {
        let paths = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
        let mut paths: Vec<_> = paths
            .filter(|p| p.extension().is_some_and(|e| e == suffix))
            .map(|p| p.display().to_string())
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "no .{suffix}");
        paths.join(",")
    };
    let dump = |files: String, options: &[&str]| {
        let mut java = Command::new("java");
        java.args(["-Xmx256M", "-cp", &format!("{jars}/*"), "org.apache.kafka.tools.DumpLogSegments"]);
        let output = java.args(["--files", &files]).args(options).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
        for line in text.lines() {
            assert!(!COMPLAINTS.iter().any(|c| line.contains(c)), "{line}");
            // The tool counts from -1 in every file.
            assert!(!line.contains("is followed by") || line.starts_with("  -1 is"), "{line}");
        }
        text
    };
    let log = dump(named("log"), &["--deep-iteration", "--print-data-log"]);
    assert!(log.contains("endTxnMarker: ABORT") && log.matches("| offset: ").count() > 2000, "{log}");
    let indexes = [named("index"), named("timeindex")].join(",");
    dump(indexes.clone(), &["--verify-index-only"]);
    let sane = dump(indexes.clone(), &["--index-sanity-check"]);
    assert!(sane.contains("passed sanity check"), "{sane}");
    assert!(dump(indexes, &[]).contains("timestamp: 17"));
    assert!(dump(named("snapshot"), &[]).contains("producerId: 7"));
    assert!(dump(named("txnindex"), &[]).contains("producerId: 7"));
}
