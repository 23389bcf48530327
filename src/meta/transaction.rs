//! Metadata transactions (KIP-868): the records between a begin and its end take effect together or not at all.

use super::delta::ReplayError;
use crate::wire::kraft::Record;

/// Holds back the records of an open transaction.
#[derive(Debug, Default)]
pub struct Transaction {
    held: Option<Vec<(i64, Record)>>,
}

impl Transaction {
    /// Whether one is open.
    pub fn is_open(&self) -> bool {
        self.held.is_some()
    }

    /// Hands `apply` the records that take effect with this one: none, itself, or a whole transaction.
    pub fn pass(
        &mut self,
        offset: i64,
        record: &Record,
        mut apply: impl FnMut(i64, &Record) -> Result<(), ReplayError>,
    ) -> Result<(), ReplayError> {
        match (record, &mut self.held) {
            (Record::BeginTransaction(_), held @ None) => *held = Some(Vec::new()),
            (Record::EndTransaction(_), held @ Some(_)) => {
                let records = held.take().unwrap_or_default();
                return records.iter().try_for_each(|(offset, record)| apply(*offset, record));
            }
            (Record::AbortTransaction(_), held @ Some(_)) => *held = None,
            (Record::BeginTransaction(_) | Record::EndTransaction(_) | Record::AbortTransaction(_), _) => {
                return Err(ReplayError::Transaction);
            }
            (_, Some(held)) => held.push((offset, record.clone())),
            (_, None) => return apply(offset, record),
        }
        Ok(())
    }
}
