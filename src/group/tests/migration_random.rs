//! Random members of both protocols in one group, which turns from one into the other and back: whatever they send,
//! the machine can replay what it decides, and no partition is of two members at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What one of the clients sends next.
#[derive(Clone, Debug)]
enum Op {
    Consume { client: usize },
    Beat { client: usize, owns_nothing: bool },
    Unsubscribe { client: usize, is_static: bool },
    Join { client: usize },
    Sync { client: usize },
    Heartbeat { client: usize },
    Leave { client: usize },
    Delete,
    Policy { name: &'static str },
    Topic { partitions: i32 },
    Pass { ms: i64 },
    Reload,
}

/// The last one is a static member.
const CLIENTS: usize = 4;

fn any_op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    let policy = prop_oneof![Just("BIDIRECTIONAL"), Just("UPGRADE"), Just("DOWNGRADE"), Just("DISABLED")];
    let beat = (client(), any::<bool>());
    prop_oneof![
        3 => client().prop_map(|client| Op::Consume { client }),
        6 => beat.clone().prop_map(|(client, owns_nothing)| Op::Beat { client, owns_nothing }),
        2 => beat.prop_map(|(client, is_static)| Op::Unsubscribe { client, is_static }),
        6 => client().prop_map(|client| Op::Join { client }),
        4 => client().prop_map(|client| Op::Sync { client }),
        2 => client().prop_map(|client| Op::Heartbeat { client }),
        2 => client().prop_map(|client| Op::Leave { client }),
        1 => Just(Op::Delete),
        1 => policy.prop_map(|name| Op::Policy { name }),
        1 => (0..6_i32).prop_map(|partitions| Op::Topic { partitions }),
        5 => prop_oneof![Just(0_i64), Just(1_500), Just(9_000), Just(46_000)].prop_map(|ms| Op::Pass { ms }),
        1 => Just(Op::Reload),
    ]
}

/// What a client was told.
#[derive(Clone, Debug, Default)]
struct Known {
    member: String,
    epoch: i32,
}

struct World {
    run: Run,
    known: Vec<Known>,
}

impl World {
    fn new() -> Self {
        let mut run = Run::new();
        run.play("topic t 4");
        run.at(1_000);
        Self { run, known: vec![Known::default(); CLIENTS] }
    }

    fn ask(&mut self, client: usize, what: &str) {
        let mut line = format!("c{client} {what}");
        if client == CLIENTS - 1 {
            line += " instance=i";
        }
        self.run.ask(&format!("c{client}"), &Words::of(&line));
    }

    fn act(&mut self, op: &Op) {
        match *op {
            Op::Consume { client } => {
                let known = &mut self.known[client].member;
                if known.is_empty() {
                    *known = format!("m{client}");
                }
                let line = format!("consume g topics=t timeout=8000 member={known}");
                self.ask(client, &line);
            }
            Op::Beat { client, owns_nothing } => {
                let Known { member, epoch } = self.known[client].clone();
                let owned = if owns_nothing { "owned=-" } else { "" };
                self.ask(client, &format!("beat g {epoch} member={member} {owned}"));
            }
            Op::Unsubscribe { client, is_static } => {
                let epoch = if is_static { -2 } else { -1 };
                let member = self.known[client].member.clone();
                self.ask(client, &format!("beat g {epoch} member={member}"));
            }
            Op::Join { client } => {
                let member = self.known[client].member.clone();
                self.ask(
                    client,
                    &format!("join g topics=t protocols=range,sticky rebalance=8000 member={member} v=9"),
                );
            }
            Op::Sync { client } => {
                let Known { member, epoch } = self.known[client].clone();
                self.ask(client, &format!("sync g {epoch} member={member} protocol=range"));
            }
            Op::Heartbeat { client } => {
                let Known { member, epoch } = self.known[client].clone();
                self.ask(client, &format!("heartbeat g {epoch} member={member}"));
            }
            Op::Leave { client } => {
                let member = self.known[client].member.clone();
                self.ask(client, &format!("leave g member={member}"));
            }
            Op::Delete => self.run.ask("admin", &Words::of("admin delete g")),
            Op::Policy { name } => {
                self.run.set(&Words::of(&format!("set migration={name}")));
                self.run.reload();
            }
            Op::Topic { partitions } => drop(self.run.play(&format!("topic t {partitions}"))),
            Op::Pass { ms } => self.run.at(self.run.now_ms + ms),
            Op::Reload => drop(self.run.reload()),
        }
        self.listen();
        self.look();
    }

    fn listen(&mut self) {
        self.run.commit();
        while let Some((name, reply)) = self.run.driver.release() {
            let Some(client) = name.strip_prefix('c').and_then(|name| name.parse::<usize>().ok()) else {
                continue;
            };
            let told = if let Reply::ConsumerGroupHeartbeat(answer) = reply {
                let member = answer.member_id.map(|id| id.to_string()).unwrap_or_default();
                Some((answer.error_code, member, answer.member_epoch))
            } else if let Reply::JoinGroup(answer) = reply {
                Some((answer.error_code, answer.member_id.to_string(), answer.generation_id))
            } else {
                None
            };
            match told {
                Some((0, member, epoch)) => self.known[client] = Known { member, epoch },
                Some((code, member, _)) if Code::try_from_code(code) == Some(Code::MemberIdRequired) => {
                    self.known[client] = Known { member, epoch: 0 };
                }
                Some((code, ..)) if Code::try_from_code(code) == Some(Code::RebalanceInProgress) => {}
                Some(_) => self.known[client] = Known::default(),
                None => {}
            }
        }
    }

    fn look(&mut self) {
        assert_eq!(durable(&self.run.replayed()), durable(self.run.driver.machine()));
        let Some(Group::Consumer(group)) = self.run.driver.machine().groups.get("g") else { return };
        let mut owners: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for member in group.members.values() {
            let owned = member.assigned.iter().chain(member.revoking.iter());
            for partition in owned.flat_map(|(topic, of)| of.keys().map(|of| (*topic, *of))) {
                let other = owners.insert(partition, &member.id);
                assert_eq!(other, None, "{partition:?} is also of {}", member.id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 4_000, ..ProptestConfig::default() })]
    #[test]
    fn members_of_both_protocols_never_break_a_group(ops in prop::collection::vec(any_op(), 1..80)) {
        let mut world = World::new();
        for op in &ops {
            world.act(op);
        }
    }
}
