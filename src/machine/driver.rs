//! Runs one machine over one sink, and keeps the answers until what they rest on is committed.

use std::collections::{BTreeMap, VecDeque};

use super::{Decision, Machine, Moment, Rejected, Sink, Token};

/// Why a driver did not carry out a decision. It takes no input from then on: what the machine believes may not be
/// in the log, so the driver is to be dropped and the state loaded again.
#[derive(Debug, thiserror::Error)]
pub enum Failed<E> {
    /// The sink refused the records.
    #[error("append failed: {0}")]
    Append(E),
    /// The sink refused earlier ones.
    #[error("an earlier append failed")]
    Earlier,
}

/// An answer that waits for its offset.
#[derive(Debug)]
struct Parked<Asker, Reply> {
    /// Released once everything before this offset is committed.
    end_offset: i64,
    asker: Asker,
    reply: Reply,
}

/// A machine, its sink, and the answers on their way; `Asker` is whoever gets an answer.
#[derive(Debug)]
pub struct Driver<M: Machine, S, Asker> {
    machine: M,
    sink: S,
    token_next: u64,
    /// Everything before this offset is committed.
    committed: i64,
    /// Whose input the machine has not answered.
    unanswered: BTreeMap<Token, Asker>,
    /// In the order of their offsets, since the log only grows.
    parked: VecDeque<Parked<Asker, M::Reply>>,
    failed: bool,
}

impl<M: Machine, S: Sink<M::Record>, Asker> Driver<M, S, Asker> {
    /// A driver whose machine has replayed all that `sink` holds, of which everything before `committed` is
    /// committed.
    pub fn new(machine: M, sink: S, committed: i64) -> Self {
        let (unanswered, parked) = (BTreeMap::new(), VecDeque::new());
        Self { machine, sink, token_next: 0, committed, unanswered, parked, failed: false }
    }

    /// The machine, to read.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, to take what it gathers beside its records.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The log, to flush or cut.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Gives the machine one input; the answer leaves through [`Driver::release`]. What the log refuses is told at once,
    /// and nothing has happened.
    pub fn step(
        &mut self,
        now_ms: i64,
        input: M::Input,
        asker: Asker,
    ) -> Result<Option<(Asker, S::Refusal)>, Failed<S::Error>> {
        let token = Token(self.token_next);
        self.token_next += 1;
        self.unanswered.insert(token, asker);
        let at = self.moment(now_ms)?;
        let decision = self.machine.step(at, token, input);
        let refusal = self.carry_out(at, decision)?;
        Ok(refusal.and_then(|refusal| Some((self.unanswered.remove(&token)?, refusal))))
    }

    /// When [`Driver::expire`] is due, in ms since 1970.
    pub fn deadline(&self) -> Option<i64> {
        if self.failed { None } else { self.machine.deadline() }
    }

    /// Lets the machine decide about what is due by `now_ms`. More may be due afterwards.
    pub fn expire(&mut self, now_ms: i64) -> Result<(), Failed<S::Error>> {
        let at = self.moment(now_ms)?;
        if self.machine.deadline().is_none_or(|deadline| deadline > now_ms) {
            return Ok(());
        }
        let decision = self.machine.expire(at);
        let refusal = self.carry_out(at, decision)?;
        assert!(refusal.is_none(), "a log refuses nothing that nobody asked for");
        Ok(())
    }

    /// Notes that everything before `committed` is committed; it never goes back.
    pub fn commit(&mut self, committed: i64) {
        self.committed = self.committed.max(committed);
    }

    /// The next answer that rests on committed records alone.
    pub fn release(&mut self) -> Option<(Asker, M::Reply)> {
        if self.parked.front()?.end_offset > self.committed {
            return None;
        }
        self.parked.pop_front().map(|parked| (parked.asker, parked.reply))
    }

    /// The offset that the next answer waits for, if one does.
    pub fn awaited(&self) -> Option<i64> {
        self.parked.front().map(|parked| parked.end_offset)
    }

    /// Gives up the next answer if it waits for `end_offset` or one before it: that is not committed in time.
    pub fn give_up(&mut self, end_offset: i64) -> Option<Asker> {
        if self.awaited()? > end_offset {
            return None;
        }
        self.parked.pop_front().map(|parked| parked.asker)
    }

    /// Drops the machine; those who still wait, in the order in which they asked for each kind of waiting.
    pub fn abandon(self) -> impl Iterator<Item = Asker> {
        let parked = self.parked.into_iter().map(|parked| parked.asker);
        parked.chain(self.unanswered.into_values())
    }

    fn moment(&self, now_ms: i64) -> Result<Moment, Failed<S::Error>> {
        if self.failed {
            return Err(Failed::Earlier);
        }
        Ok(Moment { now_ms, next_offset: self.sink.next_offset() })
    }

    fn carry_out(
        &mut self,
        at: Moment,
        decision: Decision<M::Record, M::Reply>,
    ) -> Result<Option<S::Refusal>, Failed<S::Error>> {
        // Before the replay, which has no inverse.
        if !decision.records.is_empty() {
            match self.sink.append(at.now_ms, &decision.records) {
                Ok(()) => {}
                Err(Rejected::Refused(refusal)) => return Ok(Some(refusal)),
                Err(Rejected::Failed(error)) => {
                    self.failed = true;
                    return Err(Failed::Append(error));
                }
            }
        }
        let mut end_offset = at.next_offset;
        for record in &decision.records {
            self.machine.replay(end_offset, record).expect("a machine replays what it decided");
            end_offset += 1;
        }
        assert_eq!(self.sink.next_offset(), end_offset, "a sink gives each record one offset");
        // An answer without records waits as well: the machine may have seen what is not committed yet.
        for (token, reply) in decision.replies {
            let asker = self.unanswered.remove(&token).expect("a machine answers a token once");
            self.parked.push_back(Parked { end_offset, asker, reply });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
