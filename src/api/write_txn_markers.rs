//! WriteTxnMarkers, versions 1 and 2 (`KafkaApis.handleWriteTxnMarkersRequest`): ends transactions in partitions, whatever
//! their coordinator knows of them. `kafka-transactions abort` sends it.
//!
//! 2     the version of each transaction (KIP-1228); before, it is checked as the first protocol's.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE, producer_code};
use crate::base::id::Producer;
use crate::coordinator::{NotWritten, Unavailable};
use crate::machine::Ended;
use crate::wire::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

/// The code of every partition, by producer and topic.
type Results = BTreeMap<i64, BTreeMap<StrBytes, BTreeMap<i32, i16>>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<WriteTxnMarkersRequest>,
) -> WriteTxnMarkersResponse {
    let mut results = Results::new();
    for marker in &request.body.markers {
        let end = Ended {
            producer: Producer { id: marker.producer_id, epoch: marker.producer_epoch },
            coordinator_epoch: marker.coordinator_epoch,
            is_committed: marker.transaction_result,
            transaction_version: i16::from(marker.transaction_version),
        };
        let topics = results.entry(marker.producer_id).or_default();
        for (topic, partition) in partitions(marker) {
            let written = context.transactions.write_marker(topic, partition, end).await;
            let code = written.map_or_else(|why| code(&why).code(), |()| NONE);
            topics.entry(topic.clone()).or_default().insert(partition, code);
        }
    }
    response(results)
}

fn partitions(marker: &WritableTxnMarker) -> impl Iterator<Item = (&StrBytes, i32)> {
    marker.topics.iter().flat_map(|(name, indexes)| indexes.iter().map(move |index| (name, *index)))
}

fn code(why: &NotWritten) -> Code {
    match why {
        NotWritten::Gone => Code::UnknownTopicOrPartition,
        NotWritten::Refused(error) | NotWritten::Coordinator(Unavailable::Refused(error)) => {
            producer_code(error)
        }
        NotWritten::Partition(error) => Code::from(error),
        // A coordinator of transactions knows partitions only.
        NotWritten::Coordinator(
            Unavailable::NotCoordinator | Unavailable::LoadInProgress | Unavailable::NotAvailable,
        ) => Code::NotLeaderOrFollower,
    }
}

fn response(results: Results) -> WriteTxnMarkersResponse {
    let topic = |(name, partitions): (StrBytes, BTreeMap<i32, i16>)| (name, partitions.into_iter().collect());
    let marker = |(producer_id, topics): (i64, BTreeMap<StrBytes, BTreeMap<i32, i16>>)| {
        WritableTxnMarkerResult { producer_id, topics: topics.into_iter().map(topic).collect() }
    };
    WriteTxnMarkersResponse { markers: results.into_iter().map(marker).collect() }
}
