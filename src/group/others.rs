//! Share and streams groups, which are not served here but may be in an adopted log: their records stay there, and
//! nobody gets a group of the same name, nor loses the offsets of one.

use std::sync::Arc;

use super::{Group, Groups};
use crate::wire::group_records::{OtherKind, Record};

impl Groups {
    pub(super) fn replay_other(&mut self, kind: OtherKind, group: &Arc<str>, is_set: bool) {
        if !is_set {
            self.others.remove(group);
            if self.offsets.are_committed_for(group) || self.offsets.are_pending_for(group) {
                self.ensure_group(group);
            }
            return;
        }
        self.others.insert(group.clone(), kind);
        // Made by an offset that came before, whatever its order in the log was.
        if let Some(Group::Classic(classic)) = self.groups.get(group)
            && classic.is_empty()
        {
            self.groups.remove(group);
        }
    }

    /// Whether the name belongs to a group of another protocol.
    pub(super) fn is_other(&self, group: &str) -> bool {
        self.others.contains_key(group)
    }

    pub(super) fn other_records(&self) -> impl Iterator<Item = Record> {
        self.others.iter().map(|(group, kind)| Record::OtherGroupMetadata {
            kind: *kind,
            group: group.clone(),
            is_set: true,
        })
    }
}
