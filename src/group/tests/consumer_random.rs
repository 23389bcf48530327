//! What random members of a consumer group must find true, whatever they do, whichever answers are lost and whenever
//! the machine is loaded again: a partition has one owner at a time, and in the end the group is stable.

use std::collections::BTreeSet;

use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use proptest::prelude::*;

use super::*;
use crate::group::consumer::Group as ConsumerGroup;

type Owned = BTreeSet<(Uuid, i32)>;

/// What happens next.
#[derive(Clone, Debug)]
enum Op {
    /// A heartbeat, the first one if the client is not in the group; its answer may be lost. A client says all
    /// that it has whenever it does not know what became of the last one.
    Beat {
        client: usize,
        is_lost: bool,
        says_all: bool,
    },
    /// The client gives up and takes what it was last told to.
    Apply {
        client: usize,
    },
    /// The client subscribes to other topics.
    Subscribe {
        client: usize,
        topics: usize,
    },
    Leave {
        client: usize,
        stays_known: bool,
    },
    /// The client is gone without a word.
    Crash {
        client: usize,
    },
    Topic {
        name: &'static str,
        partitions: i32,
    },
    Pass {
        ms: i64,
    },
    Reload,
}

/// The last two clients are static members.
const CLIENTS: usize = 5;
const STATIC_FROM: usize = 3;
const SUBSCRIPTIONS: [&str; 5] =
    ["topics=t regex=", "topics=t,u regex=", "topics=u regex=", "topics= regex=t|u", "topics= regex=u.*"];

fn any_op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    let ms = prop_oneof![Just(500_i64), Just(2_000), Just(12_000), Just(50_000)];
    let beat = (client(), prop::bool::weighted(0.2), any::<bool>());
    let topic = (prop_oneof![Just("t"), Just("u")], 0..6_i32);
    prop_oneof![
        12 => beat.prop_map(|(client, is_lost, says_all)| Op::Beat { client, is_lost, says_all }),
        8 => client().prop_map(|client| Op::Apply { client }),
        2 => (client(), 0..SUBSCRIPTIONS.len()).prop_map(|(client, topics)| Op::Subscribe { client, topics }),
        1 => (client(), any::<bool>()).prop_map(|(client, stays_known)| Op::Leave { client, stays_known }),
        1 => client().prop_map(|client| Op::Crash { client }),
        1 => topic.prop_map(|(name, partitions)| Op::Topic { name, partitions }),
        4 => ms.prop_map(|ms| Op::Pass { ms }),
        1 => Just(Op::Reload),
    ]
}

/// One client, and what it was told.
#[derive(Clone, Debug, Default)]
struct Client {
    /// Starts from nothing that often.
    life: usize,
    is_alive: bool,
    epoch: i32,
    topics: usize,
    has_new_topics: bool,
    missed_answer: bool,
    owned: Owned,
    told: Owned,
}

struct World {
    run: Run,
    clients: Vec<Client>,
    /// The group's epoch when last looked at.
    epoch: i32,
}

impl World {
    fn new() -> Self {
        let mut run = Run::new();
        run.play("topic t 4");
        run.play("topic u 3");
        Self { run, clients: vec![Client::default(); CLIENTS], epoch: 0 }
    }

    fn group(&self) -> Option<&ConsumerGroup> {
        match self.run.driver.machine().groups.get("g") {
            Some(Group::Consumer(group)) => Some(group),
            Some(Group::Classic(_)) => panic!("nobody asked for a classic group"),
            None => None,
        }
    }

    fn member(&self, client: usize) -> String {
        format!("c{client}-{}", self.clients[client].life)
    }

    fn ask(&mut self, client: usize, what: &str) -> ConsumerGroupHeartbeatResponse {
        let mut line = format!("c{client} {what} member={}", self.member(client));
        if client >= STATIC_FROM {
            write!(line, " instance=i{client}").unwrap();
        }
        self.run.ask(&format!("c{client}"), &Words::of(&line));
        self.run.commit();
        let mut answer = None;
        while let Some((name, reply)) = self.run.driver.release() {
            if let Reply::ConsumerGroupHeartbeat(reply) = reply {
                assert_eq!(name, format!("c{client}"));
                answer = Some(reply);
            }
        }
        answer.expect("a heartbeat is answered at once")
    }

    fn beat(&mut self, client: usize, is_lost: bool, says_all: bool) {
        let of = &mut self.clients[client];
        if !of.is_alive {
            let topics = of.topics;
            *of = Client { life: of.life + 1, is_alive: true, topics, ..Client::default() };
        }
        let mut line = if of.epoch == 0 { "consume g".into() } else { format!("beat g {}", of.epoch) };
        let says_all = says_all || of.missed_answer;
        if of.epoch == 0 || of.has_new_topics || says_all {
            write!(line, " {}", SUBSCRIPTIONS[of.topics]).unwrap();
        }
        if says_all && of.epoch != 0 {
            // The answer will say what it is to own, so what it was told before is void.
            of.told = of.owned.clone();
            let owned = of.owned.iter().map(|(topic, partition)| {
                let name = if *topic == consumer::topic_id("t") { "t" } else { "u" };
                format!("{name}:{partition}")
            });
            let owned: Vec<String> = owned.collect();
            write!(
                line,
                " timeout=60000 owned={}",
                if owned.is_empty() { "-".into() } else { owned.join(",") }
            )
            .unwrap();
        }
        of.missed_answer = is_lost;
        let answer = self.ask(client, &line);
        if !is_lost {
            self.learn(client, &answer);
        }
    }

