//! Bytes that have brought down brokers or decoders, each as it goes onto a fresh connection.
//!
//! No network here and no `main`: a test that runs a broker sends them, sees the outcome, and then sees
//! the broker serve the next client with its memory bounded. The unit tests of `wire::schema` take the
//! same list through the parser alone.

use bytes::BytesMut;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

/// What a broker must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Close the connection without an answer; perhaps while the bytes are still being sent.
    Closed,
    /// Answer in full.
    Answered,
}

/// One attack, or one odd request that is none.
pub struct Hostile {
    /// What it does.
    pub name: String,
    /// What must come of it.
    pub outcome: Outcome,
    build: Box<dyn Fn() -> Vec<u8>>,
}

impl Hostile {
    /// What to send, size prefix included. Some are tens of megabytes.
    pub fn bytes(&self) -> Vec<u8> {
        (self.build)()
    }
}

fn closed(name: impl Into<String>, build: impl Fn() -> Vec<u8> + 'static) -> Hostile {
    Hostile { name: name.into(), outcome: Outcome::Closed, build: Box::new(build) }
}

fn answered(name: impl Into<String>, build: impl Fn() -> Vec<u8> + 'static) -> Hostile {
    Hostile { name: name.into(), outcome: Outcome::Answered, build: Box::new(build) }
}

/// Every frame of this file.
pub fn all() -> Vec<Hostile> {
    let mut all = Vec::new();
    all.extend(huge_compact_counts());
    all.extend(huge_counts());
    all.extend(many_small_elements());
    all.extend(many_tags());
    all.extend(short_frames());
    all.extend(odd_varints());
    all.extend(odd_sizes());
    all.extend(long_strings());
    all.extend((0..20).map(short_client_id_in_a_long_frame));
    all.extend(unknown_apis_and_versions());
    all.extend(every_version_of_every_api());
    all
}

/// A size prefix and what it announces.
fn frame(payload: &[u8]) -> Vec<u8> {
    let size = i32::try_from(payload.len()).expect("frames are below 2 GiB");
    [&size.to_be_bytes()[..], payload].concat()
}

/// A request without client id; `parts` start with the tagged fields of the header if the version is flexible.
fn request(key: i16, version: i16, parts: &[&[u8]]) -> Vec<u8> {
    let mut payload = [key.to_be_bytes(), version.to_be_bytes()].concat();
    payload.extend([0, 0, 0, 1, 0xff, 0xff]);
    payload.extend(parts.concat());
    frame(&payload)
}

/// No tagged fields.
const NO_TAGS: &[u8] = &[0];
/// The largest count that a varint can say.
const COUNT_MAX: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x0f];
/// 300 million.
const COUNT_300M: &[u8] = &[0x80, 0xc6, 0x86, 0x8f, 0x01];

