//! Record batches as a producer makes them, and what a consumer sees of the ones it gets.

use barnabas::wire::batch::{Batch, BatchHeader, CRC_FROM, crc32c};
use barnabas::wire::builder::{BatchBuilder, Fields};
use barnabas::wire::compress::{Codec, decompress};
use barnabas::wire::record;
use bytes::Bytes;

/// Timestamp, key and value.
type Record = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// Describes the one batch of a produce request; the plainest one if nothing is said.
#[derive(Clone, Debug)]
pub struct Records {
    records: Vec<Record>,
    codec: Codec,
    producer: (i64, i16, i32),
    control: bool,
    transactional: bool,
}

impl Records {
    /// One record per value, with a fixed recent timestamp and without keys.
    pub fn of<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let now = now_ms();
        let records = values.into_iter().map(|v| (now, None, Some(v.as_ref().to_vec()))).collect();
        Self { records, codec: Codec::None, producer: (-1, -1, -1), control: false, transactional: false }
    }

    /// One record of `size` bytes that do not compress.
    pub fn of_size(size: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let value: Vec<u8> = (0..size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[0]
            })
            .collect();
        Self::of([value])
    }

    /// Gives record `index` this key.
    pub fn key(mut self, index: usize, key: &str) -> Self {
        self.records[index].1 = Some(key.into());
        self
    }

    /// Gives each record in turn a timestamp in ms.
    pub fn at(mut self, timestamps: impl IntoIterator<Item = i64>) -> Self {
        for (record, timestamp) in self.records.iter_mut().zip(timestamps) {
            record.0 = timestamp;
        }
        self
    }

    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Makes it a part of its producer's transaction.
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// The bytes of the batch.
    pub fn bytes(&self) -> Bytes {
        let mut builder = BatchBuilder::new();
        for (timestamp, key, value) in &self.records {
            builder.push(*timestamp, key.as_deref(), value.as_deref(), &[]);
        }
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let (control, transactional) = (self.control, self.transactional);
        let fields = Fields {
            producer_id,
            producer_epoch,
            base_sequence,
            control,
            transactional,
            ..Fields::default()
        };
        builder.build(&fields, self.codec.into()).unwrap().bytes
    }

    /// The bytes of the batch after `change`, with a CRC that fits again.
    pub fn bytes_but(&self, change: impl FnOnce(&mut [u8])) -> Bytes {
        let mut bytes = self.bytes().to_vec();
        change(&mut bytes);
        seal(&mut bytes);
        bytes.into()
    }
}

/// Makes the CRC of a batch right.
pub fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[CRC_FROM..]);
    batch[CRC_FROM - 4..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// The wall clock: brokers compare timestamps with theirs.
#[expect(clippy::disallowed_methods, reason = "a producer's clock")]
pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// The header of the first batch.
pub fn header_of(records: &[u8]) -> BatchHeader {
    BatchHeader::parse(records).unwrap()
}

fn batches_in(records: &[u8]) -> Vec<Batch> {
    let mut rest = Bytes::copy_from_slice(records);
    std::iter::from_fn(|| (!rest.is_empty()).then(|| Batch::split_from(&mut rest).unwrap())).collect()
}

/// The headers of all batches, each of which must be whole and pass its CRC.
pub fn headers_in(records: &[u8]) -> Vec<BatchHeader> {
    batches_in(records).into_iter().map(|batch| batch.header).collect()
}

/// Offset and value of every record.
pub fn values_in(records: &[u8]) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for batch in batches_in(records) {
        let mut plain = Vec::new();
        let codec = Codec::from_id(batch.header.codec()).unwrap();
        decompress(codec, batch.records(), 64 << 20, &mut plain).unwrap();
        for record in record::Records::new(&batch.header, &plain).unwrap() {
            let record = record.unwrap();
            found.push((
                record.offset,
                String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned(),
            ));
        }
    }
    found
}
