//! What every handler can reach.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use super::broker_loggers::Loggers;
use super::fetch::session;
use super::measure::Requests;
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::controller;
use crate::coordinator;
use crate::metrics::Metrics;
use crate::partition;
use crate::raft::Quorum;

/// The broker as the handlers see it.
pub struct Context {
    /// The effective static configuration.
    pub config: Arc<Config>,
    /// The real clock, or a test's.
    pub clock: Clock,
    /// The broker's random source.
    pub random: Random,
    /// This node.
    pub node: NodeId,
    /// `cluster.id` of `meta.properties`.
    pub cluster_id: Arc<str>,
    /// The controller and the metadata image.
    pub quorum: Quorum,
    /// The replicas on this node.
    pub partitions: Arc<partition::Set>,
    /// The group coordinator.
    pub groups: coordinator::Groups,
    /// The transaction coordinator.
    pub transactions: coordinator::Transactions,
    /// Fetch sessions of this node.
    pub(crate) sessions: session::Cache,
    /// This broker's epoch, from its registration.
    pub broker_epoch: i64,
    /// Where topics are counted.
    pub metrics: Metrics,
    /// Where requests are counted.
    pub(crate) requests: Requests,
    /// Producer ids handed to this node by the controller.
    pub producer_ids: Arc<coordinator::ProducerIds>,
    /// What is logged.
    pub(crate) loggers: Loggers,
}

impl Context {
    /// Wires the handlers to the parts of the broker.
    pub fn new(parts: Parts) -> Self {
        let Parts { config, clock, random, node, cluster_id, quorum, partitions, groups, .. } = parts;
        let Parts { transactions, producer_ids, broker_epoch, metrics, loggers, .. } = parts;
        let slots = config.requests.fetch_session_slots_max;
        Self {
            config,
            clock,
            random,
            node,
            cluster_id,
            quorum,
            partitions,
            groups,
            transactions,
            broker_epoch,
            metrics,
            requests: Requests::new(),
            sessions: session::Cache::new(slots),
            producer_ids,
            loggers,
        }
    }
}

impl Context {
    /// Asks the controller, and gives its answer or its refusal. A controller that cannot answer any more
    /// refuses with NOT_CONTROLLER, which clients retry.
    pub(super) async fn ask<R, T>(&self, request: R) -> Result<T, controller::Error>
    where
        R: controller::Request<Answer = Result<T, controller::Error>>,
    {
        let reply = self.quorum.submit(request.into_input()).await;
        let answer = reply.ok().and_then(R::answer);
        answer.unwrap_or_else(|| Err(controller::Kind::NotController.into()))
    }
}

/// What a [`Context`] is made of.
pub struct Parts {
    /// See [`Context::config`].
    pub config: Arc<Config>,
    /// See [`Context::clock`].
    pub clock: Clock,
    /// See [`Context::random`].
    pub random: Random,
    /// See [`Context::node`].
    pub node: NodeId,
    /// See [`Context::cluster_id`].
    pub cluster_id: Arc<str>,
    /// See [`Context::quorum`].
    pub quorum: Quorum,
    /// See [`Context::partitions`].
    pub partitions: Arc<partition::Set>,
    /// See [`Context::groups`].
    pub groups: coordinator::Groups,
    /// See [`Context::transactions`].
    pub transactions: coordinator::Transactions,
    /// See [`Context::producer_ids`].
    pub producer_ids: Arc<coordinator::ProducerIds>,
    /// See [`Context::broker_epoch`].
    pub broker_epoch: i64,
    /// See [`Context::metrics`].
    pub metrics: Metrics,
    /// What is logged.
    pub loggers: Loggers,
}

/// The client at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Name of the listener that the client came in on; it decides which endpoints the client is told.
    pub listener: Arc<str>,
    /// The client's address.
    pub address: SocketAddr,
    /// Name and version of the client library (ApiVersions 3+, KIP-511).
    pub software: OnceLock<(String, String)>,
}

impl Peer {
    /// A client that has not introduced itself yet.
    pub fn new(listener: Arc<str>, address: SocketAddr) -> Self {
        Self { listener, address, software: OnceLock::new() }
    }
}
