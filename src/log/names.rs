//! Names of the files of a partition's directory (`LogFileUtils`): an offset in 20 digits, a dot, what it is.

/// A log or index file waits for its deletion.
pub(super) const DELETED: &str = ".deleted";
/// A file that a cleaner was still writing.
pub(super) const CLEANED: &str = ".cleaned";
/// A cleaned file that is to replace the one of the same name without the suffix.
pub(super) const SWAP: &str = ".swap";

const DIGITS: usize = 20;

/// What a file with an offset in its name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Batches.
    Log,
    /// Positions of offsets in it.
    OffsetIndex,
    /// Offsets of timestamps in it.
    TimeIndex,
    /// Aborted transactions in it.
    TxnIndex,
    /// Producers' states in front of an offset.
    Snapshot,
}

impl Kind {
    pub(super) const OF_A_SEGMENT: [Self; 4] =
        [Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex, Self::Log];

    fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// The file's name.
    pub(super) fn name(self, offset: i64) -> String {
        format!("{offset:0DIGITS$}{}", self.suffix())
    }
}

/// What a name says; none for a file that is not ours.
pub fn parse(name: &str) -> Option<(i64, Kind)> {
    let (digits, suffix) = name.split_at_checked(DIGITS)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kinds = [Kind::Log, Kind::OffsetIndex, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot];
    Some((digits.parse().ok()?, kinds.into_iter().find(|k| k.suffix() == suffix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twenty_digits_and_a_known_suffix_are_ours() {
        assert_eq!(Kind::TimeIndex.name(42), "00000000000000000042.timeindex");
        assert_eq!(parse("00000000000000000042.timeindex"), Some((42, Kind::TimeIndex)));
        for foreign in [
            "42.log",
            "00000000000000000042.log.deleted",
            "99999999999999999999.log",
            "é",
            "partition.metadata",
        ] {
            assert_eq!(parse(foreign), None);
        }
    }
}
