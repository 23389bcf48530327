//! The transaction coordinator: [`txn::Transactions`] over the partitions of `__transaction_state`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::Unavailable;
use super::groups::Groups;
use super::markers::{Destinations, NotWritten, Writer};
use super::producer_ids::ProducerIds;
use super::shards::{Companion, Parts, Shards};
use super::stored::{Encoded, KeyValue, Malformed, State, Stored};
use super::view::View;
use crate::base::clock::Clock;
use crate::base::id::{NodeId, Producer};
use crate::config::broker::Config;
use crate::group::{Ask, refused_transactional};
use crate::log::AppendError;
use crate::log::producers::{Guard, Verification};
use crate::machine::{Ended, Entry};
use crate::meta::{Changes, Image};
use crate::partition::{self, Set};
use crate::txn::{
    self, Activate, AddPartitions, Code, EndTxn, InitProducerId, NewImage, Refusal, Request, TopicPartition,
    VerifyPartitions,
};
use crate::wire::compress::Compression;
use crate::wire::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::wire::txn_records::Record;

/// How long a decision may take to be committed before its asker is told to try again. Kafka waits for as long as the
/// request may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);
/// From this version on of TxnOffsetCommit it adds its partition by itself.
const COMMIT_ADDS: i16 = 5;
/// From this version on of TxnOffsetCommit the producer knows TRANSACTION_ABORTABLE.
const COMMIT_KNOWS_ABORTABLE: i16 = 4;
/// From this version on a write adds its partition to the transaction by itself (KIP-890).
const VERSION_ADDS: i16 = 2;

impl Stored for txn::Transactions {
    const TOPIC: &'static str = "__transaction_state";

    fn encode(record: &Record) -> Entry<Encoded> {
        Entry::Plain(record.encode())
    }

    fn decode(entry: Entry<KeyValue<'_>>) -> Result<Option<Record>, Malformed> {
        // This topic has no transactions of its own.
        let Entry::Plain((key, value)) = entry else { return Ok(None) };
        Record::decode(key, value).map_err(|why| Malformed(why.to_string()))
    }

    fn state(&self) -> impl Iterator<Item = State<Record>> {
        Self::state(self).map(|(offset, record)| State { offset, record })
    }

    fn activate(epoch: i32) -> txn::Input {
        Activate { coordinator_epoch: epoch }.into_input()
    }

    fn image(image: Arc<Image>, _: Vec<Arc<str>>) -> txn::Input {
        NewImage { image }.into_input()
    }
}

/// The transaction coordinator of this node; cheap to clone.
#[derive(Clone)]
pub struct Transactions {
    shards: Shards<txn::Transactions>,
    markers: Arc<Destinations>,
    producer_ids: Arc<OnceLock<Arc<ProducerIds>>>,
}

impl Transactions {
    /// The topic that holds the transactions' states.
    pub const TOPIC: &'static str = <txn::Transactions as Stored>::TOPIC;

    /// Coordinates nothing before [`Transactions::start`]. To be called within a tokio runtime, in which the shards
    /// run. Markers go into `partitions`, and through `groups` where offsets are.
    pub fn new(
        config: &Config,
        node: NodeId,
        clock: Clock,
        partitions: Arc<Set>,
        groups: Groups,
        view: View,
    ) -> Self {
        let image = ArcSwap::from_pointee(Image::empty());
        let markers = Destinations { partitions: partitions.clone(), groups, clock: clock.clone(), image };
        let markers = Arc::new(markers);
        let producer_ids: Arc<OnceLock<Arc<ProducerIds>>> = Arc::default();
        let companion = companion(markers.clone(), producer_ids.clone());
        let settings = txn::Settings::of(config);
        let values = &config.values;
        let shards = Shards::new(Parts {
            node,
            clock,
            partitions,
            machine: Box::new(move |image| txn::Transactions::new(settings.clone(), image)),
            compression: Compression::None,
            commit_timeout: COMMIT_TIMEOUT,
            load_bytes: values.size("transaction.state.log.load.buffer.size"),
            partition_count_new: values.int("transaction.state.log.num.partitions"),
            runtime: Handle::current(),
            view,
            companion: Some(companion),
        });
        Self { shards, markers, producer_ids }
    }

