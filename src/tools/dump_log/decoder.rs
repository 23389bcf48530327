//! Keys and values of records as text (`DumpLogSegments.MessageParser` and its kinds).

use crate::base::java::utf8_text;
use crate::base::reader::Reader;
use crate::tools::Stop;
use crate::wire::record::Record;
use crate::wire::schema::json::Json;
use crate::wire::schema::records::{Family, Message};

/// The frame version of metadata records (`AbstractApiMessageSerde`).
const FRAME_VERSION: u32 = 1;
/// Protocol type of the groups whose members are consumers (`ConsumerProtocol.PROTOCOL_TYPE`).
const CONSUMER: &str = "consumer";

/// How keys and values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// As values of simple types.
    Plain {
        /// The keys.
        key: Plain,
        /// The values.
        value: Plain,
    },
    /// As records of `__consumer_offsets`.
    Offsets,
    /// As records of `__transaction_state`.
    Transactions,
    /// As records of `__cluster_metadata`.
    Metadata,
}

/// A class of `org.apache.kafka.tools.api`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// `StringDecoder`.
    Text,
    /// `IntegerDecoder`.
    Int,
    /// `LongDecoder`.
    Long,
}

/// A record's key and value as they are printed.
pub(super) struct Shown {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
}

impl Decoder {
    /// Key and value of `record`.
    pub(super) fn show(self, record: &Record<'_>) -> Result<Shown, Stop> {
        match self {
            Self::Plain { key, value } => Ok(Shown {
                key: record.key.map(|bytes| key.show(bytes)).transpose()?,
                value: record.value.map(|bytes| value.show(bytes)).transpose()?,
            }),
            Self::Offsets => coordinator(record, Family::GroupKey, Family::GroupValue, group_value),
            Self::Transactions => {
                coordinator(record, Family::TransactionKey, Family::TransactionValue, |_, _| ())
            }
            Self::Metadata => {
                let text = metadata(record.value.unwrap_or_default())
                    .unwrap_or_else(|why| format!("Error at {}, skipping. {why}", record.offset));
                Ok(Shown { key: None, value: Some(text) })
            }
        }
    }
}

impl Plain {
    fn show(self, bytes: &[u8]) -> Result<String, Stop> {
        let mut reader = Reader::new(bytes);
        match self {
            Self::Text => Ok(utf8_text(bytes)),
            Self::Int => reader.i32().map(|number| number.to_string()),
            Self::Long => reader.i64().map(|number| number.to_string()),
        }
        .map_err(|why| Stop::Failed(why.to_string()))
    }
}

/// A record of a coordinator's topic (`CoordinatorRecordMessageParser`, `CoordinatorRecordSerde`).
fn coordinator(
    record: &Record<'_>,
    keys: Family,
    values: Family,
    adapt: fn(&mut Json, i16),
) -> Result<Shown, Stop> {
    let offset = record.offset;
    let Some(key) = record.key else {
        return Err(Stop::Failed(format!(
            "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
        )));
    };
    let only_key = |text: String| Ok(Shown { key: Some(text), value: None });
    let mut reader = Reader::new(key);
    let Ok(kind) = reader.i16() else {
        return only_key(format!(
            "Error at offset {offset}, skipping. Could not read version from key's buffer."
        ));
    };
    let (Some(key_type), Some(value_type)) = (Message::find(keys, kind), Message::find(values, kind)) else {
        return only_key(format!("Unknown record type {kind} at offset {offset}, skipping."));
    };
    let mut read = || -> Result<Shown, String> {
        let data = named("key", kind, key_type.read(0, &mut reader))?;
        let key = format!("{{\"type\":\"{kind}\",\"data\":{data}}}");
        let Some(value) = record.value else {
            return Ok(Shown { key: Some(key), value: Some("<DELETE>".to_owned()) });
        };
        let mut reader = Reader::new(value);
        let version = reader.i16().map_err(|_| "Could not read version from value's buffer.")?;
        if !value_type.has_version(version) {
            return Err(format!("Found an unknown record version {version} for {kind} type"));
        }
        let mut data = named("value", version, value_type.read(version, &mut reader))?;
        adapt(&mut data, kind);
        let value = format!("{{\"version\":\"{version}\",\"data\":{data}}}");
        Ok(Shown { key: Some(key), value: Some(value) })
    };
    read().or_else(|why| only_key(format!("Error at offset {offset}, skipping. {why}")))
}

fn named(
    part: &str,
    version: i16,
    read: Result<Json, crate::wire::schema::json::Error>,
) -> Result<Json, String> {
    read.map_err(|why| {
        format!("Could not read record with version {version} from {part}'s buffer due to: {why}.")
    })
}

/// Shows what the members of a classic group of consumers have sent (`OffsetsMessageParser`).
fn group_value(value: &mut Json, kind: i16) {
    const GROUP_METADATA: i16 = 2;
    let is_of_consumers = value.field_mut("protocolType") == Some(&mut Json::Text(CONSUMER.to_owned()));
    if kind != GROUP_METADATA || !is_of_consumers {
        return;
    }
    let Some(Json::Array(members)) = value.field_mut("members") else { return };
    for member in members {
        for (message, name) in [(0, "subscription"), (1, "assignment")] {
            let Some(field) = member.field_mut(name) else { continue };
            let Json::Bytes(bytes) = &*field else { continue };
            // What is none stays as it is.
            if let Some(read) = consumer_protocol(message, bytes) {
                *field = read;
            }
        }
    }
}

fn consumer_protocol(message: i16, bytes: &[u8]) -> Option<Json> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16().ok()?;
    Message::find(Family::ConsumerProtocol, message)?.read(version, &mut reader).ok()
}

/// A record of the metadata log (`MetadataRecordSerde`, `AbstractApiMessageSerde`).
fn metadata(value: &[u8]) -> Result<String, String> {
    let mut reader = Reader::new(value);
    let mut number = |what: &str| -> Result<i16, String> {
        let number = reader.uvarint().map_err(|_| format!("Error while reading {what}"))?;
        i16::try_from(number).map_err(|_| format!("Value for {what} was too large."))
    };
    let frame = number("frame version")?;
    if u32::from(frame.cast_unsigned()) != FRAME_VERSION {
        return Err(unknown_frame(frame));
    }
    let (kind, version) = (number("type")?, number("version")?);
    let message = Message::find(Family::Metadata, kind).ok_or_else(|| {
        format!("org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {kind}")
    })?;
    let data = message
        .read(version, &mut reader)
        .map_err(|_| format!("Failed to deserialize record with type {kind}"))?;
    if reader.remaining() > 0 {
        return Err(format!("Found {} byte(s) of garbage after {kind}", reader.remaining()));
    }
    Ok(format!("{{\"type\":\"{}\",\"version\":{version},\"data\":{data}}}", message.name()))
}

fn unknown_frame(frame: i16) -> String {
    if frame == 0 {
        return "Could not deserialize metadata record with frame version 0. Note that upgrades from the preview \
                release of KRaft in 2.8 to newer versions are not supported."
            .to_owned();
    }
    format!(
        "Could not deserialize metadata record due to unknown frame version {frame}(only frame version {FRAME_VERSION} is supported)"
    )
}
