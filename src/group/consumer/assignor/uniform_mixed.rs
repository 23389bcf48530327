//! Even for members that subscribe to different topics (`UniformHeterogeneousAssignmentBuilder`).
//!
//! Members keep what they still subscribe to; what is free goes to the least loaded; then partitions move from the
//! most to the least loaded subscribers of each topic until no move helps, or for a bounded number of rounds.

mod balancer;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use self::balancer::Balancer;
use super::Spec;
use crate::group::consumer::member::Partitions;

/// Most rounds of moving partitions; each about halves what is uneven.
const ROUNDS_MAX: usize = 16;

/// An assignment in the making. Members are indexes into [`Spec::members`].
struct Builder<'a> {
    spec: &'a Spec,
    /// By topic: its subscribers, ascending.
    subscribers: BTreeMap<Uuid, Vec<usize>>,
    /// By topic: the owner of each partition.
    owners: BTreeMap<Uuid, Vec<Option<usize>>>,
    /// How many partitions each member has.
    sizes: Vec<usize>,
}

pub(super) fn assign(spec: &Spec) -> Vec<Arc<Partitions>> {
    let mut builder = Builder::new(spec);
    builder.keep();
    builder.assign_free();
    builder.balance();
    builder.build()
}

impl<'a> Builder<'a> {
    fn new(spec: &'a Spec) -> Self {
        let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (at, member) in spec.members.iter().enumerate() {
            for topic in member.topics.iter() {
                subscribers.entry(*topic).or_default().push(at);
            }
        }
        let nobody = |topic: &Uuid| vec![None; usize::try_from(spec.partition_count(topic)).unwrap_or(0)];
        let owners = subscribers.keys().map(|topic| (*topic, nobody(topic))).collect();
        Self { spec, subscribers, owners, sizes: vec![0; spec.members.len()] }
    }

    fn keep(&mut self) {
        for (at, member) in self.spec.members.iter().enumerate() {
            for (topic, partitions) in member.target.iter() {
                if !member.topics.contains(topic) {
                    continue;
                }
                let owners = self.owners.get_mut(topic).expect("a topic subscribed to has owners");
                for partition in partitions {
                    let index = usize::try_from(*partition).ok();
                    if let Some(owner @ None) = index.and_then(|index| owners.get_mut(index)) {
                        *owner = Some(at);
                        self.sizes[at] += 1;
                    }
                }
            }
        }
    }

    fn assign_free(&mut self) {
        let topics: Vec<Uuid> = self.owners.keys().copied().collect();
        for topic in self.sorted(topics) {
            let owners = &self.owners[&topic];
            let free: Vec<usize> = (0..owners.len()).filter(|at| owners[*at].is_none()).collect();
            if free.is_empty() {
                continue;
            }
            let mut balancer = Balancer::new(&self.subscribers[&topic], &self.sizes);
            for partition in free {
                let to = balancer.next_least_loaded(&self.sizes);
                self.give(topic, partition, to);
            }
        }
    }

    /// Topics with the most partitions for each subscriber first, of equal ones those with fewer subscribers.
    fn sorted(&self, mut topics: Vec<Uuid>) -> Vec<Uuid> {
        let share = |topic: &Uuid| (self.owners[topic].len() as f64) / (self.subscribers[topic].len() as f64);
        topics.sort_by(|a, b| {
            let by_share = share(b).partial_cmp(&share(a)).unwrap_or(Ordering::Equal);
            let by_subscribers = || self.subscribers[a].len().cmp(&self.subscribers[b].len());
            by_share.then_with(by_subscribers).then_with(|| a.cmp(b))
        });
        topics
    }

    fn give(&mut self, topic: Uuid, partition: usize, to: usize) {
        let owners = self.owners.get_mut(&topic).expect("a topic subscribed to has owners");
        if let Some(from) = owners[partition].replace(to) {
            self.sizes[from] -= 1;
        }
        self.sizes[to] += 1;
    }

    fn balance(&mut self) {
        let shared = self.subscribers.iter().filter(|(_, members)| members.len() >= 2);
        let topics = self.sorted(shared.map(|(topic, _)| *topic).collect());
        let mut last_moved = None;
        for _ in 0..ROUNDS_MAX {
            for (at, topic) in topics.iter().enumerate() {
                if last_moved == Some(at) {
                    // Since the last move every topic was looked at.
                    return;
                }
                if self.balance_topic(*topic) > 0 || last_moved.is_none() {
                    last_moved = Some(at);
                }
            }
        }
    }

    /// Moves partitions of one topic from its most to its least loaded subscribers; how many were moved.
    fn balance_topic(&mut self, topic: Uuid) -> usize {
        let mut balancer = Balancer::new(&self.subscribers[&topic], &self.sizes);
        if balancer.imbalance(&self.sizes) <= 1 {
            return 0;
        }
        // By owner: the partitions that are still theirs to give, ascending.
        let mut owned: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in self.owners[&topic].iter().enumerate() {
            if let Some(owner) = owner {
                owned.entry(*owner).or_default().push(partition);
            }
        }
        let mut moved = 0;
        while !balancer.is_balanced() {
            let Some(partition) = Self::next_to_move(&mut balancer, &self.sizes, &mut owned) else { break };
            let to = balancer.next_least_loaded(&self.sizes);
            if balancer.is_balanced() {
                break;
            }
            self.give(topic, partition, to);
            moved += 1;
        }
        moved
    }

    fn next_to_move(
        balancer: &mut Balancer,
        sizes: &[usize],
        owned: &mut BTreeMap<usize, Vec<usize>>,
    ) -> Option<usize> {
        loop {
            let from = balancer.next_most_loaded(sizes)?;
            if let Some(partition) = owned.get_mut(&from).and_then(Vec::pop) {
                return Some(partition);
            }
            balancer.exclude_most_loaded();
        }
    }

    fn build(self) -> Vec<Arc<Partitions>> {
        let mut assigned = vec![Partitions::new(); self.spec.members.len()];
        for (topic, owners) in &self.owners {
            for (partition, owner) in (0..).zip(owners) {
                if let Some(owner) = owner {
                    assigned[*owner].entry(*topic).or_default().insert(partition);
                }
            }
        }
        let members = self.spec.members.iter();
        let kept = |(new, member): (Partitions, &super::Candidate)| {
            if new == *member.target { member.target.clone() } else { Arc::new(new) }
        };
        assigned.into_iter().zip(members).map(kept).collect()
    }
}
