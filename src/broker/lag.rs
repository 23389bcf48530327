//! How far the consumer groups that are coordinated here are behind, gathered for a scrape.
//!
//! The work is bounded by the number of series: for each a look at the replica, and for those that are behind one
//! batch header, which says how old the next record to consume is.

use std::time::Duration;

use tokio::runtime::Handle;
use tracing::debug;

use crate::base::clock::Clock;
use crate::coordinator::Groups;
use crate::group::{GroupOffsets, ListOffsets, TopicOffsets};
use crate::meta::Image;
use crate::metrics::{ConsumedPartition, ConsumerGroup};
use crate::partition::{FetchSpec, Isolation, Replica, Set};
use crate::wire::batch::{BatchHeader, HEADER_LEN};

/// How long a scrape waits for the coordinators, all together; what is not there by then is not shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where lag is looked up.
pub(super) struct Lag {
    pub(super) groups: Groups,
    pub(super) clock: Clock,
    /// `metrics.consumer.group.partitions.max`.
    pub(super) partitions_max: usize,
    pub(super) runtime: Handle,
}

impl Lag {
    /// The groups by name, with `partitions_max` partitions at most, and how many more there are at least. To be
    /// called on a thread that may block.
    pub(super) fn observe(&self, image: &Image, partitions: &Set) -> (Vec<ConsumerGroup>, usize) {
        if self.partitions_max == 0 {
            return (Vec::new(), 0);
        }
        let mut listed = self.list();
        listed.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        let looker = Looker { image, partitions, now_ms: self.clock.now_ms() };
        let (mut left, mut without_series) = (self.partitions_max, 0);
        let mut groups = Vec::with_capacity(listed.len());
        for group in &listed {
            if left == 0 && group.topics.is_empty() {
                continue;
            }
            left -= usize::from(group.topics.is_empty());
            let mut consumed = Vec::new();
            for topic in &group.topics {
                let shown = topic.partitions.len().min(left);
                consumed
                    .extend(topic.partitions.iter().take(shown).map(|offset| looker.look(topic, *offset)));
                left -= shown;
                without_series += topic.partitions.len() - shown;
            }
            groups.push(ConsumerGroup {
                group: group.group.clone(),
                members: group.members,
                partitions: consumed,
            });
        }
        (groups, without_series)
    }

    fn list(&self) -> Vec<GroupOffsets> {
        // One more than are shown tells that there are more.
        let asked = self.groups.ask_all(ListOffsets { offsets_max: self.partitions_max + 1 });
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await }) {
            // Partitions that are being loaded have nothing to say yet.
            Ok(answers) => answers.into_iter().flatten().flatten().collect(),
            Err(_) => {
                debug!("the coordinators did not answer a scrape in time");
                Vec::new()
            }
        }
    }
}

struct Looker<'a> {
    image: &'a Image,
    partitions: &'a Set,
    now_ms: i64,
}

impl Looker<'_> {
    fn look(&self, topic: &TopicOffsets, (partition, offset): (i32, i64)) -> ConsumedPartition {
        let replica =
            self.image.topics.by_name(&topic.topic).and_then(|t| self.partitions.get(t.id, partition));
        let (lag, lag_ms) = replica.and_then(|replica| self.lag(&replica, offset)).unzip();
        ConsumedPartition { topic: topic.topic.clone(), partition, offset, lag, lag_ms: lag_ms.flatten() }
    }

    /// Records, and ms if that can be told; nothing for a partition that is led elsewhere.
    fn lag(&self, replica: &Replica, offset: i64) -> Option<(i64, Option<u64>)> {
        let observed = replica.observe().filter(|observed| observed.is_leader)?;
        let lag = (observed.high_watermark - offset).max(0);
        if lag == 0 {
            return Some((0, Some(0)));
        }
        // What retention has deleted is not consumed any more, but it counts as behind.
        let next = offset.max(observed.log_start_offset);
        let timestamp = next_timestamp(replica, next);
        let age_ms = |timestamp: i64| u64::try_from(self.now_ms.saturating_sub(timestamp)).unwrap_or(0);
        Some((lag, timestamp.map(age_ms)))
    }
}

/// The timestamp of the batch that holds `offset`, or of the first one after it, in ms since 1970.
fn next_timestamp(replica: &Replica, offset: i64) -> Option<i64> {
    let spec = FetchSpec {
        offset,
        bytes_max: HEADER_LEN,
        whole_first_batch: true,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        isolation: Isolation::ReadUncommitted,
    };
    let slice = replica.fetch(spec).ok()?.plan?.resolve().ok()??;
    let mut bytes = [0; HEADER_LEN];
    slice.file.read_exact_at(&mut bytes, slice.position).ok()?;
    let header = BatchHeader::parse(&bytes).ok()?;
    // A base timestamp that is a delete horizon, or the producer's in spite of `LogAppendTime`, says nothing.
    let is_base = !header.is_log_append_time() && !header.has_delete_horizon();
    let timestamp = if is_base { header.base_timestamp } else { header.max_timestamp };
    (timestamp >= 0).then_some(timestamp)
}
