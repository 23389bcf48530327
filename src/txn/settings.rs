//! What the broker's configuration says about transactions.

use crate::config::broker::Config;

/// The broker's `transaction.*` and `transactional.*` keys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `transaction.max.timeout.ms`.
    pub timeout_ms_max: i32,
    /// `transactional.id.expiration.ms`.
    pub expiration_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiration_check_ms: i64,
}

impl Settings {
    /// As a node's configuration says.
    pub fn of(config: &Config) -> Self {
        let int = |key: &str| config.values.int(key);
        Self {
            timeout_ms_max: int("transaction.max.timeout.ms"),
            expiration_ms: int("transactional.id.expiration.ms").into(),
            expiration_check_ms: int("transaction.remove.expired.transaction.cleanup.interval.ms").into(),
        }
    }
}
