//! A connection on which a test controls every byte.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::PATIENCE;

/// A connection to the broker.
pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub fn connect(address: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, correlation_id: 0 }
    }

    /// Sends `request` and reads its answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let id = self.send(request, version);
        self.receive::<R>(id, version)
    }

    /// Sends `request`; gives its correlation id.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id);
        self.stream.write_all(&frame).unwrap();
        self.correlation_id
    }

    /// Reads the answer to the request with correlation id `id`.
    pub fn receive<R: Request>(&mut self, id: i32, version: i16) -> R::Response {
        let mut body = self.read_frame().expect("the broker closed the connection");
        let header = ResponseHeader::decode(&mut body, R::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, id, "answers come in request order");
        let response = R::Response::decode(&mut body, version).unwrap();
        assert!(!body.has_remaining(), "bytes after the response");
        response
    }

    /// One frame without its length prefix; `None` if the broker closed the connection.
    pub fn read_frame(&mut self) -> Option<Bytes> {
        let mut len = [0; 4];
        self.read_exactly(&mut len)?;
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
        self.read_exactly(&mut body)?;
        Some(body.into())
    }

    fn read_exactly(&mut self, into: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(into) {
            Ok(()) => Some(()),
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("no answer within {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }
}

/// `request` as a frame with its length prefix.
pub fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len()).unwrap());
    frame.put_slice(&body);
    frame.freeze()
}
