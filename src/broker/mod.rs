//! Layer 10: the composition root. Builds and wires everything, in one order, and takes it down again.
//!
//! Who hears of a new metadata image, in this order: who follows the broker's own configuration, the replicas (so that an answered CreateTopics can be used), then
//! the coordinators (whose shards read and write the replicas that they lead). The request handlers look at the image
//! themselves, which is published before.
//!
//! At shutdown requests under way are answered by the coordinators while connections drain; the logs close after both.

mod background;
mod cleaner;
mod directories;
mod directory_events;
mod lag;
mod live;
pub mod logging;
mod lookup;
mod pages;
mod registration;
mod sockets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::directories::Directories;
use self::lag::Lag;
use self::live::Live;
pub use self::lookup::load_config;
use self::pages::{BrokerPages, Shown};
use self::registration::Registered;
use crate::api::broker_loggers::Loggers;
use crate::api::{Api, Context, FetchSessions, Requests};
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::coordinator::{Groups, ProducerIds, Transactions, View};
use crate::log::disk::StdDisk;
use crate::meta::Image;
use crate::meta::configs::ResourceKind;
use crate::metrics::{self, BrokerState, Metrics};
use crate::net::http;
use crate::net::listener::{self, Server};
use crate::partition::{self, Set};
use crate::raft::{self, Quorum};

/// How long requests under way may take to finish at shutdown; long polls that wait longer are cut off.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// Runs a node until SIGTERM or SIGINT; ends after a clean shutdown.
pub async fn run(config: Config, loggers: Loggers) -> Result<()> {
    let mut signals = Signals::catch()?;
    let config = Arc::new(config);
    let clock = Clock::system();
    let random = Random::system();
    // Before everything that counts: what is taken from the facade earlier counts nothing.
    let metrics = metrics::install(clock.clone())?;
    // Before a directory is touched: a port that is taken must not cost the clean-shutdown marker.
    let mut bound = sockets::bind_listeners(&config)?;
    // What this version does not know, what others vote on, and what is damaged, is left as it is.
    let inspected = raft::inspect(&StdDisk, &config.logs.metadata_dir, config.node_id.0)?;
    directories::check_new(&StdDisk, &config, &inspected)?;
    let directories = Arc::new(Directories::open(&config, &clock, &random)?);
    info!(cluster = %directories.cluster_id, node = %config.node_id, dirs = ?config.logs.dirs, "starting");
    let stop = CancellationToken::new();
    let pages = BrokerPages::new(metrics.clone());
    serve_pages(&config, &pages, &stop)?;

    let loaded = Quorum::load(directories.quorum_parts(&config, &clock), inspected)
        .context("the metadata log cannot be loaded")?;
    let live = Live::new(&config, &loaded.image());
    let effective = live.follow();
    let started = effective.borrow().clone();
    sockets::follow_listeners(&started, &mut bound);
    let threads = started.logs.recovery_threads_per_data_dir;
    directory_events::cordon(&started, &directories.all);
    let partitions =
        open_partitions(&config, threads, &directories, &clock, &random, &metrics, &loaded.image());
    directory_events::begin(&started, &loaded.image(), &partitions);
    let (groups, transactions) = coordinators(&config, &directories, &clock, &partitions);
    let quorum = loaded.run(subscriber(live, partitions.clone(), groups.clone(), transactions.clone()))?;

    let registered = registration::register(&started, &directories, &quorum, &random, &bound).await?;
    let producer_ids = Arc::new(ProducerIds::new(quorum.clone(), config.node_id, registered.epoch));
    let context = Arc::new(Context {
        config: config.clone(),
        clock: clock.clone(),
        random,
        node: config.node_id,
        cluster_id: directories.cluster_id.clone(),
        quorum: quorum.clone(),
        partitions: partitions.clone(),
        groups: groups.clone(),
        transactions: transactions.clone(),
        producer_ids: producer_ids.clone(),
        broker_epoch: registered.epoch,
        metrics,
        loggers,
        sessions: FetchSessions::new(config.requests.fetch_session_slots_max),
        requests: Requests::new(),
    });
    let server = Arc::new(Server::new(Arc::new(Api::new(context)), sockets::settings(&started)));
    pages.show(Shown {
        node: config.node_id,
        inter_broker_listener: config.inter_broker_listener_name.clone(),
        partitions: partitions.clone(),
        quorum: quorum.clone(),
        server: server.clone(),
        transaction_timeout_ms_max: config.values.int("transaction.max.timeout.ms").into(),
        clock: clock.clone(),
        lag: Lag {
            groups: groups.clone(),
            clock: clock.clone(),
            partitions_max: config.values.size("metrics.consumer.group.partitions.max"),
            runtime: tokio::runtime::Handle::current(),
        },
    });
    // Before: what is in no directory that the controller knows of gets no leader.
    directory_events::report(&partitions, &quorum, &registered).await?;
    registered.unfence(&quorum).await?;
    let failed = directory_events::watch(&partitions, &directories, &quorum, &registered, &stop);
    groups.start(quorum.image());
    transactions.start(quorum.image(), producer_ids);
    // Not before: a client that is shown a cluster without this broker may give it up for good (librdkafka).
    for listener in bound {
        info!(listener = %listener.name, host = %sockets::host_of(&started, &listener), port = listener.port()?, "listening");
        server.serve(listener);
    }
    registered.finish_recovery(&quorum).await?;
    pages.set_state(BrokerState::Running);
    announce(&config);
    background::start(&partitions, &config, &clock, &stop);
    cleaner::start(&partitions, &effective, &stop);
    live::reconfigure(server.clone(), effective, &stop);

    tokio::select! {
        () = signals.wait() => {}
        () = failed.cancelled() => {
            stop.cancel();
            bail!("no log directory is left to go on with");
        }
    }
    pages.set_state(BrokerState::ShuttingDown);
    tokio::join!(stop_coordinators(&transactions, &groups), server.shutdown(DRAIN_LIMIT));
    close(&registered, &quorum, &partitions, &stop).await;
    info!(node = %config.node_id, "shut down");
    Ok(())
}

