//! Records of `__transaction_state`.

/// One record.
#[derive(Clone, PartialEq, Debug)]
pub struct Record;

impl Record {
    /// Key and value.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        (Vec::new(), None)
    }

    /// The record, if it is of a known kind.
    pub fn decode(_: &[u8], _: Option<&[u8]>) -> Result<Option<Self>, std::convert::Infallible> {
        Ok(None)
    }
}
