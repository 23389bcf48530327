//! Log directory ids with a meaning of their own (`DirectoryId`, KIP-858).

use uuid::Uuid;

use crate::base::id::DirectoryId;

/// A replica from before directories had ids.
pub const MIGRATING: DirectoryId = DirectoryId(Uuid::nil());
/// A replica that is not in any directory yet.
pub const UNASSIGNED: DirectoryId = DirectoryId(Uuid::from_u128(1));
/// Some directory that is offline.
pub const LOST: DirectoryId = DirectoryId(Uuid::from_u128(2));

/// How many ids, from zero, may not name a directory.
const RESERVED: u128 = 100;

/// Whether `id` may not name a directory.
pub fn is_reserved(id: DirectoryId) -> bool {
    id.0.as_u128() < RESERVED
}

/// Whether a replica in `id` is online on a broker whose online directories are `log_dirs`.
pub fn is_online(id: DirectoryId, log_dirs: &[DirectoryId]) -> bool {
    match id {
        UNASSIGNED | MIGRATING => true,
        LOST => false,
        // A broker that names no directories is from before they had ids.
        _ => log_dirs.is_empty() || log_dirs.contains(&id),
    }
}
