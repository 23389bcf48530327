//! What a handler gives back to the connection: bytes to write, or regions of log files to send.

use bytes::Bytes;

use crate::log::read::Slice;

/// One piece of a response, in writing order.
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A region of a segment file, sent without a copy where the system can.
    Region(Slice),
}

/// A whole response frame, its length prefix included.
pub enum Response {
    /// The common case.
    One(Bytes),
    /// Record regions between bytes.
    Many(Vec<Part>),
}

/// What became of a request.
pub enum Outcome {
    /// Answer with this frame.
    Reply(Response),
    /// The request has no answer (Produce with acks=0).
    Silent,
    /// The connection cannot go on; why, for the log.
    Close(&'static str),
}
