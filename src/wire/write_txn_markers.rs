//! WriteTxnMarkers, versions 1 and 2. The message crate stops at 1; 2 tells the version of each transaction (KIP-1228).

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;

use super::field::{Field, Malformed};
use super::lengths::{Frame, Input, Output, crate_traits};

const VERSIONS: RangeInclusive<i16> = 1..=2;

/// Transactions that are to be ended in partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteTxnMarkersRequest {
    /// By transaction.
    pub markers: Vec<WritableTxnMarker>,
}

/// The end of one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WritableTxnMarker {
    /// The producer's id.
    pub producer_id: i64,
    /// And its epoch.
    pub producer_epoch: i16,
    /// Whether it is committed.
    pub transaction_result: bool,
    /// Name and partitions of each topic.
    pub topics: Vec<(StrBytes, Vec<i32>)>,
    /// Epoch of the coordinator's partition.
    pub coordinator_epoch: i32,
    /// Version of the transaction protocol (2+); before, 0.
    pub transaction_version: i8,
}

/// What became of each marker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteTxnMarkersResponse {
    /// By transaction.
    pub markers: Vec<WritableTxnMarkerResult>,
}

/// What became of the markers of one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WritableTxnMarkerResult {
    /// The producer's id.
    pub producer_id: i64,
    /// Name of each topic, with index and error code of its partitions.
    pub topics: Vec<(StrBytes, Vec<(i32, i16)>)>,
}

crate_traits!(VERSIONS, flexible 1, request WriteTxnMarkersRequest, response WriteTxnMarkersResponse);

impl WriteTxnMarkersRequest {
    fn read(version: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let markers = input.array(17, |input| {
            let marker = WritableTxnMarker {
                producer_id: input.i64()?,
                producer_epoch: input.i16()?,
                transaction_result: bool::read(version, input.reader())?,
                topics: input.array(3, |input| {
                    let name = frame.text(input.string()?);
                    let partitions = input.array(4, Input::i32)?;
                    input.end()?;
                    Ok((name, partitions))
                })?,
                coordinator_epoch: input.i32()?,
                transaction_version: if version >= 2 { i8::read(version, input.reader())? } else { 0 },
            };
            input.end()?;
            Ok(marker)
        })?;
        input.end()?;
        Ok(Self { markers })
    }
}

impl WriteTxnMarkersResponse {
    fn write(&self, _: i16, output: &mut Output<'_>) {
        output.array(&self.markers, |output, marker| {
            output.i64(marker.producer_id);
            output.array(&marker.topics, |output, (name, partitions)| {
                output.string(name);
                output.array(partitions, |output, (partition, error_code)| {
                    output.i32(*partition);
                    output.i16(*error_code);
                    output.end();
                });
                output.end();
            });
            output.end();
        });
        output.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::reference;
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::protocol::{Decodable, Encodable};

    #[test]
    fn both_versions_read_and_write_as_kafkas_classes_do() {
        let text = StrBytes::from_static_str;
        for version in VERSIONS {
            let mut bytes = Bytes::from(reference(&format!("write_txn_markers_request_{version}")));
            let read = WriteTxnMarkersRequest::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let marker = WritableTxnMarker {
                producer_id: 9,
                producer_epoch: 8,
                transaction_result: true,
                topics: vec![(text("t"), vec![3, 4]), (text("u"), vec![0])],
                coordinator_epoch: 7,
                transaction_version: if version >= 2 { 2 } else { 0 },
            };
            assert_eq!(read.markers, [marker]);

            let topics = vec![(text("t"), vec![(3, 0), (4, 47)])];
            let response =
                WriteTxnMarkersResponse { markers: vec![WritableTxnMarkerResult { producer_id: 9, topics }] };
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(response.compute_size(version).unwrap(), bytes.len());
            assert_eq!(bytes[..], reference(&format!("write_txn_markers_response_{version}"))[..]);
        }
    }
}
