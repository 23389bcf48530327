//! Each file of `testdata` is a story: a command per line, and below it, behind `>`, the records that it wrote and
//! the answers that came of it.
//!
//! ```text
//! CLIENT init ID [known=PRODUCER] [timeout=MS]         InitProducerId
//! CLIENT add ID PRODUCER PARTITION ... [v=0]           AddPartitionsToTxn
//! CLIENT verify ID PRODUCER PARTITION ...              the same, verifying only
//! CLIENT commit ID PRODUCER [v=0]                      EndTxn; abort likewise
//! CLIENT describe ID                                   DescribeTransactions
//! CLIENT list [states=A,B] [ids=1,2] [longer=MS]       ListTransactions
//! CLIENT next [again=true]                             NextMarkers
//! CLIENT written ID OFFSET                             MarkersWritten
//! at MS                                                the clock moves, and what is due expires
//! version LEVEL                                        the finalized transaction.version, 2 at first
//! hold                                                 nothing is committed from now on, so answers stay behind
//! release                                              all is committed
//! epoch ID EPOCH                                       a record by hand: the producer has this epoch
//! outer ID                                             a record by hand: the transaction has no time-out
//! reload                                               the machine is dropped, the log replayed, the new one activated
//! ```
//!
//! A producer is `ID:EPOCH`, a partition `TOPIC-INDEX`; `fresh=ID` brings a fresh producer id along, `v=2` is the rule.
//! `ID*N` is the text N times. After every command the log is replayed into a fresh machine, as bytes: what must survive
//! has to be the same in both, and the new machine offers the markers of all that is decided.

mod random;
mod stories;

use std::fmt::Write;

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::list_transactions_request::ListTransactionsRequest;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::base::id::Producer;
use crate::machine::story::{Log, Words};
use crate::machine::{Driver, Sink};
use crate::wire::txn_records::Value;

fn settings() -> Settings {
    Settings { timeout_ms_max: 900_000, expiration_ms: 604_800_000, expiration_check_ms: 3_600_000 }
}

fn image(transaction_version: i16) -> Arc<Image> {
    let mut image = Image::empty();
    Arc::make_mut(&mut image.features).levels.insert(TRANSACTION_VERSION.into(), transaction_version);
    Arc::new(image)
}

fn producer(text: &str) -> Producer {
    let (id, epoch) = text.split_once(':').unwrap();
    Producer { id: id.parse().unwrap(), epoch: epoch.parse().unwrap() }
}

fn partition(text: &str) -> TopicPartition {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    (id(topic), partition.parse().unwrap())
}

fn id(text: &str) -> Arc<str> {
    match text.split_once('*') {
        Some((text, count)) => text.repeat(count.parse().unwrap()).into(),
        None => text.into(),
    }
}

fn input(words: &Words<'_>) -> Input {
    let plain = &words.plain;
    let transactional_id = plain.get(2).map_or(Arc::from(""), |text| id(text));
    let fresh_producer_id = words.text("fresh").map(|id| id.parse().unwrap());
    let transaction_version = words.number("v", 2);
    let partitions = || plain[4..].iter().map(|text| partition(text)).collect();
    let end = |is_committed| {
        let (transactional_id, producer) = (transactional_id.clone(), producer(plain[3]));
        EndTxn { transactional_id, producer, is_committed, transaction_version, fresh_producer_id }
            .into_input()
    };
    match plain[1] {
        "init" => InitProducerId {
            timeout_ms: words.number("timeout", 60_000),
            known: words.text("known").map_or(Producer::NONE, producer),
            fresh_producer_id,
            transactional_id,
        }
        .into_input(),
        "add" => {
            let (producer, partitions) = (producer(plain[3]), partitions());
            AddPartitions { transactional_id, producer, partitions, transaction_version }.into_input()
        }
        "verify" => {
            let (producer, partitions) = (producer(plain[3]), partitions());
            VerifyPartitions { transactional_id, producer, partitions }.into_input()
        }
        "commit" => end(true),
        "abort" => end(false),
        "describe" => DescribeTransaction(transactional_id).into_input(),
        "list" => ListTransactions(Arc::new(Filter::of(&filter(words)))).into_input(),
        "next" => NextMarkers { again: words.number("again", false), fresh_producer_id }.into_input(),
        "written" => MarkersWritten { transactional_id, decided_at: plain[3].parse().unwrap() }.into_input(),
        command => panic!("no command {command}"),
    }
}

fn filter(words: &Words<'_>) -> ListTransactionsRequest {
    let list = |key| words.text(key).unwrap_or_default().split(',').filter(|word| !word.is_empty());
    ListTransactionsRequest::default()
        .with_state_filters(list("states").map(|state| StrBytes::from_string(state.into())).collect())
        .with_producer_id_filters(list("ids").map(|id| ProducerId(id.parse().unwrap())).collect())
        .with_duration_filter(words.number("longer", -1))
}

