//! `kafka_log_logcleaner_*` and `kafka_log_logcleanermanager_*`: what the log cleaner does.

use std::time::Duration;

use super::text::{Kind, Text};

/// The cleaner at the moment of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cleaner {
    /// Since somebody looked for dirty logs, in ms.
    pub since_last_run_ms: i64,
    /// The largest share of dirty bytes in a log, as the cleaner last found it.
    pub max_dirty_ratio: f64,
    /// The last cleaning of each thread.
    pub last: Vec<Cleaning>,
    /// Of each log directory.
    pub directories: Vec<Uncleanable>,
}

/// One cleaning of a log (`CleanerStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cleaning {
    /// Bytes of the segments that were read.
    pub bytes_read: u64,
    /// Bytes of those that replaced them.
    pub bytes_written: u64,
    /// The share of the key map that was taken.
    pub buffer_utilization: f64,
    /// How long it took.
    pub time: Duration,
    /// How long records had waited beyond `max.compaction.lag.ms` before, in ms.
    pub compaction_delay_ms: i64,
}

/// The logs of a directory that cannot be cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uncleanable {
    /// The directory's path.
    pub directory: String,
    /// How many there are.
    pub partitions: u64,
    /// Their bytes that wait for it.
    pub bytes: u64,
}

/// A gauge of the whole cleaner: name, help, value.
type Gauge = (&'static str, &'static str, fn(&Cleaner) -> i64);

const GAUGES: [Gauge; 7] = [
    (
        "kafka_log_logcleanermanager_max_dirty_percent",
        "Largest share of dirty bytes in a compacted log, in percent.",
        |c| percent(c.max_dirty_ratio),
    ),
    (
        "kafka_log_logcleanermanager_time_since_last_run_ms",
        "Milliseconds since the cleaner looked for dirty logs.",
        |c| c.since_last_run_ms,
    ),
    (
        "kafka_log_logcleaner_cleaner_recopy_percent",
        "Share of bytes that the last cleanings kept, in percent.",
        Cleaner::recopy_percent,
    ),
    (
        "kafka_log_logcleaner_max_clean_time_secs",
        "Longest of the threads' last cleanings, in seconds.",
        |c| c.last.iter().map(|last| whole(last.time.as_secs())).max().unwrap_or(0),
    ),
    (
        "kafka_log_logcleaner_max_buffer_utilization_percent",
        "Fullest key map of the threads' last cleanings, in percent.",
        |c| percent(c.last.iter().map(|last| last.buffer_utilization).fold(0.0, f64::max)),
    ),
    (
        "kafka_log_logcleaner_max_compaction_delay_secs",
        "Longest that records were overdue before the threads' last cleanings, in seconds.",
        |c| c.last.iter().map(|last| last.compaction_delay_ms / 1000).max().unwrap_or(0),
    ),
    // A panic costs the log its turn, never the thread.
    ("kafka_log_logcleaner_deadthreadcount", "Cleaner threads that have died.", |_| 0),
];

/// A gauge of each directory, likewise.
type DirectoryGauge = (&'static str, &'static str, fn(&Uncleanable) -> u64);

const DIRECTORY_GAUGES: [DirectoryGauge; 2] = [
    (
        "kafka_log_logcleanermanager_uncleanable_partitions_count",
        "Partitions of a log directory that could not be cleaned.",
        |d| d.partitions,
    ),
    (
        "kafka_log_logcleanermanager_uncleanable_bytes",
        "Bytes of a log directory's partitions that wait to be cleaned and could not be.",
        |d| d.bytes,
    ),
];

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Of a share between 0 and 1, rounded down.
fn percent(share: f64) -> i64 {
    (0..=100).rev().find(|percent| f64::from(*percent) <= share * 100.0).map_or(0, i64::from)
}

impl Cleaner {
    fn recopy_percent(&self) -> i64 {
        let sum = |of: fn(&Cleaning) -> u64| self.last.iter().map(of).map(u128::from).sum::<u128>();
        let (read, written) = (sum(|last| last.bytes_read), sum(|last| last.bytes_written));
        i64::try_from(written * 100 / read.max(1)).unwrap_or(i64::MAX)
    }

    pub(super) fn write(&self, text: &mut Text) {
        for (name, help, value) in GAUGES {
            text.family(name, Kind::Gauge, help);
            text.sample(name, &[], value(self));
        }
        for (name, help, value) in DIRECTORY_GAUGES {
            text.family(name, Kind::Gauge, help);
            for directory in &self.directories {
                text.sample(name, &[("logDirectory", &directory.directory)], value(directory));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_did_last_is_shown_as_kafka_does() {
        let cleaning = |bytes_written, buffer_utilization, secs: u64| Cleaning {
            bytes_read: 1000,
            bytes_written,
            buffer_utilization,
            time: Duration::from_millis(secs * 1000 + 999),
            compaction_delay_ms: 2_500,
        };
        let cleaner = Cleaner {
            since_last_run_ms: 15_000,
            max_dirty_ratio: 0.509,
            last: vec![cleaning(500, 0.9, 1), cleaning(101, 0.25, 7)],
            directories: vec![Uncleanable { directory: "/a".into(), partitions: 2, bytes: 77 }],
        };
        let mut text = Text::new(String::new());
        cleaner.write(&mut text);
        let text = text.into_string();
        for line in [
            "kafka_log_logcleanermanager_max_dirty_percent 50",
            "kafka_log_logcleanermanager_time_since_last_run_ms 15000",
            "kafka_log_logcleaner_cleaner_recopy_percent 30",
            "kafka_log_logcleaner_max_clean_time_secs 7",
            "kafka_log_logcleaner_max_buffer_utilization_percent 90",
            "kafka_log_logcleaner_max_compaction_delay_secs 2",
            "kafka_log_logcleaner_deadthreadcount 0",
            "kafka_log_logcleanermanager_uncleanable_partitions_count{logDirectory=\"/a\"} 2",
            "kafka_log_logcleanermanager_uncleanable_bytes{logDirectory=\"/a\"} 77",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
    }
}