    fn learn(&mut self, client: usize, answer: &ConsumerGroupHeartbeatResponse) {
        let of = &mut self.clients[client];
        match Code::try_from_code(answer.error_code) {
            None => {
                assert!(answer.member_epoch > 0);
                (of.epoch, of.has_new_topics) = (answer.member_epoch, false);
                if let Some(assignment) = &answer.assignment {
                    let topics = assignment.topic_partitions.iter();
                    let partitions = topics.flat_map(|topic| {
                        topic.partitions.iter().map(|partition| (topic.topic_id, *partition))
                    });
                    of.told = partitions.collect();
                }
            }
            Some(Code::FencedMemberEpoch | Code::UnknownMemberId | Code::GroupIdNotFound) => {
                (of.epoch, of.owned, of.told) = (0, Owned::new(), Owned::new());
            }
            Some(Code::UnreleasedInstanceId) => assert_eq!(of.epoch, 0),
            Some(other) => panic!("{other:?} {:?}", answer.error_message),
        }
    }

    fn act(&mut self, op: &Op) {
        match *op {
            Op::Beat { client, is_lost, says_all } => self.beat(client, is_lost, says_all),
            Op::Apply { client } => self.clients[client].owned = self.clients[client].told.clone(),
            Op::Subscribe { client, topics } => {
                (self.clients[client].topics, self.clients[client].has_new_topics) = (topics, true);
            }
            Op::Leave { client, stays_known } => {
                if self.clients[client].is_alive {
                    let is_static = client >= STATIC_FROM && stays_known;
                    self.ask(client, if is_static { "beat g -2" } else { "beat g -1" });
                    self.end(client);
                }
            }
            Op::Crash { client } => self.end(client),
            Op::Topic { name, partitions } => drop(self.run.play(&format!("topic {name} {partitions}"))),
            Op::Pass { ms } => self.run.at(self.run.now_ms + ms),
            Op::Reload => drop(self.run.play("reload")),
        }
        self.look();
    }

    fn end(&mut self, client: usize) {
        let of = &mut self.clients[client];
        (of.is_alive, of.epoch, of.owned, of.told) = (false, 0, Owned::new(), Owned::new());
    }

    /// What must be true at all times.
    fn look(&mut self) {
        assert_eq!(durable(&self.run.replayed()), durable(self.run.driver.machine()));
        let Some(group) = self.group() else {
            self.epoch = 0;
            return;
        };
        let epoch = group.epoch;
        assert!(epoch >= self.epoch, "the epoch went back");
        let mut owners: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for member in group.members.values() {
            assert!(member.epoch <= group.assignment_epoch);
            let owned = member.assigned.iter().chain(member.revoking.iter());
            for (topic, partition) in owned.flat_map(|(topic, of)| of.keys().map(|of| (*topic, *of))) {
                let other = owners.insert((topic, partition), &member.id);
                assert_eq!(other, None, "{topic} {partition} is also of {}", member.id);
            }
        }
        for (client, of) in self.clients.iter().enumerate() {
            let id = format!("c{client}-{}", of.life);
            // Whoever is not in the group any more is told so at its next heartbeat or commit.
            if of.epoch == 0 || !group.members.contains_key(&*id) {
                continue;
            }
            for partition in &of.owned {
                assert_eq!(owners.get(partition).copied(), Some(&*id), "{id} consumes {partition:?}");
            }
        }
        self.epoch = epoch;
    }

    /// All clients that live heartbeat until those that do not are put out, and do what they are told.
    fn settle(&mut self) {
        for _ in 0..30 {
            for client in 0..CLIENTS {
                if self.clients[client].is_alive {
                    self.act(&Op::Beat { client, is_lost: false, says_all: true });
                    self.act(&Op::Apply { client });
                }
            }
            self.act(&Op::Pass { ms: 4_000 });
        }
        let image = self.run.image.clone();
        let Some(group) = self.group() else { return };
        let (state, members) = (group.state().name(), group.members.len());
        let living = self.clients.iter().filter(|of| of.is_alive).count();
        assert_eq!((state, members), (if living == 0 { "Empty" } else { "Stable" }, living));
        let is_subscribed = |name: &str| {
            let by = |of: &Client| match of.topics {
                0 => name == "t",
                1 | 3 => true,
                _ => name == "u",
            };
            self.clients.iter().filter(|of| of.is_alive).any(by)
        };
        let topics = image.topics.iter().filter(|topic| is_subscribed(&topic.name));
        let all = topics.flat_map(|topic| (0..topic.partition_count()).map(|of| (topic.id.0, of)));
        let owned = self.clients.iter().flat_map(|of| of.owned.iter().copied());
        let owned: Vec<_> = owned.collect();
        assert_eq!(owned.len(), owned.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(owned.into_iter().collect::<Owned>(), all.collect::<Owned>());
        assert_eq!(
            self.run.driver.sink_mut().next_offset(),
            {
                let before = self.run.driver.sink_mut().next_offset();
                for client in 0..CLIENTS {
                    if self.clients[client].is_alive {
                        self.beat(client, false, false);
                    }
                }
                before
            },
            "a heartbeat without change writes nothing"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 4_000, ..ProptestConfig::default() })]
    #[test]
    fn a_partition_has_one_owner_at_a_time_and_in_the_end_the_group_is_stable(
        ops in prop::collection::vec(any_op(), 1..80),
    ) {
        let mut world = World::new();
        for op in &ops {
            world.act(op);
        }
        world.settle();
    }
}