fn shown_partitions<'a>(partitions: impl Iterator<Item = (&'a Arc<str>, &'a i32)>) -> String {
    let mut out = String::new();
    for (topic, partition) in partitions {
        write!(out, " {topic}-{partition}").unwrap();
    }
    out
}

fn shown_value(value: &Value) -> String {
    let mut out = format!("{} {}:{}", value.state.name(), value.producer_id, value.producer_epoch);
    if value.previous_producer_id != value.producer_id {
        write!(out, " after {}", value.previous_producer_id).unwrap();
    }
    if value.next_producer_id != -1 {
        write!(out, " before {}", value.next_producer_id).unwrap();
    }
    let Value { version, client_version, timeout_ms, start_ms, last_update_ms, .. } = value;
    write!(out, " v{version}/{client_version} timeout {timeout_ms} start {start_ms} at {last_update_ms}")
        .unwrap();
    let flat = value.partitions.iter().flat_map(|(topic, all)| all.iter().map(move |one| (topic, one)));
    out + &shown_partitions(flat)
}

fn shown_record(record: &Record) -> String {
    let shown = record.value.as_ref().map_or_else(|| "gone".into(), shown_value);
    format!("{} {shown}", record.transactional_id)
}

fn shown_ending(ending: &Ending) -> String {
    let end = if ending.is_committed { "commit" } else { "abort" };
    let partitions = shown_partitions(ending.partitions.iter().map(|(topic, one)| (topic, one)));
    let Ending { transactional_id, producer, coordinator_epoch, transaction_version, decided_at, .. } =
        ending;
    format!(
        "{end} {transactional_id} {producer} epoch {coordinator_epoch} v{transaction_version} decided at {decided_at}{partitions}"
    )
}

fn code(code: i16) -> String {
    format!("{:?}", Code::try_from_code(code).unwrap())
}

