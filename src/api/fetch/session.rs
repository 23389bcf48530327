//! Incremental fetch sessions (KIP-227, `FetchSession`, `FetchSessionCacheShard`).
//!
//! A session remembers what a client fetches and what it was last told, so that a request names only what
//! changed and a response holds only what is new. Knows nothing of logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::base::id::TopicId;
use crate::base::random::Random;

/// The session id that means "none".
pub(super) const NO_SESSION: i32 = 0;
/// Opens a session.
const INITIAL_EPOCH: i32 = 0;
/// Asks for no session, and closes the one that is named.
const FINAL_EPOCH: i32 = -1;
/// A session this long unused, or this old, may make room for another.
const EVICTION_MS: i64 = 120_000;

/// Partitions that all sessions together may remember; about 200 bytes each.
const PARTITIONS_MAX: usize = 1_000_000;

/// What a partition is known by: the id from Fetch 13 on (and no name), the name before (and no id).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) topic: Arc<str>,
    pub(super) topic_id: TopicId,
    pub(super) partition: i32,
}

/// What the client wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) fetch_offset: i64,
    pub(super) bytes_max: i32,
    pub(super) current_leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
}

/// What the client was last told of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
}

const TOLD_NOTHING: Told = Told { high_watermark: -1, last_stable_offset: -1, log_start_offset: -1 };

struct Cached {
    key: Key,
    wanted: Wanted,
    told: Told,
}

struct Session {
    uses_topic_ids: bool,
    created_ms: i64,
    used_ms: i64,
    epoch: i32,
    /// In the order of service: a partition that gave data moves to the back.
    partitions: BTreeMap<u64, Cached>,
    places: HashMap<Key, u64>,
    next_place: u64,
    /// Closed or evicted: a request that had found it before must not go on with it.
    is_closed: bool,
}

impl Session {
    fn put(&mut self, key: &Key, wanted: Wanted, told: Told) {
        let place = self.next_place;
        self.next_place += 1;
        if let Some(before) = self.places.insert(key.clone(), place) {
            self.partitions.remove(&before);
        }
        self.partitions.insert(place, Cached { key: key.clone(), wanted, told });
    }

    fn update(&mut self, wanted: &[(Key, Wanted)], forgotten: &[Key]) {
        for (key, wanted) in wanted {
            match self.places.get(key).and_then(|place| self.partitions.get_mut(place)) {
                Some(cached) => cached.wanted = *wanted,
                None => self.put(key, *wanted, TOLD_NOTHING),
            }
        }
        for key in forgotten {
            if let Some(place) = self.places.remove(key) {
                self.partitions.remove(&place);
            }
        }
    }
}

/// A session error; it answers the whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    IdNotFound,
    InvalidEpoch,
    TopicIdMismatch,
}

/// How the response is to be made.
pub(super) enum Mode {
    /// Everything, no session.
    Sessionless,
    /// Everything, and a session is opened.
    Full { uses_topic_ids: bool },
    /// Only what changed.
    Incremental { id: i32, session: Arc<Mutex<SessionState>>, epoch: i32 },
}

/// A session behind its lock; opaque outside this file.
pub(super) struct SessionState(Session);

/// The request's session part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) uses_topic_ids: bool,
}

/// All sessions of this broker, at most `max.incremental.fetch.session.cache.slots`.
pub(crate) struct Cache {
    slots: usize,
    partitions_max: usize,
    sessions: Mutex<HashMap<i32, Arc<Mutex<SessionState>>>>,
    /// How many partitions the sessions remember.
    partitions: AtomicUsize,
}

fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        FINAL_EPOCH => FINAL_EPOCH,
        i32::MAX => 1,
        _ => epoch + 1,
    }
}

impl Cache {
    pub(crate) fn new(slots: usize) -> Self {
        Self::with_partitions(slots, PARTITIONS_MAX)
    }

    fn with_partitions(slots: usize, partitions_max: usize) -> Self {
        Self { slots, partitions_max, sessions: Mutex::default(), partitions: AtomicUsize::new(0) }
    }

