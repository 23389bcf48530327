//! Which brokers have shown lately that they live (`BrokerHeartbeatManager`, `BrokerHeartbeatTracker`). Nothing of
//! it survives a change of leader: a new one gives everybody a whole session.

use std::collections::BTreeMap;

use crate::meta::{Broker, Cluster};
use crate::wire::kraft::Record;

/// What is known of one broker beside its registration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// Of the registration that the contact was made under.
    epoch: i64,
    /// When it was last heard of, in ms since 1970; none since it registered.
    contact_ms: Option<i64>,
    /// The last offset of the metadata log that it has applied, -1 if it did not say.
    pub(super) metadata_offset: i64,
    /// Once all active brokers are past this offset it may shut down; none unless it wants to.
    pub(super) shutdown_offset: Option<i64>,
    /// Where its registration stands in the log.
    pub(super) registration_offset: i64,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    timeout_ms: i64,
    own_id: i32,
    by_broker: BTreeMap<i32, Session>,
}

impl Sessions {
    pub(super) fn new(timeout_ms: i64, own_id: i32) -> Self {
        Self { timeout_ms, own_id, by_broker: BTreeMap::new() }
    }

    /// Notes a registration at `offset`.
    pub(super) fn registered(&mut self, id: i32, offset: i64) {
        let session = Session {
            epoch: -1,
            contact_ms: None,
            metadata_offset: -1,
            shutdown_offset: None,
            registration_offset: offset,
        };
        self.by_broker.insert(id, session);
    }

    pub(super) fn replay(&mut self, offset: i64, record: &Record) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these change registrations")]
        match record {
            Record::RegisterBroker(registration) => {
                let kept = self.by_broker.get(&registration.broker_id).copied();
                self.registered(registration.broker_id, offset);
                // The same process with other listeners stays in contact.
                if let Some(kept) = kept.filter(|session| session.epoch == registration.broker_epoch) {
                    let session = Session { registration_offset: offset, ..kept };
                    self.by_broker.insert(registration.broker_id, session);
                }
            }
            Record::UnregisterBroker(removed) => {
                self.by_broker.remove(&removed.broker_id);
            }
            Record::BrokerRegistrationChange(change) if change.fenced == 1 => {
                // A fenced broker is no longer on its way down: it may simply go.
                if let Some(session) = self.by_broker.get_mut(&change.broker_id) {
                    session.shutdown_offset = None;
                }
            }
            _ => {}
        }
    }

    pub(super) fn restart(&mut self, cluster: &Cluster, now_ms: i64) {
        for broker in cluster.brokers.values().filter(|broker| !broker.fenced) {
            self.touch(broker, now_ms, -1);
        }
    }

    /// Notes that `broker` was heard of.
    pub(super) fn touch(&mut self, broker: &Broker, now_ms: i64, metadata_offset: i64) {
        if let Some(session) = self.by_broker.get_mut(&broker.id) {
            session.epoch = broker.epoch;
            session.contact_ms = Some(now_ms);
            session.metadata_offset = metadata_offset;
        }
    }

    pub(super) fn get(&self, id: i32) -> Option<&Session> {
        self.by_broker.get(&id)
    }

    pub(super) fn begin_shutdown(&mut self, id: i32, offset: i64) {
        if let Some(session) = self.by_broker.get_mut(&id) {
            session.shutdown_offset.get_or_insert(offset);
        }
    }

    /// Whether the process that registered as `broker` may still be there.
    pub(super) fn is_valid(&self, broker: &Broker, now_ms: i64) -> bool {
        self.expiry(broker).is_some_and(|expiry_ms| expiry_ms > now_ms)
    }

    /// The lowest offset that an active broker has applied; `i64::MAX` if none is active.
    pub(super) fn lowest_active_offset(&self, cluster: &Cluster) -> i64 {
        let active = |id: &&i32| cluster.is_active(**id);
        let sessions = self.by_broker.iter().filter(|(id, _)| active(id));
        let offsets = sessions.filter(|(_, session)| session.shutdown_offset.is_none());
        offsets.map(|(_, session)| session.metadata_offset).min().unwrap_or(i64::MAX)
    }

    /// When the session of `broker` ends; none without one. The broker in this process has none.
    fn expiry(&self, broker: &Broker) -> Option<i64> {
        let session = self.by_broker.get(&broker.id).filter(|session| session.epoch == broker.epoch)?;
        let timed = broker.id != self.own_id;
        Some(session.contact_ms.filter(|_| timed)?.saturating_add(self.timeout_ms))
    }

    /// When the next session of an unfenced broker ends.
    pub(super) fn deadline(&self, cluster: &Cluster) -> Option<i64> {
        let unfenced = cluster.brokers.values().filter(|broker| !broker.fenced);
        unfenced.filter_map(|broker| self.expiry(broker)).min()
    }

    /// One unfenced broker whose session has ended. One at a time: fencing it changes where others may lead.
    pub(super) fn expired(&self, cluster: &Cluster, now_ms: i64) -> Option<i32> {
        let unfenced = cluster.brokers.values().filter(|broker| !broker.fenced);
        let expired = unfenced.filter(|broker| self.expiry(broker).is_some_and(|ms| ms <= now_ms));
        expired.min_by_key(|broker| self.expiry(broker)).map(|broker| broker.id)
    }
}
