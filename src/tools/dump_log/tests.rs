use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::{Dump, options};
use crate::log::disk::StdDisk;
use crate::log::producers::snapshot;
use crate::tools::Stop;
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::record::Header;

const TIMESTAMP: i64 = 1_700_000_000_000;

/// What a run says: stdout, stderr, and what it ended with.
#[derive(Debug, PartialEq)]
struct Said {
    out: String,
    err: String,
    end: Option<String>,
}

fn dump(words: &[&str], file: &Path) -> Said {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    words.extend(["--files".to_owned(), file.display().to_string()]);
    let options::Request::Dump(options) = options::read(&words).unwrap() else { panic!("help") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let end = Dump { options: &options, disk: &StdDisk, out: &mut out, complaints: &mut err }.all();
    let end = end.err().map(|stop| match stop {
        Stop::Failed(why) => why,
        Stop::Output(error) => panic!("{error}"),
    });
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { out: text(out), err: text(err), end }
}

/// Key and value, as far as there are any.
type Row = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of a reference file: those with a key, or values alone.
fn reference(text: &str) -> Vec<Row> {
    let bytes = |hex: &str| -> Option<Vec<u8>> {
        (hex != "-").then(|| {
            let digits = hex.as_bytes().chunks(2);
            digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
        })
    };
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|row| match row.split(' ').collect::<Vec<_>>()[..] {
        [_, value] => (None, bytes(value)),
        [_, key, value] => (bytes(key), bytes(value)),
        _ => panic!("{row}"),
    })
    .collect()
}

fn batch(rows: &[Row], base_offset: i64, compression: Compression, control: bool) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let headers = [Header { key: b"a", value: None }, Header { key: b"\xff", value: Some(b"b") }];
    for (at, (key, value)) in rows.iter().enumerate() {
        let headers = if at == 1 { &headers[..] } else { &[] };
        builder.push(TIMESTAMP, key.as_deref(), value.as_deref(), headers);
    }
    let fields = Fields { base_offset, control, ..Fields::default() };
    let batch = builder.build(&fields, compression).unwrap();
    [&batch.header.encode()[..], batch.records()].concat()
}

fn segment(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join("00000000000000000000.log");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The logs that are shown, and by which decoder.
fn logs() -> Vec<(&'static str, Vec<u8>)> {
    let plain = |text| batch(&reference(text), 0, Compression::None, false);
    let groups = include_str!("../../wire/group_records/reference.txt");
    let transactions = include_str!("../../wire/txn_records/reference.txt");
    let metadata = include_str!("../../wire/kraft/reference.txt");
    let (values, control): (Vec<_>, Vec<_>) = reference(metadata)
        .into_iter()
        .partition(|(_, value)| value.as_ref().is_some_and(|value| value[0] == 1));
    // Kafka reads a leader change of version 1 by the rules of version 0.
    let keyed = [(2, 0), (3, 2), (4, 3), (5, 4), (6, 5)]
        .map(|(kind, at): (u8, usize)| (Some(vec![0, 0, 0, kind]), control[at].1.clone()));
    let control: Vec<Row> = [
        (Some(vec![0, 0, 0, 0]), Some(vec![0, 0, 0, 0, 0, 7])),
        (Some(vec![0, 0, 0, 1]), Some(vec![0, 0, 0, 0, 0, 8])),
        (Some(vec![0, 0, 0, 9]), Some(vec![1])),
    ]
    .into_iter()
    .chain(keyed)
    .collect();
    let mut metadata = batch(&values, 0, Compression::Zstd(3), false);
    metadata.extend(batch(&control, 1000, Compression::None, true));
    vec![
        ("--offsets-decoder", plain(groups)),
        ("--transaction-log-decoder", plain(transactions)),
        ("--cluster-metadata-decoder", metadata),
        ("--print-data-log", batch(&reference(groups), 5, Compression::Gzip(6), false)),
    ]
}

#[test]
fn every_record_of_the_references_is_shown_and_none_as_an_error() {
    let scratch = tempfile::tempdir().unwrap();
    for (decoder, bytes) in logs() {
        let said = dump(&[decoder], &segment(scratch.path(), &bytes));
        assert_eq!(said.end, None);
        assert!(!said.out.contains("skipping") && said.out.contains("| offset: 7 "), "{said:?}");
    }
    let (_, bytes) = &logs()[0];
    let said = dump(&["--offsets-decoder", "--skip-record-metadata"], &segment(scratch.path(), bytes));
    let line = said.out.lines().nth(9).unwrap();
    assert_eq!(
        line,
        "| key: {\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":7}} payload: \
         {\"version\":\"4\",\"data\":{\"offset\":42,\"leaderEpoch\":5,\"metadata\":\"m\u{e9}ta\",\
         \"commitTimestamp\":1234567890123,\"topicId\":\"AQIDBAUGBwgREhMUFRYXGA\"}}"
    );
}

