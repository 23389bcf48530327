//! lz4 blocks at the levels that search: smaller than those of the fast compressor, and slower to make.
//!
//! What is written is the same format. Level n tries up to 2^(n-1) earlier places that begin with the same four bytes,
//! and puts a match off by one byte where that makes a longer one (as the reference's "HC" does).

/// Shortest match, whose length the format writes as 0.
const MATCH_MIN: usize = 4;
/// The format ends with at least so many literals,
const LITERALS_LAST: usize = 5;
/// and no match begins later than so many bytes before the end.
const MATCH_LAST: usize = 12;
/// How many entry points the search has, as a power of two.
const HASH_BITS: u32 = 14;
/// No place.
const NONE: u32 = u32::MAX;
/// Matches that are so long are good enough not to look for a better one.
const LENGTH_ENOUGH: usize = 512;

/// Bytes that are compared and places that are tried for each byte of a block, before the search becomes a short one.
const WORK_PER_BYTE: usize = 64;
/// Places that a short search tries.
const TRIES_SHORT: usize = 16;

/// A run of bytes that was there before.
#[derive(Clone, Copy)]
struct Match {
    distance: usize,
    len: usize,
}

/// Every earlier place by its first four bytes.
struct Places {
    /// The last place of each hash.
    last: Vec<u32>,
    /// The place before a place, of the same hash.
    before: Vec<u32>,
    /// How far the input is entered.
    next: usize,
    tries: usize,
    /// What is left of the work that a block may cost.
    work: usize,
}

impl Places {
    fn enter_up_to(&mut self, input: &[u8], end: usize) {
        while self.next < end && self.next + MATCH_MIN <= input.len() {
            let hash = hash(&input[self.next..]);
            let place = u32::try_from(self.next).expect("a block is small");
            self.before[self.next] = std::mem::replace(&mut self.last[hash], place);
            self.next += 1;
        }
    }

    /// The longest match for what is at `at`, with bytes before it.
    fn longest(&mut self, input: &[u8], at: usize) -> Option<Match> {
        self.enter_up_to(input, at);
        let limit = input.len() - LITERALS_LAST - at;
        let mut best: Option<Match> = None;
        let mut place = self.last[hash(&input[at..])];
        for tried in 0..self.tries {
            if self.work == 0 && tried >= TRIES_SHORT {
                break;
            }
            self.work = self.work.saturating_sub(1);
            let Some(from) = usize::try_from(place).ok().filter(|_| place != NONE) else { break };
            let distance = at - from;
            if distance > usize::from(u16::MAX) {
                break;
            }
            place = self.before[from];
            // What is longer has one more byte in common.
            if best.is_some_and(|best| input[from + best.len] != input[at + best.len]) {
                continue;
            }
            let len = common(&input[from..], &input[at..at + limit]);
            self.work = self.work.saturating_sub(len);
            if len >= MATCH_MIN && best.is_none_or(|best| len > best.len) {
                best = Some(Match { distance, len });
                if len >= LENGTH_ENOUGH {
                    break;
                }
            }
        }
        best
    }
}

fn hash(bytes: &[u8]) -> usize {
    let word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    usize::try_from(word.wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)).expect("14 bits")
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Appends `input`, at most a block of 64 KiB, to `out` as one block.
pub(super) fn compress_block(level: i32, input: &[u8], out: &mut Vec<u8>) {
    let mut places = Places {
        last: vec![NONE; 1 << HASH_BITS],
        before: vec![NONE; input.len()],
        next: 0,
        tries: 1 << level.clamp(1, 17).saturating_sub(1),
        work: WORK_PER_BYTE * input.len(),
    };
    let end = input.len().saturating_sub(MATCH_LAST);
    let (mut literals_from, mut at) = (0, 0);
    while at < end {
        let Some(mut found) = places.longest(input, at) else {
            at += 1;
            continue;
        };
        while at + 1 < end
            && found.len < LENGTH_ENOUGH
            && let Some(later) = places.longest(input, at + 1)
            && later.len > found.len + 1
        {
            (at, found) = (at + 1, later);
        }
        put_sequence(out, &input[literals_from..at], Some(found));
        at += found.len;
        literals_from = at;
    }
    put_sequence(out, &input[literals_from..], None);
}

/// Token, literals, and the match that follows them; the last sequence has none.
fn put_sequence(out: &mut Vec<u8>, literals: &[u8], found: Option<Match>) {
    let extra = found.map_or(0, |found| found.len - MATCH_MIN);
    out.push((nibble(literals.len()) << 4) | nibble(extra));
    put_length(out, literals.len());
    out.extend_from_slice(literals);
    if let Some(found) = found {
        let [high, low] = u16::try_from(found.distance).expect("bounded by the search").to_be_bytes();
        out.extend_from_slice(&[low, high]);
        put_length(out, extra);
    }
}

fn nibble(length: usize) -> u8 {
    u8::try_from(length.min(15)).expect("at most 15")
}

/// What does not fit into a token's half.
fn put_length(out: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(15) else { return };
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(u8::try_from(rest).expect("below 255"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            words in proptest::collection::vec(proptest::sample::select(vec!["a", "bc", "defg", "hijklmno", "0123"]), 0..4000),
            level in 1..18_i32,
        ) {
            let input = words.concat().into_bytes();
            let input = &input[..input.len().min(1 << 16)];
            let mut block = Vec::new();
            compress_block(level, input, &mut block);
            let mut plain = vec![0; input.len()];
            let len = lz4_flex::block::decompress_into(&block, &mut plain).unwrap();
            prop_assert_eq!(&plain[..len], input);
        }
    }

    #[test]
    fn more_search_gives_smaller_blocks_and_long_runs_cost_little() {
        let mut state = 1_u32;
        let words: Vec<u8> = (0..12_000)
            .flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 23).to_string().into_bytes()
            })
            .take(1 << 15)
            .collect();
        let size = |level, input: &[u8]| {
            let mut out = Vec::new();
            compress_block(level, input, &mut out);
            out.len()
        };
        assert!(size(17, &words) < size(1, &words), "{} {}", size(17, &words), size(1, &words));
        assert!(size(12, &[7; 1 << 16]) < 300);
    }
}
