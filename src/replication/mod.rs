//! Layer 4: the rules of replication, pure. What a leader knows of its replicas, and what follows from it.

use std::collections::BTreeMap;

use crate::base::id::NodeId;

/// A leader's view of one partition's replicas.
///
/// The high watermark is the smallest offset that every member of the *maximal* ISR (the committed ISR and
/// whoever is being added to it) vouches for; it never goes back, and nothing is committed while fewer than
/// `min.insync.replicas` are in sync (`Partition.maybeIncrementLeaderHW`).
#[derive(Clone, Debug)]
pub struct LeaderState {
    node: NodeId,
    epoch: i32,
    start_offset: i64,
    isr: Vec<NodeId>,
    joining: Vec<NodeId>,
    acknowledged: BTreeMap<NodeId, i64>,
    local: i64,
    high_watermark: i64,
    replicas: usize,
    min_insync: usize,
}

/// Too few replicas are in sync for `acks=all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_sync} replicas are in sync, {required} are required")]
pub struct NotEnoughReplicas {
    /// Members of the ISR.
    pub in_sync: usize,
    /// `min.insync.replicas`.
    pub required: usize,
}

/// How a node becomes leader.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// This node.
    pub node: NodeId,
    /// The new leader epoch.
    pub epoch: i32,
    /// The log end offset when the epoch began.
    pub start_offset: i64,
    /// The committed ISR, this node included.
    pub isr: Vec<NodeId>,
    /// The high watermark known so far.
    pub high_watermark: i64,
    /// How many replicas the partition has.
    pub replicas: usize,
    /// `min.insync.replicas`; no more than there are replicas is asked for (KIP-966).
    pub min_insync: usize,
}

impl LeaderState {
    /// Starts a leader epoch.
    pub fn new(leadership: Leadership) -> Self {
        let Leadership { node, epoch, start_offset, isr, high_watermark, replicas, min_insync } = leadership;
        assert!(isr.contains(&node), "a leader is in its own ISR");
        let local = high_watermark;
        Self {
            node,
            epoch,
            start_offset,
            isr,
            joining: Vec::new(),
            acknowledged: BTreeMap::new(),
            local,
            high_watermark,
            replicas,
            min_insync: min_insync.min(replicas),
        }
    }

    /// The leader epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The first offset that is not committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Whether the high watermark speaks for this epoch; until then no answer may be based on it (KIP-207).
    pub fn is_high_watermark_known(&self) -> bool {
        self.high_watermark >= self.start_offset || self.isr == [self.node]
    }

    /// Whether an acks=all append may start.
    pub fn check_enough_in_sync(&self) -> Result<(), NotEnoughReplicas> {
        if self.isr.len() >= self.min_insync {
            return Ok(());
        }
        Err(NotEnoughReplicas { in_sync: self.isr.len(), required: self.min_insync })
    }

    /// The leader itself vouches for everything below `offset`. Gives the high watermark if it moved.
    pub fn local_acknowledged(&mut self, offset: i64) -> Option<i64> {
        self.local = self.local.max(offset);
        self.advance()
    }

    /// A follower that fetched in this epoch vouches for everything below `offset`. Gives the high watermark
    /// if it moved.
    pub fn follower_acknowledged(&mut self, follower: NodeId, offset: i64) -> Option<i64> {
        let known = self.acknowledged.entry(follower).or_insert(offset);
        *known = offset.max(*known);
        self.advance()
    }

    /// Counts `follower` for the high watermark from now on, before the controller has committed it.
    pub fn propose_joining(&mut self, follower: NodeId) {
        if !self.isr.contains(&follower) && !self.joining.contains(&follower) {
            self.joining.push(follower);
        }
    }

    /// The controller has committed `isr`. Gives the high watermark if it moved.
    pub fn isr_committed(&mut self, isr: Vec<NodeId>) -> Option<i64> {
        assert!(isr.contains(&self.node), "a leader is in its own ISR");
        self.isr = isr;
        self.joining.clear();
        self.advance()
    }

    /// `min.insync.replicas` has changed. Gives the high watermark if it moved.
    pub fn set_min_insync(&mut self, min_insync: usize) -> Option<i64> {
        self.min_insync = min_insync.min(self.replicas);
        self.advance()
    }

    fn advance(&mut self) -> Option<i64> {
        if self.isr.len() < self.min_insync {
            return None;
        }
        let others = self.isr.iter().chain(&self.joining).filter(|n| **n != self.node);
        let offsets = others.map(|n| self.acknowledged.get(n).copied().unwrap_or(self.high_watermark));
        let candidate = offsets.chain([self.local]).min()?;
        if candidate <= self.high_watermark {
            return None;
        }
        self.high_watermark = candidate;
        Some(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);

    fn leader(isr: &[NodeId], min_insync: usize) -> LeaderState {
        let isr = isr.to_vec();
        LeaderState::new(Leadership {
            node: A,
            epoch: 5,
            start_offset: 10,
            isr,
            high_watermark: 7,
            replicas: 3,
            min_insync,
        })
    }

    #[test]
    fn alone_the_leader_commits_what_it_vouches_for() {
        let mut state = leader(&[A], 1);
        assert_eq!(state.local_acknowledged(12), Some(12));
        assert_eq!(state.local_acknowledged(11), None);
        assert_eq!(state.high_watermark(), 12);
    }

    #[test]
    fn the_slowest_member_of_the_isr_holds_the_high_watermark() {
        let mut state = leader(&[A, B, C], 1);
        assert_eq!(state.local_acknowledged(20), None);
        assert_eq!(state.follower_acknowledged(B, 15), None);
        assert!(!state.is_high_watermark_known());
        assert_eq!(state.follower_acknowledged(C, 12), Some(12));
        assert!(state.is_high_watermark_known());
        assert_eq!(state.isr_committed(vec![A, B]), Some(15));
    }

    #[test]
    fn a_joining_replica_counts_before_the_controller_has_said_so() {
        let mut state = leader(&[A], 1);
        state.follower_acknowledged(B, 11);
        state.propose_joining(B);
        assert_eq!(state.local_acknowledged(20), Some(11));
    }

    #[test]
    fn nothing_is_committed_below_min_insync_replicas() {
        let mut state = leader(&[A], 2);
        assert_eq!(state.check_enough_in_sync(), Err(NotEnoughReplicas { in_sync: 1, required: 2 }));
        assert_eq!(state.local_acknowledged(20), None);
        assert_eq!(state.set_min_insync(1), Some(20));
    }

    #[test]
    fn no_more_replicas_have_to_be_in_sync_than_there_are() {
        let mut state = leader(&[A, B, C], 4);
        assert_eq!(state.check_enough_in_sync(), Ok(()));
        state.set_min_insync(5);
        assert_eq!(state.check_enough_in_sync(), Ok(()));
    }
}