#[test]
fn what_is_damaged_says_so_in_kafkas_words() {
    let scratch = tempfile::tempdir().unwrap();
    let rows = vec![(None, Some(b"value".to_vec())); 2];
    let good = batch(&rows, 0, Compression::None, false);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let said = |bytes: &[u8]| dump(&["--deep-iteration"], &segment(scratch.path(), bytes));
    assert!(said(&with(20, good[20] ^ 1)).out.contains("isvalid: false"));
    let torn = said(&good[..good.len() - 1]);
    assert!(torn.out.ends_with("invalid bytes at the end of 00000000000000000000.log\n"), "{torn:?}");
    let zeros = [&good[..], &[0; 40]].concat();
    let start = "Found record size 0 smaller than minimum record overhead (14) in file ";
    assert!(said(&zeros).end.unwrap().starts_with(start));
    let codec = said(&with(22, 7));
    assert_eq!(codec.end.as_deref(), Some("Unknown compression type id: 7"));
    assert!(codec.out.ends_with("deleteHorizonMs: OptionalLong.empty"), "{codec:?}");
    let count = |bytes: Vec<u8>| said(&bytes).end.unwrap();
    assert_eq!(count(with(60, 1)), "Incorrect declared batch size, records still remaining in file");
    assert_eq!(count(with(60, 3)), "Incorrect declared batch size, premature EOF reached");
    assert_eq!(count(with(57, 0x80)), "Found invalid record count -2147483646 in magic v2 batch");
    let size = "Invalid record size: expected 63 bytes in record payload, but instead the buffer has only 30 remaining bytes.";
    assert_eq!(count(with(61, 126)), size);
}

#[test]
fn indexes_are_held_against_their_segment() {
    let scratch = tempfile::tempdir().unwrap();
    let rows = vec![(None, Some(b"value".to_vec())); 2];
    let first = batch(&rows, 0, Compression::None, false);
    let second = batch(&rows, 2, Compression::None, false);
    segment(scratch.path(), &[&first[..], &second].concat());
    let entry = |offset: u32, position: usize| {
        [offset.to_be_bytes(), u32::try_from(position).unwrap().to_be_bytes()].concat()
    };
    let index = scratch.path().join("00000000000000000000.index");
    std::fs::write(&index, [entry(3, first.len()), entry(9, 0)].concat()).unwrap();
    let said = dump(&[], &index);
    assert!(said.out.ends_with(&format!("offset: 3 position: {}\noffset: 9 position: 0\n", first.len())));
    let mismatch = format!("Mismatches in :{}\n  Index offset: 9, log offset: 1\n", index.display());
    assert_eq!(said.err, mismatch);
    let times = scratch.path().join("00000000000000000000.timeindex");
    let entry = |timestamp: i64, offset: u32| [&timestamp.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    std::fs::write(&times, [entry(TIMESTAMP + 5, 1), entry(TIMESTAMP, 3), entry(1, 2)].concat()).unwrap();
    let said = dump(&["--verify-index-only"], &times);
    for wrong in [
        format!("  Index timestamp: {}, log timestamp: {TIMESTAMP}\n", TIMESTAMP + 5),
        format!("  Index timestamp: {TIMESTAMP}, Previously indexed timestamp: {}\n", TIMESTAMP + 5),
        "Indexed offset: 2, found log offset: 3\n".to_owned(),
    ] {
        assert!(said.err.contains(&wrong), "{wrong} in {said:?}");
    }
    let said = dump(&["--index-sanity-check"], &times);
    assert!(said.end.unwrap().contains("which is less than the first timestamp"));
}

/// All kinds of files, changed at a place.
fn damaged() -> impl Strategy<Value = (usize, Vec<(prop::sample::Index, u8)>, prop::sample::Index)> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (0..8_usize, prop::collection::vec(change, 1..4), any::<prop::sample::Index>())
}

