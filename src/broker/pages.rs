//! What `/metrics` and `/readyz` show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::net::http::Pages;
use crate::partition::Set;
use crate::raft::Quorum;

/// The broker behind the HTTP pages.
pub(super) struct BrokerPages {
    is_ready: AtomicBool,
    partitions: Arc<Set>,
    quorum: Quorum,
}

impl BrokerPages {
    pub(super) fn new(partitions: Arc<Set>, quorum: Quorum) -> Arc<Self> {
        Arc::new(Self { is_ready: AtomicBool::new(false), partitions, quorum })
    }

    pub(super) fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
    }
}

impl Pages for BrokerPages {
    fn metrics(&self) -> String {
        let _ = (&self.partitions, &self.quorum);
        String::new()
    }

    fn ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }
}
