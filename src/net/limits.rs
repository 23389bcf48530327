//! How many connections there may be, in total and from one address, and how fast they may come (`ConnectionQuotas`).
//! Of those that are more than there may be, since the limit was lowered, the ones that were used longest ago are closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::rate::Rate;
pub use super::rate::Window;

/// `max.connection.creation.rate`, in connections a second; none = any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Of the whole broker.
    pub broker: Option<u32>,
    /// Of single listeners, besides.
    pub listeners: HashMap<Arc<str>, u32>,
    /// The listener that the broker's own limit leaves alone, here and of all connections: the one between brokers, if clients have another.
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

/// Counts connections against the limits, which may change while they are open.
pub(super) struct Quota {
    state: Mutex<State>,
    /// Told when a connection ends and when the limits change.
    changed: Notify,
    start: Instant,
}

struct State {
    limits: Limits,
    rates: Rates,
    total: usize,
    listeners: HashMap<Arc<str>, usize>,
    by_ip: HashMap<IpAddr, usize>,
    /// The connections that were admitted, by a number of their own, with their listeners.
    admitted: HashMap<u64, (Arc<str>, Arc<Use>)>,
    next: u64,
}

/// What the quota knows of an open connection, and has to tell it.
pub(super) struct Use {
    /// When bytes last went either way, in microseconds after `start`.
    last_us: AtomicU64,
    start: Instant,
    /// The connection is to end.
    pub(super) close: CancellationToken,
}

impl Use {
    fn new(start: Instant, close: CancellationToken) -> Arc<Self> {
        let new = Self { last_us: AtomicU64::new(0), start, close };
        new.note(Instant::now());
        Arc::new(new)
    }

    /// The connection was used.
    pub(super) fn note(&self, now: Instant) {
        let us = u64::try_from(now.duration_since(self.start).as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(us, Ordering::Relaxed);
    }
}

impl State {
    fn is_exempt(&self, listener: &str) -> bool {
        self.limits.pace.exempt.as_deref() == Some(listener)
    }

    fn has_room(&self, listener: &str) -> bool {
        let own = self.limits.listeners.get(listener);
        let count = self.listeners.get(listener).copied().unwrap_or(0);
        (self.is_exempt(listener) || self.total < self.limits.total) && own.is_none_or(|max| count < *max)
    }

    /// Closes what is more than `max.connections`, of all listeners but the exempt one (`closeExcessConnections`).
    fn close_excess(&self) {
        let excess = self.total.saturating_sub(self.limits.total);
        if excess == 0 {
            return;
        }
        let all = self.admitted.values();
        let (closing, mut open): (Vec<_>, Vec<_>) = all.partition(|(_, used)| used.close.is_cancelled());
        open.retain(|(listener, _)| !self.is_exempt(listener));
        let more = excess.saturating_sub(closing.len());
        if more < open.len() {
            open.select_nth_unstable_by_key(more, |(_, used)| used.last_us.load(Ordering::Relaxed));
        }
        for (_, used) in open.into_iter().take(more) {
            used.close.cancel();
        }
    }
}

/// Room for one connection.
pub(super) struct Slot {
    quota: Arc<Quota>,
    listener: Arc<str>,
}

/// One counted connection.
pub(super) struct Counted {
    ip: IpAddr,
    slot: Slot,
    id: u64,
    pub(super) used: Arc<Use>,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let rates = Rates::new(&limits.pace);
        let (listeners, by_ip, admitted) = (HashMap::new(), HashMap::new(), HashMap::new());
        let state = State { limits, rates, total: 0, listeners, by_ip, admitted, next: 0 };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), start: Instant::now() })
    }

    /// Holds the connections that come from now on to `limits`. Of those that are open only as many as the total is
    /// exceeded by are closed, as in Kafka; and a rate that is not changed goes on.
    pub(super) fn set_limits(&self, limits: Limits) {
        let mut state = self.state.lock();
        if state.limits.pace != limits.pace {
            state.rates = Rates::new(&limits.pace);
        }
        state.limits = limits;
        state.close_excess();
        drop(state);
        self.changed.notify_waiters();
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
        let mut state = self.state.lock();
        let is_exempt = state.is_exempt(listener);
        let rates = &mut state.rates;
        let broker = rates.broker.as_mut().filter(|_| !is_exempt);
        let of_all = broker.map_or(Duration::ZERO, |rate| rate.record(now));
        let own = rates.listeners.get_mut(listener).map_or(Duration::ZERO, |rate| rate.record(now));
        of_all.max(own)
    }

    /// Waits until the listener's limit and the total allow another connection, as Kafka's acceptor does.
    pub(super) async fn slot(self: &Arc<Self>, listener: &Arc<str>) -> Slot {
        loop {
            // Before the look, so that nothing is missed that changes after it.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(slot) = self.try_slot(listener) {
                return slot;
            }
            changed.await;
        }
    }

    fn try_slot(self: &Arc<Self>, listener: &Arc<str>) -> Option<Slot> {
        let mut state = self.state.lock();
        if !state.has_room(listener) {
            return None;
        }
        state.total += 1;
        *state.listeners.entry(listener.clone()).or_insert(0) += 1;
        Some(Slot { quota: self.clone(), listener: listener.clone() })
    }
}

