//! Contiguous ranges of each topic, by the order of the members (`RangeAssignor`).
//!
//! Members that subscribe to the same topics of one size get the same partitions of each, which joins rely on.
//! Static members come first, by instance id: a restart under another member id changes nothing for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Candidate, Spec};
use crate::group::consumer::member::Partitions;

/// What is left of a topic.
struct Remaining {
    partitions: i32,
    next: i32,
    quota: i32,
    /// How many members get one more.
    extra: i32,
}

pub(super) fn assign(spec: &Spec) -> Vec<Arc<Partitions>> {
    let mut order: Vec<usize> = (0..spec.members.len()).collect();
    order.sort_by_key(|at| rank(&spec.members[*at]));
    let mut topics = remaining(spec);
    let mut assigned = vec![Arc::default(); spec.members.len()];
    for at in order {
        let mut partitions = Partitions::new();
        for topic in spec.members[at].topics.iter() {
            let Some(remaining) = topics.get_mut(topic) else { continue };
            let quota = remaining.quota + i32::from(remaining.extra > 0);
            remaining.extra = (remaining.extra - 1).max(0);
            let end = remaining.next.saturating_add(quota).min(remaining.partitions);
            if remaining.next < end {
                partitions.insert(*topic, (remaining.next..end).collect());
            }
            remaining.next = end;
        }
        assigned[at] = Arc::new(partitions);
    }
    assigned
}

fn rank(member: &Candidate) -> (bool, &str) {
    match &member.instance {
        Some(instance) => (false, instance),
        None => (true, &member.id),
    }
}

fn remaining(spec: &Spec) -> BTreeMap<Uuid, Remaining> {
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in spec.members.iter().flat_map(|member| member.topics.iter()) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let of_topic = |(topic, members): (Uuid, i32)| {
        let partitions = spec.partition_count(&topic);
        (topic, Remaining { partitions, next: 0, quota: partitions / members, extra: partitions % members })
    };
    subscribers.into_iter().map(of_topic).collect()
}
