//! Dynamic configuration is changed (`ConfigurationControlManager`). What a key means, the tables of `config` know.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::error::{Error, Kind};
use super::isr::too_large;
use super::names;
use super::request::{
    AlterConfigs, ByResource, ConfigChange, ConfigEntry, ConfigOp, IncrementalAlterConfigs,
};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::configs::Entries;
use crate::meta::{Configs, Resource, ResourceKind};
use crate::wire::kraft::{ClearElrRecord, ConfigRecord, Record};

/// The key that decides who is eligible.
pub(super) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
/// Longest value, so that it fits in a string of the protocol.
const VALUE_LEN_MAX: usize = 32_767;

/// What the controller asks about configuration.
pub trait ConfigRules: Send + Sync {
    /// Checks all that a resource is to have; the refusal is Kafka's code and text.
    fn validate(&self, resource: &Resource, entries: &Entries, configs: &Configs) -> Result<(), Error>;
    /// Whether a key holds a list.
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool;
    /// The default of a key, as text.
    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<String>;
    /// `min.insync.replicas` in effect for a topic.
    fn min_insync_replicas(&self, configs: &Configs, topic: &str) -> i32;
    /// `min.insync.replicas` of the properties file.
    fn static_min_insync_replicas(&self) -> i32;
    /// `unclean.leader.election.enable` in effect for a topic.
    fn unclean_leader_election(&self, configs: &Configs, topic: &str) -> bool;
}

impl Controller {
    pub(super) fn incremental_alter_configs(
        &mut self,
        request: &IncrementalAlterConfigs,
    ) -> Outcome<ByResource> {
        let alter = |(resource, changes): &(Resource, Vec<ConfigChange>)| {
            (resource.clone(), self.config_records(resource, changes, false))
        };
        finish(request.resources.iter().map(alter), request.validate_only)
    }

    pub(super) fn alter_configs(&mut self, request: &AlterConfigs) -> Outcome<ByResource> {
        let alter = |(resource, entries): &(Resource, Vec<ConfigEntry>)| {
            (resource.clone(), self.replace_records(resource, entries))
        };
        finish(request.resources.iter().map(alter), request.validate_only)
    }

    /// The records of a legacy AlterConfigs: what is not named goes back to its default.
    fn replace_records(&self, resource: &Resource, entries: &[ConfigEntry]) -> Result<Vec<Record>, Error> {
        let named: BTreeSet<&str> = entries.iter().map(|(name, _)| &**name).collect();
        let current = self.current(resource);
        let forgotten = current.keys().filter(|name| !named.contains(&***name));
        let delete = |name: &Arc<str>| ConfigChange { name: name.clone(), op: ConfigOp::Delete, value: None };
        let set = |(name, value): &ConfigEntry| match value {
            Some(_) => ConfigChange { name: name.clone(), op: ConfigOp::Set, value: value.clone() },
            None => delete(name),
        };
        let changes: Vec<_> = entries.iter().map(set).chain(forgotten.map(delete)).collect();
        self.config_records(resource, &changes, false)
    }

    fn current(&self, resource: &Resource) -> Arc<Entries> {
        self.image().configs.of(resource.kind, &resource.name).cloned().unwrap_or_default()
    }

    /// The records of single changes, if the resource may have what comes out (`incrementalAlterConfigResource`).
    pub(super) fn config_records(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
        is_new: bool,
    ) -> Result<Vec<Record>, Error> {
        let before = self.current(resource);
        let mut after = Entries::clone(&before);
        let mut records = Vec::new();
        for change in changes {
            let current = before.get(&change.name);
            let next = self.changed(resource.kind, change, current)?;
            // Brokers reload a key when it is set again, to the same value even (KAFKA-14136).
            if next.as_ref() == current && resource.kind != ResourceKind::Broker {
                continue;
            }
            self.check_min_isr_change(resource, &change.name, next.as_deref())?;
            match &next {
                Some(value) => after.insert(Arc::clone(&change.name), Arc::clone(value)),
                None => after.remove(&change.name),
            };
            records.push(ConfigRecord {
                resource_type: resource.kind.number(),
                resource_name: Arc::clone(&resource.name),
                name: Arc::clone(&change.name),
                value: next,
            });
        }
        self.check_resource(resource, is_new)?;
        let rules = &self.settings.config_rules;
        rules.validate(resource, &after, &self.image().configs)?;
        let clear = self.clear_elr_records(&records);
        Ok(records.into_iter().map(Record::from).chain(clear).collect())
    }

