//! ListOffsets, versions 1 to 11. The message crate stops at 10; 11 has the same fields, and one more special timestamp
//! (KIP-1023).

use kafka_protocol::messages::{ListOffsetsRequest as Request10, ListOffsetsResponse as Response10};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable};

const VERSION_MAX: i16 = 11;
/// The crate's last version.
const SAME_AS: i16 = 10;

/// The request, as the crate has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsRequest(pub Request10);

/// The answer, as the crate has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsResponse(pub Response10);

fn known(version: i16) -> i16 {
    if version == VERSION_MAX { SAME_AS } else { version }
}

impl Decodable for ListOffsetsRequest {
    fn decode<B: ByteBuf>(buf: &mut B, version: i16) -> anyhow::Result<Self> {
        Request10::decode(buf, known(version)).map(Self)
    }
}

impl Encodable for ListOffsetsResponse {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, version: i16) -> anyhow::Result<()> {
        self.0.encode(buf, known(version))
    }

    fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
        self.0.compute_size(known(version))
    }
}
