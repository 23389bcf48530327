//! ACLs, SCRAM credentials and delegation tokens (`AclsImage`, `ScramImage`, `DelegationTokenImage`): kept as their
//! records, so that a snapshot loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::delta::ReplayError;
use crate::wire::kraft::{
    AccessControlEntryRecord, DelegationTokenRecord, Record, RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
};

/// What decides who may do what.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Security {
    /// ACLs by id.
    pub acls: BTreeMap<Uuid, AccessControlEntryRecord>,
    /// SCRAM credentials by user and mechanism.
    pub scram: BTreeMap<(Arc<str>, i8), UserScramCredentialRecord>,
    /// Delegation tokens by id.
    pub tokens: BTreeMap<Arc<str>, DelegationTokenRecord>,
}

impl Security {
    pub(super) fn set_acl(&mut self, record: &AccessControlEntryRecord) {
        self.acls.insert(record.id, record.clone());
    }

    pub(super) fn remove_acl(&mut self, id: Uuid) -> Result<(), ReplayError> {
        self.acls.remove(&id).map(|_| ()).ok_or(ReplayError::NoSuchAcl(id))
    }

    pub(super) fn set_scram(&mut self, record: &UserScramCredentialRecord) {
        self.scram.insert((Arc::clone(&record.name), record.mechanism), record.clone());
    }

    pub(super) fn remove_scram(&mut self, record: &RemoveUserScramCredentialRecord) {
        self.scram.remove(&(Arc::clone(&record.name), record.mechanism));
    }

    pub(super) fn set_token(&mut self, record: &DelegationTokenRecord) {
        self.tokens.insert(Arc::clone(&record.token_id), record.clone());
    }

    pub(super) fn remove_token(&mut self, id: &str) {
        self.tokens.remove(id);
    }

    pub(super) fn write(&self, records: &mut Vec<Record>) {
        records.extend(self.acls.values().cloned().map(Record::from));
        records.extend(self.scram.values().cloned().map(Record::from));
        records.extend(self.tokens.values().cloned().map(Record::from));
    }
}
