//! All shards of one topic on this node: started, ended and told of news as the metadata says.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

use super::Unavailable;
use super::hash::partition_of;
use super::line::Line;
use super::load::{Load, LoadError, Loaded};
use super::place::{Message, Place, Stage};
use super::shard::Shard;
use super::sink::Sink;
use super::stored::Stored;
use super::view::{Position, View};
use crate::base::clock::Clock;
use crate::base::id::{NodeId, TopicId};
use crate::log::producers::Guard;
use crate::meta::{Changes, Image, ResourceKind, Topic};
use crate::partition::{self, Replica, Set};
use crate::wire::compress::Compression;

/// Partitions that are read at once, each on a thread and with a buffer of its own.
const LOADS_MAX: usize = 2;
/// How soon a shard that has failed is loaded again; each time twice as late.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// How late at most.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Lives and dies with a shard that serves: made anew for each, told to end by the token, and awaited.
pub type Companion<M> =
    Box<dyn Fn(Line<M>, CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What the shards of a topic work with.
pub struct Parts<M: Stored> {
    /// This node.
    pub node: NodeId,
    /// The clock.
    pub clock: Clock,
    /// Where the partitions are.
    pub partitions: Arc<Set>,
    /// An empty machine that knows this image.
    pub machine: Box<dyn Fn(Arc<Image>) -> M + Send + Sync>,
    /// How the topic's batches are compressed.
    pub compression: Compression,
    /// How long an answer may wait for its records to be committed.
    pub commit_timeout: Duration,
    /// Bytes read at a time when a partition is loaded.
    pub load_bytes: usize,
    /// How many partitions the topic is going to have, as long as there is none.
    pub partition_count_new: i32,
    /// Where the shards run.
    pub runtime: Handle,
    /// What spares them the replay of their logs after a clean shutdown.
    pub view: View,
    /// Who accompanies each shard, if anybody does.
    pub companion: Option<Companion<M>>,
}

/// All shards of one topic on this node; cheap to clone.
pub struct Shards<M: Stored>(Arc<Inner<M>>);

impl<M: Stored> Clone for Shards<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<M: Stored> {
    parts: Parts<M>,
    here: Mutex<Here<M>>,
    /// The topic, and its partitions as they were first seen: keys must not move when somebody adds partitions.
    topic: RwLock<Option<(TopicId, i32)>>,
    loads: Semaphore,
    tasks: TaskTracker,
}

/// Whether shards are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not yet; the broker starts.
    Starting,
    Running,
    /// Not any more.
    Stopped,
}

struct Here<M: Stored> {
    phase: Phase,
    topic: Option<TopicId>,
    places: BTreeMap<i32, Arc<Place<M>>>,
    image: Arc<Image>,
}

impl<M: Stored> Shards<M> {
    /// Without shards; until [`Shards::start`] everything is loading.
    pub fn new(parts: Parts<M>) -> Self {
        let here = Here {
            phase: Phase::Starting,
            topic: None,
            places: BTreeMap::new(),
            image: Arc::new(Image::empty()),
        };
        let loads = Semaphore::new(LOADS_MAX);
        let (here, topic) = (Mutex::new(here), RwLock::default());
        Self(Arc::new(Inner { parts, here, topic, loads, tasks: TaskTracker::new() }))
    }

    /// Loads what this node leads, in the background.
    pub fn start(&self, image: Arc<Image>) {
        let mut here = self.0.here.lock();
        if here.phase == Phase::Starting {
            here.phase = Phase::Running;
            // An image that came meanwhile is newer.
            if here.image.provenance.offset <= image.provenance.offset {
                here.image = image;
            }
            self.note_partition_count(&here.image);
            self.lead(&mut here);
        }
    }

