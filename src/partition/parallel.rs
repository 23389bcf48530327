//! The same work on many replicas, on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` on each of `items`, on at most `threads` threads, this one among them; returns when all is done.
/// On fewer threads if the system gives no more.
pub(super) fn each<T: Sync>(threads: usize, items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let take = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, items.len().max(1)) {
            if std::thread::Builder::new().name("logs".to_owned()).spawn_scoped(scope, take).is_err() {
                break;
            }
        }
        take();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_whatever_the_number_of_threads() {
        for (threads, items) in [(0, 3), (1, 3), (16, 0), (3, 1000)] {
            let counts: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
            each(threads, &counts, |count| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {items}");
        }
    }
}