    /// Finds how to answer, and everything that the request asks for in the order of service.
    pub(super) fn begin(
        &self,
        asked: Asked,
        wanted: Vec<(Key, Wanted)>,
        forgotten: &[Key],
        now_ms: i64,
    ) -> Result<(Mode, Vec<(Key, Wanted)>), Error> {
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            self.close(asked.id);
            let mode = if asked.epoch == FINAL_EPOCH {
                Mode::Sessionless
            } else {
                Mode::Full { uses_topic_ids: asked.uses_topic_ids }
            };
            return Ok((mode, wanted));
        }
        let found = self.sessions.lock().get(&asked.id).cloned().ok_or(Error::IdNotFound)?;
        let mut state = found.lock();
        let session = &mut state.0;
        if session.is_closed {
            return Err(Error::IdNotFound);
        }
        if session.epoch != asked.epoch {
            return Err(Error::InvalidEpoch);
        }
        if session.uses_topic_ids != asked.uses_topic_ids {
            return Err(Error::TopicIdMismatch);
        }
        let before = session.partitions.len();
        session.update(&wanted, forgotten);
        let after = session.partitions.len();
        self.partitions.fetch_add(after, Ordering::Relaxed);
        let total = self.partitions.fetch_sub(before, Ordering::Relaxed) - before;
        if after == 0 {
            drop(state);
            self.close(asked.id);
            return Ok((Mode::Sessionless, wanted));
        }
        if after > before && total > self.partitions_max {
            // The client opens another session, which is refused if there is no room for it either.
            drop(state);
            self.close(asked.id);
            return Err(Error::IdNotFound);
        }
        session.used_ms = now_ms;
        session.epoch = next_epoch(session.epoch);
        let epoch = session.epoch;
        let all = session.partitions.values().map(|c| (c.key.clone(), c.wanted)).collect();
        drop(state);
        Ok((Mode::Incremental { id: asked.id, session: found, epoch }, all))
    }

    fn close(&self, id: i32) {
        let closed = self.sessions.lock().remove(&id);
        if let Some(closed) = closed {
            self.retire(&closed);
        }
    }

    /// A session that is no longer in the map: what it remembers stops counting, once and for all.
    fn retire(&self, session: &Mutex<SessionState>) {
        let session = &mut session.lock().0;
        session.is_closed = true;
        self.partitions.fetch_sub(session.partitions.len(), Ordering::Relaxed);
    }

    /// Opens a session over what was just answered; [`NO_SESSION`] if there is no room.
    pub(super) fn open(
        &self,
        uses_topic_ids: bool,
        partitions: Vec<(Key, Wanted, Told)>,
        random: &Random,
        now_ms: i64,
    ) -> i32 {
        let mut sessions = self.sessions.lock();
        if partitions.is_empty() || partitions.len() > self.partitions_max {
            return NO_SESSION;
        }
        while self.partitions.load(Ordering::Relaxed) + partitions.len() > self.partitions_max {
            let Some(evicted) = evict(&mut sessions, 0, now_ms) else { return NO_SESSION };
            self.retire(&evicted);
        }
        if sessions.len() >= self.slots {
            let Some(evicted) = evict(&mut sessions, partitions.len(), now_ms) else { return NO_SESSION };
            self.retire(&evicted);
        }
        self.partitions.fetch_add(partitions.len(), Ordering::Relaxed);
        let id = loop {
            let id = random.positive_i32();
            if !sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            uses_topic_ids,
            created_ms: now_ms,
            used_ms: now_ms,
            epoch: next_epoch(INITIAL_EPOCH),
            partitions: BTreeMap::new(),
            places: HashMap::with_capacity(partitions.len()),
            next_place: 0,
            is_closed: false,
        };
        for (key, wanted, told) in partitions {
            session.put(&key, wanted, told);
        }
        sessions.insert(id, Arc::new(Mutex::new(SessionState(session))));
        id
    }
}

