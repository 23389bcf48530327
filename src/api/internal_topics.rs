//! Topics that the broker makes for itself when they are first needed (`AutoTopicCreationManager`).

use std::sync::Arc;

use super::context::Context;
use super::create_topics::fresh_id;
use crate::controller::request::NewTopic;
use crate::coordinator::Groups;

/// Names of topics that the broker keeps for itself (`Topic.INTERNAL_TOPICS`).
pub(super) fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// How an internal topic is made; none for one that nobody here uses yet.
pub(super) fn new_topic(context: &Context, name: &str) -> Option<NewTopic> {
    if name != Groups::TOPIC {
        return None;
    }
    let values = &context.config.values;
    let config = |key: &str, value: String| (Arc::from(key), Some(Arc::from(value)));
    Some(NewTopic {
        name: name.into(),
        id: fresh_id(context),
        partitions: values.int("offsets.topic.num.partitions"),
        replication_factor: values.short("offsets.topic.replication.factor"),
        assignments: Vec::new(),
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", values.int("offsets.topic.segment.bytes").to_string()),
        ],
    })
}
