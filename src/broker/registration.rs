//! This broker's registration with the controller, and its heartbeats.

use anyhow::{Context as _, Result, anyhow, bail};
use tracing::info;

use super::directories::Directories;
use crate::base::id::DirectoryId;
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::config::listener::Listener;
use crate::controller::request::{
    AlterPartition, BrokerHeartbeat, HeartbeatAnswer, ProposedIsr, RegisterBroker,
};
use crate::controller::{self, Request};
use crate::meta::cluster::Endpoint;
use crate::meta::features;
use crate::meta::topics::LeaderRecoveryState;
use crate::net::listener::Bound;
use crate::raft::Quorum;

/// How many heartbeats a start waits for the controller to unfence this broker.
const HEARTBEATS_TO_UNFENCE: usize = 100;

/// A registered broker.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) id: i32,
    pub(super) epoch: i64,
    /// What it was registered with.
    request: RegisterBroker,
}

pub(super) async fn register(
    config: &Config,
    directories: &Directories,
    quorum: &Quorum,
    random: &Random,
    bound: &[Bound],
) -> Result<Registered> {
    let endpoints = config.advertised_listeners.iter().map(|l| endpoint(l, bound)).collect::<Result<_>>()?;
    let request = RegisterBroker {
        broker_id: config.node_id.0,
        cluster_id: directories.cluster_id.clone(),
        incarnation_id: random.uuid(),
        endpoints,
        features: features::KNOWN.into_iter().map(|f| (f.name.into(), f.accepted)).collect(),
        rack: config.rack.as_deref().map(Into::into),
        log_dirs: directories.online_ids(),
        previous_broker_epoch: directories.previous_epoch.unwrap_or(-1),
    };
    let epoch = ask(quorum, request.clone()).await.context("the controller refuses this broker")?;
    Ok(Registered { id: config.node_id.0, epoch, request })
}

/// What clients are told: the advertised address, and for port 0 the port that the system chose.
fn endpoint(listener: &Listener, bound: &[Bound]) -> Result<Endpoint> {
    let port = match (listener.port, bound.iter().find(|b| *b.name == *listener.name)) {
        (0, Some(bound)) => bound.port()?,
        (port, _) => port,
    };
    let host = match &listener.host {
        Some(host) => host.clone(),
        None => own_name(),
    };
    let security_protocol = listener.protocol.wire_id();
    Ok(Endpoint { name: listener.name.as_str().into(), host: host.into(), port, security_protocol })
}

fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

pub(super) async fn ask<R, T>(quorum: &Quorum, request: R) -> Result<T>
where
    R: Request<Answer = Result<T, controller::Error>>,
{
    let reply =
        quorum.submit(request.into_input()).await.map_err(|_| anyhow!("the controller has stopped"))?;
    Ok(R::answer(reply).context("the controller answered something else")??)
}

impl Registered {
    /// Registers again, in the same epoch, if the metadata has begun to hold log directories since, and the registration
    /// has none (`BrokerRegistrationTracker`).
    pub(super) async fn refresh(&self, quorum: &Quorum, log_dirs: Vec<DirectoryId>) -> Result<()> {
        let image = quorum.image();
        let is_bare = image.cluster.broker(self.id).is_some_and(|broker| broker.log_dirs.is_empty());
        if is_bare && image.features.has_directory_assignment() && !log_dirs.is_empty() {
            let epoch = ask(quorum, RegisterBroker { log_dirs, ..self.request.clone() }).await?;
            info!(epoch, "registered again, with log directories");
        }
        Ok(())
    }

    /// One heartbeat, with the log directories that have failed, and those that are cordoned, if that is known.
    pub(super) async fn heartbeat(
        &self,
        quorum: &Quorum,
        offline_log_dirs: Vec<DirectoryId>,
        cordoned_log_dirs: Option<Vec<DirectoryId>>,
    ) -> Result<HeartbeatAnswer> {
        let heartbeat = BrokerHeartbeat {
            broker_id: self.id,
            broker_epoch: self.epoch,
            current_metadata_offset: quorum.image().provenance.offset,
            want_fence: false,
            want_shut_down: false,
            offline_log_dirs,
            cordoned_log_dirs,
        };
        ask(quorum, heartbeat).await
    }

    /// Tells the controller that this node's partitions are recovered: their logs were, before it registered.
    pub(super) async fn finish_recovery(&self, quorum: &Quorum) -> Result<()> {
        let image = quorum.image();
        let mut partitions = Vec::new();
        for topic in image.topics.iter() {
            for (index, partition) in topic.partitions.iter() {
                let is_recovering = partition.leader_recovery_state == LeaderRecoveryState::Recovering;
                if partition.leader == self.id && is_recovering {
                    partitions.push(ProposedIsr {
                        topic_id: topic.id,
                        partition: *index,
                        leader_epoch: partition.leader_epoch,
                        partition_epoch: partition.partition_epoch,
                        isr: partition.isr.iter().map(|id| (*id, -1)).collect(),
                        leader_recovery_state: LeaderRecoveryState::Recovered,
                    });
                }
            }
        }
        if !partitions.is_empty() {
            ask(quorum, AlterPartition { broker_id: self.id, broker_epoch: self.epoch, partitions }).await?;
        }
        Ok(())
    }

    /// Waits until clients may be served.
    pub(super) async fn unfence(&self, quorum: &Quorum) -> Result<()> {
        for _ in 0..HEARTBEATS_TO_UNFENCE {
            if !self.heartbeat(quorum, Vec::new(), None).await?.is_fenced {
                return Ok(());
            }
        }
        bail!("the controller does not unfence this broker")
    }
}
