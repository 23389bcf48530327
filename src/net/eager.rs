//! Looking for the next request instead of sleeping until it comes.
//!
//! A client with one request in flight sends the next one a few microseconds after its answer. To sleep meanwhile
//! costs more than it saves where an idle processor has to be woken each time: about 20 µs of either side's CPU and
//! half the rate. So a connection that has the broker to itself and whose client was quick looks again for a while.

use std::io;
use std::mem::MaybeUninit;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long the connection looks for a request, and how soon the last ones must have come.
const LOOK: Duration = Duration::from_micros(30);
/// After so long without the runtime, which serves everybody else, the connection sleeps.
const RUN_MAX: Duration = Duration::from_micros(150);
/// Requests in a row that no other connection came between.
const STREAK_MIN: u32 = 16;
/// Waits that are slept through after a look that was in vain; doubled each time.
const PENALTY_MIN: u32 = 16;
const PENALTY_MAX: u32 = 4096;
/// What is read at once; a client with one small request in flight sends no more.
const READ_BYTES: usize = 8 << 10;

/// Which connection the broker's last request came from. A cache line of its own: it is written with most requests.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Latest {
    connection: AtomicU64,
    connections: AtomicU64,
}

/// One connection's habit.
#[derive(Debug)]
pub(super) struct Eager {
    id: u64,
    streak: u32,
    /// Waits that are still to be slept through.
    penalty: u32,
    next_penalty: u32,
    asleep_since: Option<Instant>,
}

/// With one processor the client cannot run while the broker looks.
static IS_WORTH_IT: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|count| count.get() > 1));

impl Eager {
    pub(super) fn new(latest: &Latest) -> Self {
        let id = latest.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Self { id, streak: 0, penalty: 0, next_penalty: PENALTY_MIN, asleep_since: None }
    }

    /// A request begins.
    pub(super) fn request(&mut self, latest: &Latest) {
        let is_alone = latest.connection.load(Ordering::Relaxed) == self.id;
        if is_alone {
            self.streak = self.streak.saturating_add(1);
        } else {
            latest.connection.store(self.id, Ordering::Relaxed);
            self.streak = 0;
        }
    }

    /// Bytes came through the runtime, after a sleep or not.
    pub(super) fn arrived(&mut self, now: Instant) {
        let Some(since) = self.asleep_since.take() else { return };
        if now.saturating_duration_since(since) > 2 * LOOK {
            // A sleep that the look could not have replaced.
            self.streak = 0;
        }
    }

    /// The connection sleeps until the runtime wakes it.
    pub(super) fn sleeps(&mut self, now: Instant) {
        self.asleep_since.get_or_insert(now);
    }

    /// Looks for bytes, if that is promising, and gives them to `take`; whether some came. `since` is when the
    /// runtime last had its turn.
    pub(super) fn look(
        &mut self,
        stream: &TcpStream,
        since: Instant,
        take: impl FnOnce(&[u8]),
    ) -> io::Result<bool> {
        if self.streak < STREAK_MIN || !*IS_WORTH_IT {
            return Ok(false);
        }
        if self.penalty > 0 {
            self.penalty -= 1;
            return Ok(false);
        }
        let begun = Instant::now();
        if begun - since > RUN_MAX {
            return Ok(false);
        }
        let mut scratch = [const { MaybeUninit::uninit() }; READ_BYTES];
        loop {
            match rustix::net::recv(stream, &mut scratch[..], RecvFlags::DONTWAIT) {
                // The end of the stream is for the regular read to find.
                Ok(((_, _), 0)) => return Ok(false),
                Ok(((bytes, _), _)) => {
                    take(bytes);
                    self.next_penalty = PENALTY_MIN;
                    return Ok(true);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if begun.elapsed() > LOOK {
                self.penalty = self.next_penalty;
                self.next_penalty = (2 * self.next_penalty).min(PENALTY_MAX);
                return Ok(false);
            }
            (0..16).for_each(|_| std::hint::spin_loop());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// So that a slow machine does not count as time without the runtime.
    fn just_polled() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    fn looks(eager: &mut Eager, stream: &TcpStream) -> bool {
        let mut got = 0;
        let came = eager.look(stream, just_polled(), |bytes| got = bytes.len()).unwrap();
        assert_eq!(came, got > 0);
        came
    }

    #[tokio::test]
    async fn only_a_client_that_has_the_broker_to_itself_is_looked_for() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let latest = Latest::default();
        let (mut eager, mut other) = (Eager::new(&latest), Eager::new(&latest));
        client.write_all(b"request").await.unwrap();
        stream.readable().await.unwrap();
        let quick = |eager: &mut Eager| (0..=STREAK_MIN).for_each(|_| eager.request(&latest));

        assert!(!looks(&mut eager, &stream));
        quick(&mut eager);
        other.request(&latest);
        eager.request(&latest);
        assert!(!looks(&mut eager, &stream));
        quick(&mut eager);
        let asleep = Instant::now();
        eager.sleeps(asleep);
        eager.arrived(asleep + Duration::from_secs(1));
        assert!(!looks(&mut eager, &stream));
        quick(&mut eager);
        assert_eq!(looks(&mut eager, &stream), *IS_WORTH_IT);

        // In vain: the next waits are slept through, though there would be something.
        assert!(!looks(&mut eager, &stream));
        client.write_all(b"request").await.unwrap();
        stream.readable().await.unwrap();
        for _ in 0..PENALTY_MIN {
            assert!(!looks(&mut eager, &stream));
        }
        assert_eq!(looks(&mut eager, &stream), *IS_WORTH_IT);
    }
}
