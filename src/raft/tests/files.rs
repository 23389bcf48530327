use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::support::*;
use crate::base::id::DirectoryId;
use crate::log::disk::{Disk as _, MemDisk};
use crate::meta::Delta;
use crate::raft::batches::{self, Entry, Malformed, Place};
use crate::raft::json::{self, Value};
use crate::raft::membership::Membership;
use crate::raft::quorum_state::{self, Election, QuorumState};
use crate::raft::snapshot::{self, SnapshotId};
use crate::raft::{Error, PARTITION_DIR, inspect, write_bootstrap};
use crate::wire::batch::Batch;
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;
use crate::wire::kraft::control::{ControlRecord, KRaftVersionFeature, KRaftVoter, KRaftVoters};
use crate::wire::kraft::{FeatureLevelRecord, Record, UnknownRecord};

#[test]
fn a_new_log_begins_as_kafkas_does() {
    let disk = disk();
    let quorum = run(load(&disk).unwrap());
    quorum.stop();
    let mut bytes = read(&disk, &files(&disk, ".log")[0]).into();
    let first = Batch::split_from(&mut bytes).unwrap();
    let entries = batches::decode(&first, 0).unwrap();
    let [Entry::Control(ControlRecord::LeaderChange(change))] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((change.leader_id, change.voters.len(), first.header.partition_leader_epoch), (1, 1, 0));
    let second = Batch::split_from(&mut bytes).unwrap();
    let entries = batches::decode(&second, 1).unwrap();
    let Entry::Data(Record::FeatureLevel(FeatureLevelRecord { name, .. })) = &entries[0] else { panic!() };
    assert_eq!(&**name, "metadata.version");
    let state = read(&disk, &Path::new(DIR).join(PARTITION_DIR).join("quorum-state"));
    assert_eq!(
        String::from_utf8(state).unwrap(),
        r#"{"clusterId":"","leaderId":1,"leaderEpoch":0,"votedId":1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#
    );
}

#[test]
fn a_formatted_directory_decides_what_a_new_cluster_begins_with() {
    let disk = disk();
    let level = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 25 };
    write_bootstrap(&disk, Path::new(DIR), &[level.into()], 5).unwrap();
    let image = load(&disk).unwrap().image();
    assert_eq!(image.features.levels.len(), 1);
    assert_eq!(image.features.level("metadata.version"), 25);
}

