//! Requests about quotas and credentials.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::controller::Error;
use crate::meta::quotas::Entity;

/// Changes of client quotas.
#[derive(Clone, Debug)]
pub struct AlterClientQuotas {
    /// What to change, by entity.
    pub alterations: Vec<QuotaAlteration>,
    /// Whether to check only.
    pub validate_only: bool,
}

/// Changes of one entity's quotas.
#[derive(Clone, Debug)]
pub struct QuotaAlteration {
    /// Who they are for.
    pub entity: Entity,
    /// Quotas and their values; none to remove it.
    pub ops: Vec<(Arc<str>, Option<f64>)>,
    /// Whether an `ip` in the entity is an address or the name of a host; the controller cannot look it up.
    pub host_is_known: bool,
}

/// An answer for each entity.
pub type ByEntity = Vec<(Entity, Result<(), Error>)>;

/// Changes of SCRAM credentials. A user may be in it once.
#[derive(Clone, Debug)]
pub struct AlterUserScramCredentials {
    /// Users and mechanisms to forget.
    pub deletions: Vec<(Arc<str>, i8)>,
    /// Credentials to set.
    pub upsertions: Vec<ScramUpsertion>,
}

/// A credential to set.
#[derive(Clone)]
pub struct ScramUpsertion {
    /// The user.
    pub user: Arc<str>,
    /// As in the request, known or not.
    pub mechanism: i8,
    /// Rounds of the hash.
    pub iterations: i32,
    /// Random salt.
    pub salt: Bytes,
    /// The password after so many rounds.
    pub salted_password: Bytes,
}

impl fmt::Debug for ScramUpsertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramUpsertion").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An answer for each user.
pub type ByUser = Vec<(Arc<str>, Result<(), Error>)>;