    /// Loads the transactions that are here, in the background. Fresh producer ids come from `producer_ids`.
    pub fn start(&self, image: Arc<Image>, producer_ids: Arc<ProducerIds>) {
        let _ = self.producer_ids.set(producer_ids);
        self.markers.image.rcu(|known| {
            // An image that came meanwhile is newer.
            let is_newer = known.provenance.offset > image.provenance.offset;
            if is_newer { known.clone() } else { image.clone() }
        });
        self.shards.start(image);
    }

    /// Takes note of what exists now, before the replicas do.
    pub fn note_image(&self, image: &Image) {
        self.markers.image.store(Arc::new(image.clone()));
    }

    /// Follows a metadata change, after the replicas and the group coordinator have.
    pub fn apply_changes(&self, image: &Image, changes: &Changes) {
        self.shards.apply_changes(image, changes);
    }

    /// Ends the coordinator; what was taken is answered as far as it can be. Markers that are not written are at the
    /// next start.
    pub async fn stop(&self) {
        self.shards.stop().await;
    }

    /// The partition of the topic that a transactional id belongs to.
    pub fn partition_of(&self, transactional_id: &str) -> i32 {
        self.shards.partition_of(transactional_id)
    }

    /// Asks the coordinator of `transactional_id`. Those who may be refused for the lack of a producer id are better
    /// asked by [`Transactions::init_producer_id`] and [`Transactions::end`].
    pub async fn ask<R: Request>(
        &self,
        transactional_id: &str,
        request: R,
    ) -> Result<R::Answer, Unavailable> {
        self.shards.ask(self.partition_of(transactional_id), request.into_input(), R::answer).await
    }

    /// Asks every partition that is coordinated here; the answers come by partition.
    pub async fn ask_all<R: Request + Clone>(&self, request: R) -> Vec<Result<R::Answer, Unavailable>> {
        self.shards.ask_all(|| request.clone().into_input(), R::answer).await
    }

    /// InitProducerId of a transactional id.
    pub async fn init_producer_id(
        &self,
        request: InitProducerId,
    ) -> Result<Result<Producer, Code>, Unavailable> {
        let id = request.transactional_id.clone();
        let again = |fresh_producer_id| InitProducerId { fresh_producer_id, ..request.clone() };
        self.ask_with_fresh_id(&id, again).await
    }

    /// EndTxn; answered with what the producer is from then on.
    pub async fn end(&self, request: EndTxn) -> Result<Result<Producer, Code>, Unavailable> {
        let id = request.transactional_id.clone();
        let again = |fresh_producer_id| EndTxn { fresh_producer_id, ..request.clone() };
        self.ask_with_fresh_id(&id, again).await
    }

    /// What a producer that writes to `partitions` needs the coordinator's word for, before the write: that they are
    /// in its transaction, or from version 2 of the protocol on, that they are now
    /// (`AddPartitionsToTxnManager.addOrVerifyTransaction`).
    pub async fn add_or_verify(
        &self,
        transactional_id: &Arc<str>,
        producer: Producer,
        partitions: Vec<TopicPartition>,
        transaction_version: i16,
    ) -> Result<Vec<(TopicPartition, Result<(), Code>)>, Unavailable> {
        let transactional_id = transactional_id.clone();
        let id = transactional_id.clone();
        if transaction_version < VERSION_ADDS {
            return self.ask(&id, VerifyPartitions { transactional_id, producer, partitions }).await;
        }
        let added = partitions.clone();
        let request = AddPartitions { transactional_id, producer, partitions, transaction_version };
        let answer = self.ask(&id, request).await?;
        Ok(added.into_iter().map(|partition| (partition, answer)).collect())
    }

