//! One client connection: reads ahead, runs requests side by side, answers in request order.
//!
//! The whole connection is one task. A request is polled once when its frame arrives, in arrival order, so
//! whatever a handler does before its first wait happens in request order. One that has to wait first, a transaction's
//! first batch in a partition, holds the others back until it has appended.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, error::Elapsed};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::eager::{Eager, Latest};
use super::limits::Use;
use super::output::Output;
use crate::api::response::Outcome;
use crate::api::{Api, Peer, Running, Started};
use crate::wire::header::peek_api_key;
use crate::wire::versions::ApiKey;

/// Requests of one connection that may be under way at once.
const IN_FLIGHT_MAX: usize = 256;
/// Request bytes of one connection that may be under way at once, whatever a single frame weighs.
const IN_FLIGHT_BYTES_MAX: usize = 16 << 20;
/// A frame up to this size is read without asking the broker-wide memory budget.
const FREE_FRAME_BYTES: usize = 64 << 10;
/// A buffer of up to this size is made at once for an announced frame; beyond it grows with what arrives.
const EAGER_BYTES: usize = 256 << 10;
/// How much is read at once when nothing is known of the next frame.
const READ_BYTES_MIN: usize = 8 << 10;
/// How long a frame may wait for the broker-wide memory budget before its connection is closed.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// How long a connection that is to end may finish what it has under way.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Rounds that one poll may take before other connections get their turn.
const ROUNDS_PER_POLL: usize = 64;
/// The unit of the broker-wide memory budget.
pub(super) const MEMORY_UNIT: usize = 1 << 10;

/// What all connections of a listener share.
pub(super) struct Shared {
    pub(super) api: Arc<Api>,
    pub(super) frame_bytes_max: usize,
    pub(super) idle: Option<Duration>,
    /// Broker-wide budget for request bytes, in [`MEMORY_UNIT`]s.
    pub(super) memory: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) latest: Latest,
}

enum Slot {
    Running { call: Running, _permit: Option<OwnedSemaphorePermit>, bytes: usize },
    Done(Outcome),
}

type MemoryWait =
    Pin<Box<dyn Future<Output = Result<Result<OwnedSemaphorePermit, AcquireError>, Elapsed>> + Send>>;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    Client,
    Idle,
    /// The broker or the listener stops, or there are too many connections.
    Closed,
    Protocol(&'static str),
    Io(io::Error),
}

