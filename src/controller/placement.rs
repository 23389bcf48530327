//! Where the replicas of new partitions go (`StripedReplicaPlacer`).
//!
//! Replicas of one partition go to different racks as far as there are, round robin; within a rack to different
//! brokers, round robin, fenced ones last. The first replica, which will lead, is never on a fenced broker. Every
//! partition starts one rack and one broker further, so partitions stripe over the cluster:
//!
//! ```text
//! racks A (0 1 2), B (3 4 5), C (6 7 8), three replicas:   0 3 6    4 7 1    8 2 5
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Error, Kind};

/// A broker that may get replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    /// `node.id`.
    pub(super) id: i32,
    /// `broker.rack`.
    pub(super) rack: Option<Arc<str>>,
    /// Whether it can only be a second choice.
    pub(super) fenced: bool,
}

/// A stream of numbers that is the same for the same seed (SplitMix64); good enough to spread replicas.
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, high: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let high = u64::try_from(high).unwrap_or(u64::MAX).max(1);
        usize::try_from(mixed % high).expect("below a usize")
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Brokers in a ring that starts one further for every partition.
#[derive(Debug, Default)]
struct Ring {
    brokers: Vec<i32>,
    start: usize,
    /// The partition whose replicas are being placed.
    round: u64,
    taken: usize,
}

impl Ring {
    /// The next broker that this partition does not have yet.
    fn next(&mut self, round: u64) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.start = (self.start + 1) % self.brokers.len();
        }
        if self.taken == self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.start + self.taken) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Debug, Default)]
struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

/// Places the partitions of one topic, one after the other.
#[derive(Debug)]
pub(super) struct Placer {
    numbers: Numbers,
    racks: Vec<Rack>,
    unfenced_count: usize,
    broker_count: usize,
    /// The rack to start with.
    start: usize,
    round: u64,
    /// Partitions placed since the last shuffle.
    placed: usize,
}

impl Placer {
    /// A placer over `candidates`, which are in order of their ids.
    pub(super) fn new(candidates: &[Candidate], seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut racks: BTreeMap<Option<Arc<str>>, Rack> = BTreeMap::new();
        for candidate in candidates {
            let rack = racks.entry(candidate.rack.clone()).or_default();
            let ring = if candidate.fenced { &mut rack.fenced } else { &mut rack.unfenced };
            ring.brokers.push(candidate.id);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for rack in &mut racks {
            rack.unfenced.start = numbers.below(rack.unfenced.brokers.len());
            rack.fenced.start = numbers.below(rack.fenced.brokers.len());
        }
        let start = numbers.below(racks.len());
        let unfenced_count = candidates.iter().filter(|candidate| !candidate.fenced).count();
        let broker_count = candidates.len();
        Self { numbers, racks, unfenced_count, broker_count, start, round: 0, placed: 0 }
    }

    /// The replicas of the next partition, the leader first.
    pub(super) fn place(&mut self, replication_factor: i16) -> Result<Vec<i32>, Error> {
        self.check(replication_factor)?;
        let count = usize::try_from(replication_factor).expect("checked: positive");
        if self.placed == self.unfenced_count && self.unfenced_count > 1 {
            // Every unfenced broker has led once: another order keeps the same neighbours from meeting again.
            self.shuffle();
        }
        let racks = self.racks.len();
        let mut replicas = Vec::with_capacity(count);
        let mut leader_rack = self.start;
        for rack in (self.start..racks).chain(0..self.start) {
            if let Some(leader) = self.racks[rack].unfenced.next(self.round) {
                replicas.push(leader);
                leader_rack = rack;
                break;
            }
        }
        let mut rack = self.start;
        let mut skip_leader_rack = true;
        while replicas.len() < count {
            if skip_leader_rack && rack == leader_rack {
                skip_leader_rack = false;
            } else {
                let (round, rack) = (self.round, &mut self.racks[rack]);
                replicas.extend(rack.unfenced.next(round).or_else(|| rack.fenced.next(round)));
            }
            rack = (rack + 1) % racks;
        }
        self.round += 1;
        self.placed += 1;
        self.start = (self.start + 1) % racks;
        Ok(replicas)
    }

    fn shuffle(&mut self) {
        self.placed = 0;
        self.numbers.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            self.numbers.shuffle(&mut rack.unfenced.brokers);
            self.numbers.shuffle(&mut rack.fenced.brokers);
        }
    }

