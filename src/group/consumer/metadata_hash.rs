//! The hash of a group's topics (KIP-1101): another one means that topics came, went, grew or moved.

use std::collections::HashMap;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::meta::{Image, Topic};

/// Version of the hash of a topic.
const TOPIC_HASH_MAGIC: u8 = 0;

/// Hashes of topics as they were when last asked for.
#[derive(Debug, Default)]
pub(super) struct TopicHashes {
    by_name: HashMap<Arc<str>, (Arc<Topic>, i64)>,
}

impl TopicHashes {
    /// The hash of those of `topics`, which are sorted, that exist (`Utils.computeGroupHash`).
    pub(super) fn of_group<'a>(&mut self, image: &Image, topics: impl Iterator<Item = &'a Arc<str>>) -> i64 {
        let mut bytes = Vec::new();
        for name in topics {
            match image.topics.by_name(name) {
                Some(topic) => put_i64(self.of_topic(image, topic), &mut bytes),
                None => drop(self.by_name.remove(name)),
            }
        }
        if bytes.is_empty() { 0 } else { hash(&bytes) }
    }

    /// Forgets topics that are gone.
    pub(in crate::group) fn forget(&mut self, topics: &[Arc<str>]) {
        for name in topics {
            self.by_name.remove(name);
        }
    }

    fn of_topic(&mut self, image: &Image, topic: &Arc<Topic>) -> i64 {
        if let Some((known, hash)) = self.by_name.get(&topic.name)
            && Arc::ptr_eq(known, topic)
        {
            return *hash;
        }
        let hash = topic_hash(image, topic);
        self.by_name.insert(topic.name.clone(), (topic.clone(), hash));
        hash
    }
}

/// As `Utils.computeTopicHash` feeds its stream: integers little-endian, strings as UTF-16 and their length.
fn topic_hash(image: &Image, topic: &Topic) -> i64 {
    let mut bytes = vec![TOPIC_HASH_MAGIC];
    let (high, low) = topic.id.0.as_u64_pair();
    put_i64(high.cast_signed(), &mut bytes);
    put_i64(low.cast_signed(), &mut bytes);
    put_string(&topic.name, &mut bytes);
    put_i32(topic.partition_count(), &mut bytes);
    for (index, partition) in topic.partitions.iter() {
        put_i32(*index, &mut bytes);
        let rack = |id: &i32| image.cluster.brokers.get(id)?.rack.clone();
        let mut racks: Vec<_> = partition.replicas.iter().filter_map(rack).collect();
        racks.sort();
        for rack in racks {
            put_i32(utf16_len(&rack), &mut bytes);
            put_string(&rack, &mut bytes);
        }
    }
    hash(&bytes)
}

fn hash(bytes: &[u8]) -> i64 {
    XxHash3_64::oneshot(bytes).cast_signed()
}

fn utf16_len(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

fn put_string(text: &str, bytes: &mut Vec<u8>) {
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        bytes.extend([low, high]);
    }
    put_i32(utf16_len(text), bytes);
}

fn put_i32(value: i32, bytes: &mut Vec<u8>) {
    bytes.extend(value.to_be_bytes().iter().rev());
}

fn put_i64(value: i64, bytes: &mut Vec<u8>) {
    bytes.extend(value.to_be_bytes().iter().rev());
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::meta::{Delta, Provenance};
    use crate::wire::kraft::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

    /// What hash4j 0.22, which Kafka uses, makes of the same calls.
    const TOPIC_HASH: i64 = -6_097_297_437_905_672_199;
    const GROUP_HASH: i64 = 898_882_817_813_575_690;

    fn image() -> Image {
        let mut delta = Delta::new(Image::empty());
        for broker_id in [1, 2] {
            let rack = Some(format!("rack{broker_id}").into());
            let record = RegisterBrokerRecord { broker_id, rack, ..Default::default() };
            delta.replay(&record.into()).unwrap();
        }
        let topic_id = Uuid::from_u64_pair(0x0102_0304_0506_0708, 0x1112_1314_1516_1718);
        delta.replay(&TopicRecord { name: "tøpic".into(), topic_id }.into()).unwrap();
        for (partition_id, replicas) in [(0, vec![1]), (1, vec![2, 1])] {
            let record = PartitionRecord {
                partition_id,
                topic_id,
                isr: replicas.clone(),
                replicas,
                ..Default::default()
            };
            delta.replay(&record.into()).unwrap();
        }
        delta.finish(Provenance::NONE).0
    }

    #[test]
    fn the_hash_is_kafkas() {
        let image = image();
        let topic = image.topics.by_name("tøpic").unwrap();
        assert_eq!(topic_hash(&image, topic), TOPIC_HASH);

        let mut bytes = Vec::new();
        put_i64(TOPIC_HASH, &mut bytes);
        put_i64(42, &mut bytes);
        assert_eq!(hash(&bytes), GROUP_HASH);
    }

    #[test]
    fn topics_that_do_not_exist_leave_no_trace() {
        let (image, mut hashes) = (image(), TopicHashes::default());
        let names: [Arc<str>; 2] = ["gone".into(), "tøpic".into()];
        assert_eq!(hashes.of_group(&image, names[1..].iter()), hashes.of_group(&image, names.iter()));
        assert_eq!(hashes.of_group(&Image::empty(), names.iter()), 0);
    }
}
