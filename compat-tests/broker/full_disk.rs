//! A disk that is full: the partitions on it fail with the right error, all else goes on, nothing is lost.

use std::path::PathBuf;
use std::process::Command;

use kafka_protocol::messages::produce_response::PartitionProduceResponse;

use super::support::{Broker, Records, eventually, headers_in};

/// A file system in memory that a test has for itself; only root can have one.
pub struct Mount {
    pub dir: PathBuf,
}

impl Mount {
    /// Says so and gives `None` if this user may not mount.
    #[expect(clippy::print_stderr, reason = "a test that looks at nothing should say so")]
    pub fn new(dir: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir(&dir).unwrap();
        let mount = Self { dir };
        if mount.mount(options) {
            return Some(mount);
        }
        eprintln!("left out: mounting a file system needs root");
        None
    }

    /// Gives it another size, for example `40m`.
    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.dir).status().unwrap();
        assert!(status.success());
    }

    fn mount(&self, options: &str) -> bool {
        let command =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.dir).output();
        command.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}

#[test]
fn a_full_disk_fails_the_partitions_on_it_and_no_others() {
    fill("1073741824");
}

#[test]
fn a_disk_that_is_full_when_a_segment_is_rolled_is_no_other_case() {
    fill("1048576");
}

/// Fills a small disk with batches of two thirds of a MiB, in segments of so many bytes.
fn fill(segment_bytes: &str) {
    let temp = tempfile::tempdir().unwrap();
    let roomy = temp.path().join("roomy");
    let Some(small) = Mount::new(temp.path().join("small"), "size=20m") else { return };
    let dirs = format!("log.dirs={},{}", roomy.display(), small.dir.display());
    let metadata = format!("metadata.log.dir={}", roomy.display());
    let Some(mut broker) = Broker::start_in(&roomy, &[&dirs, &metadata]) else { return };
    broker.expect_complaint("log directory is offline");
    let mut client = broker.connect();
    let topic = client.create_with("filling", 4, &[("segment.bytes", segment_bytes)]);
    let on_small = |partition: &i32| small.dir.join(format!("{}-{partition}", topic.name())).exists();
    let (full, fine): (Vec<i32>, Vec<i32>) = (0..4).partition(on_small);
    assert_eq!((full.len(), fine.len()), (2, 2), "partitions are spread over the directories");

    let batch = Records::of_size(700_000).bytes();
    let mut acked = 0;
    let failed: PartitionProduceResponse = loop {
        let produced = client.produce(&topic.name, full[0], batch.clone());
        if produced.error_code != 0 {
            break produced;
        }
        acked += 1;
        assert!(acked < 100, "20 MB hold more than 70 MB");
    };
    assert_eq!((failed.error_code, failed.base_offset), (56, -1), "a storage error: {failed:?}");
    // The directory is offline now; the other partition on it as well. Which of the codes is a matter of how
    // far the news has got.
    for partition in &full {
        let produced = client.produce(&topic.name, *partition, Records::of(["x"]).bytes());
        assert!([3, 6, 56].contains(&produced.error_code), "{produced:?}");
    }
    for partition in &fine {
        eventually("the others are served", || {
            let produced = client.produce(&topic.name, *partition, Records::of(["x"]).bytes());
            (produced.error_code == 0).then_some(())
        });
    }
    assert!(broker.is_running());

    // With room again and after a restart everything acknowledged is there.
    broker.kill();
    assert!(small.mount("remount,size=100m"));
    broker.restart();
    let mut client = broker.connect();
    let latest = eventually("it is led", || {
        Some(client.list_offset(&topic.name, full[0], -1)).filter(|answer| answer.error_code == 0)
    });
    assert!(latest.offset >= acked, "{acked} acknowledged, {} there", latest.offset);
    for offset in 0..acked {
        let records = client.fetch(&topic.name, full[0], offset).records.unwrap();
        assert_eq!(headers_in(&records[..batch.len()])[0].base_offset, offset);
    }
    let produced = client.produce(&topic.name, full[0], batch);
    assert_eq!(produced.error_code, 0, "{produced:?}");
}
