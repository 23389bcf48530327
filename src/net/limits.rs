//! How many connections there may be, in total and from one address (`ConnectionQuotas`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limits `max.connections`, `max.connections.per.ip` and `max.connections.per.ip.overrides`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All connections of the broker.
    pub total: usize,
    /// Connections from one address.
    pub per_ip: usize,
    /// Exceptions by address.
    pub overrides: HashMap<IpAddr, usize>,
}

/// Counts connections against the limits.
pub(super) struct Quota {
    limits: Limits,
    total: Arc<Semaphore>,
    by_ip: Mutex<HashMap<IpAddr, usize>>,
}

/// One counted connection.
pub(super) struct Counted {
    quota: Arc<Quota>,
    ip: IpAddr,
    _total: OwnedSemaphorePermit,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let total = Arc::new(Semaphore::new(limits.total.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { limits, total, by_ip: Mutex::default() })
    }

    /// Waits until the total allows another connection, as Kafka's acceptor does.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.total.clone().acquire_owned().await.ok()
    }

    /// Counts a connection from `ip`, or refuses it.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr, total: OwnedSemaphorePermit) -> Option<Counted> {
        let max = self.limits.overrides.get(&ip).copied().unwrap_or(self.limits.per_ip);
        let mut by_ip = self.by_ip.lock();
        let count = by_ip.entry(ip).or_insert(0);
        if *count >= max {
            if *count == 0 {
                by_ip.remove(&ip);
            }
            return None;
        }
        *count += 1;
        Some(Counted { quota: self.clone(), ip, _total: total })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_ip = self.quota.by_ip.lock();
        if let Some(count) = by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_gets_its_limit_back_when_a_connection_ends() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let quota = Quota::new(Limits { total: 10, per_ip: 1, overrides: HashMap::new() });
        let first = quota.admit(ip, quota.slot().await.unwrap()).unwrap();
        assert!(quota.admit(ip, quota.slot().await.unwrap()).is_none());
        drop(first);
        assert!(quota.admit(ip, quota.slot().await.unwrap()).is_some());
        assert_eq!(quota.total.available_permits(), 10);
    }
}
