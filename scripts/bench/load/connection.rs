//! One blocking connection: frames in order, set-up calls through kafka-protocol.

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};

/// A lost answer ends the run instead of hanging it.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// Above what any scenario asks for: 16 partitions of 1 MiB, or 50 MiB of a fetch.
const FRAME_BYTES_MAX: usize = 128 << 20;

pub(crate) struct Connection {
    stream: TcpStream,
    /// Read ahead of the current frame.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    pub(crate) fn open(bootstrap: &str) -> Result<Self> {
        let stream = TcpStream::connect(bootstrap).with_context(|| format!("connect to {bootstrap}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; 64 << 10], start: 0, end: 0 })
    }

    /// The writing half for a second thread.
    pub(crate) fn writer(&self) -> Result<TcpStream> {
        Ok(self.stream.try_clone()?)
    }

    pub(crate) fn write(&mut self, parts: &[&[u8]]) -> Result<()> {
        write_all(&mut self.stream, parts)
    }

    /// The next frame without its length. It is valid until the next call.
    pub(crate) fn read(&mut self) -> Result<&[u8]> {
        self.fill(4)?;
        let length: [u8; 4] = self.buffer[self.start..self.start + 4].try_into()?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        self.start += 4;
        self.fill(length)?;
        let frame = self.start..self.start + length;
        self.start += length;
        Ok(&self.buffer[frame])
    }

    /// Makes `count` unread bytes available at `start`.
    fn fill(&mut self, count: usize) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if count > self.buffer.len() {
                self.buffer.resize(count, 0);
            }
        }
        while self.end - self.start < count {
            let read = self.stream.read(&mut self.buffer[self.end..])?;
            if read == 0 {
                bail!("the broker closed the connection");
            }
            self.end += read;
        }
        Ok(())
    }

    pub(crate) fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.write(&[&frame(request, version)?])?;
        answer::<R>(Bytes::copy_from_slice(self.read()?), version)
    }
}

/// A request's frame with its length and header.
pub(crate) fn frame<R: Request>(request: &R, version: i16) -> Result<Vec<u8>> {
    let key = ApiKey::try_from(R::KEY).ok().context("unknown api key")?;
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("load")));
    let mut body = BytesMut::new();
    header.encode(&mut body, key.request_header_version(version))?;
    request.encode(&mut body, version)?;
    let mut frame = u32::try_from(body.len())?.to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The response in a frame without its length.
pub(crate) fn answer<R: Request>(mut frame: Bytes, version: i16) -> Result<R::Response> {
    let key = ApiKey::try_from(R::KEY).ok().context("unknown api key")?;
    ResponseHeader::decode(&mut frame, key.response_header_version(version))?;
    R::Response::decode(&mut frame, version)
}

/// Writes the parts with as few calls as the socket allows.
pub(crate) fn write_all(stream: &mut TcpStream, parts: &[&[u8]]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        let written = stream.write_vectored(left)?;
        ensure!(written > 0, "the broker closed the connection");
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}

/// Reads a response of the hot path field by field.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).context("short response")?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.bytes(N)?.try_into()?)
    }

    pub(crate) fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<usize> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.bytes(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("varint of more than five bytes")
    }

    /// The length of a compact array, string or byte field; null counts as empty.
    pub(crate) fn length(&mut self) -> Result<usize> {
        Ok(self.varint()?.saturating_sub(1))
    }

    pub(crate) fn skip_tags(&mut self) -> Result<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.bytes(size)?;
        }
        Ok(())
    }
}

/// Appends an unsigned varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}
