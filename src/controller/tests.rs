//! Each file of `testdata` is a story: a command per line, and below it, behind `>`, the records and the answer.
//!
//! After every command the log is replayed into a fresh controller, and a snapshot is taken of it: both must give
//! the same image.

use std::fmt::Write;

use uuid::Uuid;

use super::request::*;
use super::*;
use crate::base::id::{DirectoryId, TopicId};
use crate::machine::Driver;
use crate::machine::story::{Log, Words, stories};
use crate::meta::configs::Entries;
use crate::meta::topics::LEADER_STAYS;
use crate::meta::transaction::Transaction;
use crate::meta::{Configs, Endpoint, LeaderRecoveryState, Resource, ResourceKind, features, quotas};
use crate::wire::kraft::PartitionRecord;

/// Rules with a few keys.
struct Rules;

impl ConfigRules for Rules {
    fn validate(&self, resource: &Resource, entries: &Entries, _: &Configs) -> Result<(), Error> {
        let known = ["retention.ms", "cleanup.policy", configs::MIN_INSYNC_REPLICAS, "unclean"];
        match entries.keys().find(|key| !known.contains(&&***key)) {
            Some(key) if resource.kind == ResourceKind::Topic => {
                Err(Error::new(Kind::InvalidConfig, format!("Unknown topic config name: {key}")))
            }
            _ => Ok(()),
        }
    }

    fn is_list(&self, _: ResourceKind, key: &str) -> bool {
        key == "cleanup.policy"
    }

    fn default_value(&self, _: ResourceKind, key: &str) -> Option<String> {
        (key == "cleanup.policy").then(|| "delete".into())
    }

    fn min_insync_replicas(&self, configs: &Configs, topic: &str) -> i32 {
        let of_topic = configs.value(ResourceKind::Topic, topic, configs::MIN_INSYNC_REPLICAS);
        let of_all = || configs.value(ResourceKind::Broker, "", configs::MIN_INSYNC_REPLICAS);
        of_topic.or_else(of_all).map_or(1, |value| value.parse().unwrap())
    }

    fn static_min_insync_replicas(&self) -> i32 {
        1
    }

    fn unclean_leader_election(&self, configs: &Configs, topic: &str) -> bool {
        configs.value(ResourceKind::Topic, topic, "unclean").is_some()
    }
}

fn settings() -> Settings {
    Settings {
        cluster_id: "cluster".into(),
        node_id: 100,
        session_timeout_ms: 9000,
        num_partitions: 2,
        default_replication_factor: 1,
        delete_topic_enable: true,
        config_rules: Box::new(Rules),
    }
}

struct Run {
    driver: Driver<Controller, Log<Record>, ()>,
    now_ms: i64,
    topics_made: u128,
}

impl Words<'_> {
    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }
}

fn ids(text: &str) -> Vec<i32> {
    text.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap()).collect()
}

fn directory(broker: i32) -> DirectoryId {
    DirectoryId(Uuid::from_u128(1000 + u128::try_from(broker).unwrap()))
}

fn directories(text: &str) -> Vec<DirectoryId> {
    ids(text).into_iter().map(directory).collect()
}

fn resource(text: &str) -> Resource {
    match text.split_once(':').unwrap() {
        ("topic", name) => Resource::new(ResourceKind::Topic, name),
        (_, name) => Resource::new(ResourceKind::Broker, name),
    }
}

impl Run {
    fn new() -> Self {
        let controller = Controller::resume(settings(), Image::empty(), Transaction::default());
        let driver = Driver::new(controller, Log::default(), i64::MAX);
        Self { driver, now_ms: 0, topics_made: 0 }
    }

    fn image(&self) -> &Image {
        self.driver.machine().image()
    }

    fn partition(&self, text: &str) -> (TopicId, i32) {
        let (name, index) = text.rsplit_once('-').unwrap();
        (self.image().topics.by_name(name).unwrap().id, index.parse().unwrap())
    }

    fn epoch(&self, broker: i32) -> i64 {
        self.image().cluster.broker(broker).map_or(-1, |broker| broker.epoch)
    }

