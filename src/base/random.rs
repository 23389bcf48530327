//! The broker's one source of randomness, seedable so that a test can repeat a run.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use uuid::Uuid;

/// A shared random source; clones draw from the same stream.
#[derive(Clone, Debug)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// Seeded by the operating system.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }

    /// The same seed gives the same stream.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A version 4 uuid that Kafka accepts: neither reserved (zero, one) nor with a leading dash in its
    /// text form, which command-line tools would take for an option (`Uuid.randomUuid`).
    pub fn uuid(&self) -> Uuid {
        loop {
            let mut bytes = [0; 16];
            self.0.lock().fill_bytes(&mut bytes);
            let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
            if !super::id::uuid_to_text(uuid).starts_with('-') {
                return uuid;
            }
        }
    }

    /// A number from 0 up to, and without, `high`; `high` must not be 0.
    pub fn below(&self, high: u32) -> u32 {
        self.0.lock().random_range(0..high)
    }

    /// A positive `i64`, never 0, with as much again above it.
    pub fn positive_i64(&self) -> i64 {
        self.0.lock().random_range(1..=i64::MAX / 2)
    }

    /// A positive `i32`, never 0.
    pub fn positive_i32(&self) -> i32 {
        self.0.lock().random_range(1..=i32::MAX)
    }
}
