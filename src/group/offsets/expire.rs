//! Offsets that nobody needs any more, and groups that are left with nothing
//! (`OffsetMetadataManager.cleanupExpiredOffsets`, `GroupCoordinatorShard.cleanupGroupMetadata`).

use std::sync::Arc;

use super::delete::tombstone;
use super::table::Offset;
use crate::group::timers::Timer;
use crate::group::{Group, Groups, Outcome};
use crate::machine::{Decision, Moment};
use crate::wire::group_records::Record;

/// Most tombstones of one decision, which is one batch: those of long names stay below `max.message.bytes`.
pub(super) const TOMBSTONES_MAX: usize = 1000;

impl Groups {
    /// The first look for expired offsets, one interval from now as in Kafka: members get the time to come back.
    pub(in crate::group) fn arm_offsets_expiry(&mut self, now_ms: i64) {
        self.timers.arm(now_ms.saturating_add(self.settings.offsets_check_ms), Timer::OffsetsExpiry);
    }

    pub(in crate::group) fn expire_offsets(&mut self, at: Moment) -> Outcome {
        let mut records = self.offsets_of_deleted_topics();
        for name in self.groups.keys() {
            if records.len() >= TOMBSTONES_MAX {
                break;
            }
            self.expire_group(at.now_ms, name, &mut records);
        }
        if records.len() >= TOMBSTONES_MAX {
            // Not within the same round: requests get their turn first.
            self.timers.arm(at.now_ms.saturating_add(1), Timer::OffsetsExpiry);
        } else {
            self.arm_offsets_expiry(at.now_ms);
        }
        Decision::unasked(records)
    }

    /// Deletes what has expired of one group, and the group itself if nothing and nobody is left.
    fn expire_group(&self, now_ms: i64, name: &Arc<str>, records: &mut Vec<Record>) {
        let Some(group) = self.groups.get(name) else { return };
        let pending: Vec<_> = self.offsets.pending.of_group(name).collect();
        let mut nothing_left = pending.is_empty();
        for (topic, partitions) in self.offsets.committed.group(name).into_iter().flatten() {
            let is_subscribed = group.is_subscribed_to(topic);
            for (partition, offset) in partitions.iter() {
                let has_expired = !is_subscribed && self.has_expired(now_ms, group, offset);
                if !has_expired || pending.contains(&(topic, partition)) {
                    nothing_left = false;
                } else if records.len() < TOMBSTONES_MAX {
                    records.push(tombstone(name, topic, partition));
                } else {
                    return;
                }
            }
        }
        if nothing_left && group.is_empty() {
            records.extend(match group {
                Group::Classic(group) => group.tombstones(name),
                Group::Consumer(group) => group.tombstones(name),
            });
        }
    }

    /// For the groups that do not hold their offsets back, be it by members or by a rebalance.
    fn has_expired(&self, now_ms: i64, group: &Group, offset: &Offset) -> bool {
        let base_ms = match group {
            Group::Classic(group) => group.expiry_base_ms(offset.commit_ms, false),
            Group::Consumer(group) => group.expiry_base_ms(offset.commit_ms, false),
        };
        match (base_ms, offset.expire_ms()) {
            (None, _) => false,
            (Some(_), Some(expire_ms)) => now_ms >= expire_ms,
            (Some(base_ms), None) => now_ms.saturating_sub(base_ms) >= self.settings.offsets_retention_ms,
        }
    }
}

impl Group {
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_empty(),
            Self::Consumer(group) => group.is_empty(),
        }
    }
}
