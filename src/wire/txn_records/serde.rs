//! Keys and values as bytes, in both versions that Apache Kafka 4.3 knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Malformed, Partitions, Record, State, Value};
use crate::base::reader::Reader;
use crate::wire::field::{Field, read_tagged, write_tagged, write_uvarint};
use crate::wire::lengths::{Input, Output};

/// `CoordinatorRecordType.TRANSACTION_LOG`.
const KIND: i16 = 0;
/// The first version with varint lengths and tagged fields, and the last one.
const FLEXIBLE: i16 = 1;

/// Where the tagged fields say nothing else.
const NO_PRODUCER_ID: i64 = -1;

const PREVIOUS_PRODUCER_ID_TAG: u32 = 0;
const NEXT_PRODUCER_ID_TAG: u32 = 1;
const CLIENT_VERSION_TAG: u32 = 2;

/// A topic's name and the count of its partitions, at least a byte each.
const TOPIC_LEN_MIN: usize = 2;

impl Record {
    /// The record's key, and its value unless it is a tombstone.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut key = Vec::with_capacity(4 + self.transactional_id.len());
        let mut output = Output::new(&mut key, false);
        output.i16(KIND);
        output.string(&self.transactional_id);
        (key, self.value.as_ref().map(Value::encode))
    }

    /// Reads a record of the log; none if it is of a type or version that is not served here.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, Malformed> {
        let mut input = Input::new(key, false);
        if input.i16()? != KIND {
            return Ok(None);
        }
        let transactional_id = Arc::from(input.string()?);
        nothing_left(input.reader())?;
        let Some(value) = value else { return Ok(Some(Self { transactional_id, value: None })) };
        let value = Value::decode(value)?;
        Ok(value.map(|value| Self { transactional_id, value: Some(value) }))
    }
}

fn nothing_left(reader: &Reader<'_>) -> Result<(), Malformed> {
    match reader.remaining() {
        0 => Ok(()),
        left => Err(Malformed::Garbage(left)),
    }
}

impl Value {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let is_flexible = self.version >= FLEXIBLE;
        let mut output = Output::new(&mut bytes, is_flexible);
        output.i16(self.version);
        output.i64(self.producer_id);
        output.i16(self.producer_epoch);
        output.i32(self.timeout_ms);
        output.put(&(self.state as i8).to_be_bytes());
        if self.state == State::Empty {
            output.no_array();
        } else {
            let topics: Vec<_> = self.partitions.iter().collect();
            output.array(&topics, |output, (topic, partitions)| {
                output.string(topic);
                let partitions: Vec<_> = partitions.iter().collect();
                output.array(&partitions, |output, partition| output.i32(**partition));
                output.end();
            });
        }
        output.i64(self.last_update_ms);
        output.i64(self.start_ms);
        if is_flexible {
            self.encode_tagged(&mut bytes);
        }
        bytes
    }

    fn encode_tagged(&self, bytes: &mut Vec<u8>) {
        let ids = [
            (PREVIOUS_PRODUCER_ID_TAG, self.previous_producer_id),
            (NEXT_PRODUCER_ID_TAG, self.next_producer_id),
        ];
        let ids = ids.into_iter().filter(|(_, id)| *id != NO_PRODUCER_ID);
        let has_client_version = self.client_version != 0;
        let count = ids.clone().map(|_| 1).sum::<u32>() + u32::from(has_client_version);
        write_uvarint(count, bytes);
        for (tag, id) in ids {
            write_tagged(tag, &id, self.version, bytes);
        }
        if has_client_version {
            write_tagged(CLIENT_VERSION_TAG, &self.client_version, self.version, bytes);
        }
    }

    fn decode(value: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(value);
        let version = reader.i16()?;
        if !(0..=FLEXIBLE).contains(&version) {
            return Ok(None);
        }
        let mut input = Input::new(reader.rest(), version >= FLEXIBLE);
        let mut read = Self {
            version,
            producer_id: input.i64()?,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: input.i16()?,
            timeout_ms: input.i32()?,
            state: State::read(&mut input)?,
            partitions: Partitions::new(),
            last_update_ms: 0,
            start_ms: 0,
            client_version: 0,
        };
        let partitions = read_partitions(&mut input)?;
        if read.state != State::Empty {
            read.partitions = partitions.ok_or(Malformed::Null)?;
        }
        read.last_update_ms = input.i64()?;
        read.start_ms = input.i64()?;
        if version >= FLEXIBLE {
            read_tagged(input.reader(), |tag, value| {
                match tag {
                    PREVIOUS_PRODUCER_ID_TAG => read.previous_producer_id = value.i64()?,
                    NEXT_PRODUCER_ID_TAG => read.next_producer_id = value.i64()?,
                    CLIENT_VERSION_TAG => read.client_version = i16::read(version, value)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        nothing_left(input.reader())?;
        Ok(Some(read))
    }
}

impl State {
    fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let id = input.reader().i8()?;
        let state = usize::try_from(id).ok().and_then(|id| Self::ALL.get(id));
        state.copied().ok_or(Malformed::BadValue)
    }
}

fn read_partitions(input: &mut Input<'_>) -> Result<Option<Partitions>, Malformed> {
    let topics = input.nullable_array(TOPIC_LEN_MIN, |input| {
        let topic: Arc<str> = Arc::from(input.string()?);
        let partitions = input.array(size_of::<i32>(), Input::i32)?;
        input.end()?;
        Ok((topic, partitions))
    })?;
    Ok(topics.map(|topics| {
        let mut read = Partitions::new();
        for (topic, partitions) in topics {
            read.entry(topic).or_insert_with(BTreeSet::new).extend(partitions);
        }
        read
    }))
}
