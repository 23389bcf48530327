//! Summaries of durations: a fixed array of counters each, so that recording is one addition and memory does
//! not grow with the number of requests, as it does in the exporter's own histograms between two scrapes.

use std::array;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{HistogramFn, Key};
use parking_lot::Mutex;

use super::text::{Kind, Text};

/// Quantiles as Kafka's exporters write them, with their number of thousandths.
const QUANTILES: [(&str, u64); 6] =
    [("0.50", 500), ("0.75", 750), ("0.95", 950), ("0.98", 980), ("0.99", 990), ("0.999", 999)];

/// Least age of a window when a scrape replaces it. Quantiles are those of the last one or two windows.
const WINDOW: Duration = Duration::from_secs(60);

/// Buckets of one power of two, as a power of two: a bucket is at most 1/32 wider than its start.
const SUB_BITS: u32 = 5;
const SUB_COUNT: usize = 1 << SUB_BITS;

/// The last power of two with buckets of its own, in microseconds: 2^36 is 19 hours.
const POWER_MAX: u32 = 36;
const BUCKET_COUNT: usize = (POWER_MAX - SUB_BITS + 2) as usize * SUB_COUNT;

type Window = [AtomicU32; BUCKET_COUNT];

/// Durations of one series.
pub(super) struct Summary {
    count: AtomicU64,
    /// Which of the two windows is being filled.
    active: AtomicUsize,
    /// Not there before the first duration: many APIs are never called.
    windows: OnceLock<Box<[Window; 2]>>,
}

impl Summary {
    fn new() -> Self {
        Self { count: AtomicU64::new(0), active: AtomicUsize::new(0), windows: OnceLock::new() }
    }

    fn window(&self, which: usize) -> &Window {
        let new = || Box::new(array::from_fn(|_| array::from_fn(|_| AtomicU32::new(0))));
        let [even, odd] = &**self.windows.get_or_init(new);
        if which.is_multiple_of(2) { even } else { odd }
    }

    fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.window(self.active.load(Ordering::Relaxed))[bucket_of(micros)].fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts a new window in place of the older one, unless the present one is still empty: the last
    /// quantiles stay until there are others. Additions that race with it may be lost from the quantiles.
    fn rotate(&self) {
        let active = self.active.load(Ordering::Relaxed);
        let is_unused = self.windows.get().is_none();
        if is_unused || self.window(active).iter().all(|bucket| bucket.load(Ordering::Relaxed) == 0) {
            return;
        }
        for bucket in self.window(active + 1) {
            bucket.store(0, Ordering::Relaxed);
        }
        self.active.store((active + 1) % 2, Ordering::Relaxed);
    }

    fn write(&self, name: &str, labels: &[(&str, &str)], text: &mut Text) {
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let both = self.window(0).iter().zip(self.window(1));
        let buckets: Vec<u64> = both
            .map(|(a, b)| u64::from(a.load(Ordering::Relaxed)) + u64::from(b.load(Ordering::Relaxed)))
            .collect();
        let total: u64 = buckets.iter().sum();
        for (quantile, thousandths) in QUANTILES {
            let labels = [labels, &[("quantile", quantile)]].concat();
            let micros = value_at(&buckets, (total * thousandths).div_ceil(1000));
            text.sample(name, &labels, micros as f64 / 1000.0);
        }
        text.sample(&format!("{name}_count"), labels, count);
    }
}

impl HistogramFn for Summary {
    /// The facade turns a `Duration` into seconds. What is no duration is not recorded.
    fn record(&self, seconds: f64) {
        if let Ok(duration) = Duration::try_from_secs_f64(seconds) {
            self.add(duration);
        }
    }
}

fn bucket_of(micros: u64) -> usize {
    let power = micros.max(1).ilog2();
    if power < SUB_BITS {
        return usize::try_from(micros).unwrap_or(0);
    }
    if power > POWER_MAX {
        return BUCKET_COUNT - 1;
    }
    let sub = usize::try_from(micros >> (power - SUB_BITS)).unwrap_or(0) % SUB_COUNT;
    (power - SUB_BITS + 1) as usize * SUB_COUNT + sub
}

/// The last value that falls into a bucket.
fn bucket_end(bucket: usize) -> u64 {
    let (group, sub) = (bucket / SUB_COUNT, (bucket % SUB_COUNT) as u64);
    match group.checked_sub(1) {
        None => sub,
        Some(shift) => ((SUB_COUNT as u64 + sub + 1) << shift) - 1,
    }
}

