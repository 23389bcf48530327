//! A request or session that watches many partitions and learns which of them have news.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Sweep;

/// Partitions per word of [`Cell::changed`].
const WORD_BITS: usize = 64;

/// The watching end: one cell for all of its partitions, so that however many of them change, it is woken once.
/// Dropping it ends the watch everywhere.
#[derive(Debug)]
pub struct Watch {
    cell: Arc<Cell>,
}

#[derive(Debug)]
struct Cell {
    /// A bit per partition.
    changed: Box<[AtomicU64]>,
    /// A bit is set and not taken.
    has_news: AtomicBool,
    news: Notify,
}

/// A partition's end of a watch.
#[derive(Debug)]
pub struct Watcher {
    cell: Weak<Cell>,
    index: usize,
}

impl Watch {
    /// Watches up to `partitions` partitions, which the caller numbers from 0.
    pub fn new(partitions: usize) -> Self {
        let changed = (0..partitions.div_ceil(WORD_BITS)).map(|_| AtomicU64::new(0)).collect();
        let cell = Cell { changed, has_news: AtomicBool::new(false), news: Notify::new() };
        Self { cell: Arc::new(cell) }
    }

    /// The end for partition `index`, to be added to its [`Watchers`] before the partition is looked at: then
    /// nothing is missed in between.
    pub fn watcher(&self, index: usize) -> Watcher {
        assert!(index / WORD_BITS < self.cell.changed.len(), "partition {index} is beyond the watch");
        Watcher { cell: Arc::downgrade(&self.cell), index }
    }

    /// Waits until a partition has news. Cancelling the wait loses nothing.
    pub async fn news(&self) {
        while !self.cell.has_news.load(Ordering::Acquire) {
            self.cell.news.notified().await;
        }
    }

    /// The partitions that have had news since this was last called, in order.
    pub fn take_changed(&self) -> Vec<usize> {
        // Before the bits are read: what is set later is news again.
        self.cell.has_news.store(false, Ordering::SeqCst);
        let mut taken = Vec::new();
        for (word, changed) in self.cell.changed.iter().enumerate() {
            let mut bits = changed.swap(0, Ordering::SeqCst);
            while bits != 0 {
                let bit = usize::try_from(bits.trailing_zeros()).expect("below 64");
                taken.push(word * WORD_BITS + bit);
                bits &= bits - 1;
            }
        }
        taken
    }
}

impl Watcher {
    /// Notes news; false if nobody watches any more.
    fn wake(&self) -> bool {
        let Some(cell) = self.cell.upgrade() else { return false };
        cell.changed[self.index / WORD_BITS].fetch_or(1 << (self.index % WORD_BITS), Ordering::SeqCst);
        if !cell.has_news.swap(true, Ordering::SeqCst) {
            cell.news.notify_one();
        }
        true
    }
}

/// Those who watch one partition. Costs nothing while nobody does.
#[derive(Debug)]
pub struct Watchers {
    /// How many are in the list; read without its lock, for most appends find nobody.
    count: AtomicUsize,
    list: Mutex<(Vec<Watcher>, Sweep)>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), list: Mutex::new((Vec::new(), Sweep::new())) }
    }
}

impl Watchers {
    /// Lets a watcher know of all news from now on.
    pub fn add(&self, watcher: Watcher) {
        let mut locked = self.list.lock();
        let (list, sweep) = &mut *locked;
        if sweep.is_due(list.len()) {
            list.retain(|w| w.cell.strong_count() > 0);
            sweep.done(list.len());
        }
        list.push(watcher);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Tells all watchers that there is news. To be called after the change, without the partition's lock: a watcher
    /// that added itself before it took that lock is not missed.
    pub fn wake_all(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut locked = self.list.lock();
        let (list, _) = &mut *locked;
        list.retain(Watcher::wake);
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// How many are held, those included who stopped watching.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purgatory::ABANDONED_MIN;

    #[tokio::test]
    async fn a_watch_over_many_partitions_is_woken_once_and_knows_which_changed() {
        let partitions: Vec<Watchers> = (0..130).map(|_| Watchers::default()).collect();
        let watch = Watch::new(partitions.len());
        for (index, partition) in partitions.iter().enumerate() {
            partition.add(watch.watcher(index));
        }
        for index in [129, 0, 64, 64, 63] {
            partitions[index].wake_all();
        }
        watch.news().await;
        assert_eq!(watch.take_changed(), [0, 63, 64, 129]);
        assert_eq!(watch.take_changed(), Vec::<usize>::new());

        let waiting = watch.news();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("nothing is new"),
            () = tokio::task::yield_now() => {}
        }
        partitions[5].wake_all();
        waiting.await;
        assert_eq!(watch.take_changed(), [5], "it stays registered");
    }

    #[test]
    fn who_stopped_watching_is_forgotten_by_wakes_and_by_arrivals() {
        let partition = Watchers::default();
        let keeps = Watch::new(1);
        partition.add(keeps.watcher(0));
        for _ in 0..10_000 {
            partition.add(Watch::new(1).watcher(0));
        }
        assert!(partition.len() <= ABANDONED_MIN, "{}", partition.len());
        partition.wake_all();
        assert_eq!(partition.len(), 1);
        drop(keeps);
        partition.wake_all();
        assert!(partition.is_empty());
    }

    #[test]
    fn no_news_is_lost_between_looking_and_waiting() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let partition = Arc::new((Watchers::default(), AtomicU64::new(0)));
        let reader = Arc::clone(&partition);
        let read = runtime.spawn(async move {
            let watch = Watch::new(1);
            reader.0.add(watch.watcher(0));
            while reader.1.load(Ordering::SeqCst) < 20_000 {
                watch.news().await;
                watch.take_changed();
            }
        });
        for _ in 0..20_000 {
            partition.1.fetch_add(1, Ordering::SeqCst);
            partition.0.wake_all();
        }
        runtime.block_on(read).unwrap();
    }
}
