//! All offsets, for the metrics of lag.

use std::sync::Arc;

use crate::group::request::{ListOffsets, Reply};
use crate::group::{Group, Groups, Outcome};
use crate::machine::{Decision, Moment, Token};

/// The committed offsets of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupOffsets {
    /// The group.
    pub group: Arc<str>,
    /// How many members it has.
    pub members: usize,
    /// By topic.
    pub topics: Vec<TopicOffsets>,
}

/// The committed offsets of one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicOffsets {
    /// Its name.
    pub topic: Arc<str>,
    /// Partitions, and the next offset to consume of each.
    pub partitions: Vec<(i32, i64)>,
}

/// Groups with longer names are not shown: a name stands in every series.
const NAME_BYTES_MAX: usize = 249;

impl Groups {
    /// Groups by name, up to where their offsets together are as many as are wanted.
    pub(in crate::group) fn list_offsets(&mut self, _: Moment, token: Token, ask: ListOffsets) -> Outcome {
        let mut left = ask.offsets_max;
        let mut listed = Vec::new();
        for (name, group) in self.groups.iter().filter(|(name, _)| name.len() <= NAME_BYTES_MAX) {
            if left == 0 {
                break;
            }
            let mut topics = Vec::new();
            for (topic, partitions) in self.offsets.committed.group(name).into_iter().flatten() {
                let offsets = partitions.iter().map(|(index, offset)| (index, offset.offset));
                let partitions: Vec<_> = offsets.take(left).collect();
                left -= partitions.len();
                if !partitions.is_empty() {
                    topics.push(TopicOffsets { topic: topic.clone(), partitions });
                }
            }
            // A group without offsets has a series of its own as well.
            left -= usize::from(topics.is_empty());
            let members = match group {
                Group::Classic(group) => group.roster().members.len(),
                Group::Consumer(group) => group.member_count(),
            };
            listed.push(GroupOffsets { group: name.clone(), members, topics });
        }
        Decision::answer(token, Reply::ListOffsets(listed), vec![])
    }
}
