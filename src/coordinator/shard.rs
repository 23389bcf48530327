//! One shard at work: rounds of inputs, one append each, and the answers that the high watermark releases.
//!
//! A machine's time is [`Clock::steady_ms`]: whoever sets the machine's clock back holds up no time-out, and no record
//! is stamped with a time that is long gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::Unavailable;
use super::place::{Asker, Message, News, Place};
use super::sink::Sink;
use super::stored::Stored;
use crate::base::clock::Clock;
use crate::machine::{Driver, Failed};
use crate::partition::{self, Replica};
use crate::purgatory::Signal;

/// Inputs of one round, at most: other tasks of the thread get their turn.
const ROUND_INPUTS_MAX: usize = 128;
/// How long the answers of a stopping shard may still take.
const FINISH_LIMIT: Duration = Duration::from_secs(2);
/// How far ahead a machine's deadline is looked at; the timer is set again then.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// A shard that runs.
pub(super) struct Shard<M: Stored> {
    driver: Driver<M, Sink<M>, Option<Asker<M>>>,
    replica: Arc<Replica>,
    epoch: i32,
    clock: Clock,
    /// `offsets.commit.timeout.ms` or its like.
    commit_timeout: Duration,
    signal: Signal,
    /// Whether the replica will wake `signal`.
    is_registered: bool,
    /// Ends of what was appended and is not committed, and when that is given up.
    uncommitted: VecDeque<(i64, Duration)>,
}

impl<M: Stored> Shard<M> {
    pub(super) fn new(
        machine: M,
        sink: Sink<M>,
        replica: Arc<Replica>,
        epoch: i32,
        clock: Clock,
        commit_timeout: Duration,
    ) -> Self {
        Self {
            driver: Driver::new(machine, sink, 0),
            replica,
            epoch,
            clock,
            commit_timeout,
            signal: Signal::default(),
            is_registered: false,
            uncommitted: VecDeque::new(),
        }
    }

    /// The machine, to read.
    pub(super) fn machine(&self) -> &M {
        self.driver.machine()
    }

    /// Runs until it is stopped, which gives it back, or until the partition is not there for it any more.
    pub(super) async fn run(
        mut self,
        place: &Place<M>,
        mut inputs: mpsc::Receiver<Message<M>>,
    ) -> Result<Self, partition::Error> {
        let mut arrived = Vec::new();
        self.round(&mut arrived, None, Some(M::activate(self.epoch)))?;
        let mut sleep = std::pin::pin!(tokio::time::sleep(SLEEP_MAX));
        let mut armed = None;
        loop {
            let due = (self.driver.deadline(), self.uncommitted.front().map(|(_, due)| *due));
            if armed != Some(due) {
                arm(sleep.as_mut(), due, &self.clock);
                armed = Some(due);
            }
            tokio::select! {
                biased;
                () = place.stop.cancelled() => break,
                () = place.changed.notified() => {}
                () = self.signal.wait(), if self.is_registered => self.is_registered = false,
                _ = inputs.recv_many(&mut arrived, ROUND_INPUTS_MAX) => {}
                () = sleep.as_mut() => armed = None,
            }
            self.round(&mut arrived, place.take_news(), None)?;
        }
        self.finish(inputs).await
    }

    fn round(
        &mut self,
        arrived: &mut Vec<Message<M>>,
        news: Option<News>,
        first: Option<M::Input>,
    ) -> Result<(), partition::Error> {
        let told = news.map(|news| {
            self.driver.sink_mut().configure();
            M::image(news.image, news.deleted_topics)
        });
        for input in first.into_iter().chain(told) {
            self.driver.step(self.clock.steady_ms(), input, None).map_err(cause)?;
        }
        for Message { input, guard, asker } in arrived.drain(..) {
            self.driver.sink_mut().set_guard(guard);
            let refused = self.driver.step(self.clock.steady_ms(), input, Some(asker)).map_err(cause)?;
            if let Some((asker, why)) = refused {
                answer::<M>(asker, Err(Unavailable::Refused(why)));
            }
        }
        self.driver.sink_mut().set_guard(None);
        let now_ms = self.clock.steady_ms();
        while self.driver.deadline().is_some_and(|deadline| deadline <= now_ms) {
            self.driver.expire(now_ms).map_err(cause)?;
        }
        if let Some(end_offset) = self.driver.sink_mut().flush(now_ms)? {
            self.uncommitted.push_back((end_offset, self.clock.elapsed() + self.commit_timeout));
        }
        self.release()
    }

    /// Gives the answers that rest on committed records, and has itself woken for the others. Also finds out whether
    /// this shard is still in charge: an answer from memory would be as wrong as an append.
    fn release(&mut self) -> Result<(), partition::Error> {
        loop {
            let committed = self.replica.watermarks(self.epoch)?.high_watermark;
            self.driver.commit(committed);
            while let Some((asker, reply)) = self.driver.release() {
                answer::<M>(asker, Ok(reply));
            }
            self.give_up(committed);
            if self.driver.awaited().is_none() || self.is_registered {
                return Ok(());
            }
            // Once more afterwards: what was committed before woke nobody.
            self.replica.signal_arrival(&self.signal);
            self.is_registered = true;
        }
    }

    /// Tells those who have waited long enough for a commit that it does not come.
    fn give_up(&mut self, committed: i64) {
        let now = self.clock.elapsed();
        while let Some((end_offset, due)) = self.uncommitted.front().copied() {
            if end_offset > committed && due > now {
                return;
            }
            while end_offset > committed
                && let Some(asker) = self.driver.give_up(end_offset)
            {
                answer::<M>(asker, Err(Unavailable::NotAvailable));
            }
            self.uncommitted.pop_front();
        }
    }

    /// Answers what was taken, as far as that is possible in short time.
    async fn finish(mut self, mut inputs: mpsc::Receiver<Message<M>>) -> Result<Self, partition::Error> {
        inputs.close();
        let mut arrived = Vec::new();
        while inputs.recv_many(&mut arrived, ROUND_INPUTS_MAX).await > 0 {
            self.round(&mut arrived, None, None)?;
        }
        let until = self.clock.elapsed() + FINISH_LIMIT;
        while self.driver.awaited().is_some() && self.clock.elapsed() < until {
            let left = until.saturating_sub(self.clock.elapsed());
            let woken = tokio::time::timeout(left, self.signal.wait()).await;
            self.is_registered &= woken.is_err();
            self.release()?;
        }
        Ok(self)
    }
}

fn answer<M: Stored>(asker: Option<Asker<M>>, answer: Result<M::Reply, Unavailable>) {
    if let Some(asker) = asker {
        // Who has gone away does not mind.
        let _ = asker.send(answer);
    }
}

fn cause(failed: Failed<partition::Error>) -> partition::Error {
    match failed {
        Failed::Append(error) => error,
        Failed::Earlier => partition::Error::Storage,
    }
}

/// Sets the timer for what a machine waits for, in ms since 1970, or for the end of a commit's time.
fn arm(sleep: std::pin::Pin<&mut Sleep>, due: (Option<i64>, Option<Duration>), clock: &Clock) {
    let deadline = due.0.map(|deadline| {
        Duration::from_millis(u64::try_from(deadline.saturating_sub(clock.steady_ms())).unwrap_or(0))
    });
    let commit = due.1.map(|due| due.saturating_sub(clock.elapsed()));
    let left = deadline.into_iter().chain(commit).min().unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
    sleep.reset(Instant::now() + left);
}