    fn input(&mut self, words: &Words<'_>) -> Input {
        let id = |at: usize| words.plain[at].parse::<i32>().unwrap();
        match words.plain[0] {
            "activate" => Activate { bootstrap: default_bootstrap() }.into_input(),
            "register" => self.register(id(1), words),
            "heartbeat" => BrokerHeartbeat {
                broker_id: id(1),
                broker_epoch: words.number("epoch", self.epoch(id(1))),
                current_metadata_offset: words.number("offset", i64::MAX),
                want_fence: words.has("fence"),
                want_shut_down: words.has("shutdown"),
                offline_log_dirs: if words.has("offline") {
                    vec![directory(id(1))]
                } else {
                    words.options.get("lost").map_or_else(Vec::new, |dirs| directories(dirs))
                },
                cordoned_log_dirs: words.has("cordon").then(|| vec![directory(id(1))]),
            }
            .into_input(),
            "unregister" => UnregisterBroker { broker_id: id(1) }.into_input(),
            "create" => self.create(words),
            "grow" => CreatePartitions {
                topics: vec![MorePartitions {
                    name: words.plain[1].into(),
                    count: id(2),
                    assignments: words.options.get("assign").map(|text| text.split(';').map(ids).collect()),
                }],
                validate_only: words.has("validate"),
                seed: 0,
            }
            .into_input(),
            "delete" => {
                let by = |word: &&str| match word.strip_prefix("id:") {
                    Some(id) => TopicRef::Id(TopicId(Uuid::from_u128(id.parse().unwrap()))),
                    None => TopicRef::Name((*word).into()),
                };
                DeleteTopics { topics: words.plain[1..].iter().map(by).collect() }.into_input()
            }
            "isr" => self.isr(words),
            "elect" => ElectLeaders {
                unclean: words.has("unclean"),
                partitions: words.options.get("of").map(|text| {
                    let of = |word: &str| {
                        let (name, index) = word.rsplit_once('-').unwrap();
                        (name.into(), index.parse().unwrap())
                    };
                    text.split(',').map(of).collect()
                }),
            }
            .into_input(),
            "alter" => IncrementalAlterConfigs {
                resources: vec![(resource(words.plain[1]), vec![change(words)])],
                validate_only: words.has("validate"),
            }
            .into_input(),
            "replace" => AlterConfigs {
                resources: vec![(resource(words.plain[1]), entries(words))],
                validate_only: false,
            }
            .into_input(),
            "producer-ids" => {
                let broker_epoch = words.number("epoch", self.epoch(id(1)));
                AllocateProducerIds { broker_id: id(1), broker_epoch }.into_input()
            }
            "assign" => AssignReplicas {
                broker_id: id(1),
                broker_epoch: words.number("epoch", self.epoch(id(1))),
                assignments: self.assignments(words),
            }
            .into_input(),
            _ => administration(words),
        }
    }

    fn assignments(&self, words: &Words<'_>) -> Vec<Assignment> {
        let of = |(name, dir): (&&str, &&str)| {
            let (topic_id, partition) = self.partition(name);
            Assignment { directory: directory(dir.parse().unwrap()), topic_id, partition }
        };
        words.options.iter().filter(|(name, _)| name.contains('-')).map(of).collect()
    }