/// H1: a compact array's count makes the decoder ask for 309 GB and abort, or map 20 GB.
fn huge_compact_counts() -> Vec<Hostile> {
    let mut found = Vec::new();
    for count in [COUNT_MAX, COUNT_300M] {
        let mut add = |name: &str, key: i16, version: i16, before: &'static [u8]| {
            found.push(closed(format!("h1: {name} counts {count:02x?}"), move || {
                request(key, version, &[NO_TAGS, before, count])
            }));
        };
        add("topics of metadata", 3, 12, &[]);
        add("topics of produce", 0, 9, &[0, 0, 1, 0, 0, 0, 9]);
        add("partitions of produce", 0, 9, &[0, 0, 1, 0, 0, 0, 9, 2, 2, b't']);
        add("topics of fetch", 1, 12, &[0; 25]);
        add("topics of list offsets", 2, 6, &[0xff, 0xff, 0xff, 0xff, 0]);
        add("keys of find coordinator", 10, 4, &[0]);
        add("topics of create topics", 19, 7, &[]);
        add("assignments of create topics", 19, 7, &[2, 2, b't', 0, 0, 0, 1, 0, 1]);
        add("topics of delete topics", 20, 6, &[]);
        add("resources of describe configs", 32, 4, &[]);
        add("keys of describe configs", 32, 4, &[2, 2, 2, b't']);
        add("topics of describe log dirs", 35, 2, &[]);
        add("topics of create partitions", 37, 2, &[]);
        add("topics of offset commit", 8, 8, &[2, b'g', 0, 0, 0, 0, 1, 0]);
        add("topics of offset commit by id", 8, 10, &[2, b'g', 0, 0, 0, 0, 1, 0]);
        add("groups of offset fetch", 9, 8, &[]);
        add(
            "partitions of offset fetch by id",
            9,
            10,
            &[2, 2, b'g', 0, 0, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        );
        add("protocols of join group", 11, 6, &[2, b'g', 0, 0, 0, 9, 0, 0, 0, 9, 1, 0, 2, b'c']);
        add("members of leave group", 13, 4, &[2, b'g']);
        add("assignments of sync group", 14, 4, &[2, b'g', 0, 0, 0, 1, 1, 0]);
        add("groups of describe groups", 15, 5, &[]);
        add("states of list groups", 16, 4, &[]);
        add("topics of add partitions to txn", 24, 3, &[2, b't', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        add("transactions of add partitions to txn", 24, 4, &[]);
        add(
            "partitions of add partitions to txn",
            24,
            4,
            &[2, 2, b't', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 2, b't'],
        );
        add("markers of write txn markers", 27, 1, &[]);
        add(
            "topics of txn offset commit",
            28,
            3,
            &[2, b't', 2, b'g', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0],
        );
        add("ids of describe transactions", 65, 0, &[]);
        add("states of list transactions", 66, 0, &[]);
        add("producers of list transactions", 66, 2, &[1]);
        add("groups of delete groups", 42, 2, &[]);
        add("resources of incremental alter configs", 44, 1, &[]);
        add("topics of consumer group heartbeat", 68, 0, &[2, b'g', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        add("groups of consumer group describe", 69, 0, &[]);
        add("topics of list partition reassignments", 46, 0, &[0, 0, 0, 9]);
        add("topics of describe topic partitions", 75, 0, &[]);
        add("creations of create acls", 30, 2, &[]);
        add("filters of delete acls", 31, 2, &[]);
        add("topics of elect leaders", 43, 2, &[0]);
        add("partitions of elect leaders", 43, 2, &[0, 2, 2, b't']);
        add("components of describe client quotas", 48, 1, &[]);
        add("entries of alter client quotas", 49, 1, &[]);
        add("entity of alter client quotas", 49, 1, &[2]);
        add("ops of alter client quotas", 49, 1, &[2, 1]);
        add("users of describe user scram credentials", 50, 0, &[]);
        add("deletions of alter user scram credentials", 51, 0, &[]);
        add("upsertions of alter user scram credentials", 51, 0, &[1]);
        add("salt of alter user scram credentials", 51, 0, &[1, 2, 2, b'u', 1, 0, 0, 16, 0]);
        add("topics of describe quorum", 55, 0, &[]);
        add("renewers of create delegation token", 38, 2, &[]);
        add("hmac of renew delegation token", 39, 2, &[]);
        add("hmac of expire delegation token", 40, 2, &[]);
        add("owners of describe delegation token", 41, 2, &[]);
        add("topics of alter partition reassignments", 45, 0, &[0, 0, 0, 9]);
        add("replicas of alter partition reassignments", 45, 0, &[0, 0, 0, 9, 2, 2, b't', 2, 0, 0, 0, 0]);
        add("updates of update features", 57, 0, &[0, 0, 0, 9]);
    }
    found
}

/// H2: the same with the `i32` counts of old versions; 154 GB.
fn huge_counts() -> Vec<Hostile> {
    let counts = [
        ("largest", [0x7f, 0xff, 0xff, 0xff]),
        ("smallest", [0x80, 0, 0, 0]),
        ("minus two", [0xff, 0xff, 0xff, 0xfe]),
    ];
    let mut found = Vec::new();
    for (word, count) in counts {
        let mut add = |name: &str, key: i16, version: i16, before: &'static [u8]| {
            found.push(closed(format!("h2: {name} counts the {word}"), move || {
                request(key, version, &[before, &count])
            }));
        };
        add("topics of metadata", 3, 1, &[]);
        add("topics of produce", 0, 3, &[0xff, 0xff, 0, 1, 0, 0, 0, 9]);
        add(
            "records of produce",
            0,
            3,
            &[0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0],
        );
        add("topics of fetch", 1, 4, &[0; 17]);
        add("topics of list offsets", 2, 1, &[0xff, 0xff, 0xff, 0xff]);
        add("topics of create topics", 19, 2, &[]);
        add("names of delete topics", 20, 1, &[]);
        add("topics of offset for leader epoch", 23, 2, &[]);
        add("resources of describe configs", 32, 1, &[]);
        add("topics of describe log dirs", 35, 1, &[]);
        add("topics of create partitions", 37, 0, &[]);
        add("topics of offset commit", 8, 2, &[0, 1, b'g', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        add("groups of describe groups", 15, 0, &[]);
        add("topics of offset delete", 47, 0, &[0, 1, b'g']);
        add("topics of add partitions to txn", 24, 0, &[0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        add("topics of txn offset commit", 28, 0, &[0, 1, b't', 0, 1, b'g', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
    found
}

/// H3: every element is there, but each takes far more memory decoded than on the wire.
fn many_small_elements() -> Vec<Hostile> {
    let topics = |count: u32| move || request(3, 1, &[&count.to_be_bytes(), &vec![0; 2 * count as usize]]);
    let create_topics = |assignments: usize| {
        move || {
            let body =
                [&[2, 2, b't', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &varint(assignments + 1)].concat();
            request(19, 7, &[NO_TAGS, &body, &vec![0; 6 * assignments], &[1, 0, 0, 0, 0, 9, 1, 0]])
        }
    };
    vec![
        closed("h3: 20 million topics in 40 MB", topics(20_000_000)),
        closed("h3: 7 million topics in 14 MB", topics(7_000_000)),
        closed("h3: 1,000,001 topics in 2 MB", topics(1_000_001)),
        closed("h3: 12 million assignments in 72 MB", create_topics(12_000_000)),
        closed("h3: 2 million assignments in 12 MB", create_topics(2_000_000)),
        closed("h3: 5 million empty partitions of one produce request in 30 MB", || {
            let before = [&[0, 0, 1, 0, 0, 0, 9, 2, 2, b't'][..], &varint(5_000_001)].concat();
            request(0, 9, &[NO_TAGS, &before, &vec![0; 6 * 5_000_000], &[0, 0]])
        }),
    ]
}

/// H4: tagged fields that the decoder would store one by one, in the header before anybody has authenticated.
fn many_tags() -> Vec<Hostile> {
    fn section(count: usize) -> Vec<u8> {
        let mut bytes = varint(count);
        for tag in 0..count {
            put_varint(&mut bytes, 1000 + tag);
            bytes.push(0);
        }
        bytes
    }
    vec![
        closed("h4: 20 million tags in the header", || {
            request(18, 3, &[&section(20_000_000), &[2, b'a', 2, b'1', 0]])
        }),
        closed("h4: 200,000 tags in the header", || {
            request(18, 3, &[&section(200_000), &[2, b'a', 2, b'1', 0]])
        }),
        closed("h4: 200,000 tags in the body", || {
            request(18, 3, &[NO_TAGS, &[2, b'a', 2, b'1'], &section(200_000)])
        }),
        closed("h4: 17 tags in the header", || request(18, 3, &[&section(17), &[2, b'a', 2, b'1', 0]])),
        closed("h4: 65,536 topics with 16 tags each", || {
            let topic = [&[0; 16][..], &[2, b't'], &section(16)].concat();
            request(3, 12, &[NO_TAGS, &varint(65_537), &topic.repeat(65_536), &[0, 0, 0]])
        }),
        answered("h4: 16 tags in the header and in the body", || {
            request(18, 3, &[&section(16), &[2, b'a', 2, b'1'], &section(16)])
        }),
    ]
}

/// H5: frames that end before or within the header, and sizes that are none.
fn short_frames() -> Vec<Hostile> {
    let mut found: Vec<Hostile> = (0..10)
        .map(|length| {
            closed(format!("h5: a frame of {length} bytes"), move || {
                frame(&[0, 18, 0, 0, 0, 0, 0, 1, 0xff][..length.min(9)])
            })
        })
        .collect();
    found.push(closed("h5: a size of -1", || vec![0xff; 64]));
    found.push(closed("h5: a size of 2 GB", || {
        vec![0x7f, 0xff, 0xff, 0xff, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]
    }));
    found.push(closed("h5: a client id past the end", || frame(&[0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff])));
    found.push(closed("h5: a client id of length -2", || frame(&[0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xfe])));
    found.push(closed("h5: http", || b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()));
    found.push(closed("h5: a tls client hello", || {
        [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 506]].concat()
    }));
    found
}

/// H20: varints that two readers could understand differently.
fn odd_varints() -> Vec<Hostile> {
    let topics = |count: &'static [u8]| move || request(3, 12, &[NO_TAGS, count, &[0, 0, 0]]);
    vec![
        closed("h20: garbage in the fifth byte", topics(&[0x81, 0x80, 0x80, 0x80, 0x70])),
        closed("h20: a sixth byte", topics(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x00])),
        answered("h20: an over-long one", topics(&[0x81, 0x80, 0x80, 0x80, 0x00])),
    ]
}

/// H21: sizes and presence bytes that the decoder does not look at.
fn odd_sizes() -> Vec<Hostile> {
    let fetch = |tags: &'static [u8]| move || request(1, 15, &[NO_TAGS, &[0; 21], &[1, 1, 1], tags]);
    let cursor = |present: u8| move || request(75, 0, &[NO_TAGS, &[2, 2, b't', 0, 0, 0, 0, 9, present, 0]]);
    vec![
        closed("h21: a known tag that is shorter than its value", fetch(&[1, 0, 1, 2, b'c'])),
        closed("h21: a known tag that is longer than its value", fetch(&[1, 0, 4, 2, b'c', 0, 0])),
        closed("h21: a known tag of another version", move || {
            request(1, 14, &[NO_TAGS, &[0; 25], &[1, 1, 1], &[1, 1, 13], &[0; 13]])
        }),
        closed("h21: a presence byte of 2", cursor(2)),
        answered("h21: an absent cursor", cursor(0xff)),
    ]
}

/// H22: lengths of strings and bytes that are zeroed before they are read.
fn long_strings() -> Vec<Hostile> {
    let name = |length: &'static [u8]| move || request(18, 3, &[NO_TAGS, length, b"x"]);
    vec![
        closed("h22: a name of 4 GB", name(COUNT_MAX)),
        closed("h22: a name of 300 MB", name(COUNT_300M)),
        closed("h22: a string of 40,000 bytes", || {
            request(18, 3, &[NO_TAGS, &varint(40_001), &[b'x'; 40_000], &[2, b'1', 0]])
        }),
        closed("h22: records of 4 GB", || {
            let before = [0, 0, 1, 0, 0, 0, 9, 2, 2, b't', 2, 0, 0, 0, 0];
            request(0, 9, &[NO_TAGS, &before, COUNT_MAX])
        }),
    ]
}

/// H23: whoever keeps this client id as a slice of the frame keeps ten megabytes for three bytes.
fn short_client_id_in_a_long_frame(number: u8) -> Hostile {
    answered(format!("h23: client id {number:03} in a frame of 10 MB"), move || {
        let size = 10_000_000;
        let mut payload = vec![0, 3, 0, 12, 0, 0, 0, 1, 0, 3];
        payload.extend(format!("{number:03}").into_bytes());
        payload.extend([NO_TAGS, &[1, 0, 0, 1], &varint(1000), &varint(size)].concat());
        payload.resize(payload.len() + size, 0);
        frame(&payload)
    })
}

/// Rules 2 and 6: only ApiVersions is answered in versions that nobody knows.
fn unknown_apis_and_versions() -> Vec<Hostile> {
    let bare = |key: i16, version: i16| move || request(key, version, &[NO_TAGS, &[0; 40]]);
    let mut found = vec![
        answered("api versions 99 with a body of junk", || request(18, 99, &[NO_TAGS, &[0xff; 100]])),
        answered("api versions 5", || {
            request(18, 5, &[NO_TAGS, &[2, b'a', 2, b'1', 0, 0xff, 0xff, 0xff, 0xff, 0]])
        }),
        answered("api versions 0 with bytes after the body", || request(18, 0, &[b"junk"])),
    ];
    for (key, version) in
        [(0, 0), (0, 2), (0, 14), (1, 3), (1, 19), (3, 14), (3, -1), (4, 1), (7, 1), (-1, 0), (500, 0)]
    {
        found.push(closed(format!("api key {key} version {version}"), bare(key, version)));
    }
    found
}

/// H24: an honest request in every version; a response that does not encode would leave the client waiting.
pub fn every_version_of_every_api() -> Vec<Hostile> {
    let versions = [
        (0, 3..=13),
        (1, 4..=18),
        (2, 1..=11),
        (3, 0..=13),
        (8, 2..=10),
        (9, 1..=10),
        (10, 0..=6),
        (11, 0..=9),
        (12, 0..=4),
        (13, 0..=5),
        (14, 0..=5),
        (15, 0..=6),
        (16, 0..=5),
        (18, 0..=4),
        (19, 2..=7),
        (20, 1..=6),
        (21, 0..=2),
        (22, 0..=5),
        (23, 2..=4),
        (24, 0..=5),
        (25, 0..=4),
        (26, 0..=5),
        (27, 1..=2),
        (28, 0..=6),
        (29, 1..=3),
        (30, 1..=3),
        (31, 1..=3),
        (32, 1..=4),
        (33, 0..=2),
        (34, 1..=2),
        (35, 1..=5),
        (37, 0..=3),
        (38, 1..=3),
        (39, 1..=2),
        (40, 1..=2),
        (41, 1..=3),
        (42, 0..=3),
        (43, 0..=2),
        (44, 0..=1),
        (45, 0..=1),
        (46, 0..=0),
        (47, 0..=0),
        (48, 0..=1),
        (49, 0..=1),
        (50, 0..=0),
        (51, 0..=0),
        (55, 0..=2),
        (57, 0..=2),
        (60, 0..=2),
        (61, 0..=0),
        (64, 0..=0),
        (65, 0..=0),
        (66, 0..=2),
        (68, 0..=1),
        (69, 0..=1),
        (74, 0..=1),
        (75, 0..=0),
    ];
    let one_api = |(key, versions): (i16, std::ops::RangeInclusive<i16>)| {
        versions.map(move |version| {
            let api = ApiKey::try_from(key).expect("the crate has it");
            answered(format!("h24: {api:?} {version}"), move || honest(api, version))
        })
    };
    versions.into_iter().flat_map(one_api).collect()
}

/// A request about a topic that does not exist.
fn honest(api: ApiKey, version: i16) -> Vec<u8> {
    // What the crate's codecs stop short of.
    match (api, version) {
        (ApiKey::ListOffsets, 11) => {
            let partition = [2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
            let head = [&[0xff; 4][..], &[0, 2, 2, b't'], &partition].concat();
            return request(2, 11, &[NO_TAGS, &head, &(-6_i64).to_be_bytes(), &[0, 0, 0, 0, 0, 0, 0]]);
        }
        (ApiKey::OffsetCommit, 10) => {
            let head = [2, b'g', 0xff, 0xff, 0xff, 0xff, 1, 0, 2];
            let partition = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 1, 0];
            return request(8, 10, &[NO_TAGS, &head, &[9; 16], &partition, &[0, 0]]);
        }
        (ApiKey::OffsetFetch, 10) => {
            let head = [2, 2, b'g', 0, 0xff, 0xff, 0xff, 0xff, 2];
            return request(9, 10, &[NO_TAGS, &head, &[9; 16], &[2, 0, 0, 0, 0, 0, 0, 0, 0]]);
        }
        (ApiKey::DescribeLogDirs, 5) => return request(35, 5, &[NO_TAGS, &[0, 0]]),
        (ApiKey::WriteTxnMarkers, 2) => {
            let head = [&[2][..], &[0; 8], &[0, 0, 0, 2, 2, b't', 2, 0, 0, 0, 0, 0]].concat();
            return request(27, 2, &[NO_TAGS, &head, &[0, 0, 0, 0, 2, 0, 0]]);
        }
        (ApiKey::TxnOffsetCommit, 6) => {
            let head = [&[2, b't', 2, b'g'][..], &[0; 10], &[0xff; 4], &[1, 0, 2]].concat();
            let partition = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 1, 0];
            return request(28, 6, &[NO_TAGS, &head, &[9; 16], &partition, &[0, 0]]);
        }
        (ApiKey::DeleteGroups, 3) => return request(42, 3, &[NO_TAGS, &[2, 2, b'g', 0]]),
        _ => {}
    }
    let mut body = BytesMut::new();
    honest_body(api, version).encode(&mut body, version).expect("fields fit the version");
    let header_tags: &[u8] = if api.request_header_version(version) == 2 { NO_TAGS } else { &[] };
    request(api as i16, version, &[header_tags, &body])
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn alter_replica_log_dirs(topic: TopicName) -> RequestKind {
    let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
        .with_name(topic)
        .with_partitions(vec![0]);
    let dir = alter_replica_log_dirs_request::AlterReplicaLogDir::default()
        .with_path(StrBytes::from_static_str("/nowhere"))
        .with_topics(vec![topic]);
    RequestKind::AlterReplicaLogDirs(AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]))
}

fn honest_body(api: ApiKey, version: i16) -> RequestKind {
    let topic = TopicName(text("no-such-topic"));
    match api {
        ApiKey::Produce => produce(version),
        ApiKey::Fetch => fetch(version),
        ApiKey::ListOffsets => {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(topic)
                .with_partitions(vec![partition]);
            RequestKind::ListOffsets(
                ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]),
            )
        }
        ApiKey::Metadata => {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(topic));
            let request = MetadataRequest::default().with_topics(Some(vec![topic]));
            RequestKind::Metadata(request.with_allow_auto_topic_creation(version < 4))
        }
        ApiKey::FindCoordinator => RequestKind::FindCoordinator(if version < 4 {
            FindCoordinatorRequest::default().with_key(text("group"))
        } else {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")])
        }),
        ApiKey::ApiVersions => RequestKind::ApiVersions(
            ApiVersionsRequest::default()
                .with_client_software_name(text("a"))
                .with_client_software_version(text("1")),
        ),
        ApiKey::CreateTopics => {
            let topic = create_topics_request::CreatableTopic::default()
                .with_name(TopicName(text("not a name")))
                .with_num_partitions(1)
                .with_replication_factor(1);
            RequestKind::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic]))
        }
        ApiKey::DeleteTopics => RequestKind::DeleteTopics(if version < 6 {
            DeleteTopicsRequest::default().with_topic_names(vec![topic])
        } else {
            let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(topic));
            DeleteTopicsRequest::default().with_topics(vec![topic])
        }),
        ApiKey::DeleteRecords => {
            let partition = delete_records_request::DeleteRecordsPartition::default();
            let topic = delete_records_request::DeleteRecordsTopic::default()
                .with_name(topic)
                .with_partitions(vec![partition]);
            RequestKind::DeleteRecords(DeleteRecordsRequest::default().with_topics(vec![topic]))
        }
        ApiKey::InitProducerId => {
            RequestKind::InitProducerId(InitProducerIdRequest::default().with_transactional_id(None))
        }
        ApiKey::OffsetForLeaderEpoch => {
            let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
            let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(topic)
                .with_partitions(vec![partition]);
            RequestKind::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest::default().with_topics(vec![topic]))
        }
        ApiKey::DescribeConfigs => {
            let resource = describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(topic.0)
                .with_configuration_keys(None);
            RequestKind::DescribeConfigs(DescribeConfigsRequest::default().with_resources(vec![resource]))
        }
        ApiKey::AlterReplicaLogDirs => alter_replica_log_dirs(topic),
        ApiKey::DescribeLogDirs => {
            RequestKind::DescribeLogDirs(DescribeLogDirsRequest::default().with_topics(None))
        }
        ApiKey::CreatePartitions => {
            let topic = create_partitions_request::CreatePartitionsTopic::default()
                .with_name(topic)
                .with_count(2)
                .with_assignments(None);
            RequestKind::CreatePartitions(CreatePartitionsRequest::default().with_topics(vec![topic]))
        }
        ApiKey::ListPartitionReassignments => RequestKind::ListPartitionReassignments(
            ListPartitionReassignmentsRequest::default().with_topics(None),
        ),
        ApiKey::DescribeCluster => RequestKind::DescribeCluster(DescribeClusterRequest::default()),
        ApiKey::DescribeProducers => {
            let topic = describe_producers_request::TopicRequest::default()
                .with_name(topic)
                .with_partition_indexes(vec![0]);
            RequestKind::DescribeProducers(DescribeProducersRequest::default().with_topics(vec![topic]))
        }
        ApiKey::DescribeTopicPartitions => {
            let topic = describe_topic_partitions_request::TopicRequest::default().with_name(topic);
            RequestKind::DescribeTopicPartitions(
                DescribeTopicPartitionsRequest::default()
                    .with_topics(vec![topic])
                    .with_response_partition_limit(10),
            )
        }
        other => honest_group_body(other, version),
    }
}

