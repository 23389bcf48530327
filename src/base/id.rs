//! Identifiers that are more than a number.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// `node.id` of a broker or controller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A producer under one of its epochs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Producer {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
}

impl Producer {
    /// What stands on the wire where there is no producer.
    pub const NONE: Self = Self { id: -1, epoch: -1 };
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.epoch)
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Kafka uuid")]
pub struct NotAUuid(pub String);

/// Kafka's text form of a uuid: URL-safe base64 without padding (`org.apache.kafka.common.Uuid`).
pub fn uuid_to_text(uuid: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(uuid.as_bytes())
}

/// Reads Kafka's text form of a uuid.
pub fn uuid_from_text(text: &str) -> Result<Uuid, NotAUuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAUuid(text.to_owned()))?;
    Uuid::from_slice(&bytes).map_err(|_| NotAUuid(text.to_owned()))
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id that means "none" on the wire.
            pub const ZERO: Self = Self(Uuid::nil());
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&uuid_to_text(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAUuid;
            fn from_str(text: &str) -> Result<Self, NotAUuid> {
                uuid_from_text(text).map(Self)
            }
        }
    )*};
}

uuid_ids! {
    /// One incarnation of a topic: a re-created topic has another id.
    TopicId,
    /// One log directory (`directory.id` in `meta.properties`, KIP-858).
    DirectoryId,
}

/// A topic name and a partition index.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_kafkas() {
        let id: TopicId = "5L6g3nShT-eMCtK--X86sw".parse().unwrap();
        assert_eq!(id.to_string(), "5L6g3nShT-eMCtK--X86sw");
        assert_eq!(id.0.as_bytes()[0], 0xe4);
        assert!("5L6g3nShT-eMCtK--X86s".parse::<TopicId>().is_err());
    }
}
