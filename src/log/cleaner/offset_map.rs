//! The last offset of each key, in bounded memory (`SkimpyOffsetMap`).
//!
//! Keys are kept as 128 bits of a keyed hash. Two keys with one hash would cost a record, so the hash has a secret that
//! no client knows, and as many bits as Apache Kafka's MD5.

use std::hash::{DefaultHasher, Hasher};

/// Bytes of an entry: the hash and the offset.
const ENTRY_BYTES: usize = 24;

/// Open addressing with linear probing.
pub struct OffsetMap {
    /// Of the hash; another one for each map.
    secret: [u64; 4],
    /// Hash, and the offset plus one; 0 for a free slot.
    slots: Vec<([u64; 2], u64)>,
    len: usize,
    len_max: usize,
    /// Up to and including this offset every record is in the map.
    latest_offset: i64,
}

impl OffsetMap {
    /// A map of at most `memory` bytes that is filled up to the share `load_factor`, and of no more slots than
    /// `records` need.
    pub fn new(memory: usize, load_factor: f64, records: u64, secret: [u64; 4]) -> Self {
        let load_factor = load_factor.clamp(0.1, 0.95);
        let slots_max = (memory / ENTRY_BYTES).max(2);
        let needed = usize::try_from(records).unwrap_or(usize::MAX).saturating_mul(2).max(2);
        let slots = slots_max.min(needed);
        Self {
            secret,
            slots: vec![([0; 2], 0); slots],
            len: 0,
            len_max: share(slots, load_factor).clamp(1, slots - 1),
            latest_offset: -1,
        }
    }

    /// Notes the offset of a key, which is above all noted before; false if there is no room for it.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        let slot = self.slot(hash);
        if self.slots[slot].1 == 0 {
            if self.len >= self.len_max {
                return false;
            }
            self.len += 1;
        }
        self.slots[slot] = (hash, offset.unsigned_abs().saturating_add(1));
        true
    }

    /// The last offset of a key.
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let (_, offset) = self.slots[self.slot(self.hash(key))];
        offset.checked_sub(1).and_then(|offset| i64::try_from(offset).ok())
    }

    /// Every record up to and including this offset is in the map, -1 for none.
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    pub(super) fn set_latest_offset(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The share of the slots that is taken.
    pub fn utilization(&self) -> f64 {
        let permille = self.len.saturating_mul(1000) / self.slots.len();
        f64::from(u32::try_from(permille).unwrap_or(1000)) / 1000.0
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [&self.secret[..2], &self.secret[2..]].map(|secret| {
            let mut hasher = DefaultHasher::new();
            secret.iter().for_each(|half| hasher.write_u64(*half));
            hasher.write(key);
            hasher.finish()
        })
    }

    /// The slot of the hash, or the free one where it would be.
    fn slot(&self, hash: [u64; 2]) -> usize {
        let count = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let mut slot = usize::try_from(hash[0] % count).unwrap_or(0);
        // Ends: one slot at least is always free.
        while self.slots[slot].1 != 0 && self.slots[slot].0 != hash {
            slot = (slot + 1) % self.slots.len();
        }
        slot
    }
}

/// In thousandths, which is as exact as anybody needs.
fn share(slots: usize, factor: f64) -> usize {
    let mut permille = 0_u16;
    while f64::from(permille) < factor * 1000.0 {
        permille += 1;
    }
    slots / 1000 * usize::from(permille) + slots % 1000 * usize::from(permille) / 1000
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_last_offset_of_every_key_is_found_until_the_map_is_full() {
        let mut map = OffsetMap::new(24 * 1000, 0.9, 1_000_000, [1, 2, 3, 4]);
        let mut model = HashMap::new();
        for offset in 0..5000_i64 {
            let key = (offset % 900).to_be_bytes();
            assert!(map.put(&key, offset));
            model.insert(key, offset);
        }
        assert_eq!(map.len(), 900);
        assert!(model.iter().all(|(key, offset)| map.get(key) == Some(*offset)));
        assert_eq!(map.get(b"another"), None);
        assert!(!map.put(b"another", 5000), "nine of ten slots are taken");
        assert!(map.put(&0_i64.to_be_bytes(), 5001), "a known key needs no room");
        assert_eq!(map.get(&0_i64.to_be_bytes()), Some(5001));
        assert!((map.utilization() - 0.9).abs() < 1e-9);
    }

    #[test]
    fn a_map_for_few_records_is_small_and_offset_zero_is_an_offset() {
        let mut map = OffsetMap::new(128 << 20, 0.9, 3, [0; 4]);
        assert!(map.slots.len() <= 8);
        assert!((0..3_i64).all(|offset| map.put(&[u8::try_from(offset).unwrap()], offset)));
        assert_eq!(map.get(&[0]), Some(0));
    }
}
