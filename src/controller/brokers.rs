//! Brokers come, show that they live, and go (`ClusterControlManager`, `ReplicationControlManager`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::Exceptions;
use super::error::{Error, Kind};
use super::request::{
    BrokerHeartbeat, HeartbeatAnswer, RegisterBroker, RegisterController, UnregisterBroker,
};
use super::{Controller, Outcome};
use crate::base::id::DirectoryId;
use crate::machine::Moment;
use crate::meta::cluster::{endpoint_records, feature_records};
use crate::meta::{Broker, directory, features};
use crate::wire::kraft::{
    BrokerRegistrationChangeRecord, Record, RegisterBrokerRecord, RegisterControllerRecord,
    UnregisterBrokerRecord,
};

/// Where a broker is on its way (`BrokerControlState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl Controller {
    pub(super) fn register_broker(
        &mut self,
        at: Moment,
        request: &RegisterBroker,
    ) -> Outcome<Result<i64, Error>> {
        if let Err(error) = self.check_registration(at, request) {
            return (vec![], Err(error));
        }
        let existing = self.image().cluster.broker(request.broker_id).cloned();
        let same_process = existing.as_ref().filter(|broker| broker.incarnation_id == request.incarnation_id);
        let has_directories = self.image().features.has_directory_assignment();
        let mut record = RegisterBrokerRecord {
            broker_id: request.broker_id,
            incarnation_id: request.incarnation_id,
            broker_epoch: at.next_offset,
            end_points: endpoint_records(&request.endpoints),
            features: feature_records(&request.features),
            rack: request.rack.clone(),
            log_dirs: if has_directories { uuids(&request.log_dirs) } else { vec![] },
            ..RegisterBrokerRecord::default()
        };
        let mut records = vec![];
        if let Some(broker) = same_process {
            record.broker_epoch = broker.epoch;
            record.fenced = broker.fenced;
            record.in_controlled_shutdown = broker.in_controlled_shutdown;
        } else {
            let stored_epoch = existing.as_ref().map(|broker| broker.epoch);
            let clean = stored_epoch == Some(request.previous_broker_epoch);
            records = self.shutdown_records(request.broker_id, clean);
        }
        // Last, so that a leader which dies halfway leaves a broker that registers, and cleans up, again.
        let epoch = record.broker_epoch;
        records.push(record.into());
        (records, Ok(epoch))
    }

    fn check_registration(&self, at: Moment, request: &RegisterBroker) -> Result<(), Error> {
        let cluster_id = &self.settings.cluster_id;
        if *cluster_id != request.cluster_id {
            let given = &request.cluster_id;
            let message = format!("Expected cluster ID {cluster_id}, but got cluster ID {given}");
            return Err(Error::new(Kind::InconsistentClusterId, message));
        }
        if let Some(broker) = self.image().cluster.broker(request.broker_id)
            && self.sessions.is_valid(broker, at.now_ms)
            && broker.incarnation_id != request.incarnation_id
        {
            return Err(Error::new(
                Kind::DuplicateBrokerRegistration,
                "Another broker is registered with that broker id. If the broker was recently restarted this \
                 should self-resolve once the heartbeat manager expires the broker's session.",
            ));
        }
        self.check_directories(request)?;
        self.check_features(request)
    }

    fn check_directories(&self, request: &RegisterBroker) -> Result<(), Error> {
        if !self.image().features.has_directory_assignment() {
            return Ok(());
        }
        let invalid = |message: String| Err(Error::new(Kind::InvalidRegistration, message));
        if request.log_dirs.is_empty() {
            return invalid("No directories specified in request".into());
        }
        if request.log_dirs.iter().any(|id| directory::is_reserved(*id)) {
            return invalid("Reserved directory ID in request".into());
        }
        if request.log_dirs.iter().collect::<BTreeSet<_>>().len() != request.log_dirs.len() {
            return invalid("Duplicate directory ID in request".into());
        }
        let others = self.image().cluster.brokers.values().filter(|other| other.id != request.broker_id);
        for other in others {
            if let Some(taken) = request.log_dirs.iter().find(|id| other.log_dirs.contains(id)) {
                let id = other.id;
                return invalid(format!("Broker {id} is already registered with directory {taken}"));
            }
        }
        Ok(())
    }

    fn check_features(&self, request: &RegisterBroker) -> Result<(), Error> {
        let finalized = &self.image().features;
        let check = |name: &str, min: i16, max: i16| {
            let level = finalized.level(name);
            if (min..=max).contains(&level) {
                return Ok(());
            }
            let message = format!(
                "Unable to register because the broker does not support finalized version {level} of {name}. \
                 The broker wants a version between {min} and {max}, inclusive."
            );
            Err(Error::new(Kind::UnsupportedVersion, message))
        };
        for (name, range) in &request.features {
            check(name, *range.start(), *range.end())?;
        }
        if !request.features.contains_key(features::METADATA_VERSION) {
            let name = features::METADATA_VERSION;
            let message = format!("Request features do not contain '{name}'");
            return Err(Error::new(Kind::InvalidRegistration, message));
        }
        let unnamed = finalized.levels.keys().filter(|name| !request.features.contains_key(*name));
        for name in unnamed {
            check(name, 0, 0)?;
        }
        Ok(())
    }

    /// What an earlier process of the broker leaves behind (`handleBrokerShutdown`).
    fn shutdown_records(&self, id: i32, clean: bool) -> Vec<Record> {
        if clean || !self.image().features.elr_enabled() {
            let leaving = Exceptions { leaving: Some(id), ..Exceptions::default() };
            return self.isr_updates(leaving, |partition| partition.isr.contains(&id));
        }
        // It may have lost what it had: it counts neither as in sync nor as eligible any more.
        let unclean = Exceptions { unclean: Some(id), ..Exceptions::default() };
        self.isr_updates(unclean, |partition| partition.isr.contains(&id) || partition.elr.contains(&id))
    }

    pub(super) fn heartbeat(
        &mut self,
        at: Moment,
        request: &BrokerHeartbeat,
    ) -> Outcome<Result<HeartbeatAnswer, Error>> {
        let id = request.broker_id;
        if let Err(error) = self.check_broker_epoch(id, request.broker_epoch) {
            return (vec![], Err(error));
        }
        let broker = Arc::clone(self.image().cluster.broker(id).expect("its epoch was checked"));
        let (current, next) = self.states(&broker, request);
        let mut records = match next {
            _ if next == current => vec![],
            State::Fenced | State::ShutdownNow => self.fence_records(id),
            State::Unfenced => self.unfence_records(&broker),
            State::ControlledShutdown => self.controlled_shutdown_records(&broker),
        };
        self.sessions.touch(&broker, at.now_ms, request.current_metadata_offset);
        records.extend(self.offline_records(&broker, &request.offline_log_dirs));
        records.extend(self.cordon_records(&broker, request.cordoned_log_dirs.as_deref()));
        if next == State::ControlledShutdown {
            let written = i64::try_from(records.len()).unwrap_or(i64::MAX);
            self.sessions.begin_shutdown(id, at.next_offset.saturating_add(written) - 1);
        }
        let answer = HeartbeatAnswer {
            is_caught_up: self.is_caught_up(request),
            is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
            in_controlled_shutdown: next == State::ControlledShutdown,
            should_shut_down: next == State::ShutdownNow,
        };
        (records, Ok(answer))
    }

    fn is_caught_up(&self, request: &BrokerHeartbeat) -> bool {
        let registered = self.sessions.get(request.broker_id).map(|session| session.registration_offset);
        registered.is_some_and(|offset| request.current_metadata_offset >= offset)
    }

    /// Where the broker is, and where it goes (`BrokerHeartbeatManager.calculateNextBrokerState`).
    fn states(&self, broker: &Broker, request: &BrokerHeartbeat) -> (State, State) {
        let shutdown_offset = self.sessions.get(broker.id).and_then(|session| session.shutdown_offset);
        let leads = || self.leads_any(broker.id);
        match shutdown_offset {
            Some(_) if leads() => (State::ControlledShutdown, State::ControlledShutdown),
            Some(offset) if offset <= self.sessions.lowest_active_offset(&self.image().cluster) => {
                (State::ControlledShutdown, State::ShutdownNow)
            }
            Some(_) => (State::ControlledShutdown, State::ControlledShutdown),
            None if broker.fenced => {
                let next = if request.want_shut_down {
                    State::ShutdownNow
                } else if !request.want_fence && self.is_caught_up(request) {
                    State::Unfenced
                } else {
                    State::Fenced
                };
                (State::Fenced, next)
            }
            None => {
                let next = match (request.want_fence, request.want_shut_down) {
                    (true, true) => State::ShutdownNow,
                    (true, false) => State::Fenced,
                    (false, true) if leads() => State::ControlledShutdown,
                    (false, true) => State::ShutdownNow,
                    (false, false) => State::Unfenced,
                };
                (State::Unfenced, next)
            }
        }
    }

    fn leads_any(&self, id: i32) -> bool {
        let topics = self.image().topics.iter();
        topics.flat_map(|topic| topic.partitions.values()).any(|partition| partition.leader == id)
    }

    /// The broker leaves every ISR and leads nothing any more (`handleBrokerFenced`).
    pub(super) fn fence_records(&self, id: i32) -> Vec<Record> {
        let Some(broker) = self.image().cluster.broker(id) else { return vec![] };
        let leaving = Exceptions { leaving: Some(id), ..Exceptions::default() };
        let mut records = self.isr_updates(leaving, |partition| partition.isr.contains(&id));
        records.push(BrokerRegistrationChangeRecord { fenced: 1, ..change_of(broker) }.into());
        records
    }

    /// The broker may lead, and does so where nobody else can (`handleBrokerUnfenced`).
    fn unfence_records(&self, broker: &Broker) -> Vec<Record> {
        let joining = Exceptions { joining: Some(broker.id), ..Exceptions::default() };
        let unfenced = BrokerRegistrationChangeRecord { fenced: -1, ..change_of(broker) };
        let mut records = vec![unfenced.into()];
        records.extend(self.isr_updates(joining, |partition| !partition.has_leader()));
        records
    }

    /// Others take over what the broker leads (`handleBrokerInControlledShutdown`).
    fn controlled_shutdown_records(&self, broker: &Broker) -> Vec<Record> {
        let mut records = vec![];
        if !broker.in_controlled_shutdown {
            let change = BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..change_of(broker) };
            records.push(change.into());
        }
        let leaving = Exceptions { leaving: Some(broker.id), ..Exceptions::default() };
        records.extend(self.isr_updates(leaving, |partition| partition.isr.contains(&broker.id)));
        records
    }

    /// What lay in failed directories is gone from the broker (`handleDirectoriesOffline`).
    fn offline_records(&self, broker: &Broker, offline: &[DirectoryId]) -> Vec<Record> {
        let newly: Vec<_> = broker.log_dirs.iter().filter(|id| offline.contains(id)).copied().collect();
        if newly.is_empty() || !self.image().features.has_directory_assignment() {
            return vec![];
        }
        let leaving = Exceptions { leaving: Some(broker.id), ..Exceptions::default() };
        let mut records = self.isr_updates(leaving, |partition| {
            let lost = partition.directory_of(broker.id).is_some_and(|id| newly.contains(&id));
            lost && (partition.isr.contains(&broker.id) || partition.leader == broker.id)
        });
        let online: Vec<_> = broker.log_dirs.iter().filter(|id| !newly.contains(id)).copied().collect();
        // No directory at all cannot be recorded; such a broker shuts down by itself.
        if !online.is_empty() {
            let change = BrokerRegistrationChangeRecord { log_dirs: uuids(&online), ..change_of(broker) };
            records.push(change.into());
        }
        records
    }

    fn cordon_records(&self, broker: &Broker, cordoned: Option<&[DirectoryId]>) -> Option<Record> {
        let cordoned = cordoned.filter(|_| self.image().features.has_cordoned_log_dirs())?;
        let set = |ids: &[DirectoryId]| ids.iter().copied().collect::<BTreeSet<_>>();
        if broker.cordoned_log_dirs.as_deref().map(set) == Some(set(cordoned)) {
            return None;
        }
        let cordoned_log_dirs = Some(uuids(cordoned));
        Some(BrokerRegistrationChangeRecord { cordoned_log_dirs, ..change_of(broker) }.into())
    }

    pub(super) fn unregister_broker(&mut self, request: &UnregisterBroker) -> Outcome<Result<(), Error>> {
        let id = request.broker_id;
        let Some(broker) = self.image().cluster.broker(id) else {
            let message = format!("Broker ID {id} is not currently registered");
            return (vec![], Err(Error::new(Kind::BrokerIdNotRegistered, message)));
        };
        let leaving = Exceptions { leaving: Some(id), ..Exceptions::default() };
        let mut records = self.isr_updates(leaving, |partition| partition.isr.contains(&id));
        let broker_epoch = broker.epoch;
        records.push(UnregisterBrokerRecord { broker_id: id, broker_epoch }.into());
        (records, Ok(()))
    }

    pub(super) fn register_controller(&mut self, request: &RegisterController) -> Outcome<()> {
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: endpoint_records(&request.endpoints),
            features: feature_records(&request.features),
        };
        (vec![record.into()], ())
    }
}

/// A change of the broker's registration that changes nothing yet.
fn change_of(broker: &Broker) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        ..BrokerRegistrationChangeRecord::default()
    }
}

fn uuids(ids: &[DirectoryId]) -> Vec<uuid::Uuid> {
    ids.iter().map(|id| id.0).collect()
}
