//! Request and response headers (`RequestHeader.json`, `ResponseHeader.json`).
//!
//! ```text
//! request:  0  api key         i16      response:  0  correlation id  i32
//!           2  api version     i16                 4  tagged fields   (flexible versions)
//!           4  correlation id  i32
//!           8  client id       nullable string, i16 length in every version
//!           .  tagged fields   (flexible versions)
//! ```
//! The request header is read before anybody has authenticated. The message crate's reader of it panics
//! on short frames and stores tagged fields, so it is not used.

use bytes::{BufMut, Bytes};

use super::schema::UNKNOWN_TAGS_MAX;
use super::versions::ApiKey;
use crate::base::reader::{ReadError, Reader};

/// Bytes up to the client id.
pub const FRAME_BYTES_MIN: usize = 8;

/// What comes before the body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API.
    pub api_key: ApiKey,
    /// In which version; not checked against what is served.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// A slice of the frame: copy it before keeping it longer than the request. Kafka treats null as empty.
    pub client_id: Option<Bytes>,
}

/// Why a frame is no request. Kafka closes the connection in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Less than [`FRAME_BYTES_MIN`].
    #[error("a frame of {bytes} bytes is too short for a request header")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// An API that is not served.
    #[error("unknown api key {api_key} (version {api_version})")]
    UnknownApi {
        /// As read.
        api_key: i16,
        /// As read.
        api_version: i16,
    },
    /// A length below -1.
    #[error("client id of length {length}")]
    BadClientId {
        /// As read.
        length: i16,
    },
    /// More than a section may have.
    #[error("request header with {count} tagged fields")]
    TooManyTags {
        /// As read.
        count: u32,
    },
    /// The frame ends within the header.
    #[error("request header: {0}")]
    Read(#[from] ReadError),
}

impl RequestHeader {
    /// Reads the header of `frame` (without the size prefix) and tells where the body begins.
    pub fn parse(frame: &Bytes) -> Result<(Self, usize), Error> {
        if frame.len() < FRAME_BYTES_MIN {
            return Err(Error::TooShort { bytes: frame.len() });
        }
        let mut reader = Reader::new(frame);
        let (key, api_version, correlation_id) = (reader.i16()?, reader.i16()?, reader.i32()?);
        let api_key = ApiKey::from_wire(key).ok_or(Error::UnknownApi { api_key: key, api_version })?;
        let client_id = match reader.i16()? {
            -1 => None,
            length => {
                let length = usize::try_from(length).map_err(|_| Error::BadClientId { length })?;
                Some(frame.slice_ref(reader.take(length)?))
            }
        };
        if api_key.is_flexible(api_version) {
            skip_tagged_fields(&mut reader)?;
        }
        let header = Self { api_key, api_version, correlation_id, client_id };
        Ok((header, frame.len() - reader.remaining()))
    }
}

/// The API that a frame is for, from its first bytes, so that its size can be judged before it is read.
pub fn peek_api_key(frame_start: &[u8]) -> Option<ApiKey> {
    ApiKey::from_wire(Reader::new(frame_start).i16().ok()?)
}

/// Writes the header of the response to a request of this API and version.
pub fn put_response_header(buf: &mut impl BufMut, api_key: ApiKey, api_version: i16, correlation_id: i32) {
    buf.put_i32(correlation_id);
    if response_header_is_flexible(api_key, api_version) {
        buf.put_u8(0);
    }
}

/// A client that does not yet know the broker's versions must be able to read the answer to
/// ApiVersions, so that one never has tagged fields in its header (KIP-511).
fn response_header_is_flexible(api_key: ApiKey, api_version: i16) -> bool {
    api_key != ApiKey::ApiVersions && api_key.is_flexible(api_version)
}

/// Unknown tagged fields are skipped, never kept (KIP-482).
fn skip_tagged_fields(reader: &mut Reader<'_>) -> Result<(), Error> {
    let count = reader.uvarint()?;
    if usize::try_from(count).is_ok_and(|count| count > UNKNOWN_TAGS_MAX) {
        return Err(Error::TooManyTags { count });
    }
    for _ in 0..count {
        let _tag = reader.uvarint()?;
        let size = usize::try_from(reader.uvarint()?).map_err(|_| ReadError::Truncated)?;
        reader.take(size)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages;
    use kafka_protocol::protocol::{Encodable, StrBytes};

    fn frame(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    #[test]
    fn headers_of_the_crate_are_read_in_every_version_of_every_api() {
        for api_key in ApiKey::ALL {
            for api_version in api_key.advertised() {
                let theirs = messages::RequestHeader::default()
                    .with_request_api_key(api_key.number())
                    .with_request_api_version(api_version)
                    .with_correlation_id(77)
                    .with_client_id(Some(StrBytes::from_static_str("me")));
                let version = if api_key.is_flexible(api_version) { 2 } else { 1 };
                let mut buf = Vec::new();
                theirs.encode(&mut buf, version).unwrap();
                let body_at = buf.len();
                buf.extend(b"body");
                let (header, at) = RequestHeader::parse(&buf.into()).unwrap();
                assert_eq!(at, body_at);
                assert_eq!(header.client_id.as_deref(), Some(&b"me"[..]));
                assert_eq!((header.api_key, header.api_version), (*api_key, api_version));
            }
        }
    }

    #[test]
    fn response_headers_are_as_the_crate_writes_them() {
        for api_key in ApiKey::ALL {
            for version in api_key.advertised().filter(|v| api_key.accepts(*v)) {
                let theirs = messages::ApiKey::try_from(api_key.number()).unwrap();
                let mut expected = Vec::new();
                let header = messages::ResponseHeader::default().with_correlation_id(-5);
                header.encode(&mut expected, theirs.response_header_version(version)).unwrap();
                let mut ours = Vec::new();
                put_response_header(&mut ours, *api_key, version, -5);
                assert_eq!(ours, expected, "{api_key:?} {version}");
            }
        }
    }

    #[test]
    fn frames_of_every_short_length_are_refused() {
        let whole = [0, 3, 0, 12, 0, 0, 0, 1, 0, 1, b'c', 1, 9, 2, 0, 0];
        for length in 0..whole.len() {
            assert!(RequestHeader::parse(&frame(&whole[..length])).is_err(), "{length}");
        }
        let (header, at) = RequestHeader::parse(&frame(&whole)).unwrap();
        assert_eq!((header.api_key, at), (ApiKey::Metadata, whole.len()));
    }

    #[test]
    fn a_header_may_carry_sixteen_unknown_tags_and_no_more() {
        let with_tags = |count: u8| {
            let mut bytes = vec![0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, count];
            (0..count).for_each(|tag| bytes.extend([tag, 0]));
            RequestHeader::parse(&bytes.into())
        };
        assert!(with_tags(16).is_ok());
        assert_eq!(with_tags(17), Err(Error::TooManyTags { count: 17 }));
    }

    #[test]
    fn unknown_apis_and_negative_client_ids_are_named() {
        let unknown = RequestHeader::parse(&frame(&[0, 7, 0, 1, 0, 0, 0, 1, 0, 0]));
        assert_eq!(unknown, Err(Error::UnknownApi { api_key: 7, api_version: 1 }));
        let negative = RequestHeader::parse(&frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xfe]));
        assert_eq!(negative, Err(Error::BadClientId { length: -2 }));
    }
}
