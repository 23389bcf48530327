use proptest::prelude::*;

use super::*;

const MEMBERS: usize = 7;
const TOPICS: usize = 4;

/// Who is in the group at one time, and what there is to assign.
#[derive(Clone, Debug)]
struct Moment {
    /// By member: whether it is there, and as bits which topics it subscribes to.
    members: Vec<Option<u8>>,
    partitions: Vec<i32>,
    is_homogeneous: bool,
}

fn any_moment() -> impl Strategy<Value = Moment> {
    let member = prop::option::weighted(0.7, 0..16_u8);
    let members = prop::collection::vec(member, MEMBERS);
    let partitions = prop::collection::vec(0..13_i32, TOPICS);
    (members, partitions, any::<bool>()).prop_map(|(mut members, partitions, is_homogeneous)| {
        if is_homogeneous {
            let all = members.iter().flatten().next().copied().unwrap_or(0);
            members.iter_mut().flatten().for_each(|topics| *topics = all);
        }
        Moment { members, partitions, is_homogeneous }
    })
}

fn topic(at: usize) -> Uuid {
    Uuid::from_u128(u128::try_from(at).unwrap() + 1)
}

fn spec(moment: &Moment, before: &BTreeMap<Arc<str>, Arc<Partitions>>) -> Spec {
    let partitions: BTreeMap<Uuid, i32> =
        moment.partitions.iter().enumerate().map(|(at, count)| (topic(at), *count)).collect();
    let member = |(at, topics): (usize, &Option<u8>)| {
        let id: Arc<str> = format!("m{at}").into();
        let topics = (*topics)?;
        Some(Candidate {
            instance: (at % 3 == 0).then(|| format!("i{}", MEMBERS - at).into()),
            topics: Arc::new((0..TOPICS).filter(|of| topics & (1 << of) != 0).map(topic).collect()),
            target: before.get(&id).cloned().unwrap_or_default(),
            is_heir: false,
            id,
        })
    };
    let members = moment.members.iter().enumerate().filter_map(member).collect();
    Spec { members, is_homogeneous: moment.is_homogeneous, partitions }
}

/// Each partition that somebody subscribes to has one owner, who subscribes to it, and there is nothing else.
fn check_owners(spec: &Spec, assigned: &[Arc<Partitions>]) {
    assert_eq!(assigned.len(), spec.members.len());
    let mut owners: BTreeMap<(Uuid, i32), usize> = BTreeMap::new();
    for (member, partitions) in spec.members.iter().zip(assigned) {
        for (topic, of) in partitions.iter() {
            assert!(member.topics.contains(topic), "{} does not subscribe to {topic}", member.id);
            assert!(!of.is_empty());
            for partition in of {
                *owners.entry((*topic, *partition)).or_default() += 1;
            }
        }
    }
    let topics: BTreeSet<Uuid> =
        spec.members.iter().flat_map(|member| member.topics.iter().copied()).collect();
    let all = topics.iter().flat_map(|topic| (0..spec.partition_count(topic)).map(|of| ((*topic, of), 1)));
    assert_eq!(owners, all.collect());
}

fn size(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

/// Moving one partition to another subscriber makes nothing more even.
fn check_even(spec: &Spec, assigned: &[Arc<Partitions>]) {
    for (from, partitions) in assigned.iter().enumerate() {
        for topic in partitions.keys() {
            let others = spec.members.iter().zip(assigned);
            for (_, other) in others.filter(|(member, _)| member.topics.contains(topic)) {
                let (least, most) = (size(other), size(partitions));
                assert!(most <= least + 1, "{} has {most}, another {least}", spec.members[from].id);
            }
        }
    }
}

fn targets(spec: &Spec, assigned: &[Arc<Partitions>]) -> BTreeMap<Arc<str>, Arc<Partitions>> {
    spec.members.iter().map(|member| member.id.clone()).zip(assigned.iter().cloned()).collect()
}

/// How many partitions stayed with their owner.
fn kept(spec: &Spec, assigned: &[Arc<Partitions>]) -> usize {
    let of = |(member, now): (&Candidate, &Arc<Partitions>)| {
        let both = |(topic, was): (&Uuid, &BTreeSet<i32>)| {
            now.get(topic).map_or(0, |now| was.intersection(now).count())
        };
        member.target.iter().map(both).sum::<usize>()
    };
    spec.members.iter().zip(assigned).map(of).sum()
}

proptest! {
    #[test]
    fn uniform_is_complete_even_and_moves_no_more_than_it_must(moments in prop::collection::vec(any_moment(), 1..5)) {
        let mut before = BTreeMap::new();
        for moment in &moments {
            let spec = spec(moment, &before);
            let assigned = assign(Assignor::Uniform, &spec);
            check_owners(&spec, &assigned);
            check_even(&spec, &assigned);
            if moment.is_homogeneous && !spec.members.is_empty() {
                // Everybody keeps what they had up to the least that anybody gets.
                let least = assigned.iter().map(|of| size(of)).min().unwrap();
                let valid = |member: &Candidate| {
                    let of_topic = |(topic, of): (&Uuid, &BTreeSet<i32>)| {
                        let count = spec.partition_count(topic);
                        let known = if member.topics.contains(topic) { count } else { 0 };
                        of.iter().filter(|partition| **partition < known).count()
                    };
                    member.target.iter().map(of_topic).sum::<usize>()
                };
                let must: usize = spec.members.iter().map(|member| valid(member).min(least)).sum();
                prop_assert!(kept(&spec, &assigned) >= must);
            }
            before = targets(&spec, &assigned);
            let again = self::spec(moment, &before);
            prop_assert_eq!(assign(Assignor::Uniform, &again), assigned, "nothing changed, so nothing moves");
        }
    }

    #[test]
    fn range_gives_each_member_one_range_of_a_topic_by_rank(moment in any_moment()) {
        let spec = spec(&moment, &BTreeMap::new());
        let assigned = assign(Assignor::Range, &spec);
        check_owners(&spec, &assigned);
        for topic in spec.partitions.keys() {
            let mut sizes = vec![];
            for (member, partitions) in spec.members.iter().zip(&assigned) {
                let of: Vec<i32> = partitions.get(topic).into_iter().flatten().copied().collect();
                prop_assert!(of.windows(2).all(|pair| pair[0] + 1 == pair[1]));
                if member.topics.contains(topic) {
                    sizes.push(of.len());
                }
            }
            let (least, most) = (sizes.iter().min(), sizes.iter().max());
            prop_assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1);
        }
    }
}

#[test]
fn range_gives_the_same_partitions_of_topics_of_one_size_and_static_members_come_first() {
    let moment = Moment {
        members: vec![Some(3), Some(3), Some(3), None, None, None, None],
        partitions: vec![7, 7, 0, 0],
        is_homogeneous: true,
    };
    let assigned = assign(Assignor::Range, &spec(&moment, &BTreeMap::new()));
    let ranges: Vec<Vec<i32>> = assigned.iter().map(|of| of[&topic(0)].iter().copied().collect()).collect();
    assert_eq!(ranges, [vec![0, 1, 2], vec![3, 4], vec![5, 6]]);
    assert!(assigned.iter().all(|of| of[&topic(0)] == of[&topic(1)]));

    // The last is static, so it ranks first.
    let mut spec = spec(&moment, &BTreeMap::new());
    spec.members[0].instance = None;
    spec.members[2].instance = Some("z".into());
    let assigned = assign(Assignor::Range, &spec);
    assert_eq!(assigned[2][&topic(0)], BTreeSet::from([0, 1, 2]));
}