impl Slot {
    /// Counts a connection from `ip`, which ends when `close` says so, or refuses it.
    pub(super) fn admit(self, ip: IpAddr, close: CancellationToken) -> Option<Counted> {
        let mut state = self.quota.state.lock();
        let max = state.limits.overrides.get(&ip).copied().unwrap_or(state.limits.per_ip);
        let count = state.by_ip.get(&ip).copied().unwrap_or(0);
        if count >= max {
            drop(state);
            return None;
        }
        state.by_ip.insert(ip, count + 1);
        let used = Use::new(self.quota.start, close);
        let id = state.next;
        state.next += 1;
        state.admitted.insert(id, (self.listener.clone(), used.clone()));
        // The exempt listener takes more than there is room for, at the others' cost.
        state.close_excess();
        drop(state);
        Some(Counted { ip, slot: self, id, used })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.quota.state.lock();
        state.total -= 1;
        if let Some(count) = state.listeners.get_mut(&self.listener) {
            *count -= 1;
        }
        drop(state);
        self.quota.changed.notify_waiters();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.slot.quota.state.lock();
        state.admitted.remove(&self.id);
        if let Some(count) = state.by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.by_ip.remove(&self.ip);
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

    async fn slot(quota: &Arc<Quota>, listener: &str) -> Slot {
        quota.slot(&listener.into()).await
    }

    #[tokio::test]
    async fn a_full_listener_waits_and_the_others_do_not() {
        let quota = Quota::new(limits(None));
        let first = slot(&quota, "SMALL").await;
        let mut second = std::pin::pin!(slot(&quota, "SMALL"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(slot(&quota, "CLIENTS").await);
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn peers_get_in_when_clients_have_taken_every_connection() {
        let quota = Quota::new(Limits { total: 1, ..limits(None) });
        let _first = slot(&quota, "CLIENTS").await;
        assert!(quota.try_slot(&"CLIENTS".into()).is_none());
        assert!(quota.try_slot(&"INTERNAL".into()).is_some());
        let listeners = HashMap::from([("INTERNAL".into(), 0)]);
        quota.set_limits(Limits { total: 1, listeners, ..limits(None) });
        assert!(quota.try_slot(&"INTERNAL".into()).is_none());
    }

    #[tokio::test]
    async fn who_waits_at_a_limit_goes_on_when_it_is_raised() {
        let quota = Quota::new(limits(None));
        let _first = slot(&quota, "SMALL").await;
        let mut second = std::pin::pin!(slot(&quota, "SMALL"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        quota.set_limits(Limits { listeners: HashMap::new(), ..limits(None) });
        second.await;
    }

    #[tokio::test]
    async fn the_broker_s_rate_spares_its_peers_and_a_listener_s_holds_besides() {
        let second = Duration::from_secs(1);
        let quota = Quota::new(limits(None));
        assert_eq!((quota.too_early("CLIENTS"), quota.too_early("SLOW")), (Duration::ZERO, second));
        quota.set_limits(limits(Some(0)));
        assert_eq!((quota.too_early("CLIENTS"), quota.too_early("INTERNAL")), (second, Duration::ZERO));
    }

    #[tokio::test]
    async fn an_address_gets_its_limit_back_when_a_connection_ends() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let quota = Quota::new(limits(None));
        let admit = async || slot(&quota, "CLIENTS").await.admit(ip, CancellationToken::new());
        let first = admit().await.unwrap();
        assert!(admit().await.is_none());
        drop(first);
        assert!(admit().await.is_some());
        assert_eq!(quota.state.lock().total, 0);
    }

    #[tokio::test]
    async fn a_lowered_total_closes_those_that_were_used_longest_ago() {
        let (ip, quota) = ("127.0.0.1".parse().unwrap(), Quota::new(limits(None)));
        let many = |total| Limits { total, per_ip: 10, ..limits(None) };
        quota.set_limits(many(4));
        let mut open = Vec::new();
        for (listener, used_after) in [("INTERNAL", 1), ("CLIENTS", 4), ("CLIENTS", 2), ("CLIENTS", 3)] {
            let one = slot(&quota, listener).await.admit(ip, CancellationToken::new()).unwrap();
            one.used.note(quota.start + Duration::from_secs(used_after));
            open.push(one);
        }
        let closed = |open: &[Counted]| open.iter().map(|c| c.used.close.is_cancelled()).collect::<Vec<_>>();
        quota.set_limits(many(3));
        assert_eq!(closed(&open), [false, false, true, false]);
        quota.set_limits(many(3));
        assert_eq!(closed(&open), [false, false, true, false], "one is enough, and is on its way");
        open.remove(2);
        assert_eq!(closed(&open), [false; 3]);
        open.push(slot(&quota, "INTERNAL").await.admit(ip, CancellationToken::new()).unwrap());
        assert_eq!(closed(&open), [false, false, true, false], "a peer takes the place of a client");
    }
}
