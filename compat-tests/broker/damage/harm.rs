//! What may happen to a file.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use barnabas::base::random::Random;

const PAGE: usize = 4096;
const GARBAGE_LEN: u32 = 300;
/// Lines of an offset checkpoint before its entries: its version, and how many there are.
const CHECKPOINT_HEAD: usize = 2;

fn is_zero(page: &[u8]) -> bool {
    *page == [0; PAGE][..page.len()]
}

/// Has `file` hold just `bytes`; pages of zeros take up no room.
pub fn write(file: &Path, bytes: &[u8]) {
    let written = fs::File::create(file).unwrap();
    for (page, from) in bytes.chunks(PAGE).zip((0..).step_by(PAGE)) {
        if !is_zero(page) {
            written.write_all_at(page, from).unwrap();
        }
    }
    written.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
}

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
    /// One offset of a checkpoint of recovery points ten times as high: those of other checkpoints are all we know.
    Raised,
}

impl Harm {
    pub const ALL: [Self; 12] = [
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
        Self::Raised,
    ];

    /// Does it to `file`; false if that changes nothing. `stale` and `other` are what the file may be mistaken for.
    pub fn apply(self, file: &Path, stale: &Path, other: Option<&Path>, random: &Random) -> bool {
        let before = fs::read(file).unwrap();
        let below = |len: usize| usize::try_from(random.below(u32::try_from(len).unwrap().max(1))).unwrap();
        // What was only made room for is no more than that.
        let len = before
            .chunks(PAGE)
            .rposition(|page| !is_zero(page))
            .map_or(before.len(), |last| before.len().min((last + 1) * PAGE));
        let page = below(len.div_ceil(PAGE)) * PAGE;
        let page = page..len.min(page + PAGE);
        let mut after = before.clone();
        match self {
            Self::Gone => {
                fs::remove_file(file).unwrap();
                return true;
            }
            Self::Empty => after.clear(),
            Self::Cut => after.truncate(below(len)),
            Self::CutByOne => after.truncate(before.len().saturating_sub(1)),
            Self::FlipInFront | Self::Flip if before.is_empty() => return false,
            Self::FlipInFront => after[below(len.min(64))] ^= 1 << below(8),
            Self::Flip => after[below(len)] ^= 1 << below(8),
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
                write(other, &before);
            }
            Self::Raised if !file.ends_with("recovery-point-offset-checkpoint") => return false,
            Self::Raised => {
                let text = str::from_utf8(&before).unwrap();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                let entry = CHECKPOINT_HEAD + below(lines.len() - CHECKPOINT_HEAD);
                lines[entry].push('9');
                after = (lines.join("\n") + "\n").into_bytes();
            }
        }
        write(file, &after);
        after != before
    }
}
