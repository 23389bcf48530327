//! The data directory: clean stops, second users, foreign and damaged files.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::{
    Broker, Created, Invocation, Records, eventually, fetch_request, tests_kafka, values_in,
};

pub fn partition_dir(broker: &Broker, topic: &Created, partition: i32) -> PathBuf {
    broker.dir.join(format!("{}-{partition}", topic.name()))
}

/// Files of a partition with this extension, the oldest segment's first.
pub fn files(broker: &Broker, topic: &Created, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(partition_dir(broker, topic, 0))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

fn flip_a_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Whether the partition can be read from its start and appended to.
pub fn is_served(broker: &Broker, topic: &Created, records: usize) {
    let mut client = broker.connect();
    eventually("it is led", || (client.list_offset(&topic.name, 0, -1).error_code == 0).then_some(()));
    let mut values = Vec::new();
    while let Some(next) = Some(client.fetch(&topic.name, 0, i64::try_from(values.len()).unwrap()))
        .filter(|answer| answer.error_code == 0 && answer.records.as_ref().is_some_and(|r| !r.is_empty()))
    {
        values.extend(values_in(&next.records.unwrap()));
    }
    assert_eq!(values.len(), records);
    assert!(values.iter().map(|(offset, _)| *offset).eq(0..i64::try_from(records).unwrap()));
    assert_eq!(client.append(&topic.name, 0, &Records::of(["more"])), i64::try_from(records).unwrap());
}

/// Code of a process that ended on SIGTERM or SIGINT as it should; Java shows the signal.
fn ended_well(code: Option<i32>) {
    assert!(code == Some(0) || tests_kafka() && code == Some(143), "{code:?}");
}

#[test]
fn sigterm_ends_with_0_leaves_the_marker_and_keeps_the_data() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("kept", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    assert!(!broker.dir.join(".kafka_cleanshutdown").exists());
    ended_well(broker.stop());
    assert!(broker.dir.join(".kafka_cleanshutdown").exists());
    broker.restart();
    assert!(!broker.dir.join(".kafka_cleanshutdown").exists(), "it is for one start");
    is_served(&broker, &topic, 2);
}

#[test]
fn a_fetch_that_waits_does_not_hold_up_the_end() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("waiting", 1);
    client.send(&fetch_request(&topic.name, 0, 0).with_max_wait_ms(3_600_000), 12);
    broker.connect().metadata(None);
    ended_well(broker.stop());
}

#[test]
fn requests_under_way_are_finished_at_the_end() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("under-way", 1);
    let name = topic.name.clone();
    let (to, appended) = std::sync::mpsc::channel();
    let writing = std::thread::spawn(move || {
        let mut acked = 0;
        loop {
            let request = super::support::produce_request(&name, 0, Records::of(["x"]).bytes());
            let id = acked + 1;
            let frame = super::support::frame(&request, 9, id);
            if std::io::Write::write_all(&mut client.stream, &frame).is_err() {
                return acked;
            }
            let Some(answer) = client.read_frame() else { return acked };
            // Correlation id, counts and names: what matters is the error of the one partition.
            let mut body = answer.slice(5..);
            let response =
                <kafka_protocol::messages::ProduceResponse as kafka_protocol::protocol::Decodable>::decode(
                    &mut body, 9,
                )
                .unwrap();
            if response.responses[0].partition_responses[0].error_code != 0 {
                return acked;
            }
            acked += 1;
            let _ = to.send(());
        }
    });
    for _ in 0..100 {
        appended.recv().unwrap();
    }
    ended_well(broker.stop());
    let acked = i64::from(writing.join().unwrap());
    broker.restart();
    let mut client = broker.connect();
    let latest = eventually("it is led", || {
        Some(client.list_offset(&topic.name, 0, -1)).filter(|answer| answer.error_code == 0)
    });
    assert!((acked..=acked + 1).contains(&latest.offset), "{acked} acknowledged, {} there", latest.offset);
}

