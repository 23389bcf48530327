//! The leader's view of a partition's replicas.

use std::collections::BTreeMap;

use crate::base::id::NodeId;

/// A partition's replicas as the controller committed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// All, the leader among them.
    pub assigned: Vec<NodeId>,
    /// The in-sync ones, the leader among them.
    pub isr: Vec<NodeId>,
    /// Grows with every change; an older one is ignored.
    pub partition_epoch: i32,
}

/// Fewer replicas are in sync than `min.insync.replicas` demands: NOT_ENOUGH_REPLICAS before an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_sync} replicas are in sync, {required} are required")]
pub struct NotEnoughReplicas {
    /// Size of the ISR.
    pub in_sync: usize,
    /// `min.insync.replicas`, at most the number of replicas.
    pub required: usize,
}

/// Where an append with acks=all stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// The high watermark has not reached it.
    NotYet,
    /// All in-sync replicas have it, and they are enough.
    Yes,
    /// All in-sync replicas have it, but they have become too few: NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    NotEnoughReplicas(NotEnoughReplicas),
}

/// What a leader knows in one leader epoch. A new epoch begins with a new state: what followers acknowledged to
/// another leader, or before they truncated, counts for nothing.
#[derive(Clone, Debug)]
pub struct LeaderState {
    own_id: NodeId,
    leader_epoch: i32,
    epoch_start_offset: i64,
    replicas: Replicas,
    /// A replica whose entry into the ISR was asked of the controller and is undecided.
    joining: Option<NodeId>,
    /// Offset up to which each follower has acknowledged in this epoch; missing before its first fetch.
    acknowledged: BTreeMap<NodeId, i64>,
    high_watermark: i64,
}

impl LeaderState {
    /// The state at the start of `leader_epoch`, whose first batch will stand at `epoch_start_offset`.
    /// `high_watermark` is the last one that this replica knows, possibly of another leader.
    pub fn new(
        own_id: NodeId,
        leader_epoch: i32,
        replicas: Replicas,
        epoch_start_offset: i64,
        high_watermark: i64,
    ) -> Self {
        assert!(high_watermark <= epoch_start_offset, "{high_watermark} is above the log's end");
        Self {
            own_id,
            leader_epoch,
            epoch_start_offset,
            replicas,
            joining: None,
            acknowledged: BTreeMap::new(),
            high_watermark,
        }
    }

    /// The epoch that this is the state of.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Offset of the first batch of this epoch.
    pub fn epoch_start_offset(&self) -> i64 {
        self.epoch_start_offset
    }

    /// The replicas as they were committed last.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// Takes a change that the controller committed in the same leader epoch; false if it is not newer. It settles
    /// the replica that was joining.
    pub fn update_replicas(&mut self, replicas: Replicas) -> bool {
        if replicas.partition_epoch <= self.replicas.partition_epoch {
            return false;
        }
        self.replicas = replicas;
        self.joining = None;
        self.acknowledged.retain(|id, _| self.replicas.assigned.contains(id));
        true
    }

    /// Notes that the controller is asked to take `follower` into the ISR. It counts for the high watermark from now
    /// on, for the controller may have decided already when it is next elected leader (KIP-497).
    pub fn join_asked(&mut self, follower: NodeId) {
        self.joining = Some(follower);
    }

    /// Notes that the controller refused.
    pub fn join_refused(&mut self) {
        self.joining = None;
    }

    /// Whether `follower` has what it needs to be taken into the ISR: all that is committed, all of earlier epochs,
    /// and a fetch in this one. That its broker is eligible is for the caller to know.
    pub fn may_join(&self, follower: NodeId) -> bool {
        let enough = self.high_watermark.max(self.epoch_start_offset);
        self.joining.is_none()
            && !self.replicas.isr.contains(&follower)
            && self.acknowledged.get(&follower).is_some_and(|offset| *offset >= enough)
    }

    /// Notes that `follower` holds everything below `offset`: it has fetched from there in this leader epoch. False
    /// if it is no replica.
    pub fn acknowledge(&mut self, follower: NodeId, offset: i64) -> bool {
        let is_follower = follower != self.own_id && self.replicas.assigned.contains(&follower);
        if is_follower {
            // A follower that came back with a shorter log acknowledges less than before.
            self.acknowledged.insert(follower, offset);
        }
        is_follower
    }

