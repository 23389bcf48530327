//! What consumers tell each other through a classic group (`ConsumerProtocol`): the group needs the topics alone,
//! a consumer group that takes over needs the rest.

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use crate::base::reader::{ReadError, Reader};

/// Partitions of one topic.
pub(in crate::group) type TopicPartitions = (Arc<str>, Vec<i32>);

/// The newest version with fields of its own; later ones only append to it.
const VERSION_MAX: i16 = 3;

/// Bytes that are not what consumers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::group) enum Malformed {
    /// They end early.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A length or version is negative where it may not be.
    #[error("a length or version is negative")]
    Negative,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
}

/// What a consumer subscribes to (`ConsumerProtocolSubscription`, versions 0 to 3).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Subscription {
    /// The version it was written in.
    pub(in crate::group) version: i16,
    /// The topics.
    pub(in crate::group) topics: Vec<Arc<str>>,
    /// The assignor's own.
    pub(in crate::group) user_data: Option<Bytes>,
    /// What the member owns while it rejoins (version 1).
    pub(in crate::group) owned: Vec<TopicPartitions>,
    /// The generation in which it got them, -1 if unknown (version 2).
    pub(in crate::group) generation: i32,
    /// `client.rack` (version 3).
    pub(in crate::group) rack: Option<Arc<str>>,
}

/// What a consumer is to consume (`ConsumerProtocolAssignment`, versions 0 to 3 look the same).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Assignment {
    /// The version to write or it was written in.
    pub(in crate::group) version: i16,
    /// The partitions.
    pub(in crate::group) partitions: Vec<TopicPartitions>,
    /// The assignor's own.
    pub(in crate::group) user_data: Option<Bytes>,
}

impl Subscription {
    /// Reads all of it.
    pub(in crate::group) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader)?;
        let mut subscription = Self {
            version,
            topics: topics(&mut reader)?,
            user_data: nullable_bytes(&mut reader)?,
            owned: Vec::new(),
            generation: -1,
            rack: None,
        };
        if version >= 1 {
            subscription.owned = partitions(&mut reader)?;
        }
        if version >= 2 {
            subscription.generation = reader.i32()?;
        }
        if version >= VERSION_MAX {
            subscription.rack = nullable_text(&mut reader)?;
        }
        Ok(subscription)
    }

    /// Reads the topics, which all versions begin with, and their neighbour.
    pub(in crate::group) fn parse_topics(bytes: &[u8]) -> Result<Vec<Arc<str>>, Malformed> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let topics = topics(&mut reader)?;
        nullable_bytes(&mut reader)?;
        Ok(topics)
    }
}

impl Assignment {
    /// Reads it; no bytes at all mean nothing to consume.
    pub(in crate::group) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self { version: 0, partitions: Vec::new(), user_data: None });
        }
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader)?;
        let partitions = partitions(&mut reader)?;
        Ok(Self { version, partitions, user_data: nullable_bytes(&mut reader)? })
    }

    /// Its bytes.
    pub(in crate::group) fn bytes(&self) -> Bytes {
        let count = |count: usize| i32::try_from(count).expect("fewer partitions than i32::MAX");
        let mut out = Vec::new();
        out.put_i16(self.version);
        out.put_i32(count(self.partitions.len()));
        for (topic, indexes) in &self.partitions {
            out.put_i16(topic.len().try_into().expect("a topic's name has at most 249 bytes"));
            out.put_slice(topic.as_bytes());
            out.put_i32(count(indexes.len()));
            for index in indexes {
                out.put_i32(*index);
            }
        }
        match &self.user_data {
            None => out.put_i32(-1),
            Some(data) => {
                out.put_i32(count(data.len()));
                out.put_slice(data);
            }
        }
        out.into()
    }
}

fn version(reader: &mut Reader<'_>) -> Result<i16, Malformed> {
    let version = reader.i16()?;
    if version < 0 { Err(Malformed::Negative) } else { Ok(version) }
}

/// An array of things that take at least `item_bytes_min` each, so that a count cannot reserve more than came in.
fn array<T>(
    reader: &mut Reader<'_>,
    item_bytes_min: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = usize::try_from(reader.i32()?).map_err(|_| Malformed::Negative)?;
    let mut items = Vec::with_capacity(count.min(reader.remaining() / item_bytes_min));
    for _ in 0..count {
        items.push(item(reader)?);
    }
    Ok(items)
}

fn topics(reader: &mut Reader<'_>) -> Result<Vec<Arc<str>>, Malformed> {
    array(reader, 2, text)
}

fn partitions(reader: &mut Reader<'_>) -> Result<Vec<TopicPartitions>, Malformed> {
    let of_topic =
        |reader: &mut Reader<'_>| Ok((text(reader)?, array(reader, 4, |reader| Ok(reader.i32()?))?));
    array(reader, 6, of_topic)
}

fn text(reader: &mut Reader<'_>) -> Result<Arc<str>, Malformed> {
    nullable_text(reader)?.ok_or(Malformed::Negative)
}

fn nullable_text(reader: &mut Reader<'_>) -> Result<Option<Arc<str>>, Malformed> {
    let Ok(length) = usize::try_from(reader.i16()?) else { return Ok(None) };
    let text = std::str::from_utf8(reader.take(length)?).map_err(|_| Malformed::Text)?;
    Ok(Some(text.into()))
}

fn nullable_bytes(reader: &mut Reader<'_>) -> Result<Option<Bytes>, Malformed> {
    let Ok(length) = usize::try_from(reader.i32()?) else { return Ok(None) };
    Ok(Some(Bytes::copy_from_slice(reader.take(length)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3 of: topics a and b, user data 7, owns b-0 and b-2 since generation 5, rack r.
    const SUBSCRIPTION: &[u8] = &[
        0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 1, b'b', 0, 0, 0, 1, 7, 0, 0, 0, 1, 0, 1, b'b', 0, 0, 0, 2, 0, 0, 0,
        0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 1, b'r',
    ];

    #[test]
    fn a_subscription_is_read_whole_and_its_topics_by_whoever_knows_version_0_only() {
        let all = Subscription::parse(SUBSCRIPTION).unwrap();
        assert_eq!(all.topics, ["a".into(), "b".into()]);
        assert_eq!(all.user_data.as_deref(), Some(&[7][..]));
        assert_eq!((all.owned, all.generation), (vec![("b".into(), vec![0, 2])], 5));
        assert_eq!(all.rack.as_deref(), Some("r"));
        assert_eq!(Subscription::parse_topics(SUBSCRIPTION).unwrap(), all.topics);
    }

    #[test]
    fn no_prefix_of_a_subscription_is_one() {
        for length in 0..SUBSCRIPTION.len() {
            Subscription::parse(&SUBSCRIPTION[..length]).unwrap_err();
        }
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_reserves_nothing() {
        let bytes = [0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0];
        assert_eq!(Subscription::parse(&bytes), Err(Malformed::Read(ReadError::Truncated)));
    }

    #[test]
    fn an_assignment_reads_back() {
        let assignment = Assignment {
            version: 1,
            partitions: vec![("a".into(), vec![3, 1]), ("b".into(), vec![])],
            user_data: Some(Bytes::from_static(b"u")),
        };
        assert_eq!(Assignment::parse(&assignment.bytes()), Ok(assignment));
    }
}
