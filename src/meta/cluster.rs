//! Brokers and controllers that are registered (`ClusterImage`, `BrokerRegistration`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::delta::ReplayError;
use super::directory;
use crate::base::id::DirectoryId;
use crate::wire::kraft::{
    BrokerEndpoint, BrokerFeature, BrokerRegistrationChangeRecord, Record, RegisterBrokerRecord,
    RegisterControllerRecord, UnregisterBrokerRecord,
};

/// One listener of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The listener's name.
    pub name: Arc<str>,
    /// The advertised host.
    pub host: Arc<str>,
    /// The advertised port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL (`SecurityProtocol`).
    pub security_protocol: i16,
}

/// The levels of each feature that a node can run with.
pub type FeatureRanges = BTreeMap<Arc<str>, RangeInclusive<i16>>;

/// One broker's registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// `node.id`.
    pub id: i32,
    /// The offset of its registration; the same for as long as its process lives.
    pub epoch: i64,
    /// New for every start of the process.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// What it can run with.
    pub features: FeatureRanges,
    /// Whether it may not lead or be in an ISR.
    pub fenced: bool,
    /// Whether it is on its way down.
    pub in_controlled_shutdown: bool,
    /// Its log directories that are online; empty from before they had ids.
    pub log_dirs: Vec<DirectoryId>,
    /// Its log directories that take no new replicas; none until it said so.
    pub cordoned_log_dirs: Option<Vec<DirectoryId>>,
}

impl Broker {
    /// Whether it may lead and be in an ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The listener of that name.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| &*endpoint.name == listener)
    }

    /// Whether a replica in `directory` is online.
    pub fn has_online(&self, directory: DirectoryId) -> bool {
        directory::is_online(directory, &self.log_dirs)
    }

    /// Whether some log directory takes new replicas (`BrokerRegistration.hasUncordonedDirs`).
    pub fn takes_replicas(&self) -> bool {
        let Some(cordoned) = &self.cordoned_log_dirs else { return true };
        self.log_dirs.is_empty() || self.log_dirs.iter().any(|dir| !cordoned.contains(dir))
    }

    /// The directory of a new replica: the only one, or to be assigned (`ClusterControlManager.defaultDir`).
    pub fn default_directory(&self) -> DirectoryId {
        match self.log_dirs[..] {
            [] => directory::MIGRATING,
            [only] => only,
            _ => directory::UNASSIGNED,
        }
    }

    fn from_record(record: &RegisterBrokerRecord) -> Self {
        let ids = |ids: &[Uuid]| ids.iter().copied().map(DirectoryId).collect();
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints(&record.end_points),
            rack: record.rack.clone(),
            features: ranges(&record.features),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: ids(&record.log_dirs),
            cordoned_log_dirs: record.cordoned_log_dirs.as_deref().map(ids),
        }
    }

    fn to_record(&self) -> RegisterBrokerRecord {
        let ids = |ids: &[DirectoryId]| ids.iter().map(|id| id.0).collect();
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: endpoint_records(&self.endpoints),
            features: feature_records(&self.features),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: ids(&self.log_dirs),
            cordoned_log_dirs: self.cordoned_log_dirs.as_deref().map(ids),
        }
    }
}

/// One controller's registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// `node.id`.
    pub id: i32,
    /// New for every start of the process.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// What it can run with.
    pub features: FeatureRanges,
}

/// All registrations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cluster {
    /// By `node.id`.
    pub brokers: BTreeMap<i32, Arc<Broker>>,
    /// By `node.id`.
    pub controllers: BTreeMap<i32, Arc<Controller>>,
}

impl Cluster {
    /// The broker with that id.
    pub fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// Whether the broker with that id may lead and be in an ISR.
    pub fn is_active(&self, id: i32) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    pub(super) fn register_broker(&mut self, record: &RegisterBrokerRecord) {
        self.brokers.insert(record.broker_id, Arc::new(Broker::from_record(record)));
    }

    pub(super) fn unregister_broker(&mut self, record: &UnregisterBrokerRecord) -> Result<(), ReplayError> {
        self.broker_mut(record.broker_id, record.broker_epoch)?;
        self.brokers.remove(&record.broker_id);
        Ok(())
    }

    pub(super) fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ReplayError> {
        let bad = ReplayError::BadRegistrationChange { broker: record.broker_id };
        let broker = self.broker_mut(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            0 => {}
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            _ => return Err(bad),
        }
        match record.in_controlled_shutdown {
            0 => {}
            1 => broker.in_controlled_shutdown = true,
            _ => return Err(bad),
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs = record.log_dirs.iter().copied().map(DirectoryId).collect();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            broker.cordoned_log_dirs = Some(cordoned.iter().copied().map(DirectoryId).collect());
        }
        Ok(())
    }

    fn broker_mut(&mut self, id: i32, epoch: i64) -> Result<&mut Broker, ReplayError> {
        let found = self.brokers.get_mut(&id).filter(|broker| broker.epoch == epoch);
        Ok(Arc::make_mut(found.ok_or(ReplayError::NoSuchBroker { id, epoch })?))
    }

    pub(super) fn register_controller(&mut self, record: &RegisterControllerRecord) {
        let controller = Controller {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints(&record.end_points),
            features: ranges(&record.features),
        };
        self.controllers.insert(record.controller_id, Arc::new(controller));
    }

    pub(super) fn unregister_controller(&mut self, id: i32) -> Result<(), ReplayError> {
        self.controllers.remove(&id).map(|_| ()).ok_or(ReplayError::NoSuchController(id))
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        records.extend(self.brokers.values().map(|broker| Record::from(broker.to_record())));
        records.extend(self.controllers.values().map(|controller| {
            Record::from(RegisterControllerRecord {
                controller_id: controller.id,
                incarnation_id: controller.incarnation_id,
                zk_migration_ready: false,
                end_points: endpoint_records(&controller.endpoints),
                features: feature_records(&controller.features),
            })
        }));
    }
}

fn endpoints(records: &[BrokerEndpoint]) -> Vec<Endpoint> {
    let endpoints = records.iter().map(|record| Endpoint {
        name: Arc::clone(&record.name),
        host: Arc::clone(&record.host),
        port: record.port,
        security_protocol: record.security_protocol,
    });
    endpoints.collect()
}

/// The listeners as records have them.
pub fn endpoint_records(endpoints: &[Endpoint]) -> Vec<BrokerEndpoint> {
    let records = endpoints.iter().map(|endpoint| BrokerEndpoint {
        name: Arc::clone(&endpoint.name),
        host: Arc::clone(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    records.collect()
}

fn ranges(records: &[BrokerFeature]) -> FeatureRanges {
    let range = |record: &BrokerFeature| record.min_supported_version..=record.max_supported_version;
    records.iter().map(|record| (Arc::clone(&record.name), range(record))).collect()
}

/// The feature levels as records have them.
pub fn feature_records(features: &FeatureRanges) -> Vec<BrokerFeature> {
    let records = features.iter().map(|(name, range)| BrokerFeature {
        name: Arc::clone(name),
        min_supported_version: *range.start(),
        max_supported_version: *range.end(),
    });
    records.collect()
}