fn shown_reply(reply: &Reply) -> String {
    let refused = |refusal: &Refusal| match refusal {
        Refusal::Code(code) => format!("{code:?}"),
        Refusal::NeedsProducerId => "needs a producer id".into(),
    };
    let done = |result: &Result<(), Code>| match result {
        Ok(()) => "ok".into(),
        Err(code) => format!("{code:?}"),
    };
    match reply {
        Reply::Activate(()) | Reply::NewImage(()) => String::new(),
        Reply::MarkersWritten(()) => "ok".into(),
        Reply::InitProducerId(answer) | Reply::EndTxn(answer) => match answer {
            Ok(Producer::NONE) => "ok".into(),
            Ok(producer) => producer.to_string(),
            Err(refusal) => refused(refusal),
        },
        Reply::AddPartitions(answer) => done(answer),
        Reply::VerifyPartitions(answers) => {
            let one = |((topic, one), verified): &(TopicPartition, Result<(), Code>)| {
                format!("{topic}-{one} {}", done(verified))
            };
            answers.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Reply::DescribeTransaction(described) if described.error_code != 0 => code(described.error_code),
        Reply::DescribeTransaction(d) => {
            let topics = d.topics.iter().map(|t| format!(" {}{:?}", t.topic.0, t.partitions));
            format!(
                "{} {}:{} timeout {} start {}{}",
                d.transaction_state,
                d.producer_id.0,
                d.producer_epoch,
                d.transaction_timeout_ms,
                d.transaction_start_time_ms,
                topics.collect::<String>()
            )
        }
        Reply::ListTransactions(listed) => {
            let one = |l: &kafka_protocol::messages::list_transactions_response::TransactionState| {
                format!("{} {} {}", l.transactional_id.0, l.producer_id.0, l.transaction_state)
            };
            listed.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Reply::NextMarkers(Ok(endings)) => endings.iter().map(shown_ending).collect::<Vec<_>>().join(", "),
        Reply::NextMarkers(Err(refusal)) => refused(refusal),
    }
}

struct Run {
    image: Arc<Image>,
    driver: Driver<Transactions, Log<Record>, String>,
    now_ms: i64,
    is_held: bool,
    coordinator_epoch: i32,
}

impl Run {
    fn new() -> Self {
        let image = image(2);
        let machine = Transactions::new(settings(), image.clone());
        let driver = Driver::new(machine, Log::default(), 0);
        let mut run = Self { image, driver, now_ms: 0, is_held: false, coordinator_epoch: 0 };
        run.activate();
        run.driver.release();
        run
    }

    fn activate(&mut self) {
        let request = Activate { coordinator_epoch: self.coordinator_epoch };
        self.driver.step(self.now_ms, request.into_input(), String::new()).unwrap();
    }

    fn ask(&mut self, client: &str, input: Input) {
        self.driver.step(self.now_ms, input, client.into()).unwrap();
    }

    fn commit(&mut self) {
        let written = self.driver.sink_mut().next_offset();
        self.driver.commit(written);
    }

    fn at(&mut self, now_ms: i64) {
        while let Some(deadline) = self.driver.deadline().filter(|deadline| *deadline <= now_ms) {
            self.now_ms = self.now_ms.max(deadline);
            self.driver.expire(self.now_ms).unwrap();
        }
        self.now_ms = now_ms;
    }

    /// What a machine is that replayed so much of the log, as bytes.
    fn replayed(&mut self, count: usize) -> Transactions {
        let mut machine = Transactions::new(settings(), self.image.clone());
        for (offset, record) in (0..).zip(&self.driver.sink_mut().0[..count]) {
            let (key, value) = record.encode();
            let record = Record::decode(&key, value.as_deref()).unwrap().unwrap();
            machine.replay(offset, &record).unwrap();
        }
        machine
    }

    /// What a machine is that was given the state of this one.
    fn restored(&self) -> Transactions {
        let mut machine = Transactions::new(settings(), self.image.clone());
        for (offset, record) in self.driver.machine().state() {
            machine.replay(offset, &record).unwrap();
        }
        machine
    }

    /// Starts the machine anew; those who got no answer.
    fn reload(&mut self) -> Vec<String> {
        let count = self.driver.sink_mut().0.len();
        let machine = self.replayed(count);
        let log = Log(std::mem::take(&mut self.driver.sink_mut().0));
        let written = log.next_offset();
        let before = std::mem::replace(&mut self.driver, Driver::new(machine, log, written));
        self.coordinator_epoch += 1;
        self.activate();
        before.abandon().collect()
    }

    /// A record that is not the machine's, as it would be after a load.
    fn by_hand(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.driver.machine().transactions[id].value.clone();
        change(&mut value);
        self.driver.sink_mut().0.push(Record { transactional_id: id.into(), value: Some(value) });
        self.reload();
    }

    /// Runs one command; what came of it, a line each.
    fn play(&mut self, line: &str) -> String {
        let mut out = String::new();
        let written = self.driver.sink_mut().0.len();
        let words = Words::of(line);
        match words.plain[..] {
            ["at", ms] => self.at(ms.parse().unwrap()),
            ["version", level] => {
                self.image = image(level.parse().unwrap());
                let change = NewImage { image: self.image.clone() };
                self.ask("", change.into_input());
            }
            ["epoch", id, epoch] => self.by_hand(id, |value| value.producer_epoch = epoch.parse().unwrap()),
            ["outer", id] => self.by_hand(id, |value| value.timeout_ms = i32::MAX),
            ["hold"] => self.is_held = true,
            ["release"] => self.is_held = false,
            ["reload"] => {
                let left = self.reload();
                if !left.is_empty() {
                    writeln!(out, "no answer for {}", left.join(", ")).unwrap();
                }
            }
            [client, ..] => self.ask(client, input(&words)),
            [] => panic!("an empty command"),
        }
        for (offset, record) in self.driver.sink_mut().0.iter().enumerate().skip(written) {
            writeln!(out, "log {offset} {}", shown_record(record)).unwrap();
        }
        if !self.is_held {
            self.commit();
        }
        while let Some((client, reply)) = self.driver.release() {
            if !client.is_empty() {
                writeln!(out, "{client}: {}", shown_reply(&reply)).unwrap();
            }
        }
        self.check(line);
        out
    }

    /// What must be true after every command.
    fn check(&mut self, line: &str) {
        let count = self.driver.sink_mut().0.len();
        let live = durable(self.driver.machine());
        let mut replayed = self.replayed(count);
        assert_eq!(durable(&replayed), live, "after {line}");
        assert_eq!(durable(&self.restored()), live, "the state after {line}");
        let offered: Vec<_> = offered(&mut replayed).iter().map(|ending| ending.decided_at).collect();
        let is_decided = |(_, t): &(&Arc<str>, &Transaction)| t.is_prepared();
        let decided = self.driver.machine().transactions.iter().filter(is_decided);
        let mut decided: Vec<_> = decided.map(|(_, transaction)| transaction.offset).collect();
        decided.sort_unstable();
        assert_eq!(offered, decided, "markers after {line}");
    }
}

/// The markers that a machine which has replayed its log wants to be written.
fn offered(machine: &mut Transactions) -> Vec<Ending> {
    let activate = Activate { coordinator_epoch: 7 }.into_input();
    let mut driver = Driver::new(Transactions::new(settings(), image(2)), Log::default(), i64::MAX);
    std::mem::swap(driver.machine_mut(), machine);
    driver.step(0, activate, "activated").unwrap();
    driver.step(0, NextMarkers::default().into_input(), "next").unwrap();
    let released = std::iter::from_fn(|| driver.release());
    let endings = released.filter_map(|(_, reply)| NextMarkers::answer(reply)).flat_map(Result::unwrap);
    endings.collect()
}

/// What must survive, by transactional id.
fn durable(machine: &Transactions) -> Vec<String> {
    let shown = |(offset, mut record): (i64, Record)| {
        if let Some(value) = record.value.as_mut().filter(|value| value.version == 0) {
            (value.previous_producer_id, value.next_producer_id, value.client_version) = (-1, -1, 0);
        }
        format!("{offset} {}", shown_record(&record))
    };
    machine.state().map(shown).collect()
}