#[test]
fn dynamic_voters_are_kept_in_snapshots_and_in_the_vote() {
    let disk = disk();
    let dir = Path::new(DIR).join(PARTITION_DIR);
    disk.create_dir_all(&dir).unwrap();
    let voters = |id| KRaftVoters {
        version: 0,
        voters: vec![KRaftVoter {
            voter_id: id,
            voter_directory_id: Uuid::from_u128(9),
            endpoints: vec![],
            k_raft_version_feature: KRaftVersionFeature {
                min_supported_version: 0,
                max_supported_version: 1,
            },
        }],
    };
    let id = SnapshotId { end_offset: 0, epoch: 0 };
    let format = |voter| {
        let membership = Membership { kraft_version: 1, voters: Some(voters(voter)) };
        snapshot::write(&disk, &dir, id, &crate::meta::Image::empty(), &membership).unwrap();
    };
    format(2);
    assert!(load(&disk).is_err(), "voter 2 is somebody else");
    format(1);
    let directory_id = DirectoryId(Uuid::from_u128(9));
    let quorum =
        run(load_with(crate::raft::Parts { directory_id, ..parts_with_snapshots(&disk, 1000) }).unwrap());
    let bytes = read(&disk, &files(&disk, ".log")[0]);
    let entries = batches::decode(&Batch::split_from(&mut bytes.into()).unwrap(), 0).unwrap();
    let Entry::Control(ControlRecord::LeaderChange(change)) = &entries[0] else { panic!("{entries:?}") };
    assert_eq!(change.version, 0, "all that Kafka 4.3 reads");
    register(&quorum).unwrap();
    (0..8).for_each(|number| create(&quorum, number).unwrap());
    quorum.stop();
    let newest = files(&disk, ".checkpoint").pop().unwrap();
    assert_ne!(newest, id.path(&dir));
    let summary = snapshot::read(&disk, &newest, |_| Ok(())).unwrap();
    assert_eq!(summary.membership, Membership { kraft_version: 1, voters: Some(voters(1)) });
    let state = String::from_utf8(read(&disk, &dir.join("quorum-state"))).unwrap();
    assert!(state.ends_with(r#""votedDirectoryId":"AAAAAAAAAAAAAAAAAAAACQ","data_version":1}"#), "{state}");
}

#[test]
fn a_vote_is_read_as_it_was_written_and_as_kafka_writes_it() {
    let disk = disk();
    let dir = Path::new(DIR);
    for (kraft_version, voters) in [(0, vec![4]), (1, vec![])] {
        let election = Election { epoch: 6, node_id: 4, directory_id: DirectoryId::ZERO, kraft_version };
        quorum_state::write(&disk, dir, election).unwrap();
        assert_eq!(quorum_state::read(&disk, dir).unwrap(), QuorumState { epoch: 6, voters });
    }
    let value = json::parse(r#" {"a" : [ {"b":-3}, "x\u0041\"", true, null ]} "#).unwrap();
    let Some(Value::Array(items)) = value.field("a") else { panic!("{value:?}") };
    assert_eq!(items[0].field("b").and_then(Value::integer::<i32>), Some(-3));
    assert_eq!(items[1], Value::Text("xA\"".to_owned()));
}

#[test]
fn batches_that_no_metadata_log_holds_are_refused() {
    let built = |value: Option<&[u8]>, fields: &Fields, compression| {
        let mut builder = BatchBuilder::new();
        builder.push(0, None, value, &[]);
        builder.build(fields, compression).unwrap()
    };
    let plain = Fields::default();
    let decoded = |batch: &Batch| batches::decode(batch, 0).unwrap_err();
    assert!(matches!(decoded(&built(None, &plain, Compression::None)), Malformed::Metadata(_)));
    assert!(matches!(decoded(&built(Some(&[1]), &plain, Compression::Lz4(1))), Malformed::Compressed(3)));
    let control = Fields { control: true, ..plain };
    assert!(matches!(decoded(&built(Some(&[]), &control, Compression::None)), Malformed::Control(_)));
    let far = Fields { base_offset: 5, ..plain };
    let displaced = decoded(&built(Some(&[]), &far, Compression::None));
    assert_eq!(displaced, Malformed::OutOfPlace { base_offset: 5, expected: 0 });
}

proptest! {
    #[test]
    fn no_text_in_the_vote_panics(text in "[{}\\[\\]\",:a-z0-9\\\\ -]{0,40}|\\PC{0,20}") {
        let _ = json::parse(&text);
    }

    #[test]
    fn no_bytes_in_a_snapshot_panic(at in 0..400_usize, byte: u8, len in 0..500_usize, seals: bool) {
        let disk = disk();
        let dir = Path::new(DIR);
        let id = SnapshotId { end_offset: 3, epoch: 1 };
        let image = load(&disk).unwrap().image();
        snapshot::write(&disk, dir, id, &image, &Membership::default()).unwrap();
        let mut bytes = read(&disk, &id.path(dir));
        let at = at % bytes.len();
        bytes[at] = byte;
        if seals && bytes.len() > 400 {
            // Past the CRC, to the records of the first batch.
            if let Ok(mut header) = crate::wire::batch::BatchHeader::parse(&bytes)
                && let Some(records) = bytes.get(61..header.total_len())
            {
                header.seal(records);
                bytes[..61].copy_from_slice(&header.encode());
            }
        }
        bytes.truncate(len.max(61));
        write(&disk, &id.path(dir), &bytes);
        let _ = snapshot::read(&disk, &id.path(dir), |_| Ok(()));
    }
}

#[test]
fn what_is_not_known_is_refused_and_left_as_it_is() {
    let record = |record: Record| {
        let disk = disk();
        let quorum = run(load(&disk).unwrap());
        let end_offset = quorum.image().provenance.offset + 1;
        quorum.stop();
        let path = &files(&disk, ".log")[0];
        let mut bytes = read(&disk, path);
        let place = Place { base_offset: end_offset, epoch: 0, timestamp_ms: 5 };
        bytes.extend(batches::of_records(&[record], place).bytes);
        write(&disk, path, &bytes);
        inspect(&disk, Path::new(DIR), 1).map(drop).map_err(|why| why.to_string())
    };
    let level = |name: &str, feature_level| FeatureLevelRecord { name: name.into(), feature_level };
    let unknown = UnknownRecord { key: 77, version: 3, body: Bytes::from_static(&[1, 2]) };
    let why = record(Record::Unknown(unknown)).unwrap_err();
    assert!(why.contains("a record of type 77, version 3 at offset"), "{why}");
    let why = record(level("metadata.version", 99).into()).unwrap_err();
    assert!(why.contains("has metadata.version at level 99"), "{why}");
    assert!(record(level("new.version", 1).into()).is_err());
    assert_eq!(record(level("new.version", 0).into()), Ok(()));
    assert_eq!(record(level("share.version", 1).into()), Ok(()));
}

#[test]
fn a_newer_version_is_seen_in_snapshots_and_in_bootstrap_files_too() {
    let level = |feature_level| -> Record {
        FeatureLevelRecord { name: "metadata.version".into(), feature_level }.into()
    };
    let disk = disk();
    write_bootstrap(&disk, Path::new(DIR), &[level(99)], 5).unwrap();
    assert!(matches!(inspect(&disk, Path::new(DIR), 1), Err(Error::Feature { level: 99, .. })));
    write_bootstrap(&disk, Path::new(DIR), &[level(30)], 5).unwrap();
    let quorum = run(load(&disk).unwrap());
    quorum.stop();
    let (dir, id) = (Path::new(DIR).join(PARTITION_DIR), SnapshotId { end_offset: 1, epoch: 0 });
    let mut delta = Delta::new(quorum.image().as_ref().clone());
    delta.replay(&level(99)).unwrap();
    snapshot::write(&disk, &dir, id, delta.image(), &Membership::default()).unwrap();
    // The log sets the level again, after the snapshot.
    assert!(inspect(&disk, Path::new(DIR), 1).is_ok());
    let newer = Membership { kraft_version: 2, voters: None };
    let end_offset = quorum.image().provenance.offset + 1;
    snapshot::write(&disk, &dir, SnapshotId { end_offset, ..id }, quorum.image().as_ref(), &newer).unwrap();
    assert!(matches!(inspect(&disk, Path::new(DIR), 1), Err(Error::Feature { level: 2, .. })));
}

#[test]
fn a_quorum_of_others_is_seen_in_the_vote_in_snapshots_and_in_the_log() {
    let inspect = |disk: &_| inspect(disk, Path::new(DIR), 1);
    let quorum_of_others = |disk: &MemDisk| matches!(inspect(disk), Err(Error::Voters { node_id: 1, .. }));
    let (dir, id) = (Path::new(DIR).join(PARTITION_DIR), SnapshotId { end_offset: 1, epoch: 0 });
    let voter = |voter_id| KRaftVoter { voter_id, ..KRaftVoter::default() };
    let others = KRaftVoters { version: 0, voters: vec![voter(1), voter(2)] };
    let fresh = || {
        let disk = disk();
        let quorum = run(load(&disk).unwrap());
        quorum.stop();
        assert!(inspect(&disk).is_ok());
        (disk, quorum)
    };

    let (disk, _) = fresh();
    let vote = r#"{"leaderEpoch":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#;
    write(&disk, &dir.join("quorum-state"), vote.as_bytes());
    assert!(quorum_of_others(&disk));

    let (disk, quorum) = fresh();
    let membership = Membership { kraft_version: 1, voters: Some(others.clone()) };
    snapshot::write(&disk, &dir, id, quorum.image().as_ref(), &membership).unwrap();
    assert!(quorum_of_others(&disk));

    let (disk, quorum) = fresh();
    let path = &files(&disk, ".log")[0];
    let base_offset = quorum.image().provenance.offset + 1;
    let mut bytes = read(&disk, path);
    let place = Place { base_offset, epoch: 0, timestamp_ms: 5 };
    bytes.extend(batches::of_control(&[others.into()], place).bytes);
    write(&disk, path, &bytes);
    assert!(quorum_of_others(&disk));
}
