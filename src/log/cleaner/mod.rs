//! Compaction: of all records with one key only the last is kept (`Cleaner`, `LogCleanerManager`).
//!
//! ```text
//! start          first dirty            end (exclusive)        active segment
//!   | cleaned once    | to be cleaned         | not yet              |
//! ```
//! A cleaning maps each key of the dirty part to its last offset ([`OffsetMap`]), and then copies all segments up to
//! there, clean ones too, without the records that a later one replaces. Offsets never change: what goes leaves gaps.
//!
//! * [`plan`]: what of a log may be cleaned, and whether it is worth it;
//! * [`offset_map`], [`transactions`], [`filter`]: which records of a batch stay; pure;
//! * [`copy`]: reads segments and writes their replacement, durably;
//! * [`swap`]: puts that in their place, so that a crash leaves the one or the other.
//!
//! Knows nothing of threads: the caller says how fast it may go, and keeps other changes of old segments away.

mod copy;
mod filter;
mod offset_map;
mod plan;
mod swap;
#[cfg(test)]
mod tests;
mod transactions;

pub use copy::{Cleaned, Cleaning, Pace};
pub use offset_map::OffsetMap;
pub use plan::{Cleanable, Rules};