#[test]
fn a_second_broker_on_the_same_directory_refuses_and_the_first_goes_on() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let topic = broker.connect().create("first", 1);
    let ended = Invocation::over(&broker.dir, &[]).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let dir = broker.dir.display().to_string();
    assert!(ended.err.contains(&dir) && ended.err.to_lowercase().contains("lock"), "{ended:?}");
    is_served(&broker, &topic, 0);
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_with_its_name() {
    if tests_kafka() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("a-file");
    fs::write(&file, "").unwrap();
    let mut cases = vec![file.clone(), file.join("below")];
    let locked = super::full_disk::Mount::new(temp.path().join("read-only"), "ro");
    cases.extend(locked.as_ref().map(|mount| mount.dir.clone()));
    for dir in cases {
        let ended = Invocation::over(&dir, &[]).run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains(&dir.display().to_string()), "{ended:?}");
    }
}

#[test]
fn foreign_files_among_the_segments_are_left_alone() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("foreign", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    let dir = partition_dir(&broker, &topic, 0);
    let strangers = ["README", "00000000000000000000.log.bak", "core.1234", ".hidden"];
    for clean in [true, false] {
        if clean {
            ended_well(broker.stop())
        } else {
            broker.kill()
        }
        for stranger in strangers {
            fs::write(dir.join(stranger), "not a segment").unwrap();
        }
        broker.restart();
        is_served(&broker, &topic, if clean { 2 } else { 3 });
        assert!(strangers.iter().all(|name| dir.join(name).exists()));
    }
}

/// Apache Kafka does not start beside `lost+found`.
#[test]
fn foreign_directories_and_files_beside_the_partitions_are_left_alone() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("beside", 1);
    client.append(&topic.name, 0, &Records::of(["a"]));
    ended_well(broker.stop());
    for name in ["lost+found", "not a partition", "some-topic-x", "unknown-0"] {
        fs::create_dir(broker.dir.join(name)).unwrap();
        fs::write(broker.dir.join(name).join("file"), "x").unwrap();
    }
    fs::write(broker.dir.join("notes.txt"), "x").unwrap();
    broker.restart();
    is_served(&broker, &topic, 1);
    for name in ["lost+found", "not a partition", "some-topic-x"] {
        assert!(broker.dir.join(name).join("file").exists(), "{name}");
    }
}

#[test]
fn one_damaged_partition_does_not_keep_the_others_from_being_served() {
    for clean in [true, false] {
        let Some(mut broker) = Broker::start(&[]) else { return };
        let mut client = broker.connect();
        broker.expect_complaint("replica is offline");
        broker.expect_complaint("damaged tail cut off");
        let [good, bad] = ["good", "bad"].map(|name| client.create(name, 1));
        for topic in [&good, &bad] {
            for _ in 0..3 {
                client.append(&topic.name, 0, &Records::of(["a", "b"]));
            }
        }
        if clean {
            ended_well(broker.stop())
        } else {
            broker.kill()
        }
        flip_a_bit(&files(&broker, &bad, "log")[0], 100);
        broker.restart();
        is_served(&broker, &good, 6);
        // The damaged one answers, with what is left or with an error.
        broker.connect().fetch(&bad.name, 0, 0);
    }
}

#[test]
fn indexes_are_made_again_when_they_are_gone_or_nonsense() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic =
        client.create_with("indexes", 1, &[("segment.bytes", "1048576"), ("index.interval.bytes", "1000")]);
    for _ in 0..300 {
        client.append(&topic.name, 0, &Records::of_size(10_000));
    }
    ended_well(broker.stop());
    let [index, times] = ["index", "timeindex"].map(|extension| files(&broker, &topic, extension));
    assert!(index.len() >= 3, "{index:?}");
    fs::remove_file(&index[0]).unwrap();
    fs::remove_file(&times[1]).unwrap();
    fs::write(&index[2], [0xff; 80]).unwrap();
    fs::write(&times[2], [0xff; 120]).unwrap();
    broker.restart();
    is_served_by_offset(&broker, &topic);
}

fn is_served_by_offset(broker: &Broker, topic: &Created) {
    let mut client = broker.connect();
    eventually("it is led", || (client.list_offset(&topic.name, 0, -1).error_code == 0).then_some(()));
    for offset in [0, 1, 99, 150, 299] {
        let records = client.fetch(&topic.name, 0, offset).records.unwrap();
        assert_eq!(super::support::header_of(&records).base_offset, offset);
    }
}