/// The value of the `rank`th duration, counted from 1.
fn value_at(buckets: &[u64], rank: u64) -> u64 {
    let mut seen = 0;
    for (bucket, count) in buckets.iter().enumerate() {
        seen += count;
        if seen >= rank.max(1) {
            return bucket_end(bucket);
        }
    }
    0
}

/// Every summary, by name and labels.
#[derive(Clone, Default)]
pub(super) struct Summaries(Arc<Mutex<Registry>>);

type Labels = Vec<(String, String)>;

#[derive(Default)]
struct Registry {
    help: BTreeMap<String, String>,
    families: BTreeMap<String, BTreeMap<Labels, Arc<Summary>>>,
    rotated: Duration,
}

impl Summaries {
    pub(super) fn describe(&self, name: &str, help: &str) {
        self.0.lock().help.insert(name.to_owned(), help.to_owned());
    }

    pub(super) fn register(&self, key: &Key) -> Arc<Summary> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let mut registry = self.0.lock();
        let family = registry.families.entry(key.name().to_owned()).or_default();
        family.entry(labels).or_insert_with(|| Arc::new(Summary::new())).clone()
    }

    /// Writes them all; `now` is what tells windows apart.
    pub(super) fn write(&self, now: Duration, text: &mut Text) {
        let mut registry = self.0.lock();
        let rotate = now.saturating_sub(registry.rotated) >= WINDOW;
        if rotate {
            registry.rotated = now;
        }
        for (name, family) in &registry.families {
            let help = registry.help.get(name).map_or("", String::as_str);
            text.family(name, Kind::Summary, help);
            for (labels, summary) in family {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                summary.write(name, &labels, text);
                if rotate {
                    summary.rotate();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn median(summaries: &Summaries, now_s: u64) -> f64 {
        let mut text = Text::new(String::new());
        summaries.write(Duration::from_secs(now_s), &mut text);
        let text = text.into_string();
        let line = text.lines().find(|line| line.contains("0.50")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn quantiles_are_within_a_thirtieth() {
        let summaries = Summaries::default();
        let summary = summaries.register(&Key::from_name("x"));
        for ms in 1..=1000 {
            summary.add(Duration::from_millis(ms));
        }
        let mut text = Text::new(String::new());
        summaries.write(Duration::ZERO, &mut text);
        let text = text.into_string();
        for (quantile, thousandths) in QUANTILES {
            let line = text.lines().find(|line| line.contains(&format!("\"{quantile}\""))).unwrap();
            let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            let exact = thousandths as f64;
            assert!((exact..=exact * 31.0 / 30.0).contains(&value), "{line}");
        }
    }

    #[test]
    fn old_durations_leave_after_two_windows_and_the_last_ones_stay() {
        let summaries = Summaries::default();
        let summary = summaries.register(&Key::from_name("x"));
        (0..3).for_each(|_| summary.add(Duration::from_secs(1)));
        assert!(median(&summaries, 60) >= 1000.0);
        (0..2).for_each(|_| summary.add(Duration::from_millis(1)));
        assert!(median(&summaries, 119) >= 1000.0);
        assert!(median(&summaries, 120) >= 1000.0);
        assert!(median(&summaries, 180) < 2.0);
        assert!(median(&summaries, 10_000) < 2.0);
    }

    #[test]
    fn a_summary_without_durations_writes_no_samples() {
        let summaries = Summaries::default();
        summaries.register(&Key::from_name("x"));
        let mut text = Text::new(String::new());
        summaries.write(Duration::ZERO, &mut text);
        assert!(text.into_string().lines().all(|line| line.starts_with('#')));
    }

    proptest! {
        #[test]
        fn a_bucket_ends_at_or_just_after_what_falls_into_it(micros in 0u64..(1 << 37)) {
            let bucket = bucket_of(micros);
            let end = bucket_end(bucket);
            prop_assert!(end >= micros && end <= micros + micros / 32, "{micros} in {bucket} to {end}");
            prop_assert!(bucket == 0 || bucket_end(bucket - 1) < micros);
        }

        #[test]
        fn no_number_panics(bits in any::<u64>()) {
            let summary = Summary::new();
            summary.record(f64::from_bits(bits));
            summary.add(Duration::from_micros(bits));
        }
    }
}
