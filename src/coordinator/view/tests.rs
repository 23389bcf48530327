use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::config::broker::Config;
use crate::config::layers::Input;
use crate::group::{Groups, Settings};
use crate::machine::Machine;
use crate::meta::Image;
use crate::wire::group_records::{OffsetCommitValue, Record};

fn machine() -> Groups {
    let config = Config::load(&Input::default(), &|_| Ok(None)).unwrap();
    Groups::new(Settings::of(&config), Arc::new(Image::empty()))
}

/// A machine with so many offsets.
fn machine_of(count: i64) -> Groups {
    let mut machine = machine();
    for offset in 0..count {
        let value = OffsetCommitValue {
            offset,
            leader_epoch: 3,
            metadata: "kept".into(),
            commit_timestamp: 7,
            expire_timestamp: -1,
            topic_id: Uuid::from_u128(9),
        };
        let partition = i32::try_from(offset).unwrap();
        let record =
            Record::OffsetCommit { group: "g".into(), topic: "t".into(), partition, value: Some(value) };
        machine.replay(offset, &Entry::Plain(record)).unwrap();
    }
    machine
}

fn position(partition: i32) -> Position {
    let topic_id = TopicId(Uuid::from_u128(5));
    Position { topic_id, partition, leader_epoch: 2, end_offset: 5_000, crc: 77 }
}

fn states(machine: &Groups) -> Vec<State<Entry<Record>>> {
    Stored::state(machine).collect()
}

/// A folder with the view of two partitions.
fn written() -> TempDir {
    let dir = TempDir::new().unwrap();
    let view = View::new(dir.path().join("view"), true);
    view.put(&machine_of(5_000), &position(0), LOG_RECORDS_MIN);
    view.put(&machine_of(3), &position(1), LOG_RECORDS_MIN);
    view.finish();
    assert!(dir.path().join("view/manifest").exists());
    dir
}

fn view(dir: &TempDir) -> View {
    View::new(dir.path().join("view"), true)
}

fn is_restored(view: &View, at: &Position) -> bool {
    view.restore(machine(), at).is_some()
}

#[test]
fn a_view_gives_each_partition_its_state_back_once() {
    let dir = written();
    let view = view(&dir);
    let restored = view.restore(machine(), &position(0)).unwrap();
    assert_eq!(states(&restored), states(&machine_of(5_000)));
    assert!(!is_restored(&view, &position(0)));
    assert!(!is_restored(&view, &position(7)));
    assert_eq!(states(&view.restore(machine(), &position(1)).unwrap()), states(&machine_of(3)));
    assert!(!dir.path().join("view").exists(), "nobody needs it any more");
    assert!(!is_restored(&self::view(&dir), &position(0)), "nor does another start");
}

#[test]
fn a_view_is_not_believed_without_a_clean_shutdown_nor_twice() {
    let dir = written();
    assert!(!is_restored(&View::new(dir.path().join("view"), false), &position(0)));
    assert!(!is_restored(&view(&dir), &position(0)));
    let dir = written();
    // A start that fails before anybody asks has used it up.
    drop(view(&dir));
    assert!(!is_restored(&view(&dir), &position(0)));
}

#[test]
fn a_view_is_not_believed_of_a_log_that_ends_otherwise() {
    let at = position(0);
    let others = [
        Position { topic_id: TopicId(Uuid::from_u128(6)), ..at },
        Position { leader_epoch: 3, ..at },
        Position { end_offset: 5_001, ..at },
        Position { end_offset: 4_999, ..at },
        Position { crc: 78, ..at },
    ];
    for other in others {
        let dir = written();
        let view = view(&dir);
        assert!(!is_restored(&view, &other), "{other:?}");
        assert!(is_restored(&view, &position(1)), "the others are as good as they were");
    }
}

/// Every file of a view but its directories.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What is done to a file.
type Damage = (&'static str, fn(&Path));

#[test]
fn a_view_with_a_damaged_cut_missing_or_added_file_is_not_believed() {
    let count = files(&written().path().join("view")).len();
    let damage: [Damage; 3] = [
        ("flipped", |path| {
            let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
            let len = file.metadata().unwrap().len();
            let mut byte = [0];
            file.seek(SeekFrom::Start(len / 2)).unwrap();
            file.read_exact(&mut byte).unwrap();
            file.seek(SeekFrom::Start(len / 2)).unwrap();
            file.write_all(&[byte[0] ^ 1]).unwrap();
        }),
        ("cut", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }),
        ("removed", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, damage) in damage {
        for at in 0..count {
            let dir = written();
            let path = files(&dir.path().join("view")).swap_remove(at);
            if path.metadata().unwrap().len() == 0 && what != "removed" {
                continue;
            }
            damage(&path);
            assert!(!is_restored(&view(&dir), &position(0)), "{} {what}", path.display());
            assert!(!dir.path().join("view").exists());
        }
    }
    let dir = written();
    fs::write(dir.path().join("view/db/more"), "").unwrap();
    assert!(!is_restored(&view(&dir), &position(0)));
}

#[test]
fn a_view_of_another_version_is_not_believed() {
    let dir = written();
    let manifest = dir.path().join("view/manifest");
    let text = fs::read_to_string(&manifest).unwrap();
    let (lines, _) = text.rsplit_once("end ").unwrap();
    let lines = lines.replacen("view 1", "view 2", 1);
    let crc = crate::wire::batch::crc32c(lines.as_bytes());
    fs::write(&manifest, format!("{lines}end {crc}\n")).unwrap();
    assert!(!is_restored(&view(&dir), &position(0)));
    assert!(!dir.path().join("view").exists());
}

#[test]
fn short_logs_have_no_place_in_a_view_and_open_nothing() {
    let dir = TempDir::new().unwrap();
    let view = view(&dir);
    view.put(&machine_of(3), &position(0), LOG_RECORDS_MIN - 1);
    view.finish();
    assert!(!dir.path().join("view").exists());
}

#[test]
fn what_nobody_asked_for_goes_with_the_next_shutdown() {
    let dir = written();
    let view = view(&dir);
    assert!(is_restored(&view, &position(1)));
    view.put(&machine_of(4), &position(1), LOG_RECORDS_MIN);
    view.finish();
    let view = self::view(&dir);
    assert!(!is_restored(&view, &position(0)));
    let dir = written();
    let unused = self::view(&dir);
    unused.finish();
    assert!(!dir.path().join("view").exists());
    assert_eq!(states(&view.restore(machine(), &position(1)).unwrap()), states(&machine_of(4)));
}
