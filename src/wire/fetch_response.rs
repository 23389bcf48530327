//! The Fetch response of versions 4 to 18, written around record bytes that stay where they are.
//!
//! The message crate would copy all records into one buffer. Here a response becomes a list of pieces:
//! inline bytes, and the caller's own handles of record bytes between them, to be written in order.
//!
//! ```text
//! size i32, response header, throttle_time_ms i32, error_code i16 and session_id i32 (7+), topics:
//!   name string (4-12) or id uuid (13+), partitions:
//!     index i32, error_code i16, high_watermark i64, last_stable_offset i64, log_start_offset i64 (5+),
//!     aborted_transactions, preferred_read_replica i32 (11+), records length, RECORDS,
//!     tags (12+): 0 diverging_epoch, 1 current_leader, 2 snapshot_id (never written here)
//! tags (12+): 0 node_endpoints (16+)
//! ```

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::put_response_header;
use super::versions::ApiKey;
use crate::base::id::{NodeId, TopicId};

/// Room for a partition without aborted transactions, so that the buffer is rarely moved.
const PARTITION_BYTES: usize = 64;

/// A handle of record bytes that are not in memory, or not to be copied.
pub trait Records {
    /// How many bytes will be written in its place; a handle of 0 bytes is dropped.
    fn len_bytes(&self) -> usize;
}

/// Records that are in memory already.
impl Records for Bytes {
    fn len_bytes(&self) -> usize {
        self.len()
    }
}

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<R> {
    /// These bytes.
    Inline(Bytes),
    /// The bytes behind the handle.
    Records(R),
}

/// A whole frame, size prefix and header included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<R> {
    /// To be written one after the other.
    pub pieces: Vec<Piece<R>>,
    /// What they come to.
    pub bytes: usize,
}

/// Kafka's `FetchResponseData`. What a version lacks is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<R> {
    /// How long the client shall wait before its next request (KIP-219).
    pub throttle_time_ms: i32,
    /// Of the request as a whole; 7+.
    pub error_code: i16,
    /// 0 without a session; 7+.
    pub session_id: i32,
    /// In the order of the answer.
    pub topics: Vec<Topic<R>>,
    /// Where the leaders named in the partitions are; 16+.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One topic of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic<R> {
    /// Written up to version 12.
    pub name: Arc<str>,
    /// Written from version 13 on.
    pub id: TopicId,
    /// In the order of the answer.
    pub partitions: Vec<Partition<R>>,
}

/// One partition of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition<R> {
    /// Of the topic.
    pub index: i32,
    /// 0 for none.
    pub error_code: i16,
    /// -1 with most errors.
    pub high_watermark: i64,
    /// -1 with most errors.
    pub last_stable_offset: i64,
    /// -1 with most errors; 5+.
    pub log_start_offset: i64,
    /// Only a read-committed consumer is told of them; others get null.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Where the follower's log parted from the leader's; 12+.
    pub diverging_epoch: Option<DivergingEpoch>,
    /// With errors that tell the client to go elsewhere; 12+.
    pub current_leader: Option<CurrentLeader>,
    /// -1 for the leader; 11+.
    pub preferred_read_replica: i32,
    /// `None` becomes an empty byte string, never null.
    pub records: Option<R>,
}

/// A transaction whose records the consumer must drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

/// The largest epoch not above the one asked for, and where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// A leader epoch.
    pub epoch: i32,
    /// Exclusive.
    pub end_offset: i64,
}

/// Whom to ask instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// -1 if there is none.
    pub leader_id: NodeId,
    /// -1 if unknown.
    pub leader_epoch: i32,
}

/// Where a leader is, seen from the listener that the client came in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// As in the partitions.
    pub node_id: NodeId,
    /// Advertised.
    pub host: Arc<str>,
    /// Advertised.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
}

/// A response that the protocol cannot express: a name, a list or the whole is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fetch response: a length of {0} does not fit")]
pub struct TooLong(usize);

