//! Feature levels are changed (`FeatureControlManager`).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::configs::MIN_INSYNC_REPLICAS;
use super::error::{Error, Kind};
use super::request::{FeatureUpdate, UpdateFeatures, UpgradeType};
use super::{Controller, Outcome};
use crate::meta::ResourceKind;
use crate::meta::cluster::FeatureRanges;
use crate::meta::features::{self, ELR_VERSION, METADATA_VERSION};
use crate::wire::kraft::{ConfigRecord, FeatureLevelRecord, Record};

/// The range of a feature that a node does not know (`QuorumFeatures.DISABLED`).
const DISABLED: RangeInclusive<i16> = 0..=0;

impl Controller {
    pub(super) fn update_features(&mut self, request: &UpdateFeatures) -> Outcome<Result<(), Error>> {
        let mut records = Vec::new();
        for update in &request.updates {
            if let Err(error) = self.check_update(update, &request.updates) {
                return (vec![], Err(error));
            }
            if &*update.name == ELR_VERSION && update.level > 0 {
                records.extend(self.elr_safety_records());
            }
        }
        if request.validate_only {
            return (vec![], Ok(()));
        }
        let level = |update: &FeatureUpdate| FeatureLevelRecord {
            name: Arc::clone(&update.name),
            feature_level: update.level,
        };
        records.extend(request.updates.iter().map(level).map(Record::from));
        (records, Ok(()))
    }

    fn check_update(&self, update: &FeatureUpdate, all: &[FeatureUpdate]) -> Result<(), Error> {
        let FeatureUpdate { name, level, upgrade_type } = update;
        let invalid = |reason: &str| {
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            Err(Error::new(Kind::InvalidUpdateVersion, message))
        };
        let Some(upgrade_type) = upgrade_type else {
            return invalid("The controller does not support the given upgrade type.");
        };
        if *level < 0 {
            return invalid("A feature version cannot be less than 0.");
        }
        if let Some(reason) = self.reason_not_supported(name, *level) {
            return invalid(&reason);
        }
        let current = self.image().features.level(name);
        if *level < current && *upgrade_type == UpgradeType::Upgrade {
            return invalid(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                 unsafe downgrade.",
            );
        }
        if *level > current && *upgrade_type != UpgradeType::Upgrade {
            return invalid("Can't downgrade to a newer version.");
        }
        if &**name == METADATA_VERSION {
            return check_metadata_version(current, *level, *upgrade_type);
        }
        if !features::KNOWN.iter().any(|known| known.name == &**name) {
            return invalid(&format!("Feature {name} not found."));
        }
        // The only feature that needs another one's level.
        let proposed = all.iter().rfind(|other| &*other.name == METADATA_VERSION).map(|other| other.level);
        let metadata_version = proposed.unwrap_or_else(|| self.image().features.level(METADATA_VERSION));
        if &**name == ELR_VERSION && *level > 0 && metadata_version < features::ELR_METADATA_VERSION {
            return invalid(&format!(
                "{name} could not be set to {level} because it depends on {METADATA_VERSION} level {}",
                features::ELR_METADATA_VERSION
            ));
        }
        Ok(())
    }

    /// Why some node cannot run with a level.
    fn reason_not_supported(&self, feature: &str, level: i16) -> Option<String> {
        let own = features::KNOWN.iter().find(|known| known.name == feature);
        let own = own.map_or(DISABLED, |known| *known.accepted.start()..=known.served);
        let of = |ranges: &FeatureRanges| ranges.get(feature).cloned().unwrap_or(DISABLED);
        let (cluster, node_id) = (&self.image().cluster, self.settings.node_id);
        let brokers =
            cluster.brokers.values().map(|broker| (format!("Broker {}", broker.id), of(&broker.features)));
        let others = cluster.controllers.values().filter(|controller| controller.id != node_id);
        let others = others.map(|other| (format!("Controller {}", other.id), of(&other.features)));
        let mut nodes =
            std::iter::once((format!("Local controller {node_id}"), own)).chain(brokers).chain(others);
        let (who, range) = nodes.find(|(_, range)| !range.contains(&level))?;
        Some(match (*range.start(), *range.end()) {
            (_, 0) => format!("{who} does not support this feature."),
            (only, end) if only == end => format!("{who} only supports versions {only}"),
            (start, end) => format!("{who} only supports versions {start}-{end}"),
        })
    }

    /// With ELR the minimum of in-sync replicas must be the same everywhere, so it is fixed for the cluster.
    pub(super) fn elr_safety_records(&self) -> Vec<Record> {
        let record = |name: &Arc<str>, value: Option<Arc<str>>| {
            Record::from(ConfigRecord {
                resource_type: ResourceKind::Broker.number(),
                resource_name: Arc::clone(name),
                name: MIN_INSYNC_REPLICAS.into(),
                value,
            })
        };
        let configs = &self.image().configs;
        let mut records = Vec::new();
        if configs.value(ResourceKind::Broker, "", MIN_INSYNC_REPLICAS).is_none() {
            let min_isr = self.settings.config_rules.static_min_insync_replicas();
            records.push(record(&"".into(), Some(min_isr.to_string().into())));
        }
        let brokers = configs.of_kind(ResourceKind::Broker).iter();
        let own =
            brokers.filter(|(name, entries)| !name.is_empty() && entries.contains_key(MIN_INSYNC_REPLICAS));
        records.extend(own.map(|(name, _)| record(name, None)));
        records
    }
}

/// Additional rules for the level of the metadata log itself.
fn check_metadata_version(current: i16, level: i16, upgrade_type: UpgradeType) -> Result<(), Error> {
    let loses = (level + 1..=current).any(|passed| features::METADATA_CHANGES.contains(&passed));
    if !loses {
        return Ok(());
    }
    let reason = match upgrade_type {
        UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
        UpgradeType::Upgrade | UpgradeType::SafeDowngrade => {
            "Refusing to perform the requested downgrade because it might delete metadata information."
        }
    };
    let message = format!("Unsupported metadata.version downgrade from {current} to {level}. {reason}");
    Err(Error::new(Kind::InvalidUpdateVersion, message))
}
