//! Producer ids, taken from the controller in blocks so that none is ever given twice (`ProducerIdManager`).

use std::ops::Range;
use std::pin::Pin;

use tokio::sync::Mutex;

use super::Unavailable;
use crate::base::id::NodeId;
use crate::controller::Request;
use crate::controller::request::AllocateProducerIds;
use crate::raft::Quorum;

/// A block on its way; none if the controller has none to give.
type Block = Pin<Box<dyn Future<Output = Option<Range<i64>>> + Send>>;

/// The ids that this node may give out.
pub struct ProducerIds {
    allocate: Box<dyn Fn() -> Block + Send + Sync>,
    /// What is left of the current block.
    block: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// Asks this controller for blocks, in the name of a registered broker.
    pub fn new(quorum: Quorum, node: NodeId, broker_epoch: i64) -> Self {
        Self::of(move || {
            let request = AllocateProducerIds { broker_id: node.0, broker_epoch };
            let reply = quorum.submit(request.into_input());
            Box::pin(async {
                let block = AllocateProducerIds::answer(reply.await.ok()?)?.ok()?;
                Some(block.first_id..block.first_id.saturating_add(block.len))
            })
        })
    }

    /// Takes blocks from wherever.
    pub(super) fn of(allocate: impl Fn() -> Block + Send + Sync + 'static) -> Self {
        Self { allocate: Box::new(allocate), block: Mutex::new(0..0) }
    }

    /// A fresh id; asks the controller for a block when the last one is used up. Where the controller does not answer,
    /// the client is to try again, as in Kafka.
    pub async fn next(&self) -> Result<i64, Unavailable> {
        let mut block = self.block.lock().await;
        if block.is_empty() {
            *block = (self.allocate)().await.ok_or(Unavailable::LoadInProgress)?;
        }
        block.next().ok_or(Unavailable::LoadInProgress)
    }
}
