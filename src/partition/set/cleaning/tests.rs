//! The cleaner over a real replica on a disk in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use uuid::Uuid;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::TopicId;
use crate::partition::testing::{cleaner, one_topic};
use crate::wire::builder::{BatchBuilder, Fields};
use crate::wire::compress::Compression;

const TOPIC: TopicId = TopicId(Uuid::from_u128(7));

#[test]
fn a_log_whose_cleaning_panicked_is_left_alone_for_a_while_and_cleaned_then() {
    let clock = Clock::manual(1_000_000);
    let (_, _, set) = one_topic(&clock, "t", TOPIC, |settings| {
        // A segment for each batch.
        (settings.log.compact, settings.log.segment_bytes) = (true, 100);
    });
    let replica = set.get(TOPIC, 0).unwrap();
    for _ in 0..4 {
        let mut builder = BatchBuilder::new();
        builder.push(1_000_000, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build(&Fields::default(), Compression::None).unwrap();
        replica.append(&batch, None, true, clock.now_ms()).unwrap();
    }
    replica.sync().unwrap();
    let panicking = cleaner(|_| panic!("as the test wants it"));
    assert!(catch_unwind(AssertUnwindSafe(|| set.clean_dirtiest(&panicking))).is_err());
    let sound = cleaner(|_| true);
    assert!(!set.clean_dirtiest(&sound), "it would only panic again");
    clock.set(clock.now_ms() + PAUSE_AFTER_FAILURE_MS);
    assert!(set.clean_dirtiest(&sound));
    assert_eq!(replica.cleaned_up_to(), Some(3));
    assert!(!set.clean_dirtiest(&sound), "it is clean");
}
