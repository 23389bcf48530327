//! What waits for the controller's thread. An idle thread sleeps until something comes or the machine's deadline.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::quorum::Unavailable;
use super::snapshots::Outcome;
use crate::controller::{Input, Reply};

/// Most inputs that wait; each has a client behind it.
const INPUTS_MAX: usize = 10_000;

/// Whoever gets an answer; dropped without one if the quorum fails.
pub(super) type Asker = oneshot::Sender<Reply>;

/// Whether inputs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Stopping,
    Closed,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    inputs: Vec<(Input, Asker)>,
    snapshot: Option<Outcome>,
}

/// Inputs on their way to the controller's thread.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

/// Everything that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) inputs: Vec<(Input, Asker)>,
    pub(super) snapshot: Option<Outcome>,
    /// Nothing more will come.
    pub(super) is_last: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = State { phase: Phase::Open, inputs: Vec::new(), snapshot: None };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    pub(super) fn push(&self, input: Input, asker: Asker) -> Result<(), Unavailable> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open || state.inputs.len() >= INPUTS_MAX {
            return Err(Unavailable);
        }
        state.inputs.push((input, asker));
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Tells what became of a snapshot.
    pub(super) fn snapshot_done(&self, outcome: Outcome) {
        self.state.lock().snapshot = Some(outcome);
        self.arrived.notify_one();
    }

    /// What became of a snapshot, if nobody has been told yet.
    pub(super) fn take_snapshot(&self) -> Option<Outcome> {
        self.state.lock().snapshot.take()
    }

    /// Lets the thread end once it has done what is queued.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Stopping;
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Takes nothing any more; whoever waits is told so.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        let dropped = std::mem::take(&mut state.inputs);
        drop(state);
        drop(dropped);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().phase == Phase::Closed
    }

    /// Waits until something comes, or for `timeout`, if there is one.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Arrived {
        let mut state = self.state.lock();
        let nothing = |state: &mut State| {
            state.phase == Phase::Open && state.inputs.is_empty() && state.snapshot.is_none()
        };
        match timeout {
            Some(timeout) => {
                self.arrived.wait_while_for(&mut state, nothing, timeout);
            }
            None => self.arrived.wait_while(&mut state, nothing),
        }
        Arrived {
            inputs: std::mem::take(&mut state.inputs),
            snapshot: state.snapshot.take(),
            is_last: state.phase != Phase::Open,
        }
    }
}
