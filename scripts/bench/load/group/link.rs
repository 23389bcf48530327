//! A connection of one group member: thousands of them wait at once, so these are not blocking.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection::{answer, frame};

const FRAME_BYTES_MAX: usize = 16 << 20;
/// Connections that are being opened at once: fewer than a broker's accept queue holds by default (50), since one that
/// overflows has connections reset, or waits for TCP's retries.
static OPENING: Semaphore = Semaphore::const_new(32);
const OPEN_ATTEMPTS_MAX: u32 = 10;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Link(TcpStream);

impl Link {
    /// A connection on which the broker has answered; another attempt is made for one that is reset before.
    pub(super) async fn open(bootstrap: &str) -> Result<Self> {
        let _opening = OPENING.acquire().await?;
        let mut attempts = 1;
        loop {
            match timeout(OPEN_TIMEOUT, Self::greet(bootstrap)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) if attempts == OPEN_ATTEMPTS_MAX => return Err(error),
                Err(elapsed) if attempts == OPEN_ATTEMPTS_MAX => return Err(elapsed.into()),
                Ok(Err(_)) | Err(_) => attempts += 1,
            }
        }
    }

    /// Connects and asks for the versions, as every client does.
    async fn greet(bootstrap: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(bootstrap).await.with_context(|| format!("connect to {bootstrap}"))?;
        stream.set_nodelay(true)?;
        let mut link = Self(stream);
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("load"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        let code = link.call(&request, 3).await?.error_code;
        ensure!(code == 0, "api versions: error {code}");
        Ok(link)
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
