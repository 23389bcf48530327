//! Record batches, format 2. Offsets in the layout: 0 base offset, 8 length, 12 leader epoch, 16 magic, 17 crc,
//! 21 attributes, 23 last offset delta, 27 base timestamp, 35 max timestamp, 43 producer id, 51 producer epoch,
//! 53 base sequence, 57 record count, 61 records.

use std::io::Write;
use std::time::SystemTime;

use anyhow::Result;

use crate::connection::put_varint;

const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
const LENGTH_AT: usize = 8;
const ATTRIBUTES_LOW_AT: usize = 22;
const TRANSACTIONAL: u8 = 0x10;
const PRODUCER_AT: usize = 43;
const COUNT_AT: usize = 57;
pub(crate) const HEADER_BYTES: usize = 61;
const LZ4: u16 = 3;

/// A batch with these values and the time of now, ready for a Produce request.
pub(crate) fn build(values: &[Vec<u8>], lz4: bool) -> Result<Vec<u8>> {
    let timestamp_ms = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let mut records = Vec::new();
    for (delta, value) in (0_u32..).zip(values) {
        let mut record = vec![0, 0];
        put_zigzag(&mut record, delta);
        record.push(1); // null key
        put_zigzag(&mut record, u32::try_from(value.len())?);
        record.extend_from_slice(value);
        record.push(0); // no headers
        put_zigzag(&mut records, u32::try_from(record.len())?);
        records.extend_from_slice(&record);
    }
    if lz4 {
        let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
        frame.write_all(&records)?;
        records = frame.finish()?;
    }
    let count = i32::try_from(values.len())?;
    let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
    batch.extend_from_slice(&0_i64.to_be_bytes());
    batch.extend_from_slice(&i32::try_from(HEADER_BYTES - 12 + records.len())?.to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&(if lz4 { LZ4 } else { 0 }).to_be_bytes());
    batch.extend_from_slice(&(count - 1).to_be_bytes());
    batch.extend_from_slice(&timestamp_ms.to_be_bytes());
    batch.extend_from_slice(&timestamp_ms.to_be_bytes());
    batch.extend_from_slice(&(-1_i64).to_be_bytes());
    batch.extend_from_slice(&(-1_i16).to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.extend_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(&records);
    seal(&mut batch);
    Ok(batch)
}

/// Stamps an idempotent producer's identity on a batch.
pub(crate) fn stamp(batch: &mut [u8], producer_id: i64, epoch: i16, sequence: i32) {
    batch[PRODUCER_AT..PRODUCER_AT + 8].copy_from_slice(&producer_id.to_be_bytes());
    batch[PRODUCER_AT + 8..PRODUCER_AT + 10].copy_from_slice(&epoch.to_be_bytes());
    batch[PRODUCER_AT + 10..PRODUCER_AT + 14].copy_from_slice(&sequence.to_be_bytes());
    seal(batch);
}

/// Makes a batch, even one that was read, ready to be written in a transaction; to be stamped afterwards.
pub(crate) fn make_transactional(batch: &mut [u8]) {
    // Kafka takes no other base offset.
    batch[..LENGTH_AT].fill(0);
    batch[ATTRIBUTES_LOW_AT] |= TRANSACTIONAL;
}

/// How many records a batch has.
pub(crate) fn count(batch: &[u8]) -> Result<i32> {
    Ok(i32::from_be_bytes(batch[COUNT_AT..HEADER_BYTES].try_into()?))
}

/// Sets the checksum after a change.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[CRC_FROM..]);
    let crc = u32::try_from(crc).expect("a 32-bit checksum fits");
    batch[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// A non-negative signed varint.
fn put_zigzag(out: &mut Vec<u8>, value: u32) {
    put_varint(out, value << 1);
}

/// Bytes that do not compress; different for each seed.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// One JSON row of about `count` bytes, in the manner of an event log.
pub(crate) fn json(seed: u64, count: usize) -> Vec<u8> {
    let mut random = noise(seed, count).into_iter().cycle();
    let mut pick = |words: &[&str]| words[usize::from(random.next().unwrap_or(0)) % words.len()].to_owned();
    let mut row = format!("{{\"id\":{seed},\"events\":[");
    while row.len() + 160 < count {
        let country = pick(&["DE", "FR", "US", "JP", "BR", "IN"]);
        let page = pick(&["/", "/search", "/product", "/cart", "/checkout", "/help"]);
        let agent = pick(&[
            "Mozilla/5.0 (X11; Linux x86_64)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17)",
            "curl/8.5.0",
        ]);
        let digits: String =
            (0..12).map(|_| pick(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])).collect();
        row.push_str(&format!(
            "{{\"session\":\"{digits}\",\"country\":\"{country}\",\"page\":\"{page}\",\"agent\":\"{agent}\",\"ok\":true}},"
        ));
    }
    row.push_str("null]}");
    row.into_bytes()
}