    /// The value after one change.
    fn changed(
        &self,
        kind: ResourceKind,
        change: &ConfigChange,
        current: Option<&Arc<str>>,
    ) -> Result<Option<Arc<str>>, Error> {
        let invalid = |message: String| Error::new(Kind::InvalidConfig, message);
        let rules = &self.settings.config_rules;
        let next = match change.op {
            ConfigOp::Delete => None,
            ConfigOp::Set => change.value.clone(),
            ConfigOp::Append | ConfigOp::Subtract => {
                if !rules.is_list(kind, &change.name) {
                    return Err(invalid(format!(
                        "Can't {} to key {} because its type is not LIST.",
                        change.op.name(),
                        change.name
                    )));
                }
                let default = || rules.default_value(kind, &change.name).unwrap_or_default();
                let base = current.map_or_else(default, |value| value.to_string());
                Some(edited_list(&base, change).into())
            }
        };
        if next.as_ref().is_some_and(|value| value.len() > VALUE_LEN_MAX) {
            return Err(invalid(format!(
                "The configuration value cannot be added because it exceeds the maximum value size of \
                 {VALUE_LEN_MAX} bytes."
            )));
        }
        Ok(next)
    }

    /// With ELR the minimum is the cluster's or a topic's, never a broker's.
    fn check_min_isr_change(&self, resource: &Resource, key: &str, value: Option<&str>) -> Result<(), Error> {
        let guarded = key == MIN_INSYNC_REPLICAS
            && resource.kind == ResourceKind::Broker
            && self.image().features.elr_enabled();
        let message = match (guarded, resource.name.is_empty(), value) {
            (true, false, _) => "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
            (true, true, None) => "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
            _ => return Ok(()),
        };
        Err(Error::new(Kind::InvalidConfig, message))
    }

    /// Whether there is such a resource (`ControllerConfigurationValidator`, `ConfigResourceExistenceChecker`).
    fn check_resource(&self, resource: &Resource, is_new: bool) -> Result<(), Error> {
        let name = &*resource.name;
        let invalid = |message: &'static str| Err(Error::new(Kind::InvalidRequest, message));
        match resource.kind {
            ResourceKind::Topic if name.is_empty() => invalid("Default topic resources are not allowed."),
            ResourceKind::Topic => {
                names::validate(name)?;
                if is_new || self.image().topics.by_name(name).is_some() {
                    return Ok(());
                }
                let message = format!("The topic '{name}' does not exist.");
                Err(Error::new(Kind::UnknownTopicOrPartition, message))
            }
            ResourceKind::Broker if name.is_empty() => Ok(()),
            ResourceKind::Broker => match name.parse::<i32>() {
                Err(_) => invalid("Unable to parse broker name as a base 10 number."),
                Ok(id) if id < 0 => invalid("Invalid negative broker ID."),
                Ok(id) if self.is_node_known(id) => Ok(()),
                Ok(id) => {
                    let message = format!("No node with id {id} found.");
                    Err(Error::new(Kind::BrokerIdNotRegistered, message))
                }
            },
            ResourceKind::Group if name.is_empty() => invalid("Default group resources are not allowed."),
            ResourceKind::Group | ResourceKind::ClientMetrics => Ok(()),
        }
    }

