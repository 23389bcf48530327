//! Segments, and snapshots of the metadata log, which have the same form.

use std::path::Path;

use super::batches::{Found, Segment, for_each_record, is_valid};
use super::{Dump, PerFile, base_offset};
use crate::base::java::utf8_text;
use crate::base::reader::Reader;
use crate::tools::Stop;
use crate::wire::batch::{BatchHeader, add_sequence};
use crate::wire::compress::Codec;
use crate::wire::record::Record;
use crate::wire::schema::records::{Family, Message};

/// What stands in front of a record's line.
const RECORD_INDENT: &str = "|";
/// The file that `kafka-storage.sh format` leaves (`BootstrapMetadata.BINARY_BOOTSTRAP_FILENAME`).
const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// Bytes of a control record's key that are needed (`ControlRecordType.CONTROL_RECORD_KEY_SIZE`).
const CONTROL_KEY_LEN: usize = 4;

/// Offsets that are not followed by the next one, and what follows them.
type Gaps = PerFile<std::collections::BTreeMap<i64, i64>>;

impl Dump<'_> {
    /// Shows a `.log` or a `.checkpoint`.
    pub(super) fn segment(&mut self, path: &Path, name: &str, gaps: &mut Gaps) -> Result<(), Stop> {
        self.title(name)?;
        let segment = Segment::open(self.disk, path)?;
        let end = self.options.bytes_max.map_or(segment.len(), |max| max.min(segment.len()));
        let mut position = 0;
        let mut last_offset = -1;
        while let Some(found) = segment.batch_at(position, end)? {
            let bytes = segment.whole(&found)?;
            self.batch(&found, is_valid(&found, &bytes))?;
            if self.options.is_deep {
                for_each_record(&found, &bytes, |record| {
                    if record.offset != last_offset + 1 {
                        gaps.of(path).insert(last_offset, record.offset);
                    }
                    last_offset = record.offset;
                    self.record(&found.header, record)
                })?;
            }
            position += found.len;
        }
        if self.options.bytes_max.is_none() && end > position {
            writeln!(self.out, "Found {} invalid bytes at the end of {name}", end - position)?;
        }
        Ok(())
    }

    fn title(&mut self, name: &str) -> Result<(), Stop> {
        if name == BOOTSTRAP {
            writeln!(self.out, "KRaft bootstrap snapshot")?;
        } else if name.ends_with(".checkpoint") {
            let id = |from, to| name.get(from..to).and_then(|digits: &str| digits.parse::<i64>().ok());
            let (Some(offset), Some(epoch)) = (id(0, 20), id(21, 31)) else {
                return Err(Stop::Failed(format!("{name} is not the name of a snapshot")));
            };
            writeln!(self.out, "Snapshot end offset: {offset}, epoch: {epoch}")?;
        } else {
            writeln!(self.out, "Log starting offset: {}", base_offset(name)?)?;
        }
        Ok(())
    }

    fn batch(&mut self, found: &Found, is_valid: bool) -> Result<(), Stop> {
        let header = &found.header;
        write!(
            self.out,
            "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
             producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
            header.base_offset,
            header.last_offset(),
            header.record_count,
            header.base_sequence,
            header.last_sequence(),
            header.producer_id,
            header.producer_epoch,
            header.partition_leader_epoch,
            header.is_transactional(),
            header.is_control(),
            optional_long(header.has_delete_horizon().then_some(header.base_timestamp)),
        )?;
        let codec = Codec::from_id(header.codec()).map_err(|why| {
            // The line stays as it is.
            Stop::Failed(capitalised(&why.to_string()))
        })?;
        writeln!(
            self.out,
            " position: {} {}: {} size: {} magic: {} compresscodec: {codec} crc: {} isvalid: {is_valid}",
            found.position,
            timestamp_type(header),
            header.max_timestamp,
            found.len,
            found.magic,
            header.crc,
        )?;
        Ok(())
    }

    fn record(&mut self, header: &BatchHeader, record: &Record<'_>) -> Result<(), Stop> {
        let skips = self.options.skips_record_metadata;
        if !skips {
            self.record_metadata(header, record)?;
        }
        if self.options.shows_content && !header.is_control() {
            let mut prefix = if skips { "| " } else { " " };
            let shown = self.options.decoder.show(record)?;
            if let Some(key) = shown.key {
                write!(self.out, "{prefix}key: {key}")?;
                prefix = " ";
            }
            if let Some(value) = shown.value {
                write!(self.out, "{prefix}payload: {value}")?;
            }
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn record_metadata(&mut self, header: &BatchHeader, record: &Record<'_>) -> Result<(), Stop> {
        let size = |bytes: Option<&[u8]>| bytes.map_or("-1".to_owned(), |bytes| bytes.len().to_string());
        let delta = i32::try_from(record.offset.saturating_sub(header.base_offset)).unwrap_or(0);
        let sequence = if header.base_sequence < 0 { -1 } else { add_sequence(header.base_sequence, delta) };
        let keys: Vec<_> = record.headers().map(|header| utf8_text(header.key)).collect();
        write!(
            self.out,
            "{RECORD_INDENT} offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
            record.offset,
            timestamp_type(header),
            record.timestamp,
            size(record.key),
            size(record.value),
            keys.join(","),
        )?;
        if header.is_control() {
            let shown = control_record(record).map_err(Stop::Failed)?;
            write!(self.out, " {shown}")?;
        }
        Ok(())
    }
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    if header.is_log_append_time() { "LogAppendTime" } else { "CreateTime" }
}

/// As `OptionalLong` prints.
pub(super) fn optional_long(value: Option<i64>) -> String {
    value.map_or("OptionalLong.empty".to_owned(), |value| format!("OptionalLong[{value}]"))
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// What a control record says (`ControlRecordType`, `EndTransactionMarker`, `ControlRecordUtils`).
fn control_record(record: &Record<'_>) -> Result<String, String> {
    let key = record.key.unwrap_or_default();
    if key.len() < CONTROL_KEY_LEN {
        return Err(format!(
            "Invalid value size found for control record key. Must have at least {CONTROL_KEY_LEN} bytes, but found only {}",
            key.len()
        ));
    }
    let mut reader = Reader::new(key);
    let version = reader.i16().unwrap_or_default();
    if version < 0 {
        return Err(format!(
            "Invalid version found for control record: {version}. May indicate data corruption"
        ));
    }
    let kind = reader.i16().unwrap_or_default();
    let Some(message) = Message::find(Family::Control, kind) else {
        return Ok(format!("controlType: UNKNOWN({kind})"));
    };
    let mut value = Reader::new(record.value.unwrap_or_default());
    let version = Reader::new(value.rest()).i16().map_err(|_| "null".to_owned())?;
    if kind < 2 {
        // Only here the version is not part of the message.
        let _ = value.i16();
    }
    let mut json = message.read(version.max(0), &mut value).map_err(|why| why.to_string())?;
    Ok(match kind {
        0 | 1 => {
            let verdict = if kind == 0 { "ABORT" } else { "COMMIT" };
            let epoch = json.field_mut("coordinatorEpoch").map(|epoch| epoch.to_string()).unwrap_or_default();
            format!("endTxnMarker: {verdict} coordinatorEpoch: {epoch}")
        }
        2 => format!("LeaderChange: {json}"),
        3 => format!("SnapshotHeader {json}"),
        4 => format!("SnapshotFooter {json}"),
        5 => format!("KRaftVersion {json}"),
        _ => format!("KRaftVoters {json}"),
    })
}