#[test]
fn a_torn_end_is_cut_off_and_what_is_before_it_stays() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("torn", 1);
    for number in 0..5 {
        client.append(&topic.name, 0, &Records::of([format!("{number}")]));
    }
    broker.kill();
    let log = files(&broker, &topic, "log").remove(0);
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 10]).unwrap();
    broker.restart();
    is_served(&broker, &topic, 4);
    // And again: what was appended after the cut is whole.
    broker.kill();
    broker.restart();
    is_served(&broker, &topic, 5);
}

#[test]
fn zeros_behind_the_end_are_no_records() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    broker.expect_complaint("damaged tail cut off");
    let topic = client.create("zeros", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    broker.kill();
    let log = files(&broker, &topic, "log").remove(0);
    let mut bytes = fs::read(&log).unwrap();
    bytes.resize(bytes.len() + 4096, 0);
    fs::write(&log, &bytes).unwrap();
    broker.restart();
    is_served(&broker, &topic, 2);
}

#[test]
fn damaged_checkpoints_cost_a_scan_and_nothing_else() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    broker.expect_complaint("offset checkpoint is ignored");
    let topic = client.create("checkpoints", 1);
    client.append(&topic.name, 0, &Records::of(["a", "b"]));
    for name in
        ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"]
    {
        ended_well(broker.stop());
        fs::write(broker.dir.join(name), "0\nnonsense\n").unwrap();
        broker.restart();
        let mut client = broker.connect();
        eventually("it is led", || (client.list_offset(&topic.name, 0, -1).error_code == 0).then_some(()));
        let answer = client.fetch(&topic.name, 0, 0);
        assert_eq!(values_in(&answer.records.unwrap()).len(), 2, "{name}");
    }
}

#[test]
fn damaged_meta_properties_are_refused_with_their_name() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    ended_well(broker.stop());
    fs::write(broker.dir.join("meta.properties"), "version=1\n").unwrap();
    let ended = Invocation::over(&broker.dir, &[]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("meta.properties"), "{ended:?}");
}

#[test]
fn replicas_without_their_metadata_or_their_identity_begin_no_new_cluster() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let topic = broker.connect().create("orphans", 1);
    ended_well(broker.stop());
    let refused = |what: &str| {
        let ended = Invocation::over(&broker.dir, &[]).run();
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains(what) && ended.err.contains(&format!("{}-0", topic.name())), "{ended:?}");
    };
    let (log, properties) = (broker.dir.join("__cluster_metadata-0"), broker.dir.join("meta.properties"));
    let aside = |path: &std::path::Path| path.with_extension("aside");
    for (path, what) in [(&log, "no metadata log"), (&properties, "no meta.properties")] {
        fs::rename(path, aside(path)).unwrap();
        refused(what);
        assert!(!path.exists(), "nothing is made anew");
        fs::rename(aside(path), path).unwrap();
    }
    let content = fs::read(&properties).unwrap();
    fs::write(&properties, "").unwrap();
    let ended = Invocation::over(&broker.dir, &[]).run();
    assert!(ended.err.contains("meta.properties: cluster.id is missing"), "{ended:?}");
    fs::write(&properties, content).unwrap();
    broker.restart();
    assert_eq!(broker.connect().list_offset(&topic.name, 0, -1).error_code, 0);
}

#[test]
fn damage_within_the_metadata_log_is_named_and_nothing_is_cut_off() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    for name in ["one", "two", "three"] {
        client.create(name, 1);
    }
    broker.kill();
    let log = broker.dir.join("__cluster_metadata-0/00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.windows(3).position(|window| window == b"one").unwrap();
    bytes[at] ^= 1;
    fs::write(&log, &bytes).unwrap();
    for _ in 0..2 {
        let ended = Invocation::over(&broker.dir, &[]).run();
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.contains("00000000000000000000.log at byte ") && ended.err.contains("offset "));
        assert_eq!(fs::read(&log).unwrap(), bytes);
    }
}
