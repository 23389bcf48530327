//! A connection of one group member: thousands of them wait at once, so these are not blocking.

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
        let key = ApiKey::try_from(R::KEY).ok().context("unknown api key")?;
        let length = usize::try_from(self.0.read_u32().await?)?;
        ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        let mut frame = vec![0; length];
        self.0.read_exact(&mut frame).await?;
        let mut answer = Bytes::from(frame);
        ResponseHeader::decode(&mut answer, key.response_header_version(version))?;
        R::Response::decode(&mut answer, version)
    }

    pub(super) async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.send(&frame(request, version)?).await?;
        self.receive::<R>(version).await
    }
}

/// The request with its header and length.
pub(super) fn frame<R: Request>(request: &R, version: i16) -> Result<Vec<u8>> {
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
