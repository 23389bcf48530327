//! Which topic names are taken, and which would collide with one in a metric's name (`Topic`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Kind};
use crate::base::id::TopicId;
use crate::meta::{Image, Topics};
use crate::wire::kraft::Record;

/// Longest name of a topic.
const NAME_LEN_MAX: usize = 249;
/// The metadata log, which is no topic to clients.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Names with a '.' or '_' by the form in which both are '_'.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_unified: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Names {
    pub(super) fn of(topics: &Topics) -> Self {
        let mut names = Self::default();
        for topic in topics.iter() {
            names.add(&topic.name);
        }
        names
    }

    fn add(&mut self, name: &Arc<str>) {
        if let Some(unified) = unified(name) {
            self.by_unified.entry(unified).or_default().insert(Arc::clone(name));
        }
    }

    /// Follows a record; `before` is the image without it.
    pub(super) fn replay(&mut self, record: &Record, before: &Image) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these two change names")]
        match record {
            Record::Topic(topic) => self.add(&topic.name),
            Record::RemoveTopic(removed) => {
                let Some(topic) = before.topics.by_id(TopicId(removed.topic_id)) else { return };
                let Some(unified) = unified(&topic.name) else { return };
                if let Some(names) = self.by_unified.get_mut(&unified) {
                    names.remove(&topic.name);
                    if names.is_empty() {
                        self.by_unified.remove(&unified);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a topic of that name may be made, apart from whether there is one.
    pub(super) fn check(&self, name: &str) -> Result<(), Error> {
        validate(name)?;
        let colliding = unified(name).and_then(|unified| self.by_unified.get(&unified)?.first());
        colliding.map_or(Ok(()), |existing| {
            let message = format!("Topic '{name}' collides with existing topic: {existing}");
            Err(Error::new(Kind::InvalidTopic, message))
        })
    }
}

fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

/// Whether `name` is a topic name at all (`Topic.validate`).
pub fn validate(name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        // Java counts UTF-16 units.
        _ if name.encode_utf16().count() > NAME_LEN_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {NAME_LEN_MAX}")
        }
        _ if !name.chars().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        _ => return Ok(()),
    };
    Err(Error::new(Kind::InvalidTopic, format!("Topic name is invalid: {reason}")))
}
