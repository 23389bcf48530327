//! Each file of `testdata` is a story: a command per line, and below it, behind `>`, the records that it wrote and
//! the answers that came of it.
//!
//! ```text
//! CLIENT COMMAND ...      asks as CLIENT, which is also its client.id; see `classic`
//! at MS                   the clock moves, and what is due expires
//! set KEY=VALUE ...       other settings, from the next `reload` on
//! hold                    nothing is committed from now on, so answers stay behind
//! commit                  all is committed
//! topic NAME PARTITIONS   there is such a topic, with so many partitions; 0: no longer
//! config GROUP KEY=VALUE  a line of the group's own configuration
//! reload                  the machine is dropped, the log replayed, the new one activated
//! ```
//!
//! `#1`, `#2` ... stand for the ids that the machine took from requests, as the story shows them first. Words with a
//! `=` are options. After every command the log is replayed into a fresh machine: what must survive has to be the
//! same in both.
//!
//! A protocol adds its own words in a file beside this one: `input` reads a command, `reply` and `record` show what
//! came of it, `durable` shows what must survive.

mod classic;
mod classic_random;
mod consumer;
mod consumer_random;
mod consumer_scale;
mod migration_random;
mod offsets;
mod others;

use std::fmt::Write;

use uuid::Uuid;

use super::*;
use crate::machine::story::{Log, Words, stories};
use crate::machine::{Driver, Sink};

fn settings() -> Settings {
    Settings {
        classic_session_ms_min: 6_000,
        classic_session_ms_max: 1_800_000,
        classic_initial_delay_ms: 0,
        classic_size_max: usize::MAX,
        consumer_session_ms: 45_000,
        consumer_heartbeat_ms: 5_000,
        node: "1".into(),
        consumer_assignment_ms: 1_000,
        consumer_size_max: usize::MAX,
        consumer_assignors: vec!["uniform".into(), "range".into()],
        migration_policy: "BIDIRECTIONAL".into(),
        regex_refresh_ms: 600_000,
        serves_consumer_protocol: true,
        offset_metadata_bytes_max: 4096,
        offsets_retention_ms: 604_800_000,
        offsets_check_ms: 600_000,
    }
}

impl<'a> Words<'a> {
    /// The option's words, which commas separate.
    fn list(&self, key: &str) -> Vec<&'a str> {
        self.text(key).unwrap_or_default().split(',').filter(|word| !word.is_empty()).collect()
    }

    /// A request of `client` with this body.
    fn ask<T>(&self, client: &str, body: T, version_max: i16, fresh_id: Uuid) -> Ask<T> {
        let client = Client { id: client.into(), host: "/127.0.0.1".into() };
        Ask { body, version: self.number("v", version_max), client, fresh_id }
    }
}

/// What all ids that requests bring along begin with.
const ID_PREFIX: &str = "00000000-0000-0000-0000-";

/// Ids in the order in which a story has shown them.
#[derive(Default)]
struct Ids(Vec<Uuid>);

impl Ids {
    /// What a machine makes of the text.
    fn put_into(&self, text: &str) -> String {
        let mut parts = text.split('#');
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            let id = self.0[number.parse::<usize>().unwrap() - 1];
            write!(out, "{id}{rest}").unwrap();
        }
        out
    }

    /// The text of a machine as a story shows it.
    fn take_from(&mut self, text: &str) -> String {
        let mut parts = text.split(ID_PREFIX);
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let (number, rest) = part.split_at(12);
            let id = Uuid::from_u128(u128::from_str_radix(number, 16).unwrap());
            let place = self.0.iter().position(|shown| *shown == id).unwrap_or_else(|| {
                self.0.push(id);
                self.0.len() - 1
            });
            write!(out, "#{}{rest}", place + 1).unwrap();
        }
        out
    }
}

fn code(code: i16) -> String {
    if code == 0 { "ok".into() } else { format!("{:?}", Code::try_from_code(code).unwrap()) }
}

struct Run {
    settings: Settings,
    image: Arc<Image>,
    driver: Driver<Groups, Log<Entry<Record>>, String>,
    now_ms: i64,
    asked: u128,
    is_held: bool,
}

impl Run {
    fn new() -> Self {
        let image = Arc::new(Image::empty());
        let groups = Groups::new(settings(), image.clone());
        let driver = Driver::new(groups, Log::default(), 0);
        Self { settings: settings(), image, driver, now_ms: 0, asked: 0, is_held: false }
    }

    fn input(&mut self, client: &str, words: &Words<'_>) -> Input {
        self.asked += 1;
        let fresh_id = Uuid::from_u128(self.asked);
        let input = classic::input(client, words, fresh_id);
        let input = input.or_else(|| consumer::input(client, words, fresh_id));
        let input = input.or_else(|| offsets::input(client, words, fresh_id));
        input.unwrap_or_else(|| panic!("no command {:?}", words.plain))
    }

    fn ask(&mut self, client: &str, words: &Words<'_>) {
        let input = self.input(client, words);
        self.driver.step(self.now_ms, input, client.into()).unwrap();
    }

    fn commit(&mut self) {
        let written = self.driver.sink_mut().next_offset();
        self.driver.commit(written);
    }