    /// Those who must hold an offset before it is committed: the ISR and who is joining it.
    pub fn maximal_isr(&self) -> impl Iterator<Item = NodeId> {
        let joining = self.joining.filter(|id| !self.replicas.isr.contains(id));
        self.replicas.isr.iter().copied().chain(joining)
    }

    /// Raises the high watermark as far as the replicas allow, and says to where if it rose. To be called when the
    /// leader's own offset, a follower's or the replicas have changed.
    ///
    /// `own_offset` is up to where the leader itself vouches for its log: its flushed offset, or its end with
    /// `write.caching`.
    pub fn advance(&mut self, own_offset: i64, min_insync_replicas: i32) -> Option<i64> {
        self.check_enough(min_insync_replicas).ok()?;
        let offset_of =
            |id| if id == self.own_id { Some(own_offset) } else { self.acknowledged.get(&id).copied() };
        // A follower in the ISR that has not fetched yet holds nothing that is known of.
        let held_by_all = self.maximal_isr().map(|id| offset_of(id).unwrap_or(-1)).min()?.min(own_offset);
        if held_by_all <= self.high_watermark {
            return None;
        }
        self.high_watermark = held_by_all;
        Some(held_by_all)
    }

    /// Offset below which everything is committed; never falls.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The high watermark once it has reached this epoch. Before, the last leader may have shown clients a higher
    /// one, so no answer may rest on it: ListOffsets says OFFSET_NOT_AVAILABLE.
    pub fn settled_high_watermark(&self) -> Option<i64> {
        (self.high_watermark >= self.epoch_start_offset).then_some(self.high_watermark)
    }

    /// Fails if too few replicas are in sync to append with acks=all.
    pub fn check_enough(&self, min_insync_replicas: i32) -> Result<(), NotEnoughReplicas> {
        let in_sync = self.replicas.isr.len();
        // A partition with fewer replicas than the setting demands would never be writable.
        let required = usize::try_from(min_insync_replicas).unwrap_or(0).min(self.replicas.assigned.len());
        if in_sync < required { Err(NotEnoughReplicas { in_sync, required }) } else { Ok(()) }
    }

