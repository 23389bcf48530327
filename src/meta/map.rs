//! A sorted map whose clones share what they have in common.
//!
//! An image is cloned for every batch of records, so a clone must not cost what the map holds: entries lie in
//! sorted chunks behind pointers, and a change copies the list of chunks and one chunk.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// Most entries in a chunk; a full one is split in halves.
const CHUNK_LEN_MAX: usize = 64;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map, cheap to clone and copied on write. No chunk is empty.
pub struct Map<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V> Map<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The chunk that holds `key` if any does: the first whose last key is not smaller.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.chunks.partition_point(|chunk| last_key(chunk).borrow() < key)
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|(found, _)| found.borrow().cmp(key)).ok()?;
        Some(&chunk[at].1)
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The entries from `bound` on.
    pub fn iter_from<Q: Ord + ?Sized>(&self, bound: Bound<&Q>) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let before = |key: &K| match bound {
            Bound::Included(from) => key.borrow() < from,
            Bound::Excluded(from) => key.borrow() <= from,
            Bound::Unbounded => false,
        };
        let chunk = self.chunks.partition_point(|chunk| before(last_key(chunk)));
        let skipped = self.chunks.get(chunk).map_or(0, |c| c.partition_point(|(key, _)| before(key)));
        let entries = self.chunks[chunk..].iter().flat_map(|chunk| chunk.iter());
        entries.skip(skipped).map(|(key, value)| (key, value))
    }
}

fn last_key<K, V>(chunk: &[(K, V)]) -> &K {
    &chunk.last().expect("no chunk is empty").0
}

impl<K: Ord + Clone, V: Clone> Map<K, V> {
    /// Sets the value of `key`; the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        // Past the last chunk means at its end, so that keys in order fill chunks up.
        let at_chunk = self.chunk_of(&key).min(self.chunks.len().saturating_sub(1));
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunks.is_empty() {
            chunks.push(Arc::new(Vec::new()));
        }
        let chunk = Arc::make_mut(&mut chunks[at_chunk]);
        match chunk.binary_search_by(|(found, _)| found.cmp(&key)) {
            Ok(at) => Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => {
                chunk.insert(at, (key, value));
                self.len += 1;
                if chunk.len() > CHUNK_LEN_MAX {
                    let tail = chunk.split_off(CHUNK_LEN_MAX / 2);
                    chunks.insert(at_chunk + 1, Arc::new(tail));
                }
                None
            }
        }
    }

    /// The value of `key`, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at_chunk = self.chunk_of(key);
        let at = self.chunks.get(at_chunk)?.binary_search_by(|(found, _)| found.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        Some(&mut Arc::make_mut(&mut chunks[at_chunk])[at].1)
    }

    /// Removes `key`; the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at_chunk = self.chunk_of(key);
        let at = self.chunks.get(at_chunk)?.binary_search_by(|(found, _)| found.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[at_chunk]);
        let (_, value) = chunk.remove(at);
        self.len -= 1;
        if chunk.is_empty() {
            chunks.remove(at_chunk);
        } else if let Some(next) = chunks.get(at_chunk + 1)
            && chunks[at_chunk].len() + next.len() <= CHUNK_LEN_MAX / 2
        {
            let next = chunks.remove(at_chunk + 1);
            Arc::make_mut(&mut chunks[at_chunk]).extend(next.iter().cloned());
        }
        Some(value)
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn does_what_a_btree_map_does_and_leaves_clones_alone(
            changes in prop::collection::vec((0u16..400, any::<Option<u8>>()), 0..1500),
            from in 0u16..410,
        ) {
            let (mut map, mut model) = (Map::default(), BTreeMap::new());
            let mut halfway = (map.clone(), model.clone());
            for (step, (key, change)) in changes.iter().enumerate() {
                match change {
                    Some(value) => prop_assert_eq!(map.insert(*key, *value), model.insert(*key, *value)),
                    None => prop_assert_eq!(map.remove(key), model.remove(key)),
                }
                if let (Some(mine), Some(models)) = (map.get_mut(&(key / 2)), model.get_mut(&(key / 2))) {
                    *mine = mine.wrapping_add(1);
                    *models = models.wrapping_add(1);
                }
                if step == changes.len() / 2 {
                    halfway = (map.clone(), model.clone());
                }
            }
            prop_assert!(map.iter().eq(model.iter()));
            prop_assert!(halfway.0.iter().eq(halfway.1.iter()));
            prop_assert_eq!(map.len(), model.len());
            prop_assert!(map.iter_from(Bound::Included(&from)).eq(model.range(from..)));
            let after = (Bound::Excluded(from), Bound::Unbounded);
            prop_assert!(map.iter_from(Bound::Excluded(&from)).eq(model.range(after)));
            prop_assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_LEN_MAX));
            prop_assert_eq!(map.clone(), model.into_iter().collect());
        }
    }
}