    fn check(&self, replication_factor: i16) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(Kind::InvalidReplicationFactor, message));
        let brokers = self.broker_count;
        if replication_factor <= 0 {
            return refuse(format!(
                "Invalid replication factor {replication_factor}: the replication factor must be positive."
            ));
        }
        if self.unfenced_count == 0 {
            return refuse(
                "All brokers are currently fenced, or have all their log directories cordoned.".into(),
            );
        }
        if usize::try_from(replication_factor).is_ok_and(|factor| factor > brokers) {
            return refuse(format!(
                "The target replication factor of {replication_factor} cannot be reached because only \
                 {brokers} broker(s) are registered or some brokers have all their log directories cordoned."
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn candidates(racks: &[(&str, &[i32])], fenced: &[i32]) -> Vec<Candidate> {
        let brokers = racks.iter().flat_map(|(rack, ids)| ids.iter().map(move |id| (rack, *id)));
        let of = |(rack, id): (&&str, i32)| Candidate {
            id,
            rack: (!rack.is_empty()).then(|| Arc::from(*rack)),
            fenced: fenced.contains(&id),
        };
        brokers.map(of).collect()
    }

    #[test]
    fn every_partition_spans_the_racks_and_leaders_move_from_rack_to_rack() {
        let brokers = candidates(&[("a", &[0, 1, 2]), ("b", &[3, 4, 5]), ("c", &[6, 7, 8])], &[]);
        for seed in 0..50 {
            let mut placer = Placer::new(&brokers, seed);
            let placed: Vec<Vec<i32>> = (0..9).map(|_| placer.place(3).unwrap()).collect();
            for replicas in &placed {
                let racks: BTreeSet<i32> = replicas.iter().map(|id| id / 3).collect();
                assert_eq!(racks.len(), 3, "{placed:?}");
            }
            let leader_racks: Vec<i32> = placed.iter().map(|replicas| replicas[0] / 3).collect();
            assert!(leader_racks.windows(2).all(|pair| pair[0] != pair[1]), "{placed:?}");
        }
    }

    #[test]
    fn without_racks_everybody_leads_before_anybody_leads_again() {
        let brokers = candidates(&[("", &[0, 1, 2, 3, 4, 5, 6])], &[]);
        for seed in 0..50 {
            let mut placer = Placer::new(&brokers, seed);
            let placed: Vec<Vec<i32>> = (0..7).map(|_| placer.place(3).unwrap()).collect();
            let leaders: BTreeSet<i32> = placed.iter().map(|replicas| replicas[0]).collect();
            assert_eq!(leaders.len(), 7, "seed {seed}: {placed:?}");
        }
    }

    #[test]
    fn fenced_brokers_never_lead_and_come_last() {
        let brokers = candidates(&[("", &[1, 2, 3, 4])], &[2]);
        for seed in 0..50 {
            let mut placer = Placer::new(&brokers, seed);
            for _ in 0..8 {
                assert!(!placer.place(3).unwrap().contains(&2));
                let all = placer.place(4).unwrap();
                assert_eq!(all[3], 2);
                assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 4);
            }
        }
    }

    #[test]
    fn one_unfenced_broker_among_fenced_racks_leads_everything() {
        let brokers = candidates(&[("a", &[1]), ("b", &[2]), ("c", &[3])], &[1, 3]);
        for seed in 0..20 {
            let mut placer = Placer::new(&brokers, seed);
            for _ in 0..5 {
                let replicas = placer.place(3).unwrap();
                assert_eq!(replicas[0], 2);
                assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
            }
        }
    }

    #[test]
    fn too_few_brokers_are_refused_with_kafkas_words() {
        let refused = |brokers: &[Candidate]| Placer::new(brokers, 0).place(2).unwrap_err().to_string();
        assert_eq!(
            refused(&candidates(&[("", &[1])], &[])),
            "The target replication factor of 2 cannot be reached because only 1 broker(s) are registered \
             or some brokers have all their log directories cordoned."
        );
        assert_eq!(
            refused(&candidates(&[("", &[1, 2])], &[1, 2])),
            "All brokers are currently fenced, or have all their log directories cordoned."
        );
    }
}