    /// Follows a metadata change, after the replicas have: begins and ends shards, and tells the others.
    pub fn apply_changes(&self, image: &Image, changes: &Changes) {
        self.note_partition_count(image);
        let is_news = !changes.topics.is_empty()
            || changes.features
            || changes.configs.iter().any(|resource| match resource.kind {
                ResourceKind::Group | ResourceKind::Broker => true,
                ResourceKind::Topic => *resource.name == *M::TOPIC,
                ResourceKind::ClientMetrics => false,
            });
        let mut here = self.0.here.lock();
        here.image = Arc::new(image.clone());
        if !is_news || here.phase != Phase::Running {
            return;
        }
        let deleted: Vec<Arc<str>> = changes.topics.deleted.iter().map(|topic| topic.name.clone()).collect();
        for place in here.places.values() {
            place.tell(&here.image, &deleted);
        }
        self.lead(&mut here);
    }

    /// Ends every shard and waits for that; what was taken is answered as far as it can be.
    pub async fn stop(&self) {
        {
            let mut here = self.0.here.lock();
            here.phase = Phase::Stopped;
            for place in std::mem::take(&mut here.places).into_values() {
                end(&place);
            }
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let inner = self.0.clone();
        if self.0.parts.runtime.spawn_blocking(move || inner.parts.view.finish()).await.is_err() {
            warn!("the view of the coordinators was not written");
        }
    }

    /// Asks the machine of `partition`; the first future is done once the input is in line, the second one has the
    /// answer. `guard` vouches for a write that belongs to a transaction.
    pub async fn submit(
        &self,
        partition: i32,
        input: M::Input,
        guard: Option<Guard>,
    ) -> Result<impl Future<Output = Result<M::Reply, Unavailable>> + Send + use<M>, Unavailable> {
        let sender = self.place(partition)?.sender()?;
        let (asker, answer) = oneshot::channel();
        sender.send(Message { input, guard, asker }).await.map_err(|_| Unavailable::NotCoordinator)?;
        // A shard that ends drops those who wait.
        Ok(async { answer.await.unwrap_or(Err(Unavailable::NotCoordinator)) })
    }

    /// Asks the machine of `partition`, and takes the answer for what it is.
    pub async fn ask<A>(
        &self,
        partition: i32,
        input: M::Input,
        answer: impl FnOnce(M::Reply) -> Option<A>,
    ) -> Result<A, Unavailable> {
        let reply = self.submit(partition, input, None).await?;
        answer(reply.await?).ok_or(Unavailable::NotAvailable)
    }

    /// Asks every partition that is coordinated here; the answers come by partition.
    pub async fn ask_all<A>(
        &self,
        input: impl Fn() -> M::Input,
        answer: impl Fn(M::Reply) -> Option<A>,
    ) -> Vec<Result<A, Unavailable>> {
        let Some(partitions) = self.partitions() else { return vec![Err(Unavailable::NotAvailable)] };
        let mut submitted = Vec::new();
        for partition in partitions {
            submitted.push(self.submit(partition, input(), None).await);
        }
        let mut answers = Vec::with_capacity(submitted.len());
        for reply in submitted {
            let reply = match reply {
                Ok(reply) => reply.await,
                Err(unavailable) => Err(unavailable),
            };
            answers.push(reply.and_then(|reply| answer(reply).ok_or(Unavailable::NotAvailable)));
        }
        answers
    }

    /// The partition that `key` belongs to.
    pub fn partition_of(&self, key: &str) -> i32 {
        let count = self.0.topic.read().map_or(self.0.parts.partition_count_new, |(_, count)| count);
        partition_of(key, count)
    }

    fn note_partition_count(&self, image: &Image) {
        let mut known = self.0.topic.write();
        let topic = image.topics.by_name(M::TOPIC);
        let id = topic.map(|topic| topic.id);
        // What was seen first of a topic stays.
        if known.map(|(id, _)| id) != id {
            *known = topic.map(|topic| (topic.id, topic.partition_count()));
        }
    }

    /// The replica of a partition that this node coordinates.
    pub(super) fn replica(&self, partition: i32) -> Option<Arc<Replica>> {
        let topic = self.0.here.lock().topic?;
        self.0.parts.partitions.get(topic, partition)
    }

    /// The partitions that this node coordinates, loaded or not; none once it coordinates no more.
    pub fn partitions(&self) -> Option<Vec<i32>> {
        let here = self.0.here.lock();
        (here.phase != Phase::Stopped).then(|| here.places.keys().copied().collect())
    }

    fn place(&self, partition: i32) -> Result<Arc<Place<M>>, Unavailable> {
        let here = self.0.here.lock();
        match here.phase {
            Phase::Starting => Err(Unavailable::LoadInProgress),
            Phase::Running => here.places.get(&partition).cloned().ok_or(Unavailable::NotCoordinator),
            Phase::Stopped => Err(Unavailable::NotCoordinator),
        }
    }

    /// Brings the shards in line with the image.
    fn lead(&self, here: &mut Here<M>) {
        let image = here.image.clone();
        let topic = image.topics.by_name(M::TOPIC);
        let id = topic.map(|topic| topic.id);
        let is_led = |epoch: i32, index: i32| {
            here.topic == id && topic.is_some_and(|topic| self.epoch(topic, index) == Some(epoch))
        };
        let (kept, ended): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut here.places)
            .into_iter()
            .partition(|(index, place)| is_led(place.epoch, *index));
        ended.values().for_each(|place| end(place));
        (here.topic, here.places) = (id, kept);
        let Some(topic) = topic else { return };
        for index in topic.partitions.keys().copied() {
            if let Some(epoch) = self.epoch(topic, index)
                && !here.places.contains_key(&index)
                && let Some(replica) = self.0.parts.partitions.get(topic.id, index)
            {
                let place = Place::new(epoch);
                here.places.insert(index, place.clone());
                // What holds nothing needs no loading: who made the topic can use it at once.
                let is_empty =
                    replica.watermarks(epoch).is_ok_and(|m| m.log_start_offset == m.log_end_offset);
                let inputs = is_empty.then(|| place.open());
                let inner = self.0.clone();
                self.0.tasks.spawn_on(inner.serve(place, replica, inputs), &self.0.parts.runtime);
            }
        }
    }

