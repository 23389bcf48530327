//! Damage to the files of a partition: what can be made again is, and what cannot is never skipped.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use kafka_protocol::messages::fetch_response::PartitionData;

use super::data_directory::{files, is_served, partition_dir};
use super::support::{Broker, Client, Created, Records, fetch_request, values_in};

const CORRUPT_MESSAGE: i16 = 2;
/// Where in a batch its length is, and its format.
const LENGTH_AT: u64 = 8;
const MAGIC_AT: u64 = 16;

/// Batches of one record, three to a segment, the last one in the active segment.
fn ten_batches(client: &mut Client, name: &str) -> Created {
    let configs = [("segment.bytes", "1048576"), ("index.interval.bytes", "4096")];
    let topic = client.create_with(name, 1, &configs);
    for offset in 0..10 {
        assert_eq!(client.append(&topic.name, 0, &Records::of_size(300_000)), offset);
    }
    topic
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// A fetch of one batch.
fn fetch_one(client: &mut Client, topic: &Created, offset: i64) -> PartitionData {
    let mut request = fetch_request(&topic.name, 0, offset);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    client.call(&request, 12).responses.remove(0).partitions.remove(0)
}

/// Offsets that a reader gets from `offset` on until there is an error or nothing, and that error.
fn read_from(client: &mut Client, topic: &Created, mut offset: i64) -> (Vec<i64>, i16) {
    let mut seen = Vec::new();
    loop {
        let answer = fetch_one(client, topic, offset);
        let records = answer.records.unwrap_or_default();
        if answer.error_code != 0 || records.is_empty() {
            return (seen, answer.error_code);
        }
        let fresh: Vec<i64> =
            values_in(&records).iter().map(|(at, _)| *at).filter(|at| *at >= offset).collect();
        offset = fresh.last().expect("records at or above what was asked for") + 1;
        seen.extend(fresh);
    }
}

#[test]
fn a_closed_segment_is_served_up_to_a_batch_that_is_none() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    broker.expect_complaint("read");
    let mut client = broker.connect();
    for (at, bytes) in [(LENGTH_AT, &[0x7f, 0xff, 0xff, 0xff][..]), (LENGTH_AT, &[0; 4]), (MAGIC_AT, &[9])] {
        let topic = ten_batches(&mut client, "closed");
        let batch = 300_000 + u64::try_from(Records::of_size(300_000).bytes().len() - 300_000).unwrap();
        overwrite(&files(&broker, &topic, "log")[0], batch + at, bytes);
        assert_eq!(read_from(&mut client, &topic, 0), (vec![0], CORRUPT_MESSAGE), "{at} {bytes:?}");
        assert_eq!(fetch_one(&mut client, &topic, 1).error_code, CORRUPT_MESSAGE);
        // Other segments are as good as ever, and so is whoever writes.
        assert_eq!(read_from(&mut client, &topic, 3), ((3..10).collect(), 0));
        assert_eq!(client.append(&topic.name, 0, &Records::of(["more"])), 10);
    }
}

#[test]
fn what_can_be_made_again_is_whatever_has_become_of_it() {
    let names = ["leader-epoch-checkpoint", "00000000000000000003.index", "00000000000000000003.timeindex"];
    for damage in ["gone", "empty", "cut", "flipped", "longer"] {
        let Some(mut broker) = Broker::start(&[]) else { return };
        let mut client = broker.connect();
        let topic = ten_batches(&mut client, "again");
        broker.stop();
        let dir = partition_dir(&broker, &topic, 0);
        let snapshots = files(&broker, &topic, "snapshot");
        let derived = names.iter().map(|name| dir.join(name)).chain(snapshots);
        for path in derived.filter(|path| path.exists()) {
            let mut bytes = fs::read(&path).unwrap();
            match damage {
                "gone" => {
                    fs::remove_file(&path).unwrap();
                    continue;
                }
                "empty" => bytes.clear(),
                "cut" => bytes.truncate(bytes.len().saturating_sub(1)),
                "flipped" => bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x10),
                _ => bytes.extend([0xa5; 100]),
            }
            fs::write(&path, bytes).unwrap();
        }
        // Each file by its name, in a line of its own.
        broker.expect_complaint(".snapshot");
        broker.expect_complaint("leader-epoch-checkpoint");
        broker.expect_complaint("made anew");
        broker.restart();
        is_served(&broker, &topic, 10);
    }
}
