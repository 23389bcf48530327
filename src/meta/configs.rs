//! Dynamic configuration by resource (`ConfigurationsImage`). What a key means is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::delta::ReplayError;
use super::map::Map;
use crate::base::id::NodeId;
use crate::config::broker::Config;
use crate::config::dynamic::{Layers, Overrides};
use crate::wire::kraft::{ConfigRecord, Record};

/// What kind of thing a configuration is for (`ConfigResource.Type`, without those that are never stored).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceKind {
    /// A topic.
    Topic,
    /// A broker, or the default of all brokers if the name is empty.
    Broker,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics,
    /// A group (KIP-848).
    Group,
}

impl ResourceKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Topic, Self::Broker, Self::ClientMetrics, Self::Group];

    /// The number in records and requests.
    pub fn number(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// What a number in a record or request means.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// One thing that can be configured.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name; empty for the default of all brokers.
    pub name: Arc<str>,
}

impl Resource {
    /// Names one resource.
    pub fn new(kind: ResourceKind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.name)
    }
}

/// Keys and values of one resource.
pub type Entries = BTreeMap<Arc<str>, Arc<str>>;

/// Everything that is configured dynamically; a resource without entries is not in it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Configs {
    topics: Map<Arc<str>, Arc<Entries>>,
    brokers: Map<Arc<str>, Arc<Entries>>,
    client_metrics: Map<Arc<str>, Arc<Entries>>,
    groups: Map<Arc<str>, Arc<Entries>>,
}

impl Configs {
    /// All resources of one kind, by name.
    pub fn of_kind(&self, kind: ResourceKind) -> &Map<Arc<str>, Arc<Entries>> {
        match kind {
            ResourceKind::Topic => &self.topics,
            ResourceKind::Broker => &self.brokers,
            ResourceKind::ClientMetrics => &self.client_metrics,
            ResourceKind::Group => &self.groups,
        }
    }

    fn of_kind_mut(&mut self, kind: ResourceKind) -> &mut Map<Arc<str>, Arc<Entries>> {
        match kind {
            ResourceKind::Topic => &mut self.topics,
            ResourceKind::Broker => &mut self.brokers,
            ResourceKind::ClientMetrics => &mut self.client_metrics,
            ResourceKind::Group => &mut self.groups,
        }
    }

    /// The entries of one resource; none if nothing is set.
    pub fn of(&self, kind: ResourceKind, name: &str) -> Option<&Arc<Entries>> {
        self.of_kind(kind).get(name)
    }

    /// One value, if it is set.
    pub fn value(&self, kind: ResourceKind, name: &str, key: &str) -> Option<&Arc<str>> {
        self.of(kind, name)?.get(key)
    }

    /// Everything that is set for one resource, as the tables of keys take it.
    pub fn overrides(&self, kind: ResourceKind, name: &str) -> Overrides {
        let text = |(key, value): (&Arc<str>, &Arc<str>)| (key.to_string(), value.to_string());
        self.of(kind, name).map(|entries| entries.iter().map(text).collect()).unwrap_or_default()
    }

    /// Asks what decides the values of a node's broker keys: what it was started with, and what is set here.
    pub fn with_layers<T>(&self, config: &Config, node: NodeId, ask: impl FnOnce(&Layers<'_>) -> T) -> T {
        let broker = self.overrides(ResourceKind::Broker, &node.to_string());
        let default = self.overrides(ResourceKind::Broker, "");
        ask(&Layers { config, broker: &broker, default: &default })
    }

    pub(super) fn set(&mut self, record: &ConfigRecord) -> Result<Resource, ReplayError> {
        let kind = ResourceKind::from_number(record.resource_type)
            .ok_or(ReplayError::BadResourceType(record.resource_type))?;
        let of_kind = self.of_kind_mut(kind);
        match (of_kind.get_mut(&*record.resource_name), &record.value) {
            (Some(entries), Some(value)) => {
                Arc::make_mut(entries).insert(Arc::clone(&record.name), Arc::clone(value));
            }
            (None, Some(value)) => {
                let entries = Entries::from([(Arc::clone(&record.name), Arc::clone(value))]);
                of_kind.insert(Arc::clone(&record.resource_name), Arc::new(entries));
            }
            (Some(entries), None) => {
                Arc::make_mut(entries).remove(&record.name);
                if entries.is_empty() {
                    of_kind.remove(&*record.resource_name);
                }
            }
            (None, None) => {}
        }
        Ok(Resource { kind, name: Arc::clone(&record.resource_name) })
    }

    /// Forgets the entries of a topic that is gone; whether there were any.
    pub(super) fn remove_topic(&mut self, name: &str) -> bool {
        self.topics.remove(name).is_some()
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        for kind in ResourceKind::ALL {
            for (resource, entries) in self.of_kind(kind).iter() {
                records.extend(entries.iter().map(|(name, value)| {
                    Record::from(ConfigRecord {
                        resource_type: kind.number(),
                        resource_name: Arc::clone(resource),
                        name: Arc::clone(name),
                        value: Some(Arc::clone(value)),
                    })
                }));
            }
        }
    }
}
