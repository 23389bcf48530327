//! Even for members that all subscribe to the same topics (`UniformHomogeneousAssignmentBuilder`).
//!
//! Sizes differ by one at most; within that, members keep what they have.

use std::sync::Arc;

use uuid::Uuid;

use super::Spec;
use crate::group::consumer::member::Partitions;

/// How many partitions members get, while going through them in order.
struct Quotas {
    each: usize,
    /// How many members are still to get one more.
    extra: usize,
}

pub(super) fn assign(spec: &Spec) -> Vec<Arc<Partitions>> {
    let topics = spec.members[0].topics.clone();
    if topics.is_empty() {
        return vec![Arc::default(); spec.members.len()];
    }
    let mut unassigned = unassigned(spec);
    let total: usize = topics.iter().map(|topic| count(spec, topic)).sum();
    let members = spec.members.len();
    let mut quotas = Quotas { each: total / members, extra: total % members };
    let mut assigned = Vec::with_capacity(members);
    let mut unfilled = Vec::new();
    for (at, member) in spec.members.iter().enumerate() {
        let mut kept = member.target.clone();
        let mut room = quotas.each + usize::from(quotas.extra > 0);
        let mut has_extra = quotas.extra > 0;
        for (topic, partitions) in member.target.iter() {
            if !topics.contains(topic) {
                Arc::make_mut(&mut kept).remove(topic);
                continue;
            }
            for partition in partitions {
                if !exists(spec, topic, *partition) {
                    take(&mut kept, topic, *partition);
                } else if room > 0 {
                    room -= 1;
                } else {
                    take(&mut kept, topic, *partition);
                    unassigned.push((*topic, *partition));
                }
            }
        }
        // Whoever has not filled it yet leaves one more to others, unless only as many members are left.
        if room > 0 && has_extra && members - at > quotas.extra {
            room -= 1;
            has_extra = false;
        }
        if room > 0 {
            unfilled.push((at, room));
        }
        quotas.extra -= usize::from(has_extra);
        assigned.push(kept);
    }
    let mut rest = unassigned.into_iter();
    for (at, room) in unfilled {
        for (topic, partition) in rest.by_ref().take(room) {
            Arc::make_mut(&mut assigned[at]).entry(topic).or_default().insert(partition);
        }
    }
    assigned
}

fn count(spec: &Spec, topic: &Uuid) -> usize {
    usize::try_from(spec.partition_count(topic)).unwrap_or(0)
}

fn exists(spec: &Spec, topic: &Uuid, partition: i32) -> bool {
    (0..spec.partition_count(topic)).contains(&partition)
}

fn take(kept: &mut Arc<Partitions>, topic: &Uuid, partition: i32) {
    let kept = Arc::make_mut(kept);
    if let Some(partitions) = kept.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            kept.remove(topic);
        }
    }
}

/// What no member was to own.
fn unassigned(spec: &Spec) -> Vec<(Uuid, i32)> {
    let mut free = Vec::new();
    for topic in spec.members[0].topics.iter() {
        let mut is_free = vec![true; count(spec, topic)];
        let targets = spec.members.iter().filter_map(|member| member.target.get(topic));
        for partition in targets.flatten() {
            let at = usize::try_from(*partition).ok();
            if let Some(is_free) = at.and_then(|at| is_free.get_mut(at)) {
                *is_free = false;
            }
        }
        let partitions = (0..).zip(is_free);
        free.extend(partitions.filter(|(_, is_free)| *is_free).map(|(partition, _)| (*topic, partition)));
    }
    free
}
