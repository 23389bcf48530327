//! The bytes a connection still has to write, in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::api::response::{Part, Response};
use crate::log::disk::File;
use crate::log::read::Slice;

/// How many pieces one vectored write takes at most.
const PIECES_PER_WRITE: usize = 32;
/// How much is read at once to bring a file into the page cache.
const WARMING_BYTES: usize = 128 << 10;
/// One byte in so many tells whether a region is in the page cache; a kernel's read-ahead comes in larger pieces.
const SAMPLE_DISTANCE: usize = 256 << 10;
/// Bytes that were asked for together arrive in pieces of at least this size.
const TOUCH_DISTANCE: usize = 64 << 10;
/// How much is read from the disk beyond what is sent next.
const AHEAD_BYTES: u64 = 1 << 20;
/// How much of a file one `sendfile` call is asked to send.
const REGION_BYTES_PER_CALL: usize = 1 << 20;

/// Parts waiting for the socket.
#[derive(Default)]
pub(super) struct Output {
    parts: VecDeque<Part>,
    /// Up to where the region at the front is known to be in the page cache.
    warm_until: u64,
    /// Reads the next bytes of the region at the front into the page cache.
    warming: Option<JoinHandle<()>>,
}

impl Output {
    pub(super) fn push(&mut self, response: Response) {
        match response {
            Response::One(bytes) => self.parts.push_back(Part::Bytes(bytes)),
            Response::Many(parts) => self.parts.extend(parts),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Writes until all is written (true if anything was) or the socket is full.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        while let Some(front) = self.parts.front() {
            let step = match front {
                Part::Bytes(_) => self.poll_bytes(stream, cx),
                Part::Region(_) => self.poll_region(stream, cx),
            };
            match step {
                Poll::Ready(Ok(())) => wrote = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if wrote => return Poll::Ready(Ok(true)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(wrote))
    }

    fn poll_bytes(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let leading = self.parts.iter().take_while(|p| matches!(p, Part::Bytes(_))).count();
        let region_follows = leading < self.parts.len();
        let written = if leading == 1 && region_follows {
            // The header of a record region waits for the region, so that both share a segment.
            let Some(Part::Bytes(bytes)) = self.parts.front() else { return Poll::Ready(Ok(())) };
            ready!(poll_send_more(stream, cx, bytes))?
        } else if leading == 1 {
            let Some(Part::Bytes(bytes)) = self.parts.front() else { return Poll::Ready(Ok(())) };
            ready!(Pin::new(stream).poll_write(cx, bytes))?
        } else {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(self.parts.iter().take(leading)) {
                if let Part::Bytes(bytes) = part {
                    *slice = IoSlice::new(bytes);
                    count += 1;
                }
            }
            ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(Part::Bytes(bytes)) = self.parts.front_mut() {
            if written < bytes.len() {
                bytes.advance(written);
                return;
            }
            written -= bytes.len();
            self.parts.pop_front();
            if written == 0 {
                return;
            }
        }
    }

    fn poll_region(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(Part::Region(region)) = self.parts.front_mut() else { return Poll::Ready(Ok(())) };
        let Some(_) = region.file.as_fd() else {
            let bytes = read_region(region)?;
            self.parts[0] = Part::Bytes(bytes);
            return Poll::Ready(Ok(()));
        };
        let count = region.len.min(REGION_BYTES_PER_CALL);
        ready!(poll_warm(&mut self.warming, &mut self.warm_until, region, count, cx));
        let sent = ready!(poll_sendfile(stream, cx, region, count))?;
        if sent == 0 {
            // The file is shorter than when the response was planned: the frame's length is already out.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        region.position += u64::try_from(sent).expect("usize fits u64");
        region.len -= sent;
        if region.len == 0 {
            self.parts.pop_front();
            self.warm_until = 0;
        }
        Poll::Ready(Ok(()))
    }
}

fn read_region(region: &Slice) -> io::Result<Bytes> {
    let mut bytes = vec![0; region.len];
    region.file.read_exact_at(&mut bytes, region.position)?;
    Ok(bytes.into())
}

fn poll_send_more(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll_io(stream, cx, || Ok(rustix::net::send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?))
}

/// Sees to it that the next `count` bytes of `region` are in the page cache: `sendfile` would wait for the disk on
/// this thread, and with it every other connection (KAFKA-7504).
fn poll_warm(
    warming: &mut Option<JoinHandle<()>>,
    warm_until: &mut u64,
    region: &Slice,
    count: usize,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let end = region.position + u64::try_from(count).expect("usize fits u64");
    loop {
        if let Some(task) = warming {
            // However it ended: sendfile itself reports what is wrong with the file.
            let _ = ready!(Pin::new(task).poll(cx));
            *warming = None;
            *warm_until = end;
        }
        if *warm_until >= end || is_resident(region, count) {
            *warm_until = end.max(*warm_until);
            return Poll::Ready(());
        }
        let (file, mut position) = (region.file.clone(), region.position.max(*warm_until));
        *warming = Some(tokio::task::spawn_blocking(move || {
            let is_coming = fetch_ahead(&*file, position, end);
            let (mut scratch, step) = if is_coming {
                // One byte of each piece is enough to wait for it.
                (vec![0; 1], TOUCH_DISTANCE)
            } else {
                (vec![0; WARMING_BYTES], WARMING_BYTES)
            };
            let step = u64::try_from(step).expect("usize fits u64");
            while position < end && matches!(file.read_at(&mut scratch, position), Ok(read) if read > 0) {
                position += step;
            }
        }));
    }
}

/// Asks for the bytes and some more, at once and for no more: the system's own read-ahead may be 8 MiB, and then every
/// fsync waits behind that much reading. Whether they are coming.
fn fetch_ahead(file: &dyn File, position: u64, end: u64) -> bool {
    let Some(fd) = file.as_fd() else { return false };
    let len = NonZeroU64::new(end + AHEAD_BYTES - position);
    rustix::fs::fadvise(fd, position, len, Advice::WillNeed).is_ok()
}

/// Whether the bytes can be read without waiting, as far as samples tell. Where the system cannot say, yes.
fn is_resident(region: &Slice, count: usize) -> bool {
    let Some(file) = region.file.as_fd() else { return true };
    let last = count.saturating_sub(1);
    (0..last).step_by(SAMPLE_DISTANCE).chain([last]).all(|at| {
        let mut byte = [0];
        let position = region.position + u64::try_from(at).expect("usize fits u64");
        let read =
            rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], position, ReadWriteFlags::NOWAIT);
        read != Err(Errno::AGAIN)
    })
}

fn poll_sendfile(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    region: &Slice,
    count: usize,
) -> Poll<io::Result<usize>> {
    poll_io(stream, cx, || {
        let file = region.file.as_fd().ok_or(io::ErrorKind::Unsupported)?;
        let mut position = region.position;
        Ok(rustix::fs::sendfile(stream, file, Some(&mut position), count)?)
    })
}

fn poll_io(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut io: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, &mut io) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}