    fn register(&self, id: i32, words: &Words<'_>) -> Input {
        let range = words.number("level", features::METADATA_VERSION_LATEST);
        let incarnation: u128 = words.number("incarnation", 1);
        let name = |known: &features::Known| (Arc::from(known.name), known.accepted.clone());
        let mut features: crate::meta::cluster::FeatureRanges = features::KNOWN.iter().map(name).collect();
        features.insert(features::METADATA_VERSION.into(), 7..=range);
        RegisterBroker {
            broker_id: id,
            cluster_id: words.options.get("cluster").copied().unwrap_or("cluster").into(),
            incarnation_id: Uuid::from_u128(incarnation),
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                security_protocol: 0,
            }],
            features,
            rack: words.options.get("rack").map(|rack| (*rack).into()),
            log_dirs: match words.options.get("dirs") {
                Some(dirs) => directories(dirs),
                None => vec![directory(words.number("dir", id))],
            },
            previous_broker_epoch: words.number("previous", -1),
        }
        .into_input()
    }

    fn create(&mut self, words: &Words<'_>) -> Input {
        let assigned = words.options.get("assign");
        let mut topics = Vec::new();
        for name in words.plain[1..].iter().filter(|word| **word != "validate") {
            self.topics_made += 1;
            topics.push(NewTopic {
                name: (*name).into(),
                id: TopicId(Uuid::from_u128(self.topics_made)),
                partitions: words.number("partitions", -1),
                replication_factor: words.number("rf", -1),
                assignments: assigned
                    .map_or_else(Vec::new, |text| (0..).zip(text.split(';').map(ids)).collect()),
                configs: entries(words),
            });
        }
        CreateTopics { topics, validate_only: words.has("validate"), seed: words.number("seed", 1) }
            .into_input()
    }

    fn isr(&self, words: &Words<'_>) -> Input {
        let leader = words.plain[1].parse().unwrap();
        let (topic_id, index) = self.partition(words.plain[2]);
        let now = self.image().topics.partition(topic_id, index).unwrap();
        let member = |id| (id, words.number("member-epoch", self.epoch(id)));
        AlterPartition {
            broker_id: leader,
            broker_epoch: words.number("epoch", self.epoch(leader)),
            partitions: vec![ProposedIsr {
                topic_id,
                partition: index,
                leader_epoch: words.number("leader-epoch", now.leader_epoch),
                partition_epoch: words.number("partition-epoch", now.partition_epoch),
                isr: ids(words.options["to"]).into_iter().map(member).collect(),
                leader_recovery_state: if words.has("recovering") {
                    LeaderRecoveryState::Recovering
                } else {
                    LeaderRecoveryState::Recovered
                },
            }],
        }
        .into_input()
    }

    /// Runs one command; the records and the answer, a line each.
    fn run(&mut self, line: &str) -> String {
        let words = Words::of(line);
        let written = self.driver.sink_mut().0.len();
        if words.plain[0] == "at" {
            self.now_ms = words.plain[1].parse().unwrap();
            while self.driver.deadline().is_some_and(|deadline| deadline <= self.now_ms) {
                self.driver.expire(self.now_ms).unwrap();
            }
        } else {
            let input = self.input(&words);
            self.driver.step(self.now_ms, input, ()).unwrap();
        }
        let mut out = String::new();
        let log = &self.driver.sink_mut().0;
        let records: Vec<Record> = log[written..].to_vec();
        for record in &records {
            writeln!(out, "{}", self.show(record)).unwrap();
        }
        while let Some(((), reply)) = self.driver.release() {
            show_reply(&reply, &mut out);
        }
        self.check();
        out
    }

    fn name(&self, id: Uuid) -> String {
        self.image().topics.by_id(TopicId(id)).map_or("?".into(), |topic| topic.name.to_string())
    }

    fn show(&self, record: &Record) -> String {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the stories have no other records")]
        match record {
            Record::Topic(topic) => format!("topic {}", topic.name),
            Record::Partition(new) => self.show_partition(new),
            Record::PartitionChange(change) => {
                let mut text = format!("change {}-{}", self.name(change.topic_id), change.partition_id);
                if change.leader != LEADER_STAYS {
                    write!(text, " leader {}", change.leader).unwrap();
                }
                let lists = [
                    ("replicas", &change.replicas),
                    ("removing", &change.removing_replicas),
                    ("adding", &change.adding_replicas),
                    ("isr", &change.isr),
                    ("elr", &change.eligible_leader_replicas),
                    ("last known", &change.last_known_elr),
                ];
                for (name, list) in lists {
                    if let Some(list) = list {
                        write!(text, " {name} {list:?}").unwrap();
                    }
                }
                if let Some(directories) = &change.directories {
                    let numbers: Vec<u128> = directories.iter().map(|id| id.as_u128() - 1000).collect();
                    write!(text, " in {numbers:?}").unwrap();
                }
                if change.leader_recovery_state != -1 {
                    write!(text, " recovery {}", change.leader_recovery_state).unwrap();
                }
                text
            }
            Record::RegisterBroker(broker) => format!(
                "broker {} registers at epoch {}{}",
                broker.broker_id,
                broker.broker_epoch,
                if broker.fenced { ", fenced" } else { "" }
            ),
            Record::BrokerRegistrationChange(change) => {
                let mut text = format!("broker {}", change.broker_id);
                text.push_str(match change.fenced {
                    1 => " fenced",
                    -1 => " unfenced",
                    _ => "",
                });
                if change.in_controlled_shutdown == 1 {
                    text.push_str(" in controlled shutdown");
                }
                if change.cordoned_log_dirs.is_some() {
                    text.push_str(" cordons a directory");
                }
                text
            }
            Record::UnregisterBroker(broker) => format!("broker {} gone", broker.broker_id),
            Record::Config(config) => format!(
                "config {} {} = {}",
                config.resource_name,
                config.name,
                config.value.as_deref().unwrap_or("(default)")
            ),
            Record::FeatureLevel(feature) => format!("feature {} = {}", feature.name, feature.feature_level),
            Record::ProducerIds(ids) => format!("producer ids up to {}", ids.next_producer_id),
            Record::ClearElr(clear) => format!("clear elr of {:?}", clear.topic_name),
            Record::ClientQuota(quota) => {
                let value = if quota.remove { "removed".to_owned() } else { quota.value.to_string() };
                let entity: Vec<_> = quota
                    .entity
                    .iter()
                    .map(|part| {
                        format!("{}:{}", part.entity_type, part.entity_name.as_deref().unwrap_or_default())
                    })
                    .collect();
                format!("quota {} {} {value}", entity.join(","), quota.key)
            }
            Record::UserScramCredential(credential) => format!(
                "credential {} of {} with {} iterations",
                credential.mechanism, credential.name, credential.iterations
            ),
            Record::RemoveUserScramCredential(removed) => {
                format!("credential {} of {} gone", removed.mechanism, removed.name)
            }
            Record::RemoveTopic(_) => "topic removed".into(),
            other => format!("{other:?}"),
        }
    }

    fn show_partition(&self, new: &PartitionRecord) -> String {
        let mut text = format!(
            "partition {}-{} replicas {:?} isr {:?} leader {}",
            self.name(new.topic_id),
            new.partition_id,
            new.replicas,
            new.isr,
            new.leader
        );
        if new.partition_epoch > 0 {
            let directories: Vec<u128> = new.directories.iter().map(|id| id.as_u128() - 1000).collect();
            let (leader, partition) = (new.leader_epoch, new.partition_epoch);
            write!(text, " epochs {leader} {partition} in {directories:?}").unwrap();
        }
        text
    }

    /// The log, and a snapshot, give the image that the controller has; partitions keep their invariants.
    fn check(&mut self) {
        let log = std::mem::take(&mut self.driver.sink_mut().0);
        let mut replayed = Controller::resume(settings(), Image::empty(), Transaction::default());
        for (offset, record) in (0..).zip(&log) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            replayed.replay(offset, &Record::decode(&bytes).unwrap()).unwrap();
        }
        self.driver.sink_mut().0 = log;
        let image = self.image();
        assert_eq!(replayed.image(), image);
        let mut delta = Delta::new(Image::empty());
        for record in image.records() {
            delta.replay(&record).unwrap();
        }
        assert_eq!(delta.image(), image);
        for topic in image.topics.iter() {
            for partition in topic.partitions.values() {
                let led = partition.has_leader();
                assert!(!led || partition.isr.contains(&partition.leader), "{partition:?}");
                assert!(partition.isr.iter().all(|id| partition.replicas.contains(id)), "{partition:?}");
                assert!(partition.elr.iter().all(|id| !partition.isr.contains(id)), "{partition:?}");
                assert!(!led || image.cluster.is_active(partition.leader), "{partition:?}");
            }
        }
    }
}

