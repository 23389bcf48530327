//! `process_*`: what Linux tells about this process in `/proc`. Elsewhere, or when it cannot be read, the series
//! are not there.

use std::fs;

use super::text::{Kind, Text};

/// `USER_HZ`, in which Linux gives processor times on every architecture that Rust's standard library runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What does not change while the process runs.
pub(super) struct Process {
    start_time_seconds: f64,
}

impl Process {
    /// Made when the process starts, at `now_ms` since 1970.
    pub(super) fn new(now_ms: i64) -> Self {
        Self { start_time_seconds: now_ms as f64 / 1000.0 }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let mut add = |name: &str, kind, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                text.family(name, kind, help);
                text.sample(name, &[], value);
            }
        };
        add("process_cpu_seconds_total", Kind::Counter, "Processor time in seconds.", cpu_seconds());
        add("process_open_fds", Kind::Gauge, "Open file descriptors.", open_fds());
        add("process_max_fds", Kind::Gauge, "Most file descriptors.", limit_of("Max open files"));
        let resident = status_kib("VmRSS:").map(|kib| kib * 1024.0);
        add("process_resident_memory_bytes", Kind::Gauge, "Resident memory in bytes.", resident);
        let start = Some(self.start_time_seconds);
        add("process_start_time_seconds", Kind::Gauge, "Start of the process, in seconds since 1970.", start);
    }
}

/// Fields 14 and 15 of `stat`; the second field is the name in parentheses and may hold anything.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn open_fds() -> Option<f64> {
    // One of them is the directory that is being read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

/// The soft limit of this name; `None` if there is none.
fn limit_of(name: &str) -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn status_kib(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