/// Makes room for a session of `size` partitions, and gives the one that has to go: first one that is long unused, else
/// an old one that is smaller than the new one.
fn evict(
    sessions: &mut HashMap<i32, Arc<Mutex<SessionState>>>,
    size: usize,
    now_ms: i64,
) -> Option<Arc<Mutex<SessionState>>> {
    let facts = sessions.iter().map(|(id, session)| {
        let session = &session.lock().0;
        (*id, session.used_ms, session.created_ms, session.partitions.len())
    });
    let facts: Vec<_> = facts.collect();
    let stale = facts.iter().filter(|f| now_ms - f.1 > EVICTION_MS).min_by_key(|f| f.1);
    let smaller = || facts.iter().filter(|f| now_ms - f.2 > EVICTION_MS && f.3 < size).min_by_key(|f| f.3);
    let (id, ..) = stale.or_else(smaller)?;
    sessions.remove(id)
}

impl SessionState {
    /// Whether no later request has overtaken the one that got `epoch`.
    pub(super) fn is_at(&self, epoch: i32) -> bool {
        self.0.epoch == epoch
    }

    /// Whether `key` belongs in an incremental response, and remembers what is told.
    pub(super) fn tell(
        &mut self,
        key: &Key,
        told: Told,
        has_records: bool,
        has_error: bool,
        must: bool,
    ) -> bool {
        let Some(place) = self.0.places.get(key).copied() else { return false };
        let Some(cached) = self.0.partitions.get_mut(&place) else { return false };
        let changed = cached.told != told || has_records || has_error || must;
        cached.told = told;
        if has_error {
            // So that the partition is told again when the error is gone.
            cached.told.high_watermark = -1;
        }
        if has_records && let Some(cached) = self.0.partitions.remove(&place) {
            self.0.put(key, cached.wanted, cached.told);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> Key {
        Key { topic: "t".into(), topic_id: TopicId::ZERO, partition }
    }

    fn wanted(fetch_offset: i64) -> Wanted {
        Wanted { fetch_offset, bytes_max: 1, current_leader_epoch: -1, last_fetched_epoch: -1 }
    }

    fn told(high_watermark: i64) -> Told {
        Told { high_watermark, last_stable_offset: high_watermark, log_start_offset: 0 }
    }

    fn asked(id: i32, epoch: i32) -> Asked {
        Asked { id, epoch, uses_topic_ids: true }
    }

    fn opened(cache: &Cache, partitions: i32, now_ms: i64) -> i32 {
        let partitions = (0..partitions).map(|p| (key(p), wanted(0), told(0))).collect();
        cache.open(true, partitions, &Random::seeded(u64::try_from(now_ms).unwrap()), now_ms)
    }

    #[test]
    fn an_unchanged_partition_is_told_once_and_one_with_records_goes_to_the_back() {
        let cache = Cache::new(10);
        let id = opened(&cache, 2, 0);
        let (mode, all) = cache.begin(asked(id, 1), vec![(key(0), wanted(5))], &[], 0).unwrap();
        assert_eq!(all, vec![(key(0), wanted(5)), (key(1), wanted(0))]);
        let Mode::Incremental { session, epoch, .. } = mode else { panic!("not incremental") };
        let mut state = session.lock();
        assert!(state.is_at(epoch));
        assert!(!state.tell(&key(1), told(0), false, false, false));
        assert!(state.tell(&key(0), told(9), true, false, false));
        assert!(!state.tell(&key(0), told(9), false, false, false));
        drop(state);
        let (_, all) = cache.begin(asked(id, 2), vec![], &[], 0).unwrap();
        assert_eq!(all.iter().map(|(k, _)| k.partition).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn an_error_is_told_again_when_it_is_gone() {
        let cache = Cache::new(10);
        let id = opened(&cache, 1, 0);
        let (mode, _) = cache.begin(asked(id, 1), vec![], &[], 0).unwrap();
        let Mode::Incremental { session, .. } = mode else { panic!("not incremental") };
        let mut state = session.lock();
        assert!(state.tell(&key(0), told(0), false, true, false));
        assert!(state.tell(&key(0), told(0), false, false, false));
        assert!(!state.tell(&key(0), told(0), false, false, false));
    }

    #[test]
    fn wrong_ids_epochs_and_versions_are_refused() {
        let cache = Cache::new(10);
        let id = opened(&cache, 1, 0);
        assert_eq!(cache.begin(asked(id, 2), vec![], &[], 0).err(), Some(Error::InvalidEpoch));
        assert_eq!(cache.begin(asked(id + 1, 1), vec![], &[], 0).err(), Some(Error::IdNotFound));
        let by_name = Asked { uses_topic_ids: false, ..asked(id, 1) };
        assert_eq!(cache.begin(by_name, vec![], &[], 0).err(), Some(Error::TopicIdMismatch));
        // None of these moved the epoch.
        assert!(cache.begin(asked(id, 1), vec![], &[], 0).is_ok());
        assert_eq!(cache.begin(asked(id, 1), vec![], &[], 0).err(), Some(Error::InvalidEpoch));
    }

    #[test]
    fn the_epoch_wraps_to_one() {
        assert_eq!(next_epoch(i32::MAX), 1);
        assert_eq!(next_epoch(0), 1);
    }

    #[test]
    fn what_sessions_remember_is_counted() {
        let cache = Cache::new(10);
        let id = opened(&cache, 3, 0);
        cache.begin(asked(id, 1), vec![(key(7), wanted(0))], &[key(0), key(1)], 0).unwrap();
        assert_eq!(cache.partitions.load(Ordering::Relaxed), 2);
        cache.begin(asked(id, -1), vec![], &[], 0).unwrap();
        assert_eq!(cache.partitions.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_session_that_forgets_everything_is_closed() {
        let cache = Cache::new(10);
        let id = opened(&cache, 1, 0);
        let (mode, all) = cache.begin(asked(id, 1), vec![], &[key(0)], 0).unwrap();
        assert!(matches!(mode, Mode::Sessionless) && all.is_empty());
        assert_eq!(cache.begin(asked(id, 2), vec![], &[], 0).err(), Some(Error::IdNotFound));
    }

    #[test]
    fn a_full_cache_gives_way_only_to_a_larger_session_after_a_while() {
        let cache = Cache::new(1);
        let first = opened(&cache, 1, 0);
        assert_eq!(opened(&cache, 2, 1), NO_SESSION);
        cache.begin(asked(first, 1), vec![], &[], EVICTION_MS).unwrap();
        assert_eq!(opened(&cache, 1, EVICTION_MS + 1), NO_SESSION);
        assert_ne!(opened(&cache, 2, EVICTION_MS + 1), NO_SESSION);
        assert_eq!(cache.sessions.lock().len(), 1);
        let long_after = 2 * EVICTION_MS + 2;
        assert_ne!(opened(&cache, 1, long_after), NO_SESSION);
    }

    #[test]
    fn only_stale_sessions_give_way_for_want_of_partitions() {
        let cache = Cache::with_partitions(10, 5);
        let ids = [opened(&cache, 2, 0), opened(&cache, 2, 1)];
        assert!(!ids.contains(&NO_SESSION));
        assert_eq!(opened(&cache, 2, EVICTION_MS), NO_SESSION);
        cache.begin(asked(ids[1], 1), vec![], &[], EVICTION_MS).unwrap();
        assert_eq!(opened(&cache, 4, EVICTION_MS + 2), NO_SESSION);
        assert_ne!(opened(&cache, 3, EVICTION_MS + 3), NO_SESSION);
        assert_eq!(cache.begin(asked(ids[0], 1), vec![], &[], 0).err(), Some(Error::IdNotFound));
        assert_eq!(cache.partitions.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_session_that_was_closed_in_between_counts_no_more() {
        let cache = Cache::new(10);
        let id = opened(&cache, 1, 0);
        let found = cache.sessions.lock().get(&id).cloned().unwrap();
        cache.close(id);
        // As if a request had found it just before.
        cache.sessions.lock().insert(id, found);
        let begun = cache.begin(asked(id, 1), vec![(key(7), wanted(0))], &[], 0);
        assert_eq!(begun.err(), Some(Error::IdNotFound));
        assert_eq!(cache.partitions.load(Ordering::Relaxed), 0);
    }
}
