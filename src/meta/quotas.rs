//! Client quotas (`ClientQuotasImage`): kept, not yet enforced by anything in this layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::kraft::{ClientQuotaRecord, QuotaEntity, Record};

/// Who a quota is for: types and names, none for the default of a type; sorted.
pub type Entity = Vec<(Arc<str>, Option<Arc<str>>)>;

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
            let parts = entity.iter().map(|(entity_type, entity_name)| QuotaEntity {
                entity_type: Arc::clone(entity_type),
                entity_name: entity_name.clone(),
            });
            let parts: Vec<_> = parts.collect();
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
