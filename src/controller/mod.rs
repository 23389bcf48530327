//! Layer 4: the machine that decides about the cluster's metadata (`QuorumController` and its managers).
//!
//! Its durable state is the cluster image; everything else here (sessions of brokers, names that could collide) is
//! derived from it or need not survive. One file per concern; a decision is records and an answer.

mod brokers;
mod change;
mod configs;
mod directories;
pub mod error;
mod features;
mod isr;
pub mod names;
mod partitions;
mod placement;
mod quotas;
mod reassignments;
pub mod request;
mod restore;
mod rules;
mod scram;
mod sessions;
mod topics;

use std::sync::Arc;

pub use self::configs::{ConfigRules, edited_list};
pub use self::error::{Error, Kind};
pub use self::isr::too_large;
use self::names::Names;
pub use self::request::{Input, Reply, Request};
pub use self::rules::TableRules;
use self::sessions::Sessions;
use crate::config::broker::Config;
use crate::machine::{Decision, Machine, Moment, Token};
use crate::meta::transaction::Transaction;
use crate::meta::{Changes, Delta, Image, Provenance, ReplayError};
use crate::wire::kraft::{AbortTransactionRecord, FeatureLevelRecord, ProducerIdsRecord, Record};

/// Most records that one request may make (`QuorumController.MAX_RECORDS_PER_USER_OP`).
pub const REQUEST_RECORDS_MAX: usize = 10_000;
/// How many producer ids a block has (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
pub const PRODUCER_ID_BLOCK_LEN: i64 = 1000;

/// What the controller was configured with.
pub struct Settings {
    /// The cluster it belongs to.
    pub cluster_id: Arc<str>,
    /// `node.id` of the process it runs in. A broker in the same process needs no heartbeats: it lives as long as
    /// the controller does.
    pub node_id: i32,
    /// `broker.session.timeout.ms`.
    pub session_timeout_ms: i64,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// What configurations may be.
    pub config_rules: Box<dyn ConfigRules>,
}

impl Settings {
    /// As a node's configuration says.
    pub fn of(config: &Arc<Config>, cluster_id: impl Into<Arc<str>>) -> Self {
        let creation = &config.topic_creation;
        Self {
            cluster_id: cluster_id.into(),
            node_id: config.node_id.0,
            session_timeout_ms: config.values.int("broker.session.timeout.ms").into(),
            num_partitions: creation.num_partitions,
            default_replication_factor: i16::try_from(creation.replication_factor).unwrap_or(i16::MAX),
            delete_topic_enable: creation.delete_enabled,
            config_rules: Box::new(TableRules::new(Arc::clone(config))),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}

/// What a request leads to: its answer, and the records that make it true.
type Outcome<Answer> = (Vec<Record>, Answer);

/// The controller.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    /// The image, and what changed in it since it was last looked at.
    delta: Delta,
    transaction: Transaction,
    names: Names,
    sessions: Sessions,
}

impl Controller {
    /// A controller that has replayed what `image` holds, and then the beginning of `transaction`.
    pub fn resume(settings: Settings, image: Image, transaction: Transaction) -> Self {
        let names = Names::of(&image.topics);
        let mut sessions = Sessions::new(settings.session_timeout_ms, settings.node_id);
        for broker in image.cluster.brokers.values() {
            sessions.registered(broker.id, image.provenance.offset);
        }
        Self { settings, delta: Delta::new(image), transaction, names, sessions }
    }

    /// The cluster after every record replayed so far.
    pub fn image(&self) -> &Image {
        self.delta.image()
    }

    /// What the records since the last call touched.
    pub fn take_changes(&mut self) -> Changes {
        self.delta.take_changes()
    }

    /// Notes where the last replayed record stands.
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.delta.set_provenance(provenance);
    }

    /// Begins to lead: brokers that are unfenced get a whole session to show that they live
    /// (`ClusterControlManager.activate`), an empty log gets its first records, and a transaction that a predecessor
    /// left open is ended (`ActivationRecordsGenerator`).
    fn activate(&mut self, at: Moment, request: &request::Activate) -> Outcome<()> {
        self.sessions.restart(&self.delta.image().cluster, at.now_ms);
        let mut records = Vec::new();
        if self.transaction.is_open() {
            let reason = Some(Arc::from("Controller failover"));
            records.push(AbortTransactionRecord { reason }.into());
        }
        if !self.image().features.levels.is_empty() {
            return (records, ());
        }
        // No transaction around them, since one decision is one batch.
        records.extend_from_slice(&request.bootstrap);
        if finalizes_elr(&request.bootstrap) {
            records.extend(self.elr_safety_records());
        }
        (records, ())
    }

    fn allocate_producer_ids(
        &self,
        request: &request::AllocateProducerIds,
    ) -> Outcome<Result<request::ProducerIdBlock, Error>> {
        if let Err(error) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            return (vec![], Err(error));
        }
        let first_id = self.image().next_producer_id.unwrap_or(0);
        let Some(next_producer_id) = first_id.checked_add(PRODUCER_ID_BLOCK_LEN) else {
            let message = "Exhausted all producerIds as the next block's end producerId has exceeded the \
                           int64 type limit";
            return (vec![], Err(Error::new(Kind::UnknownServerError, message)));
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id,
        };
        let block = request::ProducerIdBlock { first_id, len: PRODUCER_ID_BLOCK_LEN };
        (vec![record.into()], Ok(block))
    }

    fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<(), Error> {
        let stale = |message: String| Err(Error::new(Kind::StaleBrokerEpoch, message));
        match self.image().cluster.broker(id) {
            None => stale(format!("No broker registration found for broker id {id}")),
            Some(broker) if broker.epoch != epoch => {
                stale(format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The feature levels of a new cluster that was not formatted.
pub fn default_bootstrap() -> Vec<Record> {
    let levels = crate::meta::features::KNOWN.iter().filter(|known| known.initial > 0);
    let record = |known: &crate::meta::features::Known| FeatureLevelRecord {
        name: known.name.into(),
        feature_level: known.initial,
    };
    levels.map(|known| record(known).into()).collect()
}

fn finalizes_elr(records: &[Record]) -> bool {
    records.iter().any(|record| {
        matches!(record, Record::FeatureLevel(feature)
            if &*feature.name == crate::meta::features::ELR_VERSION && feature.feature_level > 0)
    })
}

impl Machine for Controller {
    type Input = Input;
    type Record = Record;
    type Reply = Reply;
    type ReplayError = ReplayError;

    fn step(&mut self, at: Moment, token: Token, input: Input) -> Decision<Record, Reply> {
        let (records, reply) = self.decide(at, input);
        Decision::answer(token, reply, records)
    }

    fn replay(&mut self, offset: i64, record: &Record) -> Result<(), ReplayError> {
        let Self { transaction, delta, names, sessions, .. } = self;
        transaction.pass(offset, record, |offset, record| {
            names.replay(record, delta.image());
            sessions.replay(offset, record);
            delta.replay(record)
        })
    }

    fn deadline(&self) -> Option<i64> {
        self.sessions.deadline(&self.image().cluster)
    }

    fn expire(&mut self, at: Moment) -> Decision<Record, Reply> {
        let expired = self.sessions.expired(&self.image().cluster, at.now_ms);
        Decision::unasked(expired.map_or_else(Vec::new, |id| self.fence_records(id)))
    }
}

#[cfg(test)]
mod tests;
