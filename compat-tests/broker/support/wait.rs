//! Waiting for what no message announces.

use std::time::{Duration, Instant};

use super::PATIENCE;

/// Looks again and again until `look` gives something.
#[expect(clippy::disallowed_methods, reason = "nothing tells when another process has got there")]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether `holds` comes true in the time that a test waits.
pub fn has_come(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}
