//! The assignors of the server: who is to own which partitions (`org.apache.kafka.coordinator.group.assignor`).
//!
//! They are pure and deterministic: members come sorted by id. Racks play no part, as in Kafka's.

mod range;
mod uniform;
mod uniform_mixed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::member::Partitions;

/// An assignor by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assignor {
    /// Even, and as few moves as possible.
    Uniform,
    /// Ranges of each topic by the order of the members.
    Range,
}

impl Assignor {
    /// The assignor of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }
}

/// A member as assignors see it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) id: Arc<str>,
    /// `group.instance.id`.
    pub(super) instance: Option<Arc<str>>,
    /// Topics that it subscribes to and that exist.
    pub(super) topics: Arc<BTreeSet<Uuid>>,
    /// What it was to own so far.
    pub(super) target: Arc<Partitions>,
    /// Whether it takes the place, and the target, of another member.
    pub(super) is_heir: bool,
}

/// What there is to assign, and to whom.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Sorted by id.
    pub(super) members: Vec<Candidate>,
    /// Whether all members subscribe to the same topics.
    pub(super) is_homogeneous: bool,
    /// How many partitions each topic has that is subscribed to.
    pub(super) partitions: BTreeMap<Uuid, i32>,
}

impl Spec {
    fn partition_count(&self, topic: &Uuid) -> i32 {
        self.partitions.get(topic).copied().unwrap_or(0)
    }
}

/// What each member is to own, in the order of [`Spec::members`].
pub(super) fn assign(assignor: Assignor, spec: &Spec) -> Vec<Arc<Partitions>> {
    if spec.members.is_empty() {
        return vec![];
    }
    match assignor {
        Assignor::Range => range::assign(spec),
        Assignor::Uniform if spec.is_homogeneous => uniform::assign(spec),
        Assignor::Uniform => uniform_mixed::assign(spec),
    }
}

#[cfg(test)]
mod tests;
