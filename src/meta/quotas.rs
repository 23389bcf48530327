//! Client quotas (`ClientQuotasImage`): kept, not yet enforced by anything in this layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::kraft::{ClientQuotaRecord, QuotaEntity, Record};

/// Who a quota is for: types and names, none for the default of a type; sorted.
pub type Entity = Vec<(Arc<str>, Option<Arc<str>>)>;

/// A principal's name (`ClientQuotaEntity.USER`).
pub const USER: &str = "user";
/// A client id (`ClientQuotaEntity.CLIENT_ID`).
pub const CLIENT_ID: &str = "client-id";
/// An address (`ClientQuotaEntity.IP`).
pub const IP: &str = "ip";

/// Which entities a quota is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A user, a client id, or both.
    UserOrClient,
    /// An address.
    Ip,
}

/// A quota that there is (`QuotaConfig`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Which entities may have it.
    pub shape: Shape,
    /// For a whole number the largest one, and how Kafka speaks of its type.
    pub whole_max: Option<(f64, &'static str)>,
}

/// 2^63: what Java's `Long.MAX_VALUE` is as a double.
const LONG_MAX: f64 = 9_223_372_036_854_775_808.0;
/// Java's `Integer.MAX_VALUE`.
const INT_MAX: f64 = 2_147_483_647.0;

/// All quotas.
pub const KNOWN: [Known; 5] = [
    Known { name: "producer_byte_rate", shape: Shape::UserOrClient, whole_max: Some((LONG_MAX, "a LONG")) },
    Known { name: "consumer_byte_rate", shape: Shape::UserOrClient, whole_max: Some((LONG_MAX, "a LONG")) },
    Known { name: "request_percentage", shape: Shape::UserOrClient, whole_max: None },
    Known { name: "controller_mutation_rate", shape: Shape::UserOrClient, whole_max: None },
    Known { name: "connection_creation_rate", shape: Shape::Ip, whole_max: Some((INT_MAX, "an INT")) },
];

/// As Kafka's messages show an entity.
pub fn display(entity: &Entity) -> String {
    let part =
        |(kind, name): &(Arc<str>, Option<Arc<str>>)| format!("{kind}={}", name.as_deref().unwrap_or("null"));
    let parts: Vec<_> = entity.iter().map(part).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}

/// An entity as records have it.
pub fn entity_record(entity: &Entity) -> Vec<QuotaEntity> {
    let part = |(entity_type, entity_name): &(Arc<str>, Option<Arc<str>>)| QuotaEntity {
        entity_type: Arc::clone(entity_type),
        entity_name: entity_name.clone(),
    };
    entity.iter().map(part).collect()
}

/// Quotas by entity and name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Quotas {
    /// An entity without quotas is not in it.
    pub by_entity: BTreeMap<Entity, BTreeMap<Arc<str>, f64>>,
}

impl Quotas {
    pub(super) fn set(&mut self, record: &ClientQuotaRecord) {
        let parts = record.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone()));
        let mut entity: Entity = parts.collect();
        entity.sort();
        if !record.remove {
            self.by_entity.entry(entity).or_default().insert(Arc::clone(&record.key), record.value);
        } else if let Some(quotas) = self.by_entity.get_mut(&entity) {
            quotas.remove(&record.key);
            if quotas.is_empty() {
                self.by_entity.remove(&entity);
            }
        }
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        for (entity, quotas) in &self.by_entity {
            let parts = entity_record(entity);
            records.extend(quotas.iter().map(|(key, value)| {
                Record::from(ClientQuotaRecord {
                    entity: parts.clone(),
                    key: Arc::clone(key),
                    value: *value,
                    remove: false,
                })
            }));
        }
    }
}