    /// The leader epoch of a partition that this node leads.
    fn epoch(&self, topic: &Topic, index: i32) -> Option<i32> {
        let partition = topic.partition(index)?;
        (partition.leader == self.0.parts.node.0).then_some(partition.leader_epoch)
    }
}

fn end<M: Stored>(place: &Place<M>) {
    place.stop.cancel();
    place.enter(Stage::Down);
}

/// Why a shard has ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Replica(#[from] partition::Error),
    /// Reported by whoever panicked.
    #[error("it panicked")]
    Panic,
}

/// Completes when a companion has ended although its shard is to go on.
async fn failed(companion: &mut Option<JoinHandle<()>>, stop: &CancellationToken) {
    let Some(running) = companion else { return std::future::pending().await };
    let _ = running.await;
    *companion = None;
    if stop.is_cancelled() {
        // The shard takes nothing more, and still answers.
        std::future::pending().await
    }
}

impl<M: Stored> Inner<M> {
    /// Runs the shard at `place`, again and again as long as its log directory is there.
    async fn serve(
        self: Arc<Self>,
        place: Arc<Place<M>>,
        replica: Arc<Replica>,
        mut inputs: Option<mpsc::Receiver<Message<M>>>,
    ) {
        let mut pause = RETRY_MIN;
        while !place.stop.is_cancelled() {
            let begun = self.parts.clock.elapsed();
            // A task of its own, so that a panic is an end like others.
            let life =
                self.parts.runtime.spawn(self.clone().live(place.clone(), replica.clone(), inputs.take()));
            let ended = life.await.unwrap_or(Err(Failure::Panic));
            let Err(failure) = ended else { return };
            if place.stop.is_cancelled() {
                return;
            }
            place.enter(Stage::Down);
            if replica.directory().log_directory().is_offline() {
                warn!(tp = %replica.name(), %failure, "coordinator resigns");
                return;
            }
            error!(tp = %replica.name(), %failure, "coordinator has failed and is loaded again");
            if self.parts.clock.elapsed() - begun > RETRY_MAX {
                pause = RETRY_MIN;
            }
            let _ = place.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (2 * pause).min(RETRY_MAX);
        }
    }