proptest! {
    #[test]
    fn damage_never_panics((kind, changes, cut) in damaged()) {
        let scratch = tempfile::tempdir().unwrap();
        let logs = logs();
        let (decoder, log) = logs[kind % logs.len()].clone();
        let mut files = vec![segment(scratch.path(), &log)];
        for (suffix, bytes) in [
            ("index", vec![0; 24]),
            ("timeindex", vec![0; 36]),
            ("txnindex", vec![0; 68]),
            ("snapshot", snapshot::encode(&crate::log::producers::ProducerStates::default())),
        ] {
            files.push(scratch.path().join(format!("00000000000000000000.{suffix}")));
            std::fs::write(files.last().unwrap(), bytes).unwrap();
        }
        let changed = &files[kind % files.len()];
        let mut bytes = std::fs::read(changed).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(1));
        std::fs::write(changed, bytes).unwrap();
        for file in files {
            dump(&[decoder], &file);
        }
    }
}

/// What Apache Kafka's tool says to the same; an exception as its message alone.
fn kafkas(jars: &str, words: &[&str], file: &Path) -> Said {
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-Xmx256M", "-cp", &format!("{jars}/*")]);
    java.arg("org.apache.kafka.tools.DumpLogSegments").args(words).arg("--files").arg(file);
    let output = java.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut err, mut end) = (String::new(), None);
    for line in text(&output.stderr).lines().filter(|line| !line.starts_with("\tat ")) {
        match line.strip_prefix("Exception in thread \"main\" ") {
            Some(exception) => end = exception.split_once(": ").map(|(_, message)| message.to_owned()),
            None => err.push_str(&format!("{line}\n")),
        }
    }
    assert_eq!(output.status.success(), end.is_none(), "{err}");
    Said { out: text(&output.stdout), err, end }
}

/// `KAFKA_LIB` names the directory of the jars.
#[test]
#[ignore = "needs Java and the jars of Apache Kafka in KAFKA_LIB"]
fn kafkas_dump_log_says_the_same() {
    let jars = std::env::var("KAFKA_LIB").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let same = |words: &[&str], bytes: &[u8]| {
        let file = segment(scratch.path(), bytes);
        assert_eq!(dump(words, &file), kafkas(&jars, words, &file), "{words:?}");
    };
    for (decoder, bytes) in logs() {
        same(&[decoder], &bytes);
    }
    let (_, groups) = &logs()[0];
    same(&["--offsets-decoder", "--skip-record-metadata"], groups);
    // A record of a newer type, one of a newer version, one that is cut, and one without a key.
    let odd: Vec<Row> = [("0063", "0000"), ("000300016700", "0009"), ("0003000167", "0000"), ("-", "00")]
        .iter()
        .flat_map(|(key, value)| reference(&format!("odd {key} {value}")))
        .collect();
    let odd = batch(&odd, 0, Compression::None, false);
    same(&["--offsets-decoder"], &odd);
    same(&["--cluster-metadata-decoder"], &odd);
    let flip = |at: usize, byte: u8| {
        let mut bytes = groups.clone();
        bytes[at] = byte;
        bytes
    };
    for bytes in [flip(20, 9), flip(22, 7), flip(60, 1), flip(57, 0x80), flip(61, 126)] {
        same(&["--deep-iteration"], &bytes);
    }
    same(&[], &[&groups[..], &[0; 40]].concat());
    same(&["--print-data-log"], &groups[..groups.len() - 1]);
}