pub(super) struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    input: BytesMut,
    read_hint: usize,
    slots: VecDeque<Slot>,
    bytes_in_flight: usize,
    output: Output,
    permit: Option<OwnedSemaphorePermit>,
    memory_wait: Option<MemoryWait>,
    active_at: Instant,
    used: Arc<Use>,
    eager: Eager,
    /// When the runtime last had its turn.
    polled_at: Instant,
    idle: Option<Pin<Box<Sleep>>>,
    close: Pin<Box<WaitForCancellationFutureOwned>>,
    /// It is to end, and is cut off then.
    draining: Option<Pin<Box<Sleep>>>,
    /// Why the connection ends once what was answered is written.
    closing: Option<&'static str>,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        listener: Arc<str>,
        from: SocketAddr,
        used: Arc<Use>,
        shared: Arc<Shared>,
    ) -> Self {
        let close = Box::pin(used.close.clone().cancelled_owned());
        let idle = shared.idle.map(|after| Box::pin(tokio::time::sleep(after)));
        Self {
            stream,
            peer: Arc::new(Peer::new(listener, from)),
            eager: Eager::new(&shared.latest),
            shared,
            input: BytesMut::new(),
            read_hint: READ_BYTES_MIN,
            slots: VecDeque::new(),
            bytes_in_flight: 0,
            output: Output::default(),
            permit: None,
            memory_wait: None,
            active_at: Instant::now(),
            used,
            polled_at: Instant::now(),
            idle,
            close,
            draining: None,
            closing: None,
        }
    }

    /// Serves the client until either side ends the connection.
    pub(super) async fn run(mut self) -> End {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.draining.is_none() && self.close.as_mut().poll(cx).is_ready() {
            self.draining = Some(Box::pin(tokio::time::sleep(CLOSE_WAIT)));
        }
        if let Some(end) = &mut self.draining
            && end.as_mut().poll(cx).is_ready()
            // The whole broker waits as long as it wants to.
            && !self.shared.shutdown.is_cancelled()
        {
            return Poll::Ready(End::Closed);
        }
        self.polled_at = Instant::now();
        for _ in 0..ROUNDS_PER_POLL {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return self.poll_idle(cx),
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One pass over everything that can move; whether something did.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut moved = self.poll_calls(cx);
        if !self.output.is_empty() {
            // Before the client sees the answer: what it does next, on whichever connection, comes later.
            let now = Instant::now();
            match self.output.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(wrote)) => {
                    moved |= wrote;
                    self.note_use(now);
                }
                Poll::Ready(Err(error)) => return Err(End::Io(error)),
                Poll::Pending => {}
            }
        }
        if self.draining.is_some() || self.closing.is_some() {
            // What was answered before still goes out.
            let finished = self.slots.is_empty() && self.output.is_empty();
            let end = self.closing.map_or(End::Closed, End::Protocol);
            return if finished { Err(end) } else { Ok(moved) };
        }
        if self.has_room() {
            match self.poll_input(cx) {
                Ok(read) => moved |= read,
                Err(End::Protocol(why)) => {
                    self.closing = Some(why);
                    moved = true;
                }
                Err(end) => return Err(end),
            }
        }
        Ok(moved)
    }

    fn note_use(&mut self, now: Instant) {
        self.active_at = now;
        self.used.note(now);
    }

    fn has_room(&self) -> bool {
        self.slots.len() < IN_FLIGHT_MAX
            && self.bytes_in_flight < IN_FLIGHT_BYTES_MAX
            && self.output.is_empty()
    }

    fn poll_calls(&mut self, cx: &mut Context<'_>) -> bool {
        for slot in &mut self.slots {
            if let Slot::Running { call, bytes, .. } = slot
                && let Poll::Ready(outcome) = Pin::new(call).poll(cx)
            {
                self.bytes_in_flight -= *bytes;
                *slot = Slot::Done(outcome);
            }
        }
        let mut moved = false;
        while let Some(Slot::Done(_)) = self.slots.front() {
            let Some(Slot::Done(outcome)) = self.slots.pop_front() else { break };
            moved = true;
            match outcome {
                Outcome::Reply(response) => self.output.push(response),
                Outcome::Silent => {}
                Outcome::Close(why) => {
                    self.closing = Some(why);
                    self.slots.clear();
                }
            }
        }
        moved
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.accept_frames(cx)? {
            return Ok(true);
        }
        if self.has_frame()? {
            // The next request waits for its turn; its client may go meanwhile.
            let mut byte = [0];
            return match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Ready(Ok(0)) => Err(End::Client),
                Poll::Ready(Err(error)) => Err(End::Io(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Ok(false),
            };
        }
        if !self.poll_space(cx)? {
            return Ok(false);
        }
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input) {
            Poll::Ready(Ok(0)) => Err(End::Client),
            Poll::Ready(Ok(_)) => {
                self.note_use(Instant::now());
                self.eager.arrived(self.active_at);
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(End::Io(error)),
            Poll::Pending => self.look(),
        }
    }

    /// Nothing has come yet; whether it did while the connection looked for it.
    fn look(&mut self) -> Result<bool, End> {
        let is_quiet = self.slots.is_empty() && self.input.is_empty();
        let input = &mut self.input;
        let came = is_quiet
            && self
                .eager
                .look(&self.stream, self.polled_at, |bytes| input.extend_from_slice(bytes))
                .map_err(End::Io)?;
        let now = Instant::now();
        if came {
            self.note_use(now);
            return Ok(true);
        }
        self.eager.sleeps(now);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Ok(false)
    }

    /// The bytes of the frame at the front of the input, its length prefix included, once announced.
    fn announced(&self) -> Result<Option<usize>, End> {
        let Some(prefix) = self.input.first_chunk::<4>() else { return Ok(None) };
        let all = self.shared.frame_bytes_max;
        let limit = peek_api_key(&self.input[4..]).map_or(all, |key| key.frame_bytes_max(all));
        match usize::try_from(i32::from_be_bytes(*prefix)) {
            Ok(len) if len <= limit => Ok(Some(len + 4)),
            Ok(_) => Err(End::Protocol("frame above the limit")),
            Err(_) => Err(End::Protocol("negative frame length")),
        }
    }

    /// Whether a whole frame is in the input.
    fn has_frame(&self) -> Result<bool, End> {
        Ok(self.announced()?.is_some_and(|total| self.input.len() >= total))
    }

    /// Whether the next request may start. Only produce requests overlap: anything else sees what the requests
    /// before it have done, and no pile of answers is made for a client that does not read them. Nor does anything
    /// overtake a request that has to wait before it appends.
    fn may_start(&self) -> bool {
        match self.slots.back() {
            None => true,
            Some(Slot::Running { call, .. }) if call.holds_back() => false,
            Some(Slot::Running { .. } | Slot::Done(_)) => {
                peek_api_key(&self.input[4..]) == Some(ApiKey::Produce)
            }
        }
    }

    /// Starts every whole frame in the input that there is room for; whether there was one.
    fn accept_frames(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut any = false;
        while self.has_room() && self.has_frame()? && self.may_start() {
            let Some(total) = self.announced()? else { break };
            let frame = self.input.split_to(total).freeze().slice(4..);
            self.read_hint = (2 * total).clamp(READ_BYTES_MIN, EAGER_BYTES);
            self.start(frame, cx);
            any = true;
        }
        Ok(any)
    }

    fn start(&mut self, frame: Bytes, cx: &mut Context<'_>) {
        self.note_use(Instant::now());
        self.eager.request(&self.shared.latest);
        let bytes = frame.len();
        let permit = self.permit.take();
        let slot = match self.shared.api.call(&self.peer, frame) {
            Started::Ready(outcome) => Slot::Done(outcome),
            Started::Running(mut call) => match Pin::new(&mut call).poll(cx) {
                Poll::Ready(outcome) => Slot::Done(outcome),
                Poll::Pending => {
                    self.bytes_in_flight += bytes;
                    Slot::Running { call, _permit: permit, bytes }
                }
            },
        };
        self.slots.push_back(slot);
    }

    /// Makes room in the input buffer, as far as the memory budget allows; false = wait for memory.
    fn poll_space(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if let Some(wait) = &mut self.memory_wait {
            match wait.as_mut().poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(Ok(permit))) => self.keep(permit),
                Poll::Ready(_) => return Err(End::Protocol("no memory for the request")),
            }
            self.memory_wait = None;
        }
        let want = match self.announced()? {
            None => self.read_hint,
            Some(total) => total.min(EAGER_BYTES.max(4 * self.input.len())),
        };
        if want > FREE_FRAME_BYTES && self.announced()?.is_some_and(|total| total > FREE_FRAME_BYTES) {
            let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let missing = want.div_ceil(MEMORY_UNIT).saturating_sub(held);
            if missing > 0 && !self.acquire(missing, cx)? {
                return Ok(false);
            }
        }
        if self.input.capacity() < want || self.input.capacity() == self.input.len() {
            self.input.reserve(want.saturating_sub(self.input.len()).max(READ_BYTES_MIN));
        }
        Ok(true)
    }

    fn acquire(&mut self, units: usize, cx: &mut Context<'_>) -> Result<bool, End> {
        let units = u32::try_from(units).expect("a frame's size fits 31 bits");
        if let Ok(permit) = self.shared.memory.clone().try_acquire_many_owned(units) {
            self.keep(permit);
            return Ok(true);
        }
        let wait = self.shared.memory.clone().acquire_many_owned(units);
        self.memory_wait = Some(Box::pin(tokio::time::timeout(MEMORY_WAIT, wait)));
        self.poll_space(cx)
    }

    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }

    /// The timer is only moved when it fires, so a busy connection never touches it.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let (Some(timer), Some(after)) = (&mut self.idle, self.shared.idle) else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            let expires = self.active_at + after;
            if self.slots.is_empty() && Instant::now() >= expires {
                return Poll::Ready(End::Idle);
            }
            timer.as_mut().reset(expires.max(Instant::now() + after / 10));
        }
        Poll::Pending
    }
}
