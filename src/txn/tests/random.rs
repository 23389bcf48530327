//! What must be true whatever producers, the writer of markers, time and restarts do: no two producers get the same
//! epoch, a transaction is decided once, the decision stands and its markers are offered until they are written.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 3;
const ID: &str = "pay";
/// So that the epochs are used up within a run.
const EPOCH_AT_FIRST: i16 = 32_762;

/// What happens next. A client uses what it was told last, or, `late`, what it was told before.
#[derive(Clone, Debug)]
enum Op {
    Init { client: usize, is_known: bool },
    Add { client: usize, partition: i32, late: bool },
    End { client: usize, is_committed: bool, late: bool },
    Next { again: bool },
    Written,
    Pass { ms: i64 },
    Reload,
}

fn any_op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    let is_late = || prop::bool::weighted(0.2);
    prop_oneof![
        2 => (client(), any::<bool>()).prop_map(|(client, is_known)| Op::Init { client, is_known }),
        6 => (client(), 0..3, is_late())
            .prop_map(|(client, partition, late)| Op::Add { client, partition, late }),
        6 => (client(), any::<bool>(), is_late())
            .prop_map(|(client, is_committed, late)| Op::End { client, is_committed, late }),
        6 => prop::bool::weighted(0.2).prop_map(|again| Op::Next { again }),
        8 => Just(Op::Written),
        2 => prop_oneof![Just(1_i64), Just(101), Just(70_000)].prop_map(|ms| Op::Pass { ms }),
        1 => Just(Op::Reload),
    ]
}

/// A request under way.
#[derive(Clone, Debug)]
enum Asked {
    Init(usize, InitProducerId),
    Add,
    End(usize, EndTxn),
    Next(NextMarkers),
    Written,
}

struct World {
    run: Run,
    version: i16,
    /// What each client was told, the latest last.
    told: Vec<Vec<Producer>>,
    /// Who was told that it is this producer.
    owners: BTreeMap<Producer, usize>,
    asked: Vec<Asked>,
    /// Handed out and not written.
    endings: Vec<Ending>,
    fresh: i64,
}

impl World {
    fn new(version: i16) -> Self {
        let mut run = Run::new();
        run.play("p init pay fresh=1000");
        run.play(&format!("epoch pay {EPOCH_AT_FIRST}"));
        let told = vec![Vec::new(); CLIENTS];
        let (owners, asked, endings) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { run, version, told, owners, asked, endings, fresh: 1000 }
    }

    fn send(&mut self, asked: Asked, input: Input) {
        let name = self.asked.len().to_string();
        self.asked.push(asked);
        self.run.ask(&name, input);
        self.take_answers();
    }

    fn fresh(&mut self) -> Option<i64> {
        self.fresh += 1;
        Some(self.fresh)
    }

    fn take_answers(&mut self) {
        self.run.commit();
        while let Some((name, reply)) = self.run.driver.release() {
            let Ok(number) = name.parse::<usize>() else { continue };
            match (self.asked[number].clone(), reply) {
                (Asked::Init(client, mut ask), Reply::InitProducerId(Err(Refusal::NeedsProducerId))) => {
                    ask.fresh_producer_id = self.fresh();
                    self.send(Asked::Init(client, ask.clone()), ask.into_input());
                }
                (Asked::End(client, mut ask), Reply::EndTxn(Err(Refusal::NeedsProducerId))) => {
                    ask.fresh_producer_id = self.fresh();
                    self.send(Asked::End(client, ask.clone()), ask.into_input());
                }
                (Asked::Next(_), Reply::NextMarkers(Err(_))) => {
                    let ask = NextMarkers { again: false, fresh_producer_id: self.fresh() };
                    self.send(Asked::Next(ask.clone()), ask.into_input());
                }
                (Asked::Next(ask), Reply::NextMarkers(Ok(endings))) => {
                    if ask.again {
                        self.endings.clear();
                    }
                    self.endings.extend(endings);
                }
                (Asked::Init(client, _), Reply::InitProducerId(Ok(producer))) => self.tell(client, producer),
                (Asked::End(client, ask), Reply::EndTxn(Ok(producer))) => self.ended(client, &ask, producer),
                (_, _) => {}
            }
        }
    }

    fn tell(&mut self, client: usize, producer: Producer) {
        let owner = *self.owners.entry(producer).or_insert(client);
        assert_eq!(owner, client, "{producer} is two producers");
        if self.told[client].last() != Some(&producer) {
            self.told[client].push(producer);
        }
    }