    /// Loads the partition and serves it; `inputs` are there already if there is nothing to load.
    async fn live(
        self: Arc<Self>,
        place: Arc<Place<M>>,
        replica: Arc<Replica>,
        inputs: Option<mpsc::Receiver<Message<M>>>,
    ) -> Result<(), Failure> {
        if inputs.is_none() {
            place.enter(Stage::Loading);
        }
        let loaded = match self.clone().load(&place, &replica).await {
            Err(Failure::Load(LoadError::Stopped)) => return Ok(()),
            loaded => loaded?,
        };
        let sink = Sink::new(replica.clone(), place.epoch, self.parts.compression, loaded.end_offset);
        let (clock, timeout) = (self.parts.clock.clone(), self.parts.commit_timeout);
        let shard = Shard::new(loaded.machine, sink, replica.clone(), place.epoch, clock, timeout);
        let inputs = inputs.unwrap_or_else(|| place.open());
        let (stop, mut companion) = self.accompany(&place);
        let _stops_if_this_panics = stop.clone().drop_guard();
        let ended = tokio::select! {
            biased;
            ended = shard.run(&place, inputs) => Some(ended),
            () = failed(&mut companion, &place.stop) => None,
        };
        stop.cancel();
        if let Some(companion) = companion {
            // It does nothing behind the back of the next one.
            let _ = companion.await;
        }
        let shard = ended.ok_or(Failure::Panic)??;
        if self.here.lock().phase == Phase::Stopped {
            let inner = self.clone();
            let keep = move || inner.keep(shard.machine(), &replica, place.epoch);
            self.parts.runtime.spawn_blocking(keep).await.map_err(|_| Failure::Panic)??;
        }
        Ok(())
    }

    /// Gives the shard its companion.
    fn accompany(&self, place: &Place<M>) -> (CancellationToken, Option<JoinHandle<()>>) {
        let stop = CancellationToken::new();
        let (Some(companion), Ok(sender)) = (&self.parts.companion, place.sender()) else {
            return (stop, None);
        };
        let companion = companion(Line::new(sender), stop.clone());
        (stop, Some(self.parts.runtime.spawn(companion)))
    }

    /// Keeps the state for the next start.
    fn keep(&self, machine: &M, replica: &Replica, epoch: i32) -> Result<(), partition::Error> {
        let marks = replica.watermarks(epoch)?;
        if let Some(at) = Position::of(replica, epoch)? {
            self.parts.view.put(machine, &at, marks.log_end_offset - marks.log_start_offset);
        }
        Ok(())
    }

    async fn load(
        self: Arc<Self>,
        place: &Arc<Place<M>>,
        replica: &Arc<Replica>,
    ) -> Result<Loaded<M>, Failure> {
        let image = self.here.lock().image.clone();
        let marks = replica.watermarks(place.epoch)?;
        if marks.log_start_offset == marks.log_end_offset {
            let machine = (self.parts.machine)(image);
            return Ok(Loaded { machine, end_offset: marks.log_end_offset });
        }
        let _permit = self.loads.acquire().await;
        let begun = self.parts.clock.elapsed();
        let (stop, epoch, chunk_bytes) = (place.stop.clone(), place.epoch, self.parts.load_bytes);
        let reading = replica.clone();
        let inner = self.clone();
        let load = move || {
            let machine = || (inner.parts.machine)(image.clone());
            if let Some(at) = Position::of(&reading, epoch)?
                && let Some(machine) = inner.parts.view.restore(machine(), &at)
            {
                info!(tp = %reading.name(), epoch, end_offset = at.end_offset, "coordinator restored from its view");
                return Ok(Loaded { machine, end_offset: at.end_offset });
            }
            Load { machine: machine(), replica: &reading, epoch, chunk_bytes }.run(&stop)
        };
        let loaded = self.parts.runtime.spawn_blocking(load).await.map_err(|_| Failure::Panic)??;
        let elapsed_ms = (self.parts.clock.elapsed() - begun).as_millis();
        if elapsed_ms >= 100 {
            info!(tp = %replica.name(), epoch, end_offset = loaded.end_offset, elapsed_ms, "coordinator loaded");
        } else {
            debug!(tp = %replica.name(), epoch, end_offset = loaded.end_offset, elapsed_ms, "coordinator loaded");
        }
        Ok(loaded)
    }
}
