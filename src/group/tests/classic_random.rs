//! What random members of a classic group must find true, whatever they do and whenever the machine is loaded again.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What one of the clients does next; it uses what it knows of itself, or makes it up.
#[derive(Clone, Debug)]
enum Op {
    Join {
        client: usize,
        version: i16,
        protocols: u8,
    },
    /// With a member id of another client, or one that nobody has.
    JoinAs {
        client: usize,
        other: usize,
    },
    Sync {
        client: usize,
        lag: i32,
    },
    Heartbeat {
        client: usize,
        lag: i32,
    },
    Leave {
        client: usize,
    },
    /// A client forgets who it was, as after a restart.
    Forget {
        client: usize,
    },
    Pass {
        ms: i64,
    },
    Reload,
}

/// The last two clients are static members.
const CLIENTS: usize = 5;
const STATIC_FROM: usize = 3;

fn any_op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    let version = prop_oneof![Just(3_i16), Just(8), Just(9)];
    prop_oneof![
        6 => (client(), version, 0..8_u8)
            .prop_map(|(client, version, protocols)| Op::Join { client, version, protocols }),
        1 => (client(), client()).prop_map(|(client, other)| Op::JoinAs { client, other }),
        6 => (client(), 0..8_i32).prop_map(|(client, lag)| Op::Sync { client, lag: lag / 7 }),
        3 => (client(), 0..8_i32).prop_map(|(client, lag)| Op::Heartbeat { client, lag: lag / 7 }),
        1 => client().prop_map(|client| Op::Leave { client }),
        1 => client().prop_map(|client| Op::Forget { client }),
        4 => prop_oneof![Just(0_i64), Just(1_000), Just(7_000), Just(70_000)].prop_map(|ms| Op::Pass { ms }),
        1 => Just(Op::Reload),
    ]
}

/// What a client has been told.
#[derive(Clone, Debug, Default)]
struct Known {
    member: String,
    generation: i32,
}

struct World {
    run: Run,
    known: Vec<Known>,
    /// How many answers each client waits for.
    waiting: BTreeMap<String, usize>,
    /// Who was told to assign, by generation; a load may take generations back.
    told_to_assign: BTreeMap<i32, String>,
    /// The generation when last looked at.
    seen: i32,
}

impl World {
    fn new() -> Self {
        let mut run = Run::new();
        run.set(&Words::of("set size=4 delay=1000"));
        run.reload();
        run.commit();
        while run.driver.release().is_some() {}
        let known = vec![Known::default(); CLIENTS];
        let (waiting, told_to_assign) = (BTreeMap::new(), BTreeMap::new());
        Self { run, known, waiting, told_to_assign, seen: 0 }
    }

    fn do_as(&mut self, client: usize, what: &str) {
        let name = format!("c{client}");
        let identity = &self.known[client].member;
        let mut line = format!("{name} {what} v=9");
        if !what.contains("member=") && !identity.is_empty() {
            write!(line, " member={identity}").unwrap();
        }
        if client >= STATIC_FROM {
            write!(line, " instance=i{client}").unwrap();
        }
        *self.waiting.entry(name.clone()).or_default() += 1;
        self.run.ask(&name, &Words::of(&line));
    }

    fn act(&mut self, op: &Op) {
        match *op {
            Op::Join { client, version, protocols } => {
                let names: Vec<&str> = [(1, "range:r"), (2, "sticky:s"), (4, "uniform:u")]
                    .iter()
                    .filter(|(bit, _)| protocols & bit != 0)
                    .map(|(_, name)| *name)
                    .collect();
                self.do_as(
                    client,
                    &format!("join g v={version} protocols={} rebalance=5000", names.join(",")),
                );
            }
            Op::JoinAs { client, other } => {
                let member = Some(self.known[other].member.clone()).filter(|id| !id.is_empty());
                self.do_as(client, &format!("join g member={}", member.as_deref().unwrap_or("nobody")));
            }
            Op::Sync { client, lag } => {
                let generation = self.known[client].generation - lag;
                let all: Vec<String> = self.known.iter().map(|known| format!("{}:p", known.member)).collect();
                self.do_as(
                    client,
                    &format!("sync g {generation} type= protocol= v=4 assign={}", all.join(",")),
                );
            }
            Op::Heartbeat { client, lag } => {
                self.do_as(client, &format!("heartbeat g {}", self.known[client].generation - lag));
            }
            Op::Leave { client } => self.do_as(client, "leave g"),
            Op::Forget { client } => self.known[client] = Known::default(),
            Op::Pass { ms } => self.run.at(self.run.now_ms + ms),
            Op::Reload => {
                for client in self.run.reload() {
                    *self.waiting.get_mut(&client).unwrap() -= 1;
                }
                self.told_to_assign.clear();
                self.seen = 0;
            }
        }
        self.listen();
        self.look();
    }