    /// What a client was told of the end of a transaction is what the log says of it.
    fn ended(&mut self, client: usize, ask: &EndTxn, producer: Producer) {
        if producer == Producer::NONE {
            return;
        }
        self.tell(client, producer);
        let decided =
            self.run.driver.sink_mut().0.iter().filter_map(|record| record.value.as_ref()).filter(|value| {
                transaction::is_prepared(value.state)
                    && value.producer_id == ask.producer.id
                    && value.producer_epoch == ask.producer.epoch + 1
            });
        let decided: Vec<_> = decided.map(|value| value.state == State::PrepareCommit).collect();
        assert_eq!(decided, [ask.is_committed], "{ask:?}");
    }

    fn known(&self, client: usize, late: bool) -> Option<Producer> {
        let told = &self.told[client];
        if late { told.iter().rev().nth(1).copied() } else { told.last().copied() }
    }

    fn play(&mut self, op: &Op) {
        match *op {
            Op::Init { client, is_known } => {
                let known = self.known(client, false).filter(|_| is_known).unwrap_or(Producer::NONE);
                let (transactional_id, fresh_producer_id) = (ID.into(), None);
                let ask = InitProducerId { transactional_id, timeout_ms: 60_000, known, fresh_producer_id };
                self.send(Asked::Init(client, ask.clone()), ask.into_input());
            }
            Op::Add { client, partition, late } => {
                let Some(producer) = self.known(client, late) else { return };
                let partitions = vec![("t".into(), partition)];
                let (transactional_id, transaction_version) = (ID.into(), self.version);
                let ask = AddPartitions { transactional_id, producer, partitions, transaction_version };
                self.send(Asked::Add, ask.into_input());
            }
            Op::End { client, is_committed, late } => {
                let Some(producer) = self.known(client, late) else { return };
                let (transactional_id, transaction_version) = (ID.into(), self.version);
                let fresh_producer_id = None;
                let ask = EndTxn {
                    transactional_id,
                    producer,
                    is_committed,
                    transaction_version,
                    fresh_producer_id,
                };
                self.send(Asked::End(client, ask.clone()), ask.into_input());
            }
            Op::Next { again } => {
                let ask = NextMarkers { again, fresh_producer_id: None };
                self.send(Asked::Next(ask.clone()), ask.into_input());
            }
            Op::Written => {
                let Some(ending) = self.endings.pop() else { return };
                self.send(Asked::Written, ending.written().into_input());
                // What was handed out stays what was decided.
                self.send(Asked::Written, ending.written().into_input());
            }
            Op::Pass { ms } => {
                self.run.at(self.run.now_ms + ms);
                self.take_answers();
            }
            Op::Reload => {
                self.run.reload();
                self.endings.clear();
                self.take_answers();
            }
        }
        self.run.check(&format!("{op:?}"));
    }

    /// The log as a whole: each record may follow the one before it, and any prefix of it is a state to go on from.
    fn check_log(&mut self) {
        let records = self.run.driver.sink_mut().0.clone();
        let values: Vec<Value> = records.into_iter().filter_map(|record| record.value).collect();
        let mut ids = BTreeSet::from([values[0].producer_id]);
        for pair in values.windows(2) {
            let [before, after] = pair else { panic!("windows of two") };
            assert!(may_follow(before.state, after.state), "{before:?} {after:?}");
            if before.producer_id == after.producer_id {
                assert!(before.producer_epoch <= after.producer_epoch, "{before:?} {after:?}");
            } else {
                assert_eq!(after.producer_epoch, 0);
                assert!(ids.insert(after.producer_id), "{after:?} is an old producer");
            }
            if transaction::is_prepared(after.state) {
                assert_eq!(before.partitions, after.partitions);
            }
        }
        for count in 0..=values.len() {
            let mut machine = self.run.replayed(count);
            let endings = offered(&mut machine);
            let last = count.checked_sub(1).map(|last| &values[last]);
            let decided = last.filter(|value| transaction::is_prepared(value.state));
            let expected = decided.map(|value| (value.state == State::PrepareCommit, value.producer_epoch));
            let got: Vec<_> = endings.iter().map(|e| (e.is_committed, e.producer.epoch)).collect();
            assert_eq!(got, Vec::from_iter(expected), "after {count} records");
        }
    }
}

/// `TransactionState.VALID_PREVIOUS_STATES`.
fn may_follow(before: State, after: State) -> bool {
    use State::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit};
    match after {
        Empty => matches!(before, Empty | CompleteCommit | CompleteAbort),
        Ongoing | PrepareAbort => matches!(before, Empty | Ongoing | CompleteCommit | CompleteAbort),
        PrepareCommit => before == Ongoing,
        CompleteCommit => before == PrepareCommit,
        CompleteAbort => before == PrepareAbort,
        State::Dead | State::PrepareEpochFence => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn producers_are_told_apart_and_decisions_stand(
        version in prop_oneof![3 => Just(2_i16), 1 => Just(0)],
        ops in prop::collection::vec(any_op(), 1..250),
    ) {
        let mut world = World::new(version);
        for op in &ops {
            world.play(op);
        }
        world.check_log();
    }
}