    /// TxnOffsetCommit: the coordinator's word on the partition of the group, then the write (`CoordinatorRuntime.
    /// scheduleTransactionalWriteOperation`). What the coordinator refuses stands with every partition.
    pub async fn commit_offsets(
        &self,
        ask: Ask<TxnOffsetCommitRequest>,
    ) -> Result<TxnOffsetCommitResponse, Unavailable> {
        let groups = &self.markers.groups;
        let partition = groups.partition_of(&ask.body.group_id);
        match self.verify_offsets(partition, &ask).await? {
            Ok(guard) => groups.submit(partition, ask, guard).await?.await,
            Err(code) => Ok(refused_transactional(&ask.body, code)),
        }
    }

    /// What the write has to show, if anything.
    async fn verify_offsets(
        &self,
        partition: i32,
        ask: &Ask<TxnOffsetCommitRequest>,
    ) -> Result<Result<Option<Guard>, Code>, Unavailable> {
        let request = &ask.body;
        let replica = self.markers.groups.replica(partition).ok_or(Unavailable::NotCoordinator)?;
        let producer = Producer { id: request.producer_id, epoch: request.producer_epoch };
        let version = if ask.version >= COMMIT_ADDS { VERSION_ADDS } else { 0 };
        // Offsets have no sequence.
        let wanted = Verification { lowest_sequence: -1, supports_epoch_bump: version >= VERSION_ADDS };
        let guard = match replica.begin_verification(producer, wanted, self.markers.clock.now_ms()) {
            Ok(None) => return Ok(Ok(None)),
            Ok(guard) => guard,
            Err(partition::Error::Append(AppendError::Producer(why))) => {
                return Err(Unavailable::Refused(why));
            }
            Err(_) => return Err(Unavailable::NotCoordinator),
        };
        let id: Arc<str> = Arc::from(&*request.transactional_id);
        let destination = (Arc::from(Groups::TOPIC), partition);
        let answers = self.add_or_verify(&id, producer, vec![destination], version).await?;
        let refused = answers.into_iter().find_map(|(_, answer)| answer.err());
        Ok(refused.map_or(Ok(guard), |code| Err(refusal(code, ask.version))))
    }

    /// Writes the marker of one partition, as WriteTxnMarkers asks for it; committed when this is done.
    pub async fn write_marker(&self, topic: &str, partition: i32, marker: Ended) -> Result<(), NotWritten> {
        let written = self.markers.write(topic, partition, &[marker]).await;
        written.into_iter().collect()
    }

    async fn ask_with_fresh_id<R>(
        &self,
        transactional_id: &str,
        request: impl Fn(Option<i64>) -> R,
    ) -> Result<Result<Producer, Code>, Unavailable>
    where
        R: Request<Answer = Result<Producer, Refusal>>,
    {
        match self.ask(transactional_id, request(None)).await? {
            Ok(producer) => return Ok(Ok(producer)),
            Err(Refusal::Code(code)) => return Ok(Err(code)),
            Err(Refusal::NeedsProducerId) => {}
        }
        let producer_ids = self.producer_ids.get().ok_or(Unavailable::LoadInProgress)?;
        let fresh = producer_ids.next().await?;
        match self.ask(transactional_id, request(Some(fresh))).await? {
            Ok(producer) => Ok(Ok(producer)),
            Err(Refusal::Code(code)) => Ok(Err(code)),
            Err(Refusal::NeedsProducerId) => Err(Unavailable::NotAvailable),
        }
    }
}

/// What a producer is told of the coordinator's refusal (`AddPartitionsToTxnManager`): the codes that it expects.
fn refusal(code: Code, version: i16) -> Code {
    if code == Code::ProducerFenced {
        Code::InvalidProducerEpoch
    } else if code == Code::TransactionAbortable && version < COMMIT_KNOWS_ABORTABLE {
        Code::InvalidTxnState
    } else {
        code
    }
}

/// Every shard of this topic has its markers written.
fn companion(
    markers: Arc<Destinations>,
    producer_ids: Arc<OnceLock<Arc<ProducerIds>>>,
) -> Companion<txn::Transactions> {
    Box::new(move |line, stop| {
        let writer = Writer::new(markers.clone(), line);
        let producer_ids = producer_ids.get().expect("shards run from the start on").clone();
        Box::pin(writer.run(producer_ids, stop))
    })
}
