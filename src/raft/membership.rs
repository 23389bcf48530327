//! Who votes, as the control records say.

use uuid::Uuid;

use super::error::Error;
use crate::base::id::DirectoryId;
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

    /// The directory of the node's metadata log as the voters say, zero before they have ids (`kraft.version` 0).
    pub(super) fn directory_id(&self, node_id: i32) -> DirectoryId {
        let mut voters = self.voters.iter().flat_map(|voters| &voters.voters);
        let own = voters.find(|voter| voter.voter_id == node_id);
        own.map_or(DirectoryId::ZERO, |voter| DirectoryId(voter.voter_directory_id))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kraft::control::KRaftVoter;

    #[test]
    fn a_voter_has_a_directory_once_the_voters_are_records() {
        let mut membership = Membership::default();
        assert_eq!(membership.directory_id(1), DirectoryId::ZERO);
        let voter_directory_id = Uuid::from_u128(7);
        let voter = KRaftVoter { voter_id: 1, voter_directory_id, ..KRaftVoter::default() };
        membership.replay(KRaftVoters { version: 0, voters: vec![voter] }.into());
        assert_eq!(membership.directory_id(1), DirectoryId(voter_directory_id));
        assert_eq!(membership.directory_id(2), DirectoryId::ZERO);
    }
}
