//! How many connections there may be, in total and from one address, and how fast they may come (`ConnectionQuotas`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::rate::Rate;
pub use super::rate::Window;

/// `max.connection.creation.rate`, in connections a second; none = any number.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Of the whole broker.
    pub broker: Option<u32>,
    /// Of single listeners, besides.
    pub listeners: HashMap<Arc<str>, u32>,
    /// The listener that the broker's own limit leaves alone: the one between brokers, if clients have another.
    pub exempt: Option<Arc<str>>,
    /// Over which time.
    pub window: Window,
}

/// The limits `max.connections` (of the broker and of listeners), `max.connections.per.ip`, `max.connections.per.ip.overrides` and
/// `max.connection.creation.rate`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All connections of the broker.
    pub total: usize,
    /// Connections of single listeners, besides.
    pub listeners: HashMap<Arc<str>, usize>,
    /// Connections from one address.
    pub per_ip: usize,
    /// Exceptions by address.
    pub overrides: HashMap<IpAddr, usize>,
    /// How fast they may come.
    pub pace: Pace,
}

/// The rates that are limited.
struct Rates {
    broker: Option<Rate>,
    listeners: HashMap<Arc<str>, Rate>,
}

impl Rates {
    fn new(pace: &Pace) -> Self {
        let rate = |limit: u32| Rate::new(limit, pace.window);
        let listeners = pace.listeners.iter().map(|(name, limit)| (name.clone(), rate(*limit))).collect();
        Self { broker: pace.broker.map(rate), listeners }
    }
}

/// Counts connections against the limits.
pub(super) struct Quota {
    limits: Limits,
    total: Arc<Semaphore>,
    listeners: HashMap<Arc<str>, Arc<Semaphore>>,
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    rates: Mutex<Rates>,
    start: Instant,
}

/// Room for one connection.
pub(super) struct Slot {
    _listener: Option<OwnedSemaphorePermit>,
    _total: OwnedSemaphorePermit,
}

/// One counted connection.
pub(super) struct Counted {
    quota: Arc<Quota>,
    ip: IpAddr,
    _slot: Slot,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let semaphore = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let total = semaphore(limits.total);
        let listeners = limits.listeners.iter().map(|(name, max)| (name.clone(), semaphore(*max))).collect();
        let rates = Mutex::new(Rates::new(&limits.pace));
        Arc::new(Self { limits, total, listeners, by_ip: Mutex::default(), rates, start: Instant::now() })
    }

    /// Counts a new connection on `listener` and waits as long as it is too early for it; meanwhile the listener
    /// accepts nothing, as Kafka's does.
    pub(super) async fn pace(&self, listener: &str) {
        let wait = self.too_early(listener);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn too_early(&self, listener: &str) -> Duration {
        let now = self.start.elapsed();
        let mut rates = self.rates.lock();
        let is_exempt = self.limits.pace.exempt.as_deref() == Some(listener);
        let broker = rates.broker.as_mut().filter(|_| !is_exempt);
        let of_all = broker.map_or(Duration::ZERO, |rate| rate.record(now));
        let own = rates.listeners.get_mut(listener).map_or(Duration::ZERO, |rate| rate.record(now));
        of_all.max(own)
    }

    /// Waits until the listener's limit and the total allow another connection, as Kafka's acceptor does.
    pub(super) async fn slot(&self, listener: &str) -> Option<Slot> {
        let own = match self.listeners.get(listener) {
            Some(own) => Some(own.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(Slot { _listener: own, _total: self.total.clone().acquire_owned().await.ok()? })
    }

    /// Counts a connection from `ip`, or refuses it.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr, slot: Slot) -> Option<Counted> {
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
        Some(Counted { quota: self.clone(), ip, _slot: slot })
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

    fn limits(broker: Option<u32>) -> Limits {
        let window = Window { sample: Duration::from_secs(1), samples: 1 };
        let listeners = HashMap::from([("SLOW".into(), 0)]);
        let pace = Pace { broker, listeners, exempt: Some("INTERNAL".into()), window };
        Limits {
            total: 10,
            listeners: HashMap::from([("SMALL".into(), 1)]),
            per_ip: 1,
            overrides: HashMap::new(),
            pace,
        }
    }

    #[tokio::test]
    async fn a_full_listener_waits_and_the_others_do_not() {
        let quota = Quota::new(limits(None));
        let first = quota.slot("SMALL").await;
        let mut second = std::pin::pin!(quota.slot("SMALL"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(quota.slot("CLIENTS").await.is_some());
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn the_broker_s_rate_spares_its_peers_and_a_listener_s_holds_besides() {
        let second = Duration::from_secs(1);
        let quota = Quota::new(limits(None));
        assert_eq!((quota.too_early("CLIENTS"), quota.too_early("SLOW")), (Duration::ZERO, second));
        let quota = Quota::new(limits(Some(0)));
        assert_eq!((quota.too_early("CLIENTS"), quota.too_early("INTERNAL")), (second, Duration::ZERO));
    }

    #[tokio::test]
    async fn an_address_gets_its_limit_back_when_a_connection_ends() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let quota = Quota::new(limits(None));
        let first = quota.admit(ip, quota.slot("CLIENTS").await.unwrap()).unwrap();
        assert!(quota.admit(ip, quota.slot("CLIENTS").await.unwrap()).is_none());
        drop(first);
        assert!(quota.admit(ip, quota.slot("CLIENTS").await.unwrap()).is_some());
        assert_eq!(quota.total.available_permits(), 10);
    }
}
