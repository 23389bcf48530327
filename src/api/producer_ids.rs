//! Producer ids, taken from the controller in blocks so that none is ever given twice (`ProducerIdManager`).

use tokio::sync::Mutex;

use super::context::Context;
use super::error::Code;
use crate::controller::request::AllocateProducerIds;

/// The ids of the current block that are left.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    block: Mutex<std::ops::Range<i64>>,
}

impl ProducerIds {
    /// A fresh id; asks the controller for a block when the last one is used up.
    pub(super) async fn next(&self, context: &Context) -> Result<i64, Code> {
        let mut block = self.block.lock().await;
        if block.is_empty() {
            let request =
                AllocateProducerIds { broker_id: context.node.0, broker_epoch: context.broker_epoch };
            // As Kafka does: the client retries until the controller has answered.
            let next = context.ask(request).await.map_err(|_| Code::CoordinatorLoadInProgress)?;
            *block = next.first_id..next.first_id.saturating_add(next.len);
        }
        block.next().ok_or(Code::CoordinatorLoadInProgress)
    }
}
