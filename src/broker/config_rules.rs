//! What the controller has to know of the configuration tables.

use std::sync::Arc;

use crate::config::broker::Config;
use crate::config::dynamic::{Layers, Overrides};
use crate::config::topic::{self, TopicConfig};
use crate::config::{broker_keys, topic_keys, value};
use crate::controller::ConfigRules;
use crate::meta::Resource;
use crate::meta::configs::{Configs, Entries, ResourceKind};

/// The tables together with this node's static configuration.
pub(super) struct Rules {
    config: Arc<Config>,
}

fn owned(entries: Option<&Arc<Entries>>) -> Overrides {
    let pairs = entries.into_iter().flat_map(|e| e.iter());
    pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Rules {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config }
    }

    fn with_layers<T>(&self, configs: &Configs, with: impl FnOnce(&Layers<'_>) -> T) -> T {
        let broker = owned(configs.of(ResourceKind::Broker, &self.config.node_id.to_string()));
        let default = owned(configs.of(ResourceKind::Broker, ""));
        with(&Layers { config: &self.config, broker: &broker, default: &default })
    }

    fn topic(&self, configs: &Configs, name: &str) -> TopicConfig {
        let overrides = owned(configs.of(ResourceKind::Topic, name));
        self.with_layers(configs, |layers| TopicConfig::resolve(&overrides, layers))
    }
}

impl ConfigRules for Rules {
    fn validate(&self, resource: &Resource, entries: &Entries, configs: &Configs) -> Result<(), String> {
        match resource.kind {
            ResourceKind::Topic => {
                let pairs = entries.iter().map(|(key, value)| (&**key, Some(&**value)));
                let checked = self.with_layers(configs, |layers| topic::validate(pairs, layers));
                checked.map(drop).map_err(|why| why.to_string())
            }
            ResourceKind::Broker => {
                let known = entries.iter().filter_map(|(key, value)| Some((broker_keys::find(key)?, value)));
                for (key, value) in known {
                    key.parse(value).map_err(|why| why.to_string())?;
                }
                Ok(())
            }
            ResourceKind::ClientMetrics | ResourceKind::Group => Ok(()),
        }
    }

    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        let key = match kind {
            ResourceKind::Topic => topic_keys::find(key).map(|k| k.key.kind),
            ResourceKind::Broker => broker_keys::find(key).map(|k| k.kind),
            ResourceKind::ClientMetrics | ResourceKind::Group => None,
        };
        key == Some(value::Type::List)
    }

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String> {
        let layers = Layers::of_static(&self.config);
        match kind {
            ResourceKind::Topic => {
                topic::resolve_values(&Overrides::new(), &layers).get(key).map(value::Value::text)
            }
            ResourceKind::Broker => layers.value(key).as_ref().map(value::Value::text),
            ResourceKind::ClientMetrics | ResourceKind::Group => None,
        }
    }

    fn min_insync_replicas(&self, configs: &Configs, topic: &str) -> i32 {
        self.topic(configs, topic).min_insync_replicas
    }

    fn static_min_insync_replicas(&self) -> i32 {
        self.config.values.int("min.insync.replicas")
    }

    fn unclean_leader_election(&self, configs: &Configs, topic: &str) -> bool {
        self.topic(configs, topic).unclean_leader_election
    }
}
