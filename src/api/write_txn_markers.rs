//! WriteTxnMarkers, version 1 (`KafkaApis.handleWriteTxnMarkersRequest`): ends transactions in partitions, whatever
//! their coordinator knows of them. `kafka-transactions abort` sends it.
//!
//! Gap: version 2 tells the version of the transaction, which the message crate does not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WriteTxnMarkersRequest};
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
};
use kafka_protocol::messages::{ProducerId, TopicName};

use super::context::Context;
use super::dispatch::Request;
use super::error::{Code, NONE, producer_code};
use super::transactions::{self, FIRST_PROTOCOL};
use crate::coordinator::{NotWritten, Unavailable};
use crate::machine::Ended;

/// The code of every partition, by producer and topic.
type Results = BTreeMap<ProducerId, BTreeMap<TopicName, BTreeMap<i32, i16>>>;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<WriteTxnMarkersRequest>,
) -> WriteTxnMarkersResponse {
    let mut results = Results::new();
    for marker in &request.body.markers {
        let end = Ended {
            producer: transactions::producer(marker.producer_id, marker.producer_epoch),
            coordinator_epoch: marker.coordinator_epoch,
            is_committed: marker.transaction_result,
            // A marker without the version of its transaction is checked as the first protocol's.
            transaction_version: FIRST_PROTOCOL,
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

fn partitions(marker: &WritableTxnMarker) -> impl Iterator<Item = (&TopicName, i32)> {
    marker.topics.iter().flat_map(|t| t.partition_indexes.iter().map(move |index| (&t.name, *index)))
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
    let partition = |(index, code)| {
        WritableTxnMarkerPartitionResult::default().with_partition_index(index).with_error_code(code)
    };
    let topic = |(name, partitions): (TopicName, BTreeMap<i32, i16>)| {
        WritableTxnMarkerTopicResult::default()
            .with_name(name)
            .with_partitions(partitions.into_iter().map(partition).collect())
    };
    let marker = |(producer, topics): (ProducerId, BTreeMap<TopicName, BTreeMap<i32, i16>>)| {
        WritableTxnMarkerResult::default()
            .with_producer_id(producer)
            .with_topics(topics.into_iter().map(topic).collect())
    };
    WriteTxnMarkersResponse::default().with_markers(results.into_iter().map(marker).collect())
}
