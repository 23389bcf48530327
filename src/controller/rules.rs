//! What the tables of `config` say to the controller's questions about configuration.

use std::sync::Arc;

use super::configs::{ConfigRules, MIN_INSYNC_REPLICAS};
use super::error::{Error, Kind};
use crate::config::broker::Config;
use crate::config::dynamic::Layers;
use crate::config::key::Key;
use crate::config::value::{Type, Value};
use crate::config::{broker_keys, client_metrics, group_keys, topic, topic_keys};
use crate::meta::configs::Entries;
use crate::meta::{Configs, Resource, ResourceKind};

/// The key that lets a replica out of sync lead.
const UNCLEAN_LEADER_ELECTION: &str = "unclean.leader.election.enable";

/// The rules of the tables, over what this node was started with.
#[derive(Debug)]
pub struct TableRules {
    config: Arc<Config>,
}

impl TableRules {
    /// The rules for a node that was started with `config`.
    pub fn new(config: Arc<Config>) -> Self {
        Self { config }
    }

    fn with_layers<T>(&self, configs: &Configs, ask: impl FnOnce(&Layers<'_>) -> T) -> T {
        configs.with_layers(&self.config, self.config.node_id, ask)
    }

    /// A topic key that a broker key of the same name stands in for.
    fn topic_value(&self, configs: &Configs, topic: &str, key: &str) -> Option<Value> {
        let own = configs.value(ResourceKind::Topic, topic, key);
        let own = own.and_then(|raw| topic_keys::find(key)?.key.parse(raw).ok());
        own.or_else(|| self.with_layers(configs, |layers| layers.value(key)))
    }
}

/// The line of a table.
fn find(kind: ResourceKind, key: &str) -> Option<&'static Key> {
    match kind {
        ResourceKind::Topic => topic_keys::find(key).map(|found| &found.key),
        ResourceKind::Broker => broker_keys::find(key),
        ResourceKind::ClientMetrics => client_metrics::find(key),
        ResourceKind::Group => group_keys::find(key).map(|found| &found.key),
    }
}

impl ConfigRules for TableRules {
    fn validate(&self, resource: &Resource, entries: &Entries, configs: &Configs) -> Result<(), Error> {
        let invalid = |message: String| Error::new(Kind::InvalidConfig, message);
        let pairs = entries.iter().map(|(key, value)| (&**key, &**value));
        match resource.kind {
            ResourceKind::Topic => {
                let pairs = pairs.map(|(key, value)| (key, Some(value)));
                let checked = self.with_layers(configs, |layers| topic::validate(pairs, layers));
                checked.map(drop).map_err(|error| invalid(error.to_string()))
            }
            ResourceKind::Broker => entries.iter().try_for_each(|(key, value)| {
                let parsed = broker_keys::find(key).map(|key| key.parse(value));
                parsed.transpose().map(drop).map_err(|error| invalid(error.to_string()))
            }),
            ResourceKind::Group => {
                self.with_layers(configs, |layers| group_keys::validate(pairs, layers)).map_err(invalid)
            }
            ResourceKind::ClientMetrics => {
                client_metrics::validate(&resource.name, pairs).map_err(|why| match why {
                    client_metrics::Invalid::Request(message) => Error::new(Kind::InvalidRequest, message),
                    client_metrics::Invalid::Config(message) => invalid(message),
                })
            }
        }
    }

    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        find(kind, key).is_some_and(|key| key.kind == Type::List)
    }

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String> {
        Some(find(kind, key)?.default_value()?.text())
    }

    fn min_insync_replicas(&self, configs: &Configs, topic: &str) -> i32 {
        match self.topic_value(configs, topic, MIN_INSYNC_REPLICAS) {
            Some(Value::Int(replicas)) => replicas,
            _ => self.static_min_insync_replicas(),
        }
    }

    fn static_min_insync_replicas(&self) -> i32 {
        self.config.values.int(MIN_INSYNC_REPLICAS)
    }

    fn unclean_leader_election(&self, configs: &Configs, topic: &str) -> bool {
        self.topic_value(configs, topic, UNCLEAN_LEADER_ELECTION) == Some(Value::Boolean(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layers::Input;
    use crate::meta::{Delta, Image};
    use crate::wire::kraft::ConfigRecord;

    fn rules() -> TableRules {
        TableRules::new(Arc::new(Config::load(&Input::default(), &|_| Ok(None)).unwrap()))
    }

    fn configs(entries: &[(ResourceKind, &str, &str, &str)]) -> Configs {
        let mut delta = Delta::new(Image::empty());
        for (kind, resource, key, value) in entries {
            let record = ConfigRecord {
                resource_type: kind.number(),
                resource_name: (*resource).into(),
                name: (*key).into(),
                value: Some((*value).into()),
            };
            delta.replay(&record.into()).unwrap();
        }
        delta.image().configs.clone()
    }

    #[test]
    fn a_topics_own_value_goes_before_the_clusters() {
        let configs = configs(&[
            (ResourceKind::Broker, "", MIN_INSYNC_REPLICAS, "2"),
            (ResourceKind::Topic, "a", MIN_INSYNC_REPLICAS, "3"),
            (ResourceKind::Topic, "a", UNCLEAN_LEADER_ELECTION, "true"),
        ]);
        let rules = rules();
        assert_eq!(rules.min_insync_replicas(&configs, "a"), 3);
        assert_eq!(rules.min_insync_replicas(&configs, "b"), 2);
        assert_eq!(rules.min_insync_replicas(&Configs::default(), "b"), 1);
        assert!(rules.unclean_leader_election(&configs, "a"));
        assert!(!rules.unclean_leader_election(&configs, "b"));
    }

    #[test]
    fn lists_and_refusals_are_those_of_the_tables() {
        let rules = rules();
        assert!(rules.is_list(ResourceKind::Topic, "cleanup.policy"));
        assert!(!rules.is_list(ResourceKind::Topic, "retention.ms"));
        assert_eq!(rules.default_value(ResourceKind::Topic, "cleanup.policy").as_deref(), Some("delete"));
        let topic = Resource::new(ResourceKind::Topic, "a");
        let check = |key: &str, value: &str| {
            let entries = Entries::from([(key.into(), value.into())]);
            rules.validate(&topic, &entries, &Configs::default())
        };
        assert_eq!(check("retention.ms", "5"), Ok(()));
        let unknown = Error::new(Kind::InvalidConfig, "Unknown topic config name: no.such.key");
        assert_eq!(check("no.such.key", "5"), Err(unknown));
        assert!(check("retention.ms", "x").is_err());
    }
}