/// A request about a group that does not exist, or from a member that does not.
fn honest_group_body(api: ApiKey, version: i16) -> RequestKind {
    let topic = TopicName(text("no-such-topic"));
    let group = GroupId(text("group"));
    match api {
        ApiKey::OffsetCommit => {
            let topic = offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(topic)
                .with_partitions(vec![offset_commit_request::OffsetCommitRequestPartition::default()]);
            let request = OffsetCommitRequest::default().with_group_id(group).with_topics(vec![topic]);
            RequestKind::OffsetCommit(request)
        }
        ApiKey::OffsetFetch if version < 8 => {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(topic)
                .with_partition_indexes(vec![0]);
            let request = OffsetFetchRequest::default().with_group_id(group).with_topics(Some(vec![topic]));
            RequestKind::OffsetFetch(request)
        }
        ApiKey::OffsetFetch => {
            let group = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group)
                .with_topics(None);
            RequestKind::OffsetFetch(OffsetFetchRequest::default().with_groups(vec![group]))
        }
        ApiKey::JoinGroup => {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            let request =
                JoinGroupRequest::default().with_group_id(group).with_protocol_type(text("consumer"));
            RequestKind::JoinGroup(request.with_protocols(vec![protocol]))
        }
        ApiKey::Heartbeat => {
            let request = HeartbeatRequest::default().with_group_id(group);
            RequestKind::Heartbeat(request.with_member_id(text("nobody")))
        }
        ApiKey::LeaveGroup if version < 3 => {
            let request = LeaveGroupRequest::default().with_group_id(group);
            RequestKind::LeaveGroup(request.with_member_id(text("nobody")))
        }
        ApiKey::LeaveGroup => {
            let member = leave_group_request::MemberIdentity::default().with_member_id(text("nobody"));
            let request = LeaveGroupRequest::default().with_group_id(group);
            RequestKind::LeaveGroup(request.with_members(vec![member]))
        }
        ApiKey::SyncGroup => {
            let request = SyncGroupRequest::default().with_group_id(group).with_member_id(text("nobody"));
            RequestKind::SyncGroup(request)
        }
        ApiKey::DescribeGroups => {
            RequestKind::DescribeGroups(DescribeGroupsRequest::default().with_groups(vec![group]))
        }
        ApiKey::ListGroups => RequestKind::ListGroups(ListGroupsRequest::default()),
        ApiKey::DeleteGroups => {
            RequestKind::DeleteGroups(DeleteGroupsRequest::default().with_groups_names(vec![group]))
        }
        ApiKey::OffsetDelete => {
            RequestKind::OffsetDelete(OffsetDeleteRequest::default().with_group_id(group))
        }
        ApiKey::ConsumerGroupHeartbeat => {
            let request = ConsumerGroupHeartbeatRequest::default().with_group_id(group);
            RequestKind::ConsumerGroupHeartbeat(request.with_member_id(text("nobody")).with_member_epoch(7))
        }
        ApiKey::ConsumerGroupDescribe => {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group]);
            RequestKind::ConsumerGroupDescribe(request)
        }
        ApiKey::ListConfigResources => {
            RequestKind::ListConfigResources(ListConfigResourcesRequest::default())
        }
        ApiKey::AlterConfigs => {
            let resource = alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(topic.0);
            RequestKind::AlterConfigs(AlterConfigsRequest::default().with_resources(vec![resource]))
        }
        ApiKey::IncrementalAlterConfigs => {
            let resource = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(topic.0);
            let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
            RequestKind::IncrementalAlterConfigs(request)
        }
        other => honest_transaction_body(other, version),
    }
}

