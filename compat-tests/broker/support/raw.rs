//! Bodies of versions that the message crate does not know.

use std::io::Write;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::Client;

/// What flexible versions hold.
pub trait Compact {
    /// A string.
    fn put_compact(&mut self, text: &[u8]);
}

impl Compact for BytesMut {
    fn put_compact(&mut self, text: &[u8]) {
        self.put_u8(u8::try_from(text.len() + 1).unwrap());
        self.put_slice(text);
    }
}

/// Sends a body of a flexible version and gives that of the answer.
pub fn call_raw(client: &mut Client, key: i16, version: i16, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(11 + body.len()).unwrap());
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(4711);
    frame.put_i16(-1);
    frame.put_u8(0);
    frame.put_slice(body);
    client.stream.write_all(&frame).unwrap();
    let mut answer = client.read_frame().unwrap();
    assert_eq!((answer.get_i32(), answer.get_u8()), (4711, 0));
    answer
}

/// The offset of partition 0 of one topic, as both commit requests have it from the version on that names topics by id.
pub fn put_offset(body: &mut BytesMut, topic: Uuid, offset: i64) {
    body.put_u8(2);
    body.put_slice(topic.as_bytes());
    body.put_u8(2);
    body.put_i32(0);
    body.put_i64(offset);
    body.put_i32(-1);
    body.put_compact(b"by id");
    body.put_slice(&[0, 0, 0]);
}

/// Throttle time, one topic, its id, one partition and its index.
pub fn skip_to_partition(answer: &mut Bytes, topic: Uuid) {
    assert_eq!(answer.get_u8(), 2, "one topic");
    assert_eq!(&answer.split_to(16)[..], topic.as_bytes());
    assert_eq!((answer.get_u8(), answer.get_i32()), (2, 0));
}
