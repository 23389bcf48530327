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
