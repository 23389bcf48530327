//! `.kafka_cleanshutdown`: says that all logs of a directory were flushed and closed (`CleanShutdownFileHandler`).
//!
//! It is written last and taken away before the first log is opened for writing, both made durable at once; so
//! whoever finds it may trust every file, and the broker epoch in it proves that to the controller (KIP-966).

use std::io;
use std::path::Path;

use tracing::warn;

use crate::log::checkpoint;
use crate::log::disk::Disk;

const FILE: &str = ".kafka_cleanshutdown";

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch under which the broker was registered, unless it is missing or unreadable.
    pub broker_epoch: Option<i64>,
}

/// Whether the marker is there.
pub(super) fn exists(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    disk.exists(&dir.join(FILE))
}

/// Reads the marker, and takes it away for good; none if the last shutdown was not clean.
pub(super) fn take(disk: &dyn Disk, dir: &Path) -> io::Result<Option<CleanShutdown>> {
    if !exists(disk, dir)? {
        return Ok(None);
    }
    let file = dir.join(FILE);
    let broker_epoch = match checkpoint::read_text(disk, &file) {
        Ok(text) => text.as_deref().and_then(broker_epoch),
        Err(error) => {
            warn!(%error, "clean shutdown file is unreadable");
            None
        }
    };
    disk.remove_file(&file)?;
    // Else a power cut brings it back while the logs are being written.
    disk.sync_dir(dir)?;
    Ok(Some(CleanShutdown { broker_epoch }))
}

/// Writes the marker; everything else must be durable already.
pub(super) fn write(disk: &dyn Disk, dir: &Path, broker_epoch: i64) -> io::Result<()> {
    let content = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    checkpoint::write_text(disk, &dir.join(FILE), &content)
}

/// The one field that counts of a flat JSON object.
fn broker_epoch(json: &str) -> Option<i64> {
    let (_, rest) = json.split_once("\"brokerEpoch\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = value.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(value.len());
    value[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_epoch_is_found_in_what_kafka_writes() {
        assert_eq!(broker_epoch(r#"{"version":0,"brokerEpoch":42}"#), Some(42));
        assert_eq!(broker_epoch(r#"{ "brokerEpoch" : -1, "version" : 0 }"#), Some(-1));
        assert_eq!(broker_epoch(r#"{"version":0,"brokerEpoch":null}"#), None);
        assert_eq!(broker_epoch(""), None);
    }
}
