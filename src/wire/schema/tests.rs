use bytes::Bytes;
use kafka_protocol::messages::{self, RequestKind};
use kafka_protocol::protocol::Decodable;

use super::program::Op;
use super::*;
use crate::wire::delete_groups::DeleteGroupsRequest;
use crate::wire::describe_log_dirs::DescribeLogDirsRequest;
use crate::wire::header;
use crate::wire::offset_commit::OffsetCommitRequest;
use crate::wire::offset_fetch::OffsetFetchRequest;
use crate::wire::txn_offset_commit::TxnOffsetCommitRequest;
use crate::wire::versions::ApiKey;
use crate::wire::write_txn_markers::WriteTxnMarkersRequest;

/// SplitMix64; the seed of a case is in its failure message.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A length or count in a body: where it is, and how many bytes it takes.
struct Count {
    at: usize,
    width: usize,
    compact: bool,
}

/// Writes bodies that a program accepts.
struct Writer {
    random: Random,
    body: Vec<u8>,
    counts: Vec<Count>,
}

impl Writer {
    fn program(&mut self, program: &Program, nulls: bool) {
        program.ops.iter().for_each(|op| self.op(op, nulls));
    }

    fn op(&mut self, op: &Op, nulls: bool) {
        let null = |nullable: bool, random: &mut Random| nulls && nullable && random.below(4) == 0;
        match op {
            Op::Fixed { bytes, .. } => self.noise(*bytes),
            Op::String { compact, nullable, .. } => {
                let length = (!null(*nullable, &mut self.random)).then(|| self.random.below(20));
                self.length(2, *compact, length);
                self.body.extend(std::iter::repeat_n(b'x', length.unwrap_or(0)));
            }
            Op::Bytes { compact, nullable, .. } => {
                let length = (!null(*nullable, &mut self.random)).then(|| self.random.below(200));
                self.length(4, *compact, length);
                self.noise(length.unwrap_or(0));
            }
            Op::Array { compact, nullable, element, .. } => {
                let length = (!null(*nullable, &mut self.random)).then(|| self.random.below(4));
                self.length(4, *compact, length);
                (0..length.unwrap_or(0)).for_each(|_| self.program(element, true));
            }
            Op::NullableStruct { body, .. } => {
                let present = self.random.below(3) > 0;
                self.body.push(if present { 1 } else { 0xff });
                if present {
                    self.program(body, true);
                }
            }
            Op::Tags { known } => self.tags(known),
        }
    }

    fn noise(&mut self, bytes: usize) {
        for _ in 0..bytes {
            let byte = self.random.next().to_be_bytes()[0];
            self.body.push(byte | 1);
        }
    }

    /// A compact length beyond 127 is written in two bytes.
    fn length(&mut self, width: usize, compact: bool, length: Option<usize>) {
        let at = self.body.len();
        if compact {
            self.varint(length.map_or(0, |l| l + 1));
        } else {
            let length = length.map_or(-1, |l| i32::try_from(l).unwrap());
            self.body.extend_from_slice(&length.to_be_bytes()[4 - width..]);
        }
        self.counts.push(Count { at, width: self.body.len() - at, compact });
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.body.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.body.push(u8::try_from(value).unwrap());
    }

    fn tags(&mut self, known: &[program::Tag]) {
        let known: Vec<_> = known.iter().filter(|t| t.body.is_some() && self.random.below(2) == 0).collect();
        let unknown = if self.random.below(3) == 0 { self.random.below(4) } else { 0 };
        let at = self.body.len();
        self.varint(known.len() + unknown);
        self.counts.push(Count { at, width: 1, compact: true });
        for tag in known {
            let outer = (std::mem::take(&mut self.body), std::mem::take(&mut self.counts));
            self.program(tag.body.as_ref().unwrap(), false);
            let value = std::mem::replace(&mut self.body, outer.0);
            let inner = std::mem::replace(&mut self.counts, outer.1);
            self.varint(usize::try_from(tag.tag).unwrap());
            self.length(4, true, value.len().checked_sub(1));
            let base = self.body.len();
            self.counts.extend(inner.into_iter().map(|c| Count { at: c.at + base, ..c }));
            self.body.extend(value);
        }
        for tag in 0..unknown {
            self.varint(100 * (tag + 1));
            let size = self.random.below(5);
            self.length(4, true, size.checked_sub(1));
            self.noise(size);
        }
    }
}

/// Every API and version that has a schema, with its program.
fn programs() -> impl Iterator<Item = (i16, i16, &'static Program)> {
    (0..100)
        .flat_map(|key| (0..30).filter_map(move |version| Some((key, version, PROGRAMS.get(key, version)?))))
}

