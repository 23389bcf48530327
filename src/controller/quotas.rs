//! Client quotas are changed (`ClientQuotaControlManager`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Kind};
use super::isr::too_large;
use super::request::{AlterClientQuotas, ByEntity, QuotaAlteration};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::meta::quotas::{self, Entity, Shape};
use crate::wire::kraft::{ClientQuotaRecord, Record};

/// How far a whole number may be from one.
const FRACTION_MAX: f64 = 1e-6;

impl Controller {
    pub(super) fn alter_client_quotas(
        &mut self,
        request: &AlterClientQuotas,
    ) -> Outcome<Result<ByEntity, Error>> {
        let mut records = Vec::new();
        let mut answers: BTreeMap<Entity, Result<(), Error>> = BTreeMap::new();
        for alteration in &request.alterations {
            // An entity's second alteration fails, and its answer takes the place of the first one's, which stays done.
            let result = if answers.contains_key(&alteration.entity) || names_key_twice(alteration) {
                let entity = quotas::display(&alteration.entity);
                Err(invalid(format!("Ignoring duplicate entity {entity}")))
            } else {
                self.quota_records(alteration).map(|new| records.extend(new))
            };
            answers.insert(alteration.entity.clone(), result);
        }
        if records.len() > REQUEST_RECORDS_MAX {
            return (vec![], Err(too_large()));
        }
        if request.validate_only {
            records.clear();
        }
        (records, Ok(answers.into_iter().collect()))
    }

    fn quota_records(&self, alteration: &QuotaAlteration) -> Result<Vec<Record>, Error> {
        let shape = check_entity(&alteration.entity)?;
        if shape == Shape::Ip && !alteration.host_is_known {
            let host = alteration.entity.iter().find_map(|(_, name)| name.as_deref()).unwrap_or_default();
            return Err(invalid(format!("{host} is not a valid IP or resolvable host.")));
        }
        let current = self.image().quotas.by_entity.get(&alteration.entity);
        let mut records = Vec::new();
        for (key, value) in &alteration.ops {
            let before = current.and_then(|quotas| quotas.get(key)).copied();
            let record = |value, remove| {
                let entity = quotas::entity_record(&alteration.entity);
                Record::from(ClientQuotaRecord { entity, key: Arc::clone(key), value, remove })
            };
            match value {
                None => records.extend(before.map(|_| record(0.0, true))),
                Some(value) => {
                    check_value(shape, key, *value)?;
                    if before.map(f64::to_bits) != Some(value.to_bits()) {
                        records.push(record(*value, false));
                    }
                }
            }
        }
        Ok(records)
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidRequest, message.into())
}

fn names_key_twice(alteration: &QuotaAlteration) -> bool {
    let mut seen = BTreeSet::new();
    !alteration.ops.iter().all(|(key, _)| seen.insert(key))
}

/// What kind of quotas an entity may have.
fn check_entity(entity: &Entity) -> Result<Shape, Error> {
    for (kind, name) in entity {
        if ![quotas::USER, quotas::CLIENT_ID, quotas::IP].contains(&&**kind) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    let has_ip = entity.iter().any(|(kind, _)| &**kind == quotas::IP);
    match (has_ip, entity.len()) {
        (_, 0) => Err(invalid("Invalid empty client quota entity")),
        // Kafka's text lacks the space.
        (true, 2..) => Err(invalid(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        )),
        (true, _) => Ok(Shape::Ip),
        (false, _) => Ok(Shape::UserOrClient),
    }
}

fn check_value(shape: Shape, key: &str, value: f64) -> Result<(), Error> {
    let known = quotas::KNOWN.iter().find(|known| known.shape == shape && known.name == key);
    let known = known.ok_or_else(|| invalid(format!("Invalid configuration key {key}")))?;
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let Some((whole_max, java_type)) = known.whole_max else { return Ok(()) };
    if value > whole_max {
        return Err(invalid(format!("Proposed value for {key} is too large for {java_type}.")));
    }
    if (value % 1.0).abs() > FRACTION_MAX {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}