impl<R> Partition<R> {
    /// What Kafka answers when it has nothing to tell but the error.
    pub fn of_error(index: i32, error_code: i16) -> Self {
        Self {
            index,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted_transactions: Some(Vec::new()),
            diverging_epoch: None,
            current_leader: None,
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl<R: Records> Response<R> {
    /// Writes the response to a request of `api_version`, one of those that Fetch advertises.
    pub fn encode(self, api_version: i16, correlation_id: i32) -> Result<Frame<R>, TooLong> {
        let partitions: usize = self.topics.iter().map(|t| t.partitions.len()).sum();
        let mut encoder = Encoder {
            version: api_version,
            flexible: ApiKey::Fetch.is_flexible(api_version),
            buf: BytesMut::with_capacity(PARTITION_BYTES * (1 + self.topics.len() + partitions)),
            records: Vec::with_capacity(partitions),
            records_bytes: 0,
        };
        encoder.buf.put_i32(0);
        put_response_header(&mut encoder.buf, ApiKey::Fetch, api_version, correlation_id);
        encoder.response(self)?;
        encoder.finish()
    }
}

struct Encoder<R> {
    version: i16,
    flexible: bool,
    buf: BytesMut,
    /// With the position in `buf` that each of them comes before.
    records: Vec<(usize, R)>,
    records_bytes: usize,
}

impl<R: Records> Encoder<R> {
    fn response(&mut self, response: Response<R>) -> Result<(), TooLong> {
        self.buf.put_i32(response.throttle_time_ms);
        if self.version >= 7 {
            self.buf.put_i16(response.error_code);
            self.buf.put_i32(response.session_id);
        }
        self.count(Some(response.topics.len()))?;
        response.topics.into_iter().try_for_each(|topic| self.topic(topic))?;
        if self.version >= 16 && !response.node_endpoints.is_empty() {
            self.buf.put_u8(1);
            return self.tag(0, |tag| tag.node_endpoints(&response.node_endpoints));
        }
        self.end_of_struct();
        Ok(())
    }

    fn topic(&mut self, topic: Topic<R>) -> Result<(), TooLong> {
        if self.version >= 13 {
            self.buf.put_slice(topic.id.0.as_bytes());
        } else {
            self.string(Some(&topic.name))?;
        }
        self.count(Some(topic.partitions.len()))?;
        topic.partitions.into_iter().try_for_each(|partition| self.partition(partition))?;
        self.end_of_struct();
        Ok(())
    }

    fn partition(&mut self, partition: Partition<R>) -> Result<(), TooLong> {
        self.buf.put_i32(partition.index);
        self.buf.put_i16(partition.error_code);
        self.buf.put_i64(partition.high_watermark);
        self.buf.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.buf.put_i64(partition.log_start_offset);
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref())?;
        if self.version >= 11 {
            self.buf.put_i32(partition.preferred_read_replica);
        }
        self.records(partition.records)?;
        if self.flexible {
            self.partition_tags(partition.diverging_epoch, partition.current_leader)?;
        }
        Ok(())
    }

    fn aborted_transactions(&mut self, aborted: Option<&[AbortedTransaction]>) -> Result<(), TooLong> {
        self.count(aborted.map(<[_]>::len))?;
        for transaction in aborted.unwrap_or_default() {
            self.buf.put_i64(transaction.producer_id);
            self.buf.put_i64(transaction.first_offset);
            self.end_of_struct();
        }
        Ok(())
    }

    fn records(&mut self, records: Option<R>) -> Result<(), TooLong> {
        let bytes = records.as_ref().map_or(0, R::len_bytes);
        self.count(Some(bytes))?;
        if let Some(records) = records.filter(|_| bytes > 0) {
            self.records_bytes += bytes;
            self.records.push((self.buf.len(), records));
        }
        Ok(())
    }

    fn partition_tags(
        &mut self,
        diverging_epoch: Option<DivergingEpoch>,
        current_leader: Option<CurrentLeader>,
    ) -> Result<(), TooLong> {
        self.buf.put_u8(u8::from(diverging_epoch.is_some()) + u8::from(current_leader.is_some()));
        if let Some(DivergingEpoch { epoch, end_offset }) = diverging_epoch {
            self.tag(0, |tag| {
                tag.buf.put_i32(epoch);
                tag.buf.put_i64(end_offset);
                tag.end_of_struct();
                Ok(())
            })?;
        }
        if let Some(CurrentLeader { leader_id, leader_epoch }) = current_leader {
            self.tag(1, |tag| {
                tag.buf.put_i32(leader_id.0);
                tag.buf.put_i32(leader_epoch);
                tag.end_of_struct();
                Ok(())
            })?;
        }
        Ok(())
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) -> Result<(), TooLong> {
        self.count(Some(endpoints.len()))?;
        for endpoint in endpoints {
            self.buf.put_i32(endpoint.node_id.0);
            self.string(Some(&endpoint.host))?;
            self.buf.put_i32(endpoint.port);
            self.string(endpoint.rack.as_deref())?;
            self.end_of_struct();
        }
        Ok(())
    }

    /// A tagged field; its value, which holds no records, is written aside because its size comes first.
    fn tag(
        &mut self,
        number: u8,
        value: impl FnOnce(&mut Self) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        let outer = std::mem::take(&mut self.buf);
        let written = value(self);
        let value = std::mem::replace(&mut self.buf, outer);
        written?;
        self.buf.put_u8(number);
        put_uvarint(&mut self.buf, u32::try_from(value.len()).map_err(|_| TooLong(value.len()))?);
        self.buf.put_slice(&value);
        Ok(())
    }

    /// The length of an array or of bytes.
    fn count(&mut self, count: Option<usize>) -> Result<(), TooLong> {
        let Some(count) = count else {
            if self.flexible {
                self.buf.put_u8(0)
            } else {
                self.buf.put_i32(-1)
            }
            return Ok(());
        };
        let count = i32::try_from(count).map_err(|_| TooLong(count))?;
        if self.flexible {
            put_uvarint(&mut self.buf, count.cast_unsigned() + 1)
        } else {
            self.buf.put_i32(count)
        }
        Ok(())
    }

    fn string(&mut self, text: Option<&str>) -> Result<(), TooLong> {
        let length =
            text.map(|text| i16::try_from(text.len()).map_err(|_| TooLong(text.len()))).transpose()?;
        if self.flexible {
            put_uvarint(&mut self.buf, length.map_or(0, |l| u32::from(l.cast_unsigned()) + 1));
        } else {
            self.buf.put_i16(length.unwrap_or(-1));
        }
        self.buf.put_slice(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    fn end_of_struct(&mut self) {
        if self.flexible {
            self.buf.put_u8(0);
        }
    }

    fn finish(mut self) -> Result<Frame<R>, TooLong> {
        let bytes = self.buf.len() + self.records_bytes;
        let size = i32::try_from(bytes - 4).map_err(|_| TooLong(bytes))?;
        self.buf[..4].copy_from_slice(&size.to_be_bytes());
        let mut inline = self.buf.freeze();
        let mut pieces = Vec::with_capacity(2 * self.records.len() + 1);
        let mut done = 0;
        for (at, records) in self.records {
            pieces.push(Piece::Inline(inline.split_to(at - done)));
            pieces.push(Piece::Records(records));
            done = at;
        }
        if !inline.is_empty() {
            pieces.push(Piece::Inline(inline));
        }
        Ok(Frame { pieces, bytes })
    }
}

fn put_uvarint(buf: &mut BytesMut, mut value: u32) {
    let low_byte = |value: u32| value.to_be_bytes()[3];
    while value >= 0x80 {
        buf.put_u8(low_byte(value) | 0x80);
        value >>= 7;
    }
    buf.put_u8(low_byte(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::fetch_response as theirs;
    use kafka_protocol::messages::{BrokerId, ProducerId, ResponseHeader, TopicName};
    use kafka_protocol::protocol::{Encodable, StrBytes};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn text() -> impl Strategy<Value = Arc<str>> {
        "[a-z]{0,200}".prop_map(Arc::from)
    }

    fn partition() -> impl Strategy<Value = Partition<Bytes>> {
        let aborted = (1..i64::MAX, 0..i64::MAX)
            .prop_map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset });
        let diverging =
            (0..9_i32, 0..i64::MAX).prop_map(|(epoch, end_offset)| DivergingEpoch { epoch, end_offset });
        let leader = (0..9_i32, -1..99_i32)
            .prop_map(|(id, leader_epoch)| CurrentLeader { leader_id: NodeId(id), leader_epoch });
        let records = option::of(vec(any::<u8>(), 0..300).prop_map(Bytes::from));
        let numbers = (0..9_i32, any::<i16>(), any::<i64>(), any::<i64>(), any::<i64>(), -1..9_i32);
        (numbers, option::of(vec(aborted, 0..3)), option::of(diverging), option::of(leader), records)
            .prop_map(|(numbers, aborted_transactions, diverging_epoch, current_leader, records)| Partition {
                index: numbers.0,
                error_code: numbers.1,
                high_watermark: numbers.2,
                last_stable_offset: numbers.3,
                log_start_offset: numbers.4,
                aborted_transactions,
                diverging_epoch,
                current_leader,
                preferred_read_replica: numbers.5,
                records,
            })
    }

    fn response() -> impl Strategy<Value = Response<Bytes>> {
        let topic = (text(), any::<u128>(), vec(partition(), 0..4))
            .prop_map(|(name, id, partitions)| Topic { name, id: TopicId(Uuid::from_u128(id)), partitions });
        let endpoint = (0..9_i32, text(), 1..65535_i32, option::of(text()))
            .prop_map(|(id, host, port, rack)| NodeEndpoint { node_id: NodeId(id), host, port, rack });
        (any::<i32>(), any::<i16>(), any::<i32>(), vec(topic, 0..4), vec(endpoint, 0..3)).prop_map(
            |(throttle_time_ms, error_code, session_id, topics, node_endpoints)| Response {
                throttle_time_ms,
                error_code,
                session_id,
                topics,
                node_endpoints,
            },
        )
    }

    fn their_text(text: &str) -> StrBytes {
        StrBytes::from_string(text.to_owned())
    }

    /// The crate refuses fields that the version lacks, where ours leaves them out.
    fn their_partition(p: &Partition<Bytes>, version: i16) -> theirs::PartitionData {
        let aborted = |t: &AbortedTransaction| {
            theirs::AbortedTransaction::default()
                .with_producer_id(ProducerId(t.producer_id))
                .with_first_offset(t.first_offset)
        };
        let mut data = theirs::PartitionData::default()
            .with_partition_index(p.index)
            .with_error_code(p.error_code)
            .with_high_watermark(p.high_watermark)
            .with_last_stable_offset(p.last_stable_offset)
            .with_log_start_offset(p.log_start_offset)
            .with_aborted_transactions(
                p.aborted_transactions.as_ref().map(|a| a.iter().map(aborted).collect()),
            )
            .with_records(Some(p.records.clone().unwrap_or_default()));
        if version >= 11 {
            data.preferred_read_replica = BrokerId(p.preferred_read_replica);
        }
        if let Some(d) = p.diverging_epoch.filter(|_| version >= 12) {
            data.diverging_epoch =
                theirs::EpochEndOffset::default().with_epoch(d.epoch).with_end_offset(d.end_offset);
        }
        if let Some(l) = p.current_leader.filter(|_| version >= 12) {
            data.current_leader = theirs::LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(l.leader_id.0))
                .with_leader_epoch(l.leader_epoch);
        }
        data
    }

    fn their_frame(response: &Response<Bytes>, version: i16) -> Vec<u8> {
        let topic = |t: &Topic<Bytes>| {
            theirs::FetchableTopicResponse::default()
                .with_topic(if version < 13 { TopicName(their_text(&t.name)) } else { TopicName::default() })
                .with_topic_id(if version < 13 { Uuid::nil() } else { t.id.0 })
                .with_partitions(t.partitions.iter().map(|p| their_partition(p, version)).collect())
        };
        let endpoint = |e: &NodeEndpoint| {
            theirs::NodeEndpoint::default()
                .with_node_id(BrokerId(e.node_id.0))
                .with_host(their_text(&e.host))
                .with_port(e.port)
                .with_rack(e.rack.as_deref().map(their_text))
        };
        let mut data = theirs::FetchResponse::default()
            .with_throttle_time_ms(response.throttle_time_ms)
            .with_responses(response.topics.iter().map(topic).collect());
        if version >= 7 {
            data = data.with_error_code(response.error_code).with_session_id(response.session_id);
        }
        if version >= 16 {
            data.node_endpoints = response.node_endpoints.iter().map(endpoint).collect();
        }
        let mut body = Vec::new();
        let header = ResponseHeader::default().with_correlation_id(7);
        header.encode(&mut body, i16::from(version >= 12)).unwrap();
        data.encode(&mut body, version).unwrap();
        [&i32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    fn joined(frame: &Frame<Bytes>) -> Vec<u8> {
        let bytes = frame.pieces.iter().map(|piece| match piece {
            Piece::Inline(bytes) | Piece::Records(bytes) => &bytes[..],
        });
        bytes.collect::<Vec<_>>().concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_are_those_of_the_crate_in_every_version(response in response()) {
            for version in ApiKey::Fetch.advertised() {
                let frame = response.clone().encode(version, 7).unwrap();
                let bytes = joined(&frame);
                prop_assert_eq!(frame.bytes, bytes.len());
                prop_assert_eq!(bytes, their_frame(&response, version), "version {}", version);
            }
        }
    }

    #[test]
    fn records_keep_their_handles_and_empty_ones_become_empty_bytes() {
        let mut partition = Partition::of_error(0, 0);
        partition.records = Some(Bytes::from_static(b"batch"));
        let empty = Partition { records: Some(Bytes::new()), ..Partition::of_error(1, 0) };
        let topic = Topic {
            name: "t".into(),
            id: TopicId(Uuid::nil()),
            partitions: vec![partition, empty, Partition::of_error(2, 3)],
        };
        let response = Response {
            throttle_time_ms: 0,
            error_code: 0,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: vec![],
        };
        let frame = response.encode(4, 1).unwrap();
        let [Piece::Inline(head), Piece::Records(records), Piece::Inline(tail)] = &frame.pieces[..] else {
            panic!("{frame:?}");
        };
        assert_eq!(&records[..], b"batch");
        assert_eq!(head[head.len() - 4..], [0, 0, 0, 5]);
        assert_eq!(tail[tail.len() - 4..], [0, 0, 0, 0]);
    }

    struct Huge;

    impl Records for Huge {
        fn len_bytes(&self) -> usize {
            usize::try_from(i32::MAX).unwrap()
        }
    }

    #[test]
    fn a_frame_above_two_gigabytes_is_an_error() {
        let partition = Partition { records: Some(Huge), ..Partition::of_error(0, 0) };
        let topic = Topic { name: "t".into(), id: TopicId(Uuid::nil()), partitions: vec![partition] };
        let response = Response {
            throttle_time_ms: 0,
            error_code: 0,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: vec![],
        };
        assert!(response.encode(12, 1).is_err());
    }
}
