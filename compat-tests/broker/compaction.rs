//! `cleanup.policy=compact`: of all records with one key the last one stays.

use std::collections::BTreeMap;
use std::process::Command;

use barnabas::wire::compress::Codec;
use kafka_protocol::messages::TopicName;

use super::group_configs::{BROKER, SET, change};
use super::http::{metrics, value};
use super::support::{Broker, Client, Records, eventually, header_of, headers_in, tests_kafka, values_in};

const OVERRIDES: [&str; 3] =
    ["log.cleaner.backoff.ms=100", "log.segment.delete.delay.ms=0", "log.cleaner.dedupe.buffer.size=4194304"];
const COMPACTED: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.01")];

/// Offset and value of all that can be read, and how many batches that is.
fn read_all(client: &mut Client, topic: &TopicName) -> (BTreeMap<i64, String>, usize) {
    let (mut all, mut batches, mut from) = (BTreeMap::new(), 0, 0);
    let end = client.list_offset(topic, 0, -1).offset;
    while from < end {
        let fetched = client.fetch(topic, 0, from);
        assert_eq!(fetched.error_code, 0);
        let mut records = fetched.records.unwrap();
        let whole = whole_batches(&records);
        records.truncate(whole);
        let headers = headers_in(&records);
        batches += headers.len();
        all.extend(values_in(&records));
        from = headers.last().unwrap().next_offset();
    }
    (all, batches)
}

/// Bytes of the batches that did not get cut.
fn whole_batches(records: &[u8]) -> usize {
    let mut at = 0;
    while records.len() - at > 61 && header_of(&records[at..]).total_len() <= records.len() - at {
        at += header_of(&records[at..]).total_len();
    }
    at
}

/// Five keys in turn, each with 60 KB that tell which write it was; more than three segments.
fn write(client: &mut Client, topic: &TopicName, count: usize) -> BTreeMap<usize, String> {
    let mut last = BTreeMap::new();
    for number in 0..count {
        let start = format!("{number}:");
        let filling: String = (0..60_000_u32)
            .map(|i| {
                char::from(
                    b'a' + u8::try_from((i * i / 7 + u32::try_from(number).unwrap() * i) % 26).unwrap(),
                )
            })
            .collect();
        let value = format!("{start}{filling}");
        let codec = if number % 7 == 3 { Codec::Lz4 } else { Codec::None };
        let records = Records::of([&value]).key(0, &format!("key {}", number % 5)).codec(codec);
        client.append(topic, 0, &records);
        last.insert(number % 5, value);
    }
    last
}

#[test]
fn only_the_last_record_of_each_key_stays_and_is_there_after_a_crash() {
    let Some(mut broker) = Broker::start(&OVERRIDES) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("compacted", 1, &COMPACTED);
    let last = write(&mut client, &topic.name, 80);
    let few = eventually("the older segments are cleaned", || {
        let (values, batches) = read_all(&mut client, &topic.name);
        (batches < 35).then_some(values)
    });
    for value in last.values() {
        assert_eq!(few.values().filter(|kept| *kept == value).count(), 1);
    }
    for (offset, value) in &few {
        assert!(value.is_empty() || value.starts_with(&format!("{offset}:")), "offsets stay");
    }
    assert_eq!(client.list_offset(&topic.name, 0, -2).offset, 0, "the log starts where it did");
    assert_eq!(client.list_offset(&topic.name, 0, -1).offset, 80);
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    eventually("the partition is led", || {
        (client.list_offset(&topic.name, 0, -1).error_code == 0).then_some(())
    });
    let (values, _) = read_all(&mut client, &topic.name);
    for value in last.values() {
        assert_eq!(values.values().filter(|kept| *kept == value).count(), 1);
    }
    assert_eq!(client.append(&topic.name, 0, &Records::of(["next"]).key(0, "key 0")), 80);
}

#[test]
fn apache_kafka_reads_what_was_cleaned() {
    let Ok(lib) = std::env::var("KAFKA_LIB") else { return };
    let Some(mut broker) = Broker::barnabas(&OVERRIDES) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("dumped", 1, &COMPACTED);
    write(&mut client, &topic.name, 80);
    let entry = format!("{} 0 ", topic.name());
    let checkpoint = broker.dir.join("cleaner-offset-checkpoint");
    // Written when all older segments are.
    let batches = eventually("the older segments are cleaned", || {
        let is_done = std::fs::read_to_string(&checkpoint).is_ok_and(|text| text.contains(&entry));
        let batches = is_done.then(|| read_all(&mut client, &topic.name).1)?;
        (batches < 35).then_some(batches)
    });
    assert_eq!(broker.stop(), Some(0));
    let dir = broker.dir.join(format!("{}-0", topic.name()));
    let named = |kinds: &[&str]| {
        let paths = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let paths = paths.filter(|p| p.extension().is_some_and(|e| kinds.iter().any(|kind| e == *kind)));
        paths.map(|p| p.display().to_string()).collect::<Vec<_>>().join(",")
    };
    let dump = |files: &str, option: &str| {
        let mut java = Command::new("java");
        java.args(["-XX:TieredStopAtLevel=1", "-cp", &format!("{lib}/*")]);
        java.args(["org.apache.kafka.tools.DumpLogSegments", option, "--files", files]);
        let output = java.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = dump(&named(&["log"]), "--deep-iteration");
    assert_eq!(said.matches("isvalid: true").count(), batches, "{said}");
    let said = dump(&named(&["index", "timeindex"]), "--index-sanity-check");
    assert!(said.contains("passed sanity check") && !said.contains("ismatch"), "{said}");
}

#[test]
fn a_cleaner_that_sleeps_wakes_up_when_it_is_told_to_look_more_often() {
    let overrides = ["log.cleaner.backoff.ms=3600000", "log.cleaner.dedupe.buffer.size=4194304"];
    let Some(broker) = Broker::start(&overrides) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("woken", 1, &COMPACTED);
    write(&mut client, &topic.name, 80);
    let set = change(&mut client, BROKER, "", "log.cleaner.backoff.ms", SET, "100");
    assert_eq!(set.0, 0, "{set:?}");
    eventually("the older segments are cleaned", || {
        (read_all(&mut client, &topic.name).1 < 35).then_some(())
    });
    if !tests_kafka() {
        // Noted when the cleaning's checkpoint is written, after readers see its segments.
        let kept = eventually("the cleaning is counted", || {
            let kept = value(&metrics(&broker), &["kafka_log_logcleaner_cleaner_recopy_percent"]);
            (kept > 0.0).then_some(kept)
        });
        assert!((1.0..50.0).contains(&kept), "{kept}");
        let uncleanable = ["kafka_log_logcleanermanager_uncleanable_partitions_count", "logDirectory"];
        assert_eq!(value(&metrics(&broker), &uncleanable), 0.0);
    }
}