/// A request about a transactional id that does not exist.
fn honest_transaction_body(api: ApiKey, version: i16) -> RequestKind {
    let topic = TopicName(text("no-such-topic"));
    let id = TransactionalId(text("transaction"));
    match api {
        ApiKey::AddPartitionsToTxn => {
            let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                .with_name(topic)
                .with_partitions(vec![0]);
            let request = AddPartitionsToTxnRequest::default();
            RequestKind::AddPartitionsToTxn(if version < 4 {
                request.with_v3_and_below_transactional_id(id).with_v3_and_below_topics(vec![topic])
            } else {
                let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
                    .with_transactional_id(id)
                    .with_topics(vec![topic]);
                request.with_transactions(vec![transaction])
            })
        }
        ApiKey::AddOffsetsToTxn => {
            let request = AddOffsetsToTxnRequest::default().with_transactional_id(id);
            RequestKind::AddOffsetsToTxn(request.with_group_id(GroupId(text("group"))))
        }
        ApiKey::EndTxn => RequestKind::EndTxn(EndTxnRequest::default().with_transactional_id(id)),
        ApiKey::WriteTxnMarkers => {
            let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
                .with_name(topic)
                .with_partition_indexes(vec![0]);
            let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![topic]);
            RequestKind::WriteTxnMarkers(WriteTxnMarkersRequest::default().with_markers(vec![marker]))
        }
        ApiKey::TxnOffsetCommit => {
            let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                .with_name(topic)
                .with_partitions(vec![txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()]);
            let request =
                TxnOffsetCommitRequest::default().with_transactional_id(id).with_topics(vec![topic]);
            RequestKind::TxnOffsetCommit(request.with_group_id(GroupId(text("group"))))
        }
        ApiKey::DescribeTransactions => {
            let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id]);
            RequestKind::DescribeTransactions(request)
        }
        ApiKey::ListTransactions => RequestKind::ListTransactions(ListTransactionsRequest::default()),
        other => honest_administration(other),
    }
}