    fn is_node_known(&self, id: i32) -> bool {
        let cluster = &self.image().cluster;
        cluster.brokers.contains_key(&id) || cluster.controllers.contains_key(&id)
    }

    /// Another minimum makes old ELRs wrong (`createClearElrRecordsAsNeeded`).
    fn clear_elr_records(&self, records: &[ConfigRecord]) -> Vec<Record> {
        if !self.image().features.elr_enabled() {
            return vec![];
        }
        let minimum = records.iter().filter(|record| &*record.name == MIN_INSYNC_REPLICAS);
        let clear = minimum.map(|record| {
            let of_topic = record.resource_type == ResourceKind::Topic.number();
            let topic_name = if of_topic { Arc::clone(&record.resource_name) } else { Arc::from("") };
            ClearElrRecord { topic_name }.into()
        });
        clear.collect()
    }
}

/// What an APPEND or SUBTRACT makes of the list `base`: an item is appended unless it is there, and each item that is
/// subtracted takes its first occurrence with it.
pub fn edited_list(base: &str, change: &ConfigChange) -> String {
    let mut items: Vec<&str> = base.split(',').filter(|item| !item.is_empty()).collect();
    let given = split(change.value.as_deref().unwrap_or_default());
    if change.op == ConfigOp::Append {
        let mut held: HashSet<&str> = items.iter().copied().collect();
        items.extend(given.filter(|item| held.insert(item)));
    } else {
        let mut taken: HashMap<&str, usize> = HashMap::new();
        given.for_each(|item| *taken.entry(item).or_default() += 1);
        items.retain(|item| {
            let left = taken.get_mut(item).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_none()
        });
    }
    items.join(",")
}

/// As Java's `String.split` does it: without the empty items at the end, but an empty text is one empty item.
fn split(value: &str) -> impl Iterator<Item = &str> {
    let kept = value.trim_end_matches(',');
    let is_nothing = kept.is_empty() && !value.is_empty();
    kept.split(',').filter(move |_| !is_nothing)
}

fn finish(
    altered: impl Iterator<Item = (Resource, Result<Vec<Record>, Error>)>,
    validate_only: bool,
) -> Outcome<ByResource> {
    let mut records = Vec::new();
    let mut answers = Vec::new();
    for (resource, result) in altered {
        answers.push((resource, result.map(|new| records.extend(new))));
    }
    if records.len() > REQUEST_RECORDS_MAX {
        return (vec![], Err(too_large()));
    }
    if validate_only {
        records.clear();
    }
    (records, Ok(answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(base: &str, op: ConfigOp, value: &str) -> String {
        edited_list(base, &ConfigChange { name: "list".into(), op, value: Some(value.into()) })
    }

    #[test]
    fn lists_keep_kafkas_order_and_duplicates() {
        let append = |base, value| edited(base, ConfigOp::Append, value);
        assert_eq!(append("b,a,b", "c,a,c"), "b,a,b,c");
        assert_eq!((append("", "a"), append(",a,,b,", "c")), ("a".into(), "a,b,c".into()));
        assert_eq!((append("a", "b,,"), append("a", ",")), ("a,b".into(), "a".into()));
        assert_eq!((append("a", ""), append("a", ",b")), ("a,".into(), "a,,b".into()));
        let subtract = |base, value| edited(base, ConfigOp::Subtract, value);
        assert_eq!(subtract("a,b,a,c,a", "a,c,a,d"), "b,a");
        assert_eq!((subtract("a,b", ""), subtract("a", "a")), ("a,b".into(), String::new()));
    }

    #[test]
    fn a_list_of_a_hundred_thousand_items_is_edited_at_once() {
        let items: Vec<String> = (0..100_000).map(|item| item.to_string()).collect();
        let list = items.join(",");
        assert_eq!(edited("", ConfigOp::Append, &list), list);
        assert_eq!(edited(&list, ConfigOp::Append, &list), list);
        assert_eq!(edited(&list, ConfigOp::Subtract, &list), "");
    }
}
