//! Who votes, as the control records say.

use uuid::Uuid;

use super::error::Error;
use crate::wire::kraft::control::{ControlRecord, KRaftVersion, KRaftVoters, LeaderChange, Voter};

/// `kraft.version` and the voters of a quorum with dynamic voters (KIP-853).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Membership {
    pub(super) kraft_version: i16,
    pub(super) voters: Option<KRaftVoters>,
}

impl Membership {
    /// Makes a control record true.
    pub(super) fn replay(&mut self, record: ControlRecord) {
        match record {
            ControlRecord::KRaftVersion(record) => self.kraft_version = record.k_raft_version,
            ControlRecord::KRaftVoters(record) => self.voters = Some(record),
            ControlRecord::LeaderChange(_)
            | ControlRecord::SnapshotHeader(_)
            | ControlRecord::SnapshotFooter(_)
            | ControlRecord::Unknown(_) => {}
        }
    }

    /// Fails unless the node is the only voter, or may be for all that is known.
    pub(super) fn check(&self, node_id: i32) -> Result<(), Error> {
        let Some(voters) = &self.voters else { return Ok(()) };
        check(voters.voters.iter().map(|voter| voter.voter_id).collect(), node_id)
    }

    /// The records that a snapshot has of it.
    pub(super) fn records(&self) -> Vec<ControlRecord> {
        if self.kraft_version == 0 {
            return Vec::new();
        }
        let version = KRaftVersion { version: 0, k_raft_version: self.kraft_version };
        let voters = self.voters.clone().map(ControlRecord::from);
        std::iter::once(version.into()).chain(voters).collect()
    }

    /// The first record of the node's epoch, in version 0 whatever `kraft.version`: Kafka 4.3 writes no other and takes
    /// what it reads for version 0 (`ControlRecordUtils`). Directory ids are thus not in it.
    pub(super) fn leader_change(node_id: i32) -> ControlRecord {
        let voter = Voter { voter_id: node_id, voter_directory_id: Uuid::nil() };
        LeaderChange {
            version: 0,
            leader_id: node_id,
            voters: vec![voter.clone()],
            granting_voters: vec![voter],
        }
        .into()
    }
}

/// Fails if `voters` are not this node alone.
pub(super) fn check(voters: Vec<i32>, node_id: i32) -> Result<(), Error> {
    if voters == [node_id] { Ok(()) } else { Err(Error::Voters { voters, node_id }) }
}