    /// Whether an append that ends before `next_offset` can be acknowledged to a producer with acks=all.
    pub fn acknowledged(&self, next_offset: i64, min_insync_replicas: i32) -> Acknowledged {
        if self.high_watermark < next_offset {
            return Acknowledged::NotYet;
        }
        match self.check_enough(min_insync_replicas) {
            Ok(()) => Acknowledged::Yes,
            Err(too_few) => Acknowledged::NotEnoughReplicas(too_few),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEADER: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);

    fn replicas(isr: &[NodeId], partition_epoch: i32) -> Replicas {
        Replicas { assigned: vec![LEADER, B, C], isr: isr.to_vec(), partition_epoch }
    }

    fn leader(isr: &[NodeId]) -> LeaderState {
        LeaderState::new(LEADER, 5, replicas(isr, 0), 100, 80)
    }

    #[test]
    fn a_lone_replica_commits_what_it_vouches_for() {
        let alone = Replicas { assigned: vec![LEADER], isr: vec![LEADER], partition_epoch: 0 };
        let mut state = LeaderState::new(LEADER, 0, alone, 0, 0);
        assert_eq!(state.advance(10, 3), Some(10), "min.insync.replicas is capped at one replica");
        assert_eq!(state.advance(10, 3), None);
        assert_eq!(state.acknowledged(10, 3), Acknowledged::Yes);
        assert_eq!(state.acknowledged(11, 3), Acknowledged::NotYet);
    }

    #[test]
    fn the_slowest_of_the_isr_holds_the_high_watermark_and_others_do_not() {
        let mut state = leader(&[LEADER, B]);
        assert!(state.acknowledge(C, 85));
        assert_eq!(state.advance(120, 1), None, "b has not fetched in this epoch");
        assert!(state.acknowledge(B, 110));
        assert_eq!(state.advance(120, 1), Some(110));
        state.acknowledge(B, 90);
        assert_eq!(state.advance(130, 1), None);
        assert_eq!(state.high_watermark(), 110, "it never falls");
        state.acknowledge(B, 200);
        assert_eq!(state.advance(130, 1), Some(130), "not above what the leader vouches for");
        assert!(!state.acknowledge(NodeId(9), 500));
        assert!(!state.acknowledge(LEADER, 500));
    }

    #[test]
    fn a_joining_replica_counts_until_the_controller_has_decided() {
        let mut state = leader(&[LEADER, B]);
        state.acknowledge(B, 120);
        state.acknowledge(C, 99);
        state.advance(110, 1);
        assert!(!state.may_join(C), "it must have all of the earlier epochs");
        state.acknowledge(C, 110);
        assert!(state.may_join(C));
        assert!(!state.may_join(B));
        state.join_asked(C);
        assert_eq!(state.advance(120, 1), None, "c is at 110");
        assert!(!state.may_join(C), "one question at a time");
        state.join_refused();
        assert_eq!(state.advance(120, 1), Some(120));

        state.acknowledge(C, 120);
        state.join_asked(C);
        assert!(state.update_replicas(replicas(&[LEADER, B, C], 1)));
        assert_eq!(state.maximal_isr().count(), 3);
        assert!(!state.update_replicas(replicas(&[LEADER], 1)), "not newer");
        assert_eq!(state.advance(130, 1), None);
        assert!(state.update_replicas(replicas(&[LEADER], 2)));
        assert_eq!(state.advance(130, 1), Some(130));
    }

    #[test]
    fn below_min_isr_nothing_is_committed_and_what_was_is_not_acknowledged() {
        let mut state = leader(&[LEADER, B]);
        state.acknowledge(B, 120);
        state.advance(120, 2);
        state.update_replicas(replicas(&[LEADER], 1));
        let too_few = NotEnoughReplicas { in_sync: 1, required: 2 };
        assert_eq!(state.check_enough(2), Err(too_few));
        assert_eq!(state.advance(150, 2), None);
        assert_eq!(state.high_watermark(), 120);
        assert_eq!(state.acknowledged(120, 2), Acknowledged::NotEnoughReplicas(too_few));
        assert_eq!(state.acknowledged(150, 2), Acknowledged::NotYet);
    }

    #[test]
    fn a_new_leaders_high_watermark_is_not_shown_before_it_reaches_the_epoch() {
        let mut state = leader(&[LEADER, B]);
        assert_eq!((state.high_watermark(), state.settled_high_watermark()), (80, None));
        state.acknowledge(B, 99);
        state.advance(100, 1);
        assert_eq!(state.settled_high_watermark(), None);
        state.acknowledge(B, 100);
        state.advance(100, 1);
        assert_eq!(state.settled_high_watermark(), Some(100));
    }

    proptest! {
        #[test]
        fn what_is_committed_is_held_by_the_whole_maximal_isr(
            steps in prop::collection::vec((0..4u8, 0..3usize, 80..200i64), 1..60),
        ) {
            let mut state = leader(&[LEADER, B]);
            let (mut own, mut partition_epoch) = (100, 0);
            for (kind, who, offset) in steps {
                match kind {
                    0 => own = own.max(offset),
                    1 => _ = state.acknowledge([LEADER, B, C][who], offset.min(own)),
                    2 if state.may_join(C) => state.join_asked(C),
                    _ => {
                        partition_epoch += 1;
                        let isr: &[NodeId] = [&[LEADER][..], &[LEADER, B], &[LEADER, B, C]][who];
                        state.update_replicas(replicas(isr, partition_epoch));
                    }
                }
                let before = state.high_watermark();
                let rose = state.advance(own, 2);
                prop_assert!(rose.is_none_or(|to| to > before && to == state.high_watermark()));
                if let Some(to) = rose {
                    prop_assert!(to <= own && state.check_enough(2).is_ok());
                    for follower in state.maximal_isr().filter(|id| *id != LEADER) {
                        prop_assert!(state.acknowledged[&follower] >= to);
                    }
                }
            }
        }
    }
}
