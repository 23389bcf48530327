//! Producer ids, taken from the controller in blocks so that none is ever given twice (`ProducerIdManager`).

use tokio::sync::Mutex;

use super::context::Context;
use super::error::Code;

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
            *block = context.allocate_producer_ids().await?;
        }
        block.next().ok_or(Code::CoordinatorLoadInProgress)
    }
}
