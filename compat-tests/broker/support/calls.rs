//! Short forms of the calls that most tests make on the way to what they look at.

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Client, PATIENCE, Records, eventually, unique};

/// A string of the protocol.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic that a test has made for itself.
#[derive(Clone, Debug)]
pub struct Created {
    pub name: TopicName,
    pub id: Uuid,
}

impl Created {
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Client {
    /// Makes a topic with a name of its own, and waits until it can be used.
    pub fn create(&mut self, name: &str, partitions: i32) -> Created {
        self.create_with(name, partitions, &[])
    }

    /// The same with topic configs.
    pub fn create_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Created {
        self.create_named(&TopicName(text(&unique(name))), partitions, configs)
    }

    /// The same with a name that the test has made.
    pub fn create_named(&mut self, name: &TopicName, partitions: i32, configs: &[(&str, &str)]) -> Created {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(name.clone())
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap();
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(timeout_ms);
        let created = self.call(&request, 7).topics.remove(0);
        assert_eq!(created.error_code, 0, "{:?}", created.error_message);
        for partition in 0..partitions {
            eventually("the partition is led", || {
                (self.list_offset(name, partition, -1).error_code == 0).then_some(())
            });
        }
        Created { name: name.clone(), id: created.topic_id }
    }

    /// What the newest Metadata says; `None` asks for all topics. Creates nothing.
    pub fn metadata(&mut self, names: Option<&[&str]>) -> MetadataResponse {
        let topics = names.map(|names| {
            let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
            names.iter().map(topic).collect()
        });
        self.call(&MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false), 12)
    }

    /// What the newest Metadata says of one topic. Does not create it.
    pub fn describe(&mut self, name: &str) -> MetadataResponseTopic {
        self.metadata(Some(&[name])).topics.remove(0)
    }

    /// Appends one batch with acks=all.
    pub fn produce(&mut self, topic: &TopicName, partition: i32, records: Bytes) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, records);
        self.call(&request, 9).responses.remove(0).partition_responses.remove(0)
    }

    /// Appends one batch, which must succeed; gives its base offset.
    pub fn append(&mut self, topic: &TopicName, partition: i32, records: &Records) -> i64 {
        let produced = self.produce(topic, partition, records.bytes());
        assert_eq!(produced.error_code, 0, "{produced:?}");
        produced.base_offset
    }

    /// Reads one partition from `offset` on, without waiting for more.
    pub fn fetch(&mut self, topic: &TopicName, partition: i32, offset: i64) -> PartitionData {
        let mut response = self.call(&fetch_request(topic, partition, offset), 12);
        assert_eq!(response.error_code, 0);
        response.responses.remove(0).partitions.remove(0)
    }

    pub fn list_offset(
        &mut self,
        topic: &TopicName,
        partition: i32,
        timestamp: i64,
    ) -> ListOffsetsPartitionResponse {
        let partition =
            ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic.clone()).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        self.call(&request, 10).topics.remove(0).partitions.remove(0)
    }
}

/// For versions that name topics; acks=all.
pub fn produce_request(topic: &TopicName, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic.clone()).with_partition_data(vec![data]);
    let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap();
    ProduceRequest::default().with_acks(-1).with_timeout_ms(timeout_ms).with_topic_data(vec![topic])
}

/// For versions that name topics; without a session, and does not wait.
pub fn fetch_request(topic: &TopicName, partition: i32, offset: i64) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(topic.clone())
        .with_partitions(vec![fetch_partition(partition, offset)]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// One partition of a fetch, up to 1 MiB.
pub fn fetch_partition(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}
