//! What may happen to a file.

use std::fs;
use std::path::Path;

use barnabas::base::random::Random;

const PAGE: usize = 4096;
const GARBAGE_LEN: u32 = 300;

/// One kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Gone,
    Empty,
    /// Cut at some byte.
    Cut,
    CutByOne,
    /// One bit of the first 64 bytes, where most formats have a header.
    FlipInFront,
    /// One bit anywhere.
    Flip,
    ZeroPage,
    DoublePage,
    Garbage,
    /// The file as it was some time ago.
    Stale,
    /// In its place that of another partition or directory.
    Swapped,
}

impl Harm {
    pub const ALL: [Self; 11] = [
        Self::Gone,
        Self::Empty,
        Self::Cut,
        Self::CutByOne,
        Self::FlipInFront,
        Self::Flip,
        Self::ZeroPage,
        Self::DoublePage,
        Self::Garbage,
        Self::Stale,
        Self::Swapped,
    ];

    /// Does it to `file`; false if that changes nothing. `stale` and `other` are what the file may be mistaken for.
    pub fn apply(self, file: &Path, stale: &Path, other: Option<&Path>, random: &Random) -> bool {
        let before = fs::read(file).unwrap();
        let below = |len: usize| usize::try_from(random.below(u32::try_from(len).unwrap().max(1))).unwrap();
        let page = below(before.len().div_ceil(PAGE)) * PAGE;
        let page = page..before.len().min(page + PAGE);
        let mut after = before.clone();
        match self {
            Self::Gone => {
                fs::remove_file(file).unwrap();
                return true;
            }
            Self::Empty => after.clear(),
            Self::Cut => after.truncate(below(before.len())),
            Self::CutByOne => after.truncate(before.len().saturating_sub(1)),
            Self::FlipInFront | Self::Flip if before.is_empty() => return false,
            Self::FlipInFront => after[below(before.len().min(64))] ^= 1 << below(8),
            Self::Flip => after[below(before.len())] ^= 1 << below(8),
            Self::ZeroPage => after[page].fill(0),
            Self::DoublePage => drop(after.splice(page.end..page.end, before[page].iter().copied())),
            Self::Garbage => {
                after.extend((0..random.below(GARBAGE_LEN) + 1).map(|_| random.below(256).to_be_bytes()[3]));
            }
            Self::Stale if !stale.exists() => return false,
            Self::Stale => after = fs::read(stale).unwrap(),
            Self::Swapped => {
                let Some(other) = other.filter(|other| other.exists()) else { return false };
                after = fs::read(other).unwrap();
                fs::write(other, &before).unwrap();
            }
        }
        fs::write(file, &after).unwrap();
        after != before
    }
}
