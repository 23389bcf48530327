//! Layer 5: one partition's log on disk, in Apache Kafka's format, byte for byte.
//!
//! Synchronous, over [`disk::Disk`]; knows batches, not who owns a topic.

mod active;
mod append;
pub mod checkpoint;
pub mod cleaner;
pub mod committer;
pub mod directory;
pub mod disk;
pub mod epochs;
pub mod error;
pub mod flush;
mod index;
pub mod journal;
mod leftovers;
#[expect(clippy::module_inception, reason = "the log itself")]
mod log;
mod mend;
pub mod meta_properties;
pub mod names;
pub mod producers;
pub mod read;
mod recovery;
mod replay;
pub mod retention;
mod scan;
mod segment;
mod settings;
mod tail;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod timestamps;
pub mod transfer;
pub mod trash;
mod truncate;
pub mod txn_index;
mod walk;

pub use append::{Appended, Leading};
pub use error::{AppendError, Error, ReadError};
pub use flush::Flush;
pub use log::Log;
pub use read::{ReadPlan, Slice};
pub use recovery::{Opening, Recovered};
pub use scan::Flaw;
pub use settings::Settings;
pub use tail::Tail;
pub use timestamps::{TimestampOffset, TimestampPlan};