fn random_body(program: &Program, seed: u64) -> Writer {
    let mut writer = Writer { random: Random(seed), body: Vec::new(), counts: Vec::new() };
    writer.program(program, true);
    writer
}

/// What the crate makes of a body, and how many bytes of it it took.
fn decode(key: i16, version: i16, body: &[u8]) -> Option<(RequestKind, usize)> {
    let mut bytes = Bytes::copy_from_slice(body);
    let key = messages::ApiKey::try_from(key).unwrap();
    let decoded = RequestKind::decode(key, &mut bytes, version).ok()?;
    Some((decoded, body.len() - bytes.len()))
}

/// Our own reader of a request, and how many bytes it took; none for requests that the crate alone reads.
fn decode_ours(key: i16, version: i16, body: &[u8]) -> Option<Option<usize>> {
    let mut bytes = Bytes::copy_from_slice(body);
    let read = match key {
        8 => OffsetCommitRequest::decode(&mut bytes, version).is_ok(),
        9 => OffsetFetchRequest::decode(&mut bytes, version).is_ok(),
        35 => DescribeLogDirsRequest::decode(&mut bytes, version).is_ok(),
        27 => WriteTxnMarkersRequest::decode(&mut bytes, version).is_ok(),
        28 => TxnOffsetCommitRequest::decode(&mut bytes, version).is_ok(),
        42 => DeleteGroupsRequest::decode(&mut bytes, version).is_ok(),
        _ => return None,
    };
    Some(read.then_some(body.len() - bytes.len()))
}

/// Versions that our own reader alone knows.
fn is_newer_than_the_crate(key: i16, version: i16) -> bool {
    matches!((key, version), (2, 11) | (8 | 9, 10) | (27, 2) | (28, 6) | (35, 5) | (42, 3))
}