    fn new_image(&mut self, image: Image, deleted_topics: Vec<Arc<str>>) {
        self.image = Arc::new(image);
        let change = NewImage { image: self.image.clone(), deleted_topics };
        self.driver.step(self.now_ms, change.into_input(), String::new()).unwrap();
    }

    fn at(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        while self.driver.deadline().is_some_and(|deadline| deadline <= now_ms) {
            self.driver.expire(now_ms).unwrap();
        }
    }

    fn set(&mut self, words: &Words<'_>) {
        let settings = &mut self.settings;
        settings.classic_initial_delay_ms = words.number("delay", settings.classic_initial_delay_ms);
        settings.classic_size_max = words.number("size", settings.classic_size_max);
        settings.consumer_size_max = words.number("consumers", settings.consumer_size_max);
        settings.regex_refresh_ms = words.number("refresh", settings.regex_refresh_ms);
        settings.migration_policy = words.text("migration").unwrap_or(&settings.migration_policy).into();
        settings.offset_metadata_bytes_max = words.number("metadata", settings.offset_metadata_bytes_max);
        settings.offsets_retention_ms = words.number("retention", settings.offsets_retention_ms);
    }

    /// What a machine is that replayed the log.
    fn replayed(&mut self) -> Groups {
        let mut groups = Groups::new(self.settings.clone(), self.image.clone());
        for (offset, record) in (0..).zip(&self.driver.sink_mut().0) {
            groups.replay(offset, record).unwrap();
        }
        groups
    }

    /// What a machine is that was given the state of this one.
    fn restored(&self) -> Groups {
        let mut groups = Groups::new(self.settings.clone(), self.image.clone());
        for Stated { offset, record } in self.driver.machine().state() {
            groups.replay(offset, &record).unwrap();
        }
        groups
    }

    /// Starts the machine anew; those who got no answer.
    fn reload(&mut self) -> Vec<String> {
        let groups = self.replayed();
        let log = Log(std::mem::take(&mut self.driver.sink_mut().0));
        let written = log.next_offset();
        let before = std::mem::replace(&mut self.driver, Driver::new(groups, log, written));
        self.driver.step(self.now_ms, Activate.into_input(), String::new()).unwrap();
        before.abandon().collect()
    }

    /// Runs one command; what came of it, a line each.
    fn play(&mut self, line: &str) -> String {
        let mut out = String::new();
        let written = self.driver.sink_mut().0.len();
        let words = Words::of(line);
        match words.plain[..] {
            ["at", ms] => self.at(ms.parse().unwrap()),
            ["set"] => self.set(&words),
            ["topic", name, partitions] => {
                let image = consumer::with_topic(&self.image, name, partitions.parse().unwrap());
                let deleted_topics = if partitions == "0" { vec![name.into()] } else { vec![] };
                self.new_image(image, deleted_topics);
            }
            ["config", group] => {
                let line = line.split(' ').nth(2).unwrap();
                self.new_image(consumer::with_group_config(&self.image, group, line), vec![]);
            }
            ["hold"] => self.is_held = true,
            ["commit"] => self.is_held = false,
            ["reload"] => {
                let left = self.reload();
                if !left.is_empty() {
                    writeln!(out, "no answer for {}", left.join(", ")).unwrap();
                }
            }
            [client, ..] => match classic::probe(self.driver.machine(), &words) {
                Some(shown) => writeln!(out, "{client}: {shown}").unwrap(),
                None => self.ask(client, &words),
            },
            [] => panic!("an empty command"),
        }
        for entry in &self.driver.sink_mut().0[written..] {
            let (prefix, record) = offsets::entry(entry);
            let Some(record) = record else {
                writeln!(out, "log {prefix}").unwrap();
                continue;
            };
            let shown = classic::record(record)
                .or_else(|| consumer::record(record))
                .or_else(|| offsets::record(record))
                .unwrap_or_else(|| format!("{record:?}"));
            writeln!(out, "log {prefix}{shown}").unwrap();
        }
        if !self.is_held {
            self.commit();
        }
        while let Some((client, reply)) = self.driver.release() {
            let shown = classic::reply(&reply)
                .or_else(|| consumer::reply(&reply))
                .or_else(|| offsets::reply(&reply))
                .unwrap_or_else(|| format!("{reply:?}"));
            if !client.is_empty() {
                writeln!(out, "{client}: {shown}").unwrap();
            }
        }
        assert_eq!(durable(&self.replayed()), durable(self.driver.machine()), "after {line}");
        assert_eq!(durable(&self.restored()), durable(self.driver.machine()), "the state after {line}");
        out
    }
}

/// What must survive, by group.
fn durable(groups: &Groups) -> Vec<String> {
    let of = |(name, group): (&Arc<str>, &Group)| match group {
        Group::Classic(group) => classic::durable(name, group),
        Group::Consumer(group) => consumer::durable(name, group),
    };
    groups.groups.iter().map(of).chain(groups.offsets.durable()).collect()
}

fn player() -> impl FnMut(&str) -> String {
    let (mut run, mut ids) = (Run::new(), Ids::default());
    move |line| {
        let shown = run.play(&ids.put_into(line));
        ids.take_from(&shown)
    }
}