    /// Takes the answers; each was waited for.
    fn listen(&mut self) {
        self.run.commit();
        while let Some((name, reply)) = self.run.driver.release() {
            let Some(client) = name.strip_prefix('c') else { continue };
            let left = self.waiting.get_mut(&name).unwrap();
            *left = left.checked_sub(1).expect("an answer that nobody waits for");
            if let Reply::JoinGroup(answer) = reply {
                self.learn(client.parse().unwrap(), &answer);
            }
        }
    }

    fn learn(&mut self, client: usize, answer: &kafka_protocol::messages::JoinGroupResponse) {
        let known = &mut self.known[client];
        match Code::try_from_code(answer.error_code) {
            None => {
                *known = Known { member: answer.member_id.to_string(), generation: answer.generation_id };
                let has_to_assign = !answer.members.is_empty() && !answer.skip_assignment;
                assert!(!has_to_assign || answer.leader == answer.member_id);
                if has_to_assign {
                    let told = self.told_to_assign.entry(answer.generation_id);
                    let told = told.or_insert_with(|| answer.member_id.to_string());
                    assert_eq!(**told, *answer.member_id, "two leaders in one generation");
                }
            }
            Some(Code::MemberIdRequired) => known.member = answer.member_id.to_string(),
            Some(Code::RebalanceInProgress) => {}
            Some(_) => *known = Known::default(),
        }
    }

    /// What must be true after each step.
    fn look(&mut self) {
        let records = &self.run.driver.sink_mut().0;
        // An empty group expires; the next of its name begins anew.
        for group in
            records.split(|record| matches!(record, Entry::Plain(Record::GroupMetadata { value: None, .. })))
        {
            let generations = group.iter().map(|record| {
                let Entry::Plain(Record::GroupMetadata { value: Some(value), .. }) = record else {
                    panic!("{record:?}")
                };
                value.generation
            });
            assert!(generations.is_sorted(), "{group:?}");
        }
        assert_eq!(durable(&self.run.replayed()), durable(self.run.driver.machine()));
        let Some(Group::Classic(group)) = self.run.driver.machine().groups.get("g") else {
            self.seen = 0;
            self.told_to_assign.clear();
            return;
        };
        let roster = group.roster();
        assert!(roster.generation >= self.seen, "the generation went back");
        self.seen = roster.generation;
        assert_eq!(roster.leader.is_some(), !roster.members.is_empty());
        assert!(roster.leader.iter().all(|leader| roster.members.contains_key(leader)));
        let instances: Vec<_> =
            roster.members.values().filter_map(|member| member.instance.clone()).collect();
        assert_eq!(
            instances.iter().collect::<BTreeSet<_>>().len(),
            instances.len(),
            "two with one instance id"
        );
        group.assert_consistent();
    }
}

proptest! {
    #[test]
    fn everybody_is_answered_once_and_nobody_stays_for_ever(
        ops in prop::collection::vec(any_op(), 0..120),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.act(op);
        }
        // Everybody falls silent: what waits is answered, and nothing is left but the group's name.
        for _ in 0..20 {
            world.act(&Op::Pass { ms: 70_000 });
        }
        prop_assert!(world.waiting.values().all(|count| *count == 0), "{:?} wait", world.waiting);
        let groups = world.run.driver.machine();
        if let Some(Group::Classic(group)) = groups.groups.get("g") {
            prop_assert!(group.is_empty() && group.is_idle(), "{group:?}");
        }
        prop_assert!(groups.timers.classic_count() == 0);
    }
}