/// Commands that need nothing but their words.
fn administration(words: &Words<'_>) -> Input {
    match words.plain[0] {
        "move" => {
            let (topic, partition) = words.plain[1].rsplit_once('-').unwrap();
            AlterPartitionReassignments {
                partitions: vec![Reassignment {
                    topic: topic.into(),
                    partition: partition.parse().unwrap(),
                    replicas: words.text("to").map(ids),
                }],
                allow_replication_factor_change: !words.has("same-factor"),
            }
            .into_input()
        }
        "feature" => UpdateFeatures {
            updates: words
                .options
                .iter()
                .map(|(name, level)| FeatureUpdate {
                    name: (*name).into(),
                    level: level.parse().unwrap(),
                    upgrade_type: match words.plain[1] {
                        "up" => Some(UpgradeType::Upgrade),
                        "down" => Some(UpgradeType::SafeDowngrade),
                        "unsafe-down" => Some(UpgradeType::UnsafeDowngrade),
                        _ => None,
                    },
                })
                .collect(),
            validate_only: words.has("validate"),
        }
        .into_input(),
        "quota" => AlterClientQuotas {
            alterations: vec![QuotaAlteration {
                entity: words.plain[1].split(',').map(entity_part).collect(),
                ops: entries(words)
                    .into_iter()
                    .map(|(key, value)| (key, value.map(|value| value.parse().unwrap())))
                    .collect(),
                host_is_known: !words.has("unknown-host"),
            }],
            validate_only: words.has("validate"),
        }
        .into_input(),
        "restore" => {
            let partition = |text: &str| {
                let numbers = ids(text);
                DeletedPartition {
                    directory: directory(numbers[2]),
                    leader_epoch: numbers[0],
                    partition_epoch: numbers[1],
                }
            };
            let configs = entries(words).into_iter().filter_map(|(key, value)| Some((key, value?)));
            RestoreTopic {
                name: words.plain[1].into(),
                id: TopicId(Uuid::from_u128(words.number("id", 90))),
                configs: configs.collect(),
                partitions: words
                    .text("of")
                    .map_or_else(Vec::new, |text| text.split(';').map(partition).collect()),
                broker_id: words.number("on", 1),
                validate_only: words.has("validate"),
            }
            .into_input()
        }
        "scram" => {
            let user = Arc::from(words.plain[1]);
            let (deletions, upsertions) = match words.text("iterations") {
                None => (vec![(user, words.number("mechanism", 1))], vec![]),
                Some(iterations) => (
                    vec![],
                    vec![ScramUpsertion {
                        user,
                        mechanism: words.number("mechanism", 1),
                        iterations: iterations.parse().unwrap(),
                        salt: "salt".into(),
                        salted_password: "salted password".into(),
                    }],
                ),
            };
            AlterUserScramCredentials { deletions, upsertions }.into_input()
        }
        other => panic!("no command {other}"),
    }
}

