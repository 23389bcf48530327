//! Names of the directories in a log directory: `<topic>-<partition>`, and what is set aside under a suffix.

use uuid::Uuid;

use crate::base::id::TopicPartition;

/// Longest name that a file system takes, in bytes.
const NAME_LEN_MAX: usize = 255;
/// Longest topic name (`Topic.MAX_NAME_LENGTH`).
const TOPIC_LEN_MAX: usize = 249;

/// What a partition's directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// It is the replica.
    Current,
    /// It becomes the replica when it has caught up with the one in another log directory.
    Future,
    /// It is about to be removed.
    Delete,
    /// The cluster does not know it; kept for a person to look at.
    Stray,
}

impl Purpose {
    fn suffix(self) -> &'static str {
        match self {
            Self::Current => "",
            Self::Future => "-future",
            Self::Delete => "-delete",
            Self::Stray => "-stray",
        }
    }
}

/// The directory of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDir {
    /// Its name in the log directory.
    pub name: String,
    /// The partition; the topic may be cut short for [`Purpose::Delete`] and [`Purpose::Stray`].
    pub tp: TopicPartition,
    /// What it is for.
    pub purpose: Purpose,
}

impl PartitionDir {
    /// The replica's own directory.
    pub fn current(tp: TopicPartition) -> Self {
        Self { name: tp.to_string(), tp, purpose: Purpose::Current }
    }

    /// A directory that stands beside the replica's, or replaces it under another name; `unique` tells apart several
    /// of one partition. The topic is cut so that the name is not too long.
    pub fn beside(tp: TopicPartition, purpose: Purpose, unique: Uuid) -> Self {
        let suffix = format!("-{}.{}{}", tp.partition, unique.simple(), purpose.suffix());
        let mut topic_len = tp.topic.len().min(NAME_LEN_MAX.saturating_sub(suffix.len()));
        while !tp.topic.is_char_boundary(topic_len) {
            topic_len -= 1;
        }
        Self { name: format!("{}{suffix}", &tp.topic[..topic_len]), tp, purpose }
    }

    /// Reads a directory's name; none if no broker gives such a name.
    pub fn parse(name: &str) -> Option<Self> {
        let set_aside = [Purpose::Future, Purpose::Delete, Purpose::Stray];
        let set_aside = set_aside.into_iter().find_map(|p| Some((p, name.strip_suffix(p.suffix())?)));
        let (purpose, rest) = match set_aside {
            Some((purpose, rest)) => (purpose, rest.rsplit_once('.').filter(|(_, id)| !id.is_empty())?.0),
            None => (Purpose::Current, name),
        };
        let (topic, partition) = rest.rsplit_once('-')?;
        if !is_topic_name(topic) {
            return None;
        }
        // Not "+1" or "01", which would be a second directory of the partition.
        let number = partition.parse::<i32>().ok().filter(|p| *p >= 0 && p.to_string() == partition)?;
        Some(Self { name: name.to_owned(), tp: TopicPartition::new(topic, number), purpose })
    }
}

/// Whether a topic may have that name.
pub(in crate::log) fn is_topic_name(topic: &str) -> bool {
    let is_legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    !topic.is_empty()
        && topic.len() <= TOPIC_LEN_MAX
        && !matches!(topic, "." | "..")
        && topic.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_hold_dashes_dots_and_what_looks_like_a_suffix() {
        let read = |name| PartitionDir::parse(name).map(|d| (d.tp.to_string(), d.purpose));
        assert_eq!(read("a-b.c-12"), Some(("a-b.c-12".to_owned(), Purpose::Current)));
        assert_eq!(read("a-delete-0"), Some(("a-delete-0".to_owned(), Purpose::Current)));
        assert_eq!(
            read("a.b-7.0123456789abcdef0123456789abcdef-delete"),
            Some(("a.b-7".to_owned(), Purpose::Delete))
        );
        assert_eq!(read("a--1"), Some(("a--1".to_owned(), Purpose::Current)));
        assert_eq!(read("a-7.0f-future").unwrap().1, Purpose::Future);
        assert_eq!(read("a-7.0f-stray").unwrap().1, Purpose::Stray);
    }

    #[test]
    fn other_names_are_no_partitions() {
        for name in ["lost+found", "a", "-0", "a-", "a-x", "a-01", "a-+1", "a-99999999999", "..-0"] {
            assert_eq!(PartitionDir::parse(name), None, "{name}");
        }
        for name in ["a-0.-delete", "a-0-delete", "sp ace-0", "a-0.tmp"] {
            assert_eq!(PartitionDir::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_cut_to_what_a_file_system_takes() {
        let tp = TopicPartition::new("t".repeat(249), 12);
        let dir = PartitionDir::beside(tp, Purpose::Delete, Uuid::from_u128(0xab));
        assert_eq!(dir.name.len(), 255);
        assert!(dir.name.ends_with("t-12.000000000000000000000000000000ab-delete"));
        assert_eq!(PartitionDir::parse(&dir.name).unwrap().purpose, Purpose::Delete);
    }
}