/// A request about users, quotas and partitions that do not exist.
fn honest_administration(api: ApiKey) -> RequestKind {
    let topic = TopicName(text("no-such-topic"));
    match api {
        ApiKey::DescribeAcls => RequestKind::DescribeAcls(DescribeAclsRequest::default()),
        ApiKey::CreateAcls => {
            let creation = create_acls_request::AclCreation::default().with_resource_name(text("r"));
            RequestKind::CreateAcls(CreateAclsRequest::default().with_creations(vec![creation]))
        }
        ApiKey::DeleteAcls => {
            let filter = delete_acls_request::DeleteAclsFilter::default();
            RequestKind::DeleteAcls(DeleteAclsRequest::default().with_filters(vec![filter]))
        }
        ApiKey::ElectLeaders => {
            let topic =
                elect_leaders_request::TopicPartitions::default().with_topic(topic).with_partitions(vec![0]);
            RequestKind::ElectLeaders(ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic])))
        }
        ApiKey::DescribeClientQuotas => {
            let component = describe_client_quotas_request::ComponentData::default()
                .with_entity_type(text("user"))
                .with_match(Some(text("nobody")));
            RequestKind::DescribeClientQuotas(
                DescribeClientQuotasRequest::default().with_components(vec![component]),
            )
        }
        ApiKey::AlterClientQuotas => {
            let entity = alter_client_quotas_request::EntityData::default()
                .with_entity_type(text("user"))
                .with_entity_name(None);
            let op = alter_client_quotas_request::OpData::default().with_key(text("no-such-quota"));
            let entry = alter_client_quotas_request::EntryData::default()
                .with_entity(vec![entity])
                .with_ops(vec![op.with_value(1.0)]);
            RequestKind::AlterClientQuotas(AlterClientQuotasRequest::default().with_entries(vec![entry]))
        }
        ApiKey::DescribeUserScramCredentials => {
            let user = describe_user_scram_credentials_request::UserName::default().with_name(text("nobody"));
            RequestKind::DescribeUserScramCredentials(
                DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user])),
            )
        }
        ApiKey::AlterUserScramCredentials => {
            let deletion = alter_user_scram_credentials_request::ScramCredentialDeletion::default();
            let request = AlterUserScramCredentialsRequest::default();
            RequestKind::AlterUserScramCredentials(
                request.with_deletions(vec![deletion.with_name(text("nobody")).with_mechanism(1)]),
            )
        }
        ApiKey::CreateDelegationToken => {
            RequestKind::CreateDelegationToken(CreateDelegationTokenRequest::default())
        }
        ApiKey::RenewDelegationToken => {
            RequestKind::RenewDelegationToken(RenewDelegationTokenRequest::default())
        }
        ApiKey::ExpireDelegationToken => {
            RequestKind::ExpireDelegationToken(ExpireDelegationTokenRequest::default())
        }
        ApiKey::DescribeDelegationToken => {
            RequestKind::DescribeDelegationToken(DescribeDelegationTokenRequest::default())
        }
        ApiKey::AlterPartitionReassignments => {
            let partition = alter_partition_reassignments_request::ReassignablePartition::default();
            let topic = alter_partition_reassignments_request::ReassignableTopic::default()
                .with_name(topic)
                .with_partitions(vec![partition.with_replicas(None)]);
            RequestKind::AlterPartitionReassignments(
                AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]),
            )
        }
        ApiKey::UpdateFeatures => {
            let update =
                update_features_request::FeatureUpdateKey::default().with_feature(text("no.feature"));
            RequestKind::UpdateFeatures(UpdateFeaturesRequest::default().with_feature_updates(vec![update]))
        }
        ApiKey::UnregisterBroker => {
            RequestKind::UnregisterBroker(UnregisterBrokerRequest::default().with_broker_id(BrokerId(4711)))
        }
        ApiKey::DescribeQuorum => RequestKind::DescribeQuorum(DescribeQuorumRequest::default()),
        other => unreachable!("{other:?} is not served"),
    }
}

/// With acks, since there is no answer without.
fn produce(version: i16) -> RequestKind {
    let mut topic = produce_request::TopicProduceData::default().with_partition_data(vec![
        produce_request::PartitionProduceData::default().with_records(Some(vec![0; 61].into())),
    ]);
    if version < 13 {
        topic.name = TopicName(text("no-such-topic"));
    } else {
        topic.topic_id = uuid::Uuid::from_u128(99);
    }
    RequestKind::Produce(
        ProduceRequest::default().with_acks(1).with_timeout_ms(1000).with_topic_data(vec![topic]),
    )
}

fn fetch(version: i16) -> RequestKind {
    let mut topic =
        fetch_request::FetchTopic::default().with_partitions(vec![fetch_request::FetchPartition::default()]);
    if version < 13 {
        topic.topic = TopicName(text("no-such-topic"));
    } else {
        topic.topic_id = uuid::Uuid::from_u128(99);
    }
    RequestKind::Fetch(FetchRequest::default().with_max_wait_ms(1).with_topics(vec![topic]))
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, value);
    bytes
}

fn put_varint(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
