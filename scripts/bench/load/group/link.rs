//! A connection of one group member: thousands of them wait at once, so these are not blocking.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::protocol::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connection::{answer, frame};

const FRAME_BYTES_MAX: usize = 16 << 20;

pub(super) struct Link(TcpStream);

impl Link {
    pub(super) async fn open(bootstrap: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(bootstrap).await.with_context(|| format!("connect to {bootstrap}"))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(super) async fn send(&mut self, frame: &[u8]) -> Result<()> {
        Ok(self.0.write_all(frame).await?)
    }

    pub(super) async fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        let length = usize::try_from(self.0.read_u32().await?)?;
        ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        let mut frame = vec![0; length];
        self.0.read_exact(&mut frame).await?;
        answer::<R>(Bytes::from(frame), version)
    }

    pub(super) async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.send(&frame(request, version)?).await?;
        self.receive::<R>(version).await
    }
}
