//! The `quorum-state` file: the last epoch, and who was voted for in it (`FileQuorumStateStore`).

use std::path::Path;

use super::error::Error;
use super::json::{self, Value};
use crate::base::id::{DirectoryId, uuid_to_text};
use crate::log::checkpoint;
use crate::log::disk::Disk;

/// The file's name.
const FILE: &str = "quorum-state";
/// Longest file that is read, in bytes; Kafka's have a few hundred.
const LEN_MAX: usize = 64 * 1024;
/// In place of an epoch or a node.
pub(super) const NONE: i32 = -1;

/// What the file says, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QuorumState {
    /// The last epoch that was seen, -1 if none was.
    pub(super) epoch: i32,
    /// The voters; only files of `kraft.version` 0 have them.
    pub(super) voters: Vec<i32>,
}

/// Who takes over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Election {
    pub(super) epoch: i32,
    pub(super) node_id: i32,
    pub(super) directory_id: DirectoryId,
    /// `kraft.version`, which decides about the format.
    pub(super) kraft_version: i16,
}

/// Reads the file in `dir`.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<QuorumState, Error> {
    let path = dir.join(FILE);
    let Some(text) = checkpoint::read_text(disk, &path)? else {
        return Ok(QuorumState { epoch: NONE, voters: Vec::new() });
    };
    parse(&text).map_err(|reason| Error::QuorumState { path, reason: reason.to_owned() })
}

fn parse(text: &str) -> Result<QuorumState, &'static str> {
    if text.len() > LEN_MAX {
        return Err("it is too long");
    }
    let value = json::parse(text).ok_or("it is no JSON object")?;
    let field = |name| value.field(name);
    match field("data_version").and_then(Value::integer::<i16>) {
        Some(0 | 1) => {}
        Some(_) | None => return Err("its data_version is not known"),
    }
    let epoch = field("leaderEpoch").and_then(Value::integer).ok_or("it has no leaderEpoch")?;
    if epoch < NONE {
        return Err("its leaderEpoch is negative");
    }
    let voters = match field("currentVoters") {
        Some(Value::Array(voters)) => {
            let ids = voters.iter().map(|voter| voter.field("voterId").and_then(Value::integer));
            ids.collect::<Option<_>>().ok_or("it has a voter without voterId")?
        }
        Some(_) | None => Vec::new(),
    };
    Ok(QuorumState { epoch, voters })
}

/// Writes the file in `dir`, durably: the epoch may be used once this has returned.
pub(super) fn write(disk: &dyn Disk, dir: &Path, election: Election) -> Result<(), Error> {
    let Election { epoch, node_id, directory_id, kraft_version } = election;
    let text = if kraft_version == 0 {
        format!(
            r#"{{"clusterId":"","leaderId":{node_id},"leaderEpoch":{epoch},"votedId":{node_id},"appliedOffset":0,"currentVoters":[{{"voterId":{node_id}}}],"data_version":0}}"#
        )
    } else {
        let directory_id = uuid_to_text(directory_id.0);
        format!(
            r#"{{"leaderId":{node_id},"leaderEpoch":{epoch},"votedId":{node_id},"votedDirectoryId":"{directory_id}","data_version":1}}"#
        )
    };
    let path = dir.join(FILE);
    checkpoint::write_text(disk, &path, &text).map_err(|e| Error::io(&path, e))
}