#[test]
fn the_walker_and_our_own_readers_agree_to_the_same_byte() {
    let (mut accepted, mut refused) = (0, 0);
    for (key, version, program) in programs() {
        for seed in 0..400 {
            let mut writer = random_body(program, seed);
            for _ in 0..writer.random.below(3) {
                mutate(&mut writer.body, &mut writer.random);
            }
            let Some(taken) = decode_ours(key, version, &writer.body) else { break };
            match check(key, version, &writer.body) {
                Ok(shape) => {
                    assert_eq!(taken, Some(shape.body_bytes), "key {key} version {version} seed {seed}");
                    accepted += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn the_walker_and_the_crate_agree_on_valid_requests_of_every_version() {
    let mut seen = 0;
    for (key, version, program) in
        programs().filter(|(key, version, _)| !is_newer_than_the_crate(*key, *version))
    {
        for seed in 0..40 {
            let case = format!("key {key} version {version} seed {seed}");
            let body = random_body(program, seed).body;
            let shape = check(key, version, &body).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(shape.body_bytes, body.len(), "{case}");
            let (decoded, taken) = decode(key, version, &body).unwrap_or_else(|| panic!("{case}"));
            assert_eq!(taken, body.len(), "{case}");

            let mut again = bytes::BytesMut::new();
            decoded.encode(&mut again, version).unwrap();
            assert_eq!(again.len(), body.len(), "{case}");
            assert_eq!(check(key, version, &again), Ok(shape), "{case}");
            assert_eq!(decode(key, version, &again).unwrap().0, decoded, "{case}");
        }
        seen += 1;
    }
    assert!(seen > 100, "schemas are missing");
}

#[test]
fn every_truncation_is_refused() {
    for (key, version, program) in programs() {
        for seed in 0..4 {
            let body = random_body(program, seed).body;
            for length in 0..body.len() {
                let cut = check(key, version, &body[..length]);
                assert!(cut.is_err(), "key {key} version {version} seed {seed}: {cut:?} at {length}");
            }
        }
    }
}

#[test]
fn every_count_and_length_made_huge_is_refused() {
    let compact: [&[u8]; 3] =
        [&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff, 0xff, 0xff, 0xff, 0x07], &[0x81, 0x80, 0x80, 0x01]];
    let fixed: [&[u8]; 3] = [&[0x7f, 0xff, 0xff, 0xff], &[0x80, 0, 0, 0], &[0, 0x20, 0, 0]];
    for (key, version, program) in programs() {
        for seed in 0..10 {
            let Writer { body, counts, .. } = random_body(program, seed);
            for Count { at, width, compact: is_compact } in counts {
                for huge in if is_compact { compact } else { fixed } {
                    let huge = if width == 2 && !is_compact { &[0x7f, 0xff][..] } else { huge };
                    let bad = [&body[..at], huge, &body[at + width..]].concat();
                    let result = check(key, version, &bad);
                    assert!(result.is_err(), "key {key} version {version} seed {seed} at {at}: {result:?}");
                }
            }
        }
    }
}

#[test]
fn what_the_walker_accepts_the_crate_reads_to_the_same_byte() {
    let (mut accepted, mut refused) = (0, 0);
    for (key, version, program) in
        programs().filter(|(key, version, _)| !is_newer_than_the_crate(*key, *version))
    {
        for seed in 0..60 {
            let mut writer = random_body(program, seed);
            for _ in 0..=writer.random.below(3) {
                mutate(&mut writer.body, &mut writer.random);
            }
            let Ok(shape) = check(key, version, &writer.body) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            assert!(shape.body_bytes <= writer.body.len());
            let taken = decode(key, version, &writer.body).map(|(_, taken)| taken);
            assert_eq!(taken, Some(shape.body_bytes), "key {key} version {version} seed {seed}");
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

fn mutate(body: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(body.len() + 1);
    let byte = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xff, random.next().to_be_bytes()[0]][random.below(7)];
    match random.below(4) {
        0 => body.insert(at, byte),
        1 if at < body.len() => drop(body.remove(at)),
        2 if at < body.len() => body[at] = body[at].wrapping_add(1),
        _ if at < body.len() => body[at] = byte,
        _ => body.push(byte),
    }
}

#[test]
fn decoded_sizes_are_not_below_those_of_the_crate() {
    use std::mem::size_of;
    let element = |key: i16, version: i16, path: &[usize]| {
        let mut program = PROGRAMS.get(key, version).unwrap();
        for nth in path {
            let element =
                |op: &'static Op| if let Op::Array { element, .. } = op { Some(element) } else { None };
            program = program.ops.iter().filter_map(element).nth(*nth).unwrap();
        }
        program.decoded_bytes
    };
    assert!(element(0, 13, &[0]) >= size_of::<messages::produce_request::TopicProduceData>());
    assert!(element(0, 13, &[0, 0]) >= size_of::<messages::produce_request::PartitionProduceData>());
    assert!(element(1, 18, &[0, 0]) >= size_of::<messages::fetch_request::FetchPartition>());
    assert!(element(1, 18, &[1]) >= size_of::<messages::fetch_request::ForgottenTopic>());
    assert!(element(3, 13, &[0]) >= size_of::<messages::metadata_request::MetadataRequestTopic>());
    assert!(element(9, 9, &[0]) >= size_of::<messages::offset_fetch_request::OffsetFetchRequestGroup>());
    assert!(element(19, 7, &[0]) >= size_of::<messages::create_topics_request::CreatableTopic>());
    assert!(element(19, 7, &[0, 1]) >= size_of::<messages::create_topics_request::CreatableTopicConfig>());
    assert!(element(3, 13, &[0]) <= 80, "the estimate may not drive away honest requests either");
}

#[test]
fn the_hostile_bodies_of_the_hazard_list_are_refused() {
    // The decoder would ask for 309 GB.
    let huge = check(3, 12, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(huge, Err(Error::PastEnd { field: "topics", count: 0xffff_fffe, remaining: 0 }));
    assert!(matches!(check(3, 1, &[0x7f, 0xff, 0xff, 0xff]), Err(Error::PastEnd { .. })));
    // Garbage in the fifth byte of a varint, and a sixth byte.
    assert!(matches!(check(3, 12, &[0x81, 0x80, 0x80, 0x80, 0x70]), Err(Error::Read { .. })));
    assert!(matches!(check(3, 12, &[0x81, 0x80, 0x80, 0x80, 0x80, 0x00]), Err(Error::Read { .. })));
    // Twenty million topics in 40 MB.
    let mut topics = 20_000_000_i32.to_be_bytes().to_vec();
    topics.resize(40_000_004, 0);
    assert_eq!(check(3, 1, &topics), Err(Error::TooManyElements { field: "topics" }));
    // Tags by the thousand, and the most that sections may have, in each of many sections.
    let mut many = vec![0x00, 0, 0, 0xff, 0xff, 0x03];
    many.resize(400_000, 0);
    assert_eq!(check(3, 12, &many), Err(Error::TooManyTags { count: 0xffff }));
    let mut sections = vec![0x81, 0x80, 0x04];
    let topic: Vec<u8> = [vec![0; 16], vec![1, 16], (0..16).flat_map(|tag| [tag, 0]).collect()].concat();
    sections.extend(topic.repeat(0x1_0000));
    assert_eq!(check(3, 12, &sections), Err(Error::TooBig { field: "tagged fields" }));
}

#[test]
fn a_known_tag_must_be_of_this_version_and_as_long_as_its_value() {
    let fetch = |version: i16, tags: &[u8]| {
        let fixed = if version >= 15 { 4 + 4 + 4 + 1 + 4 + 4 } else { 4 + 4 + 4 + 4 + 1 + 4 + 4 };
        check(1, version, &[&vec![0; fixed][..], &[1, 1, 1], tags].concat())
    };
    assert!(fetch(15, &[1, 0, 2, 2, b'c']).is_ok());
    let state = [1, 13, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0];
    assert!(fetch(15, &[&[1][..], &state].concat()).is_ok());
    assert_eq!(
        fetch(14, &[&[1][..], &state].concat()),
        Err(Error::TagVersion { field: "replica_state", tag: 1 })
    );
    assert_eq!(
        fetch(15, &[1, 0, 3, 2, b'c', 0]),
        Err(Error::TagSize { field: "cluster_id", tag: 0, left: 1 })
    );
    assert!(fetch(15, &[1, 0, 1, 2, b'c']).is_err());
}

#[test]
fn requests_of_a_large_honest_cluster_pass() {
    let mut metadata = 200_000_i32.to_be_bytes().to_vec();
    (0..200_000).for_each(|_| metadata.extend_from_slice(&[0, 2, b't', b'1']));
    let shape = check(3, 1, &metadata).unwrap();
    assert_eq!(shape.elements, 200_000);

    // 10,000 topics with ten assigned partitions of three replicas each.
    let assignment = [&[0, 0, 0, 1, 4][..], &[0; 12], &[0]].concat();
    let topic =
        [&[3, b't', b'1', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 11][..], &assignment.repeat(10), &[1, 0]]
            .concat();
    let create = [&[0x91, 0x4e][..], &topic.repeat(10_000), &[0, 0, 0x75, 0x30, 0, 0]].concat();
    let shape = check(19, 7, &create).unwrap();
    assert_eq!(shape.body_bytes, create.len());
}

#[test]
fn text_must_be_utf8() {
    assert!(check(3, 12, &[&[2][..], &[0; 16], &[3, 0xc3, 0xa9, 0, 0, 0, 0]].concat()).is_ok());
    let latin1 = [&[2][..], &[0; 16], &[2, 0xe9, 0, 0, 0, 0]].concat();
    assert_eq!(check(3, 12, &latin1), Err(Error::NotUtf8 { field: "name" }));
}

#[test]
fn bytes_after_the_body_are_reported_and_allowed() {
    let shape = check(18, 0, b"junk").unwrap();
    assert_eq!((shape.body_bytes, shape.elements), (0, 0));
    assert_eq!(check(18, 5, b""), Err(Error::NoSchema { api_key: 18, api_version: 5 }));
    assert_eq!(check(-1, 0, b""), Err(Error::NoSchema { api_key: -1, api_version: 0 }));
    assert_eq!(check(0, -32768, b""), Err(Error::NoSchema { api_key: 0, api_version: -32768 }));
}

#[path = "../../../compat-tests/hostile/frames.rs"]
#[expect(clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm, reason = "tests")]
#[expect(unreachable_pub, reason = "shared with the tests that run a broker")]
mod frames;

/// What a connection does with a frame up to the point where it is decoded.
fn gate(bytes: &[u8]) -> Option<()> {
    let (size, payload) = bytes.split_first_chunk::<4>()?;
    let size = usize::try_from(i32::from_be_bytes(*size)).ok()?;
    let limit = header::peek_api_key(payload)?.frame_bytes_max(100 << 20);
    let frame = Bytes::copy_from_slice(payload.get(..size).filter(|_| size <= limit)?);
    let (header, body) = header::RequestHeader::parse(&frame).ok()?;
    if header.api_key.accepts(header.api_version) {
        check(header.api_key.number(), header.api_version, &frame[body..]).ok()?;
        return Some(());
    }
    (header.api_key == ApiKey::ApiVersions).then_some(())
}

#[test]
fn hostile_frames_are_stopped_before_the_decoder_and_honest_ones_are_not() {
    for frame in frames::all() {
        let expected = if frame.outcome == frames::Outcome::Answered { Some(()) } else { None };
        assert_eq!(gate(&frame.bytes()), expected, "{}", frame.name);
    }
}

#[test]
fn an_honest_request_is_tried_in_every_accepted_version() {
    let accepted = ApiKey::ALL.iter().flat_map(|api| api.advertised().filter(|v| api.accepts(*v)));
    assert_eq!(frames::every_version_of_every_api().len(), accepted.count());
}