fn entity_part(text: &str) -> (Arc<str>, Option<Arc<str>>) {
    let (kind, name) = text.split_once(':').unwrap();
    (kind.into(), (!name.is_empty()).then(|| name.into()))
}

fn entries(words: &Words<'_>) -> Vec<ConfigEntry> {
    let config = |(key, value): (&&str, &&str)| {
        let key = key.strip_prefix("config.")?;
        Some((Arc::from(key), (*value != "null").then(|| Arc::from(*value))))
    };
    words.options.iter().filter_map(config).collect()
}

fn change(words: &Words<'_>) -> ConfigChange {
    let op = match words.plain[2] {
        "set" => ConfigOp::Set,
        "delete" => ConfigOp::Delete,
        "append" => ConfigOp::Append,
        _ => ConfigOp::Subtract,
    };
    let (name, value) = entries(words).remove(0);
    ConfigChange { name, op, value }
}

fn show_error(error: &Error, out: &mut String) {
    writeln!(out, "{:?}: {error}", error.kind).unwrap();
}

type Answers<K, T> = Vec<(K, Result<T, Error>)>;

fn show_reply(reply: &Reply, out: &mut String) {
    fn each<K: std::fmt::Display, T>(
        answers: Result<&Answers<K, T>, &Error>,
        out: &mut String,
        show: impl Fn(&T) -> String,
    ) {
        match answers {
            Err(error) => show_error(error, out),
            Ok(answers) => answers.iter().for_each(|(key, result)| match result {
                Ok(value) => writeln!(out, "{key} {}", show(value)).unwrap(),
                Err(error) => writeln!(out, "{key} {:?}: {error}", error.kind).unwrap(),
            }),
        }
    }
    match reply {
        Reply::Activate(()) | Reply::RegisterController(()) => {}
        Reply::RegisterBroker(Err(error))
        | Reply::BrokerHeartbeat(Err(error))
        | Reply::UnregisterBroker(Err(error))
        | Reply::AllocateProducerIds(Err(error))
        | Reply::AlterPartition(Err(error))
        | Reply::AssignReplicas(Err(error))
        | Reply::DeleteTopics(Err(error))
        | Reply::UpdateFeatures(Err(error))
        | Reply::AlterPartitionReassignments(Err(error))
        | Reply::RestoreTopic(Err(error))
        | Reply::ElectLeaders(Err(error)) => show_error(error, out),
        Reply::RegisterBroker(Ok(_))
        | Reply::UnregisterBroker(Ok(()))
        | Reply::UpdateFeatures(Ok(()))
        | Reply::AssignReplicas(Ok(())) => {}
        Reply::RestoreTopic(Ok(created)) => writeln!(out, "restored {}", created.partitions).unwrap(),
        Reply::AlterPartitionReassignments(Ok(answers)) => {
            answers
                .iter()
                .filter_map(|answer| answer.as_ref().err())
                .for_each(|error| show_error(error, out));
        }
        Reply::BrokerHeartbeat(Ok(answer)) => {
            if answer.should_shut_down {
                writeln!(out, "may shut down").unwrap();
            } else if answer.is_fenced {
                writeln!(out, "stays fenced").unwrap();
            }
        }
        Reply::CreateTopics(answers) => {
            each(answers.as_ref(), out, |made| {
                format!("made, {} x {}", made.partitions, made.replication_factor)
            });
        }
        Reply::CreatePartitions(answers) => each(answers.as_ref(), out, |()| "grown".into()),
        Reply::IncrementalAlterConfigs(answers) | Reply::AlterConfigs(answers) => {
            each(answers.as_ref(), out, |()| "altered".into());
        }
        Reply::AlterClientQuotas(answers) => {
            let answers: Result<Answers<String, ()>, Error> = answers.clone().map(|all| {
                all.into_iter().map(|(entity, result)| (quotas::display(&entity), result)).collect()
            });
            each(answers.as_ref(), out, |()| "altered".into());
        }
        Reply::AlterUserScramCredentials(answers) => each(answers.as_ref(), out, |()| "altered".into()),
        Reply::DeleteTopics(Ok(answers)) => {
            for DeletedTopic { name, id, result } in answers {
                let named = name.as_deref().map_or_else(|| id.0.as_u128().to_string(), Into::into);
                match result {
                    Ok(()) => writeln!(out, "{named} deleted").unwrap(),
                    Err(error) => writeln!(out, "{named} {:?}: {error}", error.kind).unwrap(),
                }
            }
        }
        Reply::AllocateProducerIds(Ok(block)) => {
            writeln!(out, "{} ids from {}", block.len, block.first_id).unwrap();
        }
        Reply::AlterPartition(Ok(answers)) => {
            for answer in answers {
                match answer {
                    Ok(now) => {
                        writeln!(out, "isr {:?} at partition epoch {}", now.isr, now.partition_epoch).unwrap()
                    }
                    Err(error) => show_error(error, out),
                }
            }
        }
        Reply::ElectLeaders(Ok(answers)) => {
            for ElectedLeader { topic, partition, result } in answers {
                match result {
                    Ok(()) => writeln!(out, "{topic}-{partition} elected").unwrap(),
                    Err(error) => writeln!(out, "{topic}-{partition} {:?}: {error}", error.kind).unwrap(),
                }
            }
        }
    }
}

fn player() -> impl FnMut(&str) -> String {
    let mut run = Run::new();
    move |line| run.run(line)
}

stories! {
    player();
    one_node_starts_makes_topics_and_starts_again: "one_node.txt",
    topics_are_made_as_kafka_makes_them: "create_topics.txt",
    partitions_are_added_and_topics_deleted: "grow_and_delete.txt",
    brokers_come_and_go_and_leaders_follow: "brokers.txt",
    the_last_replica_standing_stays_eligible: "elr.txt",
    only_the_leader_changes_its_isr: "alter_partition.txt",
    configs_are_changed_key_by_key_or_as_a_whole: "configs.txt",
    leaders_are_elected_on_demand: "elections.txt",
    quotas_and_credentials_are_kept: "quotas_and_credentials.txt",
    partitions_move_to_other_replicas: "reassignments.txt",
    features_go_up_and_down: "features.txt",
    a_failed_directory_takes_its_own_partitions_only: "directories.txt",
    a_deleted_topic_comes_back_as_it_was: "restore.txt",
}
