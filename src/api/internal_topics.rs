//! Topics that the broker makes for itself when they are first needed (`AutoTopicCreationManager`).

use std::sync::Arc;

use super::context::Context;
use super::create_topics::fresh_id;
use crate::controller::request::NewTopic;
use crate::coordinator::{Groups, Transactions};

/// Names of topics that the broker keeps for itself (`Topic.INTERNAL_TOPICS`).
pub(super) fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// How an internal topic is made; none for one that nobody here uses yet.
pub(super) fn new_topic(context: &Context, name: &str) -> Option<NewTopic> {
    let values = &context.config.values;
    let config = |key: &str, value: String| (Arc::from(key), Some(Arc::from(value)));
    let (prefix, configs) = match name {
        Groups::TOPIC => (
            "offsets.topic",
            vec![
                config("cleanup.policy", "compact".to_owned()),
                config("compression.type", "producer".to_owned()),
                config("segment.bytes", values.int("offsets.topic.segment.bytes").to_string()),
            ],
        ),
        Transactions::TOPIC => (
            "transaction.state.log",
            vec![
                config("cleanup.policy", "compact".to_owned()),
                config("compression.type", "uncompressed".to_owned()),
                config("min.insync.replicas", values.int("transaction.state.log.min.isr").to_string()),
                config("segment.bytes", values.int("transaction.state.log.segment.bytes").to_string()),
                config("unclean.leader.election.enable", "false".to_owned()),
            ],
        ),
        _ => return None,
    };
    Some(NewTopic {
        name: name.into(),
        id: fresh_id(context),
        partitions: values.int(&format!("{prefix}.num.partitions")),
        replication_factor: values.short(&format!("{prefix}.replication.factor")),
        assignments: Vec::new(),
        configs,
    })
}
