//! `kafka_server_brokertopicmetrics_*`: what goes in and out, for the whole broker and for each topic
//! (`BrokerTopicStats`). Both series share a name; the broker's has no `topic` label.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::TOPIC_SERIES_MAX;
use super::text::{Kind, Text};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $metric:literal, $help:literal;)*) => {
        #[derive(Default)]
        struct Counts {
            $($name: AtomicU64,)*
        }

        /// Counters of one topic. What is added also counts for the whole broker.
        #[derive(Clone)]
        pub struct Topic {
            own: Option<Arc<Counts>>,
            broker: Arc<Counts>,
        }

        impl Topic {
            $(
                $(#[$doc])*
                pub fn $name(&self, count: u64) {
                    for counts in self.own.iter().chain([&self.broker]) {
                        counts.$name.fetch_add(count, Ordering::Relaxed);
                    }
                }
            )*
        }

        type Read = fn(&Counts) -> &AtomicU64;

        const FAMILIES: &[(&str, &str, Read)] = &[$(
            (concat!("kafka_server_brokertopicmetrics_", $metric, "_total"), $help, |counts| &counts.$name),
        )*];
    };
}

counts! {
    /// Records appended.
    messages_in: "messagesin", "Records that producers appended.";
    /// Bytes of record batches appended.
    bytes_in: "bytesin", "Bytes of record batches that producers appended.";
    /// Bytes of record batches sent to consumers.
    bytes_out: "bytesout", "Bytes of record batches that consumers fetched.";
    /// Partitions that produce requests named.
    total_produce_requests: "totalproducerequests", "Partitions in produce requests.";
    /// Partitions that fetch requests named.
    total_fetch_requests: "totalfetchrequests", "Partitions in fetch requests.";
    /// Partitions that a produce request failed for.
    failed_produce_requests: "failedproducerequests", "Partitions that a produce request failed for.";
    /// Partitions that a fetch request failed for.
    failed_fetch_requests: "failedfetchrequests", "Partitions that a fetch request failed for.";
    /// Bytes of batches that were too large.
    bytes_rejected: "bytesrejected", "Bytes of record batches that were too large.";
}

/// The counters of every topic that somebody holds.
#[derive(Default)]
pub(super) struct Topics {
    broker: Arc<Counts>,
    own: Mutex<BTreeMap<Arc<str>, Weak<Counts>>>,
    /// Handles that were given out without room for their topic, since the start.
    without_series: AtomicU64,
}

impl Topics {
    pub(super) fn topic(&self, name: &Arc<str>) -> Topic {
        let mut own = self.own.lock();
        let mut counts = own.get(name).and_then(Weak::upgrade);
        if counts.is_none() {
            if own.len() >= TOPIC_SERIES_MAX {
                own.retain(|_, counts| counts.strong_count() > 0);
            }
            if own.len() < TOPIC_SERIES_MAX {
                let new = Arc::new(Counts::default());
                own.insert(name.clone(), Arc::downgrade(&new));
                counts = Some(new);
            } else {
                self.without_series.fetch_add(1, Ordering::Relaxed);
            }
        }
        Topic { own: counts, broker: self.broker.clone() }
    }

    pub(super) fn no_topic(&self) -> Topic {
        Topic { own: None, broker: self.broker.clone() }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let topics: Vec<(Arc<str>, Arc<Counts>)> = {
            let mut own = self.own.lock();
            own.retain(|_, counts| counts.strong_count() > 0);
            own.iter().filter_map(|(name, counts)| Some((name.clone(), counts.upgrade()?))).collect()
        };
        for (name, help, read) in FAMILIES {
            text.family(name, Kind::Counter, help);
            text.sample(name, &[], read(&self.broker).load(Ordering::Relaxed));
            for (topic, counts) in &topics {
                text.sample(name, &[("topic", topic)], read(counts).load(Ordering::Relaxed));
            }
        }
        let name = "barnabas_metrics_replicas_without_topic_series_total";
        text.family(name, Kind::Counter, "Replicas that count for the whole broker only, for want of room.");
        text.sample(name, &[], self.without_series.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(topics: &Topics) -> String {
        let mut text = Text::new(String::new());
        topics.write(&mut text);
        text.into_string()
    }

    #[test]
    fn every_holder_of_a_topic_counts_in_one_place_until_the_last_lets_go() {
        let topics = Topics::default();
        let (first, second) = (topics.topic(&"t".into()), topics.topic(&"t".into()));
        first.bytes_in(1);
        drop(first);
        second.bytes_in(2);
        assert!(written(&topics).contains("bytesin_total{topic=\"t\"} 3\n"));
        drop(second);
        let text = written(&topics);
        assert!(text.contains("bytesin_total 3\n") && !text.contains("topic="));
    }

    #[test]
    fn topics_beyond_the_limit_count_for_the_broker_and_get_room_when_others_go() {
        let topics = Topics::default();
        let name = |number: usize| Arc::<str>::from(format!("t{number}"));
        let mut held: Vec<Topic> = (0..TOPIC_SERIES_MAX).map(|number| topics.topic(&name(number))).collect();
        topics.topic(&"late".into()).messages_in(5);
        let text = written(&topics);
        assert!(text.contains("messagesin_total 5\n") && !text.contains("late"));
        assert!(text.contains("without_topic_series_total 1\n"));
        held.pop();
        let late = topics.topic(&"late".into());
        late.messages_in(1);
        assert!(written(&topics).contains("messagesin_total{topic=\"late\"} 1\n"));
    }
}