fn open_partitions(
    config: &Arc<Config>,
    threads_per_directory: usize,
    directories: &Directories,
    clock: &Clock,
    random: &Random,
    metrics: &Metrics,
    image: &Image,
) -> Arc<Set> {
    let (for_settings, node) = (config.clone(), config.node_id);
    let settings =
        move |image: &Image, topic: &str| partition::Settings::of_topic(&for_settings, image, node, topic);
    let parts = partition::Parts {
        node,
        directories: directories.all.clone(),
        move_threads: directory_events::move_threads(config),
        settings: Box::new(settings),
        clock: clock.clone(),
        random: random.clone(),
        metrics: metrics.clone(),
    };
    let threads = threads_per_directory * config.logs.dirs.len();
    let begun = clock.elapsed();
    let set = Set::open(parts, image, threads);
    info!(replicas = set.all().len(), elapsed_ms = (clock.elapsed() - begun).as_millis(), "logs loaded");
    set
}

fn coordinators(
    config: &Config,
    directories: &Directories,
    clock: &Clock,
    partitions: &Arc<Set>,
) -> (Groups, Transactions) {
    let view = |name: &str| View::new(directories.view(name), directories.previous_epoch.is_some());
    let (node, set) = (config.node_id, || partitions.clone());
    let groups = Groups::new(config, node, clock.clone(), set(), view("coordinators"));
    let transactions =
        Transactions::new(config, node, clock.clone(), set(), groups.clone(), view("transactions"));
    (groups, transactions)
}

/// Transactions first: their markers go through the groups.
async fn stop_coordinators(transactions: &Transactions, groups: &Groups) {
    transactions.stop().await;
    groups.stop().await;
}

fn subscriber(
    live: Live,
    partitions: Arc<Set>,
    groups: Groups,
    transactions: Transactions,
) -> Box<raft::Subscriber> {
    Box::new(move |image, changes| {
        live.note(image, changes);
        if changes.configs.iter().any(|resource| resource.kind == ResourceKind::Broker) {
            directory_events::follow(&live.current(), image, &partitions);
        }
        if changes.features {
            // Metadata of a higher version may hold log directories.
            partitions.note_directories_changed();
        }
        // First: whoever can write to a partition can have its markers written.
        transactions.note_image(image);
        partitions.apply_changes(image, changes);
        groups.apply_changes(image, changes);
        transactions.apply_changes(image, changes);
    })
}

fn serve_pages(config: &Config, pages: &Arc<BrokerPages>, stop: &CancellationToken) -> Result<()> {
    let Some(at) = &config.metrics_listener else { return Ok(()) };
    match listener::bind("metrics", &at.host, at.port, config.sockets.listen_backlog) {
        Ok(bound) => {
            info!(host = %at.host, port = bound.port()?, "serving metrics");
            let pages: Arc<dyn http::Pages> = pages.clone();
            http::serve(bound, &pages, stop);
        }
        // A second broker on one machine should not fail for its metrics port alone.
        Err(error) if config.is_set("metrics.listener") => {
            return Err(error)
                .with_context(|| format!("cannot listen on {}:{} for metrics", at.host, at.port));
        }
        Err(error) => warn!(host = %at.host, port = at.port, %error, "metrics are not served"),
    }
    Ok(())
}

/// The lines that container images and test frameworks wait for, in Apache Kafka's words.
fn announce(config: &Config) {
    let node = config.node_id;
    info!(
        "[BrokerLifecycleManager id={node}] The broker has been unfenced. Transitioning from RECOVERY to RUNNING."
    );
    info!("[KafkaRaftServer nodeId={node}] Kafka Server started");
}

/// SIGTERM and SIGINT. Caught from the start: a signal during a long recovery must not look like a crash.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => info!("SIGTERM, shutting down"),
            _ = self.interrupt.recv() => info!("SIGINT, shutting down"),
        }
    }
}

async fn close(registered: &Registered, quorum: &Quorum, partitions: &Arc<Set>, stop: &CancellationToken) {
    stop.cancel();
    let epoch = registered.epoch;
    let (quorum, partitions) = (quorum.clone(), partitions.clone());
    let closing = tokio::task::spawn_blocking(move || {
        // The marker comes last: it vouches for the metadata log too.
        partitions.close_logs();
        quorum.stop();
        partitions.write_clean_shutdown(epoch);
    });
    if let Err(error) = closing.await {
        warn!(%error, "shutdown did not finish");
    }
}

/// Says where a relative path leads, for messages.
pub(crate) fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
