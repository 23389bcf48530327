//! UpdateFeatures, versions 0 to 2 (`QuorumController.updateFeatures`).
//!
//! 0     could allow a downgrade; Kafka's controller does not look at it.
//! 1     which way a level may go, and checking only (KIP-778).
//! 2     no results by feature: all of them are changed, or none (KIP-1022).

use std::sync::Arc;

use kafka_protocol::messages::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};
use kafka_protocol::messages::update_features_response::{UpdatableFeatureResult, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::text;
use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller::request::{FeatureUpdate, UpdateFeatures, UpgradeType};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<UpdateFeaturesRequest>,
) -> UpdateFeaturesResponse {
    let body = &request.body;
    let mut updates: Vec<FeatureUpdate> = Vec::new();
    for asked in body.feature_updates.iter().map(update) {
        // Of a feature that is there twice the last level counts.
        updates.retain(|earlier| earlier.name != asked.name);
        updates.push(asked);
    }
    let names: Vec<_> = updates.iter().map(|update| update.name.to_string()).collect();
    let updated = context.ask(UpdateFeatures { updates, validate_only: body.validate_only }).await;
    let (error_code, message) = error::outcome(updated.as_ref().err());
    let message = message.map(|reason| {
        let all = "The update failed for all features since the following feature had an error: ";
        StrBytes::from_string(format!("{all}{reason}"))
    });
    let response = UpdateFeaturesResponse::default().with_error_code(error_code).with_error_message(message);
    if request.version() >= 2 || updated.is_err() {
        return response;
    }
    let done = |name: String| {
        UpdatableFeatureResult::default()
            .with_feature(StrBytes::from_string(name))
            .with_error_message(Some(StrBytes::from_static_str("NONE")))
    };
    response.with_results(names.into_iter().map(done).collect())
}

fn update(asked: &FeatureUpdateKey) -> FeatureUpdate {
    let upgrade_type = match asked.upgrade_type {
        1 => Some(UpgradeType::Upgrade),
        2 => Some(UpgradeType::SafeDowngrade),
        3 => Some(UpgradeType::UnsafeDowngrade),
        _ => None,
    };
    FeatureUpdate { name: text(&asked.feature), level: asked.max_version_level, upgrade_type }
}
