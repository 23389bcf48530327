//! From a frame to its handler: header, version check, guard, decoding, and the response's frame.

use std::pin::Pin;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use tracing::{debug, error};

use super::context::{Context, Peer};
use super::error_codes::ErrorCodes;
use super::measure::{Measure, Running};
use super::response::{Outcome, Response};
use super::table;
use crate::wire::header::{self, RequestHeader};
use crate::wire::schema;
use crate::wire::versions::ApiKey;

/// Length prefix, correlation id and an empty tag section.
const RESPONSE_HEADER_BYTES_MAX: usize = 9;

/// A request under way, or one that was answered at once.
pub enum Started {
    /// The outcome is there.
    Ready(Outcome),
    /// The outcome comes; polling it once does everything that request order matters for, unless
    /// [`Running::holds_back`].
    Running(Running),
}

/// What a handler makes of a request.
pub(super) enum Call {
    /// The outcome is there.
    Ready(Outcome),
    /// See [`Started::Running`].
    Running(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    /// Has to wait before it does what request order matters for: the connection starts no later request until then.
    Held(Pin<Box<dyn Future<Output = Call> + Send>>),
}

impl Call {
    pub(super) fn run(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self::Running(Box::pin(future))
    }

    pub(super) fn hold(future: impl Future<Output = Self> + Send + 'static) -> Self {
        Self::Held(Box::pin(future))
    }
}

/// The entry point for frames.
pub struct Api {
    context: Arc<Context>,
}

/// A decoded request with what its handler needs to know of its envelope.
pub(super) struct Request<T> {
    pub(super) body: T,
    pub(super) header: RequestHeader,
    pub(super) peer: Arc<Peer>,
}

impl<T> Request<T> {
    pub(super) fn version(&self) -> i16 {
        self.header.api_version
    }
}

/// A request whose body is still bytes, already walked by the guard.
pub(super) struct Raw {
    pub(super) header: RequestHeader,
    pub(super) body: Bytes,
    pub(super) peer: Arc<Peer>,
}

impl Raw {
    pub(super) fn decode<T: Decodable>(mut self) -> Result<Request<T>, Outcome> {
        match T::decode(&mut self.body, self.header.api_version) {
            Ok(body) => Ok(Request { body, header: self.header, peer: self.peer }),
            Err(why) => {
                debug!(api = self.header.api_key.name(), version = self.header.api_version, %why, "undecodable request");
                Err(Outcome::Close("undecodable request"))
            }
        }
    }
}

impl Api {
    /// Serves requests on `context`.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Starts one request; `frame` is what follows the length prefix.
    pub fn call(&self, peer: &Arc<Peer>, frame: Bytes) -> Started {
        let begun = self.context.clock.elapsed();
        let (header, body_at) = match RequestHeader::parse(&frame) {
            Ok(parsed) => parsed,
            Err(why) => {
                debug!(from = %peer.address, %why, "bad request header");
                return Started::Ready(Outcome::Close("bad request header"));
            }
        };
        let (key, version) = (header.api_key, header.api_version);
        if !key.accepts(version) {
            debug!(from = %peer.address, api = key.name(), version, "version is not served");
            return Started::Ready(if key == ApiKey::ApiVersions {
                super::api_versions::unsupported(&self.context, &header)
            } else {
                Outcome::Close("version is not served")
            });
        }
        let body = frame.slice(body_at..);
        if let Err(why) = schema::check(key.number(), version, &body) {
            debug!(from = %peer.address, api = key.name(), version, %why, "bad request");
            return Started::Ready(Outcome::Close("bad request body"));
        }
        let measure = Measure::start(&self.context, key, version, begun);
        match table::start(&self.context, Raw { header, body, peer: peer.clone() }) {
            Call::Ready(outcome) => {
                measure.finish(&self.context);
                Started::Ready(outcome)
            }
            work @ (Call::Running(_) | Call::Held(_)) => {
                Started::Running(Running { work, measure, context: self.context.clone() })
            }
        }
    }
}

/// A handler that answers with one message.
pub(super) fn simple<Req, Resp, Fut>(
    context: &Arc<Context>,
    raw: Raw,
    handler: impl FnOnce(Arc<Context>, Request<Req>) -> Fut,
) -> Call
where
    Req: Decodable,
    Resp: Encodable + ErrorCodes,
    Fut: Future<Output = Resp> + Send + 'static,
{
    let request = match raw.decode::<Req>() {
        Ok(request) => request,
        Err(outcome) => return Call::Ready(outcome),
    };
    let header = request.header.clone();
    let response = handler(context.clone(), request);
    let context = context.clone();
    Call::run(async move {
        let response = response.await;
        context.requests.answer(header.api_key, &response);
        encode(&header, header.api_version, &response)
    })
}

/// The frame of `message`, in `version`, as the answer to the request with `header`.
pub(super) fn encode(header: &RequestHeader, version: i16, message: &impl Encodable) -> Outcome {
    let result = message.compute_size(version).and_then(|size| {
        let mut frame = BytesMut::with_capacity(RESPONSE_HEADER_BYTES_MAX + size);
        frame.put_i32(0);
        header::put_response_header(&mut frame, header.api_key, version, header.correlation_id);
        message.encode(&mut frame, version)?;
        let len = i32::try_from(frame.len() - 4)?;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        Ok(frame)
    });
    match result {
        Ok(frame) => Outcome::Reply(Response::One(frame.freeze())),
        Err(why) => {
            error!(api = header.api_key.name(), version, %why, "response cannot be encoded");
            Outcome::Close("response cannot be encoded")
        }
    }
}
