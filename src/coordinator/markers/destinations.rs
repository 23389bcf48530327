//! Where markers go, on this node: straight into the log, or through the group shard that owns it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::base::clock::Clock;
use crate::base::id::TopicId;
use crate::coordinator::Unavailable;
use crate::coordinator::groups::Groups;
use crate::coordinator::sink::marker_of;
use crate::coordinator::stored::Stored;
use crate::group::EndTransaction;
use crate::log::AppendError;
use crate::log::producers::ProducerError;
use crate::machine::Ended;
use crate::meta::Image;
use crate::partition::{self, Replica, Set};
use crate::purgatory::Countdown;
use crate::txn::Transactions;

/// How long a marker may take to be committed before it is written again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a marker is not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// There is no such partition.
    #[error("the partition does not exist")]
    Gone,
    /// What the partition knows of the producer is newer.
    #[error(transparent)]
    Refused(ProducerError),
    /// The partition does not take anything now.
    #[error(transparent)]
    Partition(#[from] partition::Error),
    /// Its coordinator does not answer.
    #[error(transparent)]
    Coordinator(Unavailable),
}

impl From<Unavailable> for NotWritten {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Refused(why) => Self::Refused(why),
            Unavailable::NotCoordinator | Unavailable::LoadInProgress | Unavailable::NotAvailable => {
                Self::Coordinator(unavailable)
            }
        }
    }
}

/// The partitions of this node.
pub(in crate::coordinator) struct Destinations {
    pub(in crate::coordinator) partitions: Arc<Set>,
    pub(in crate::coordinator) groups: Groups,
    pub(in crate::coordinator) clock: Clock,
    /// Tells what exists.
    pub(in crate::coordinator) image: ArcSwap<Image>,
}

impl Destinations {
    /// Writes markers to one partition, in this order, and waits until they are committed; what became of each.
    pub(in crate::coordinator) async fn write(
        &self,
        topic: &str,
        index: i32,
        markers: &[Ended],
    ) -> Vec<Result<(), NotWritten>> {
        let Some(id) = self.find(topic, index) else {
            return markers.iter().map(|_| Err(NotWritten::Gone)).collect();
        };
        if topic == Groups::TOPIC {
            return self.write_to_group(index, markers).await;
        }
        match self.partitions.get(id, index) {
            Some(replica) => self.write_to_log(&replica, markers).await,
            // Its log directory has failed.
            None => markers.iter().map(|_| Err(partition::Error::NotLeaderOrFollower.into())).collect(),
        }
    }

    fn find(&self, topic: &str, index: i32) -> Option<TopicId> {
        // The coordinators' own logs are for their shards alone, and hold no transactions.
        if topic == <Transactions as Stored>::TOPIC {
            return None;
        }
        let image = self.image.load();
        let topic = image.topics.by_name(topic)?;
        topic.partition(index).map(|_| topic.id)
    }

    async fn write_to_log(&self, replica: &Arc<Replica>, markers: &[Ended]) -> Vec<Result<(), NotWritten>> {
        let now_ms = self.clock.now_ms();
        let append = |ended: &Ended| {
            let appended = replica.append_marker(&marker_of(*ended), ended.transaction_version, now_ms);
            appended.map(|appended| appended.last_offset).map_err(|why| {
                let partition::Error::Append(AppendError::Producer(why)) = why else { return why.into() };
                NotWritten::Refused(why)
            })
        };
        let appended: Vec<Result<i64, NotWritten>> = markers.iter().map(append).collect();
        if let Some(last_offset) = appended.iter().filter_map(|offset| offset.as_ref().ok()).max() {
            let countdown = Countdown::new(1);
            replica.wait_committed(*last_offset, &countdown);
            // What is not committed by then is seen below.
            let _ = tokio::time::timeout(COMMIT_TIMEOUT, countdown.wait()).await;
        }
        let committed = |offset: Result<i64, NotWritten>| match replica.committed(offset?) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unavailable::NotAvailable.into()),
            Err(why) => Err(why.into()),
        };
        appended.into_iter().map(committed).collect()
    }

    async fn write_to_group(&self, index: i32, markers: &[Ended]) -> Vec<Result<(), NotWritten>> {
        let mut submitted = Vec::with_capacity(markers.len());
        for ended in markers {
            submitted.push(self.groups.submit(index, EndTransaction(*ended), None).await);
        }
        let mut written = Vec::with_capacity(markers.len());
        for answer in submitted {
            written.push(match answer {
                Ok(answer) => answer.await.map_err(NotWritten::from),
                Err(unavailable) => Err(unavailable.into()),
            });
        }
        written
    }
}
