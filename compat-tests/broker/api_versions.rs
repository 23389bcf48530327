//! ApiVersions: what a client learns before anything else (behaviour of KIP-511 and KIP-584).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use kafka_protocol::messages::api_versions_response::ApiVersionsResponse;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::Decodable;

use super::hostile::frames;
use super::support::{Broker, Client, tests_kafka, text};

fn request(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text(name))
        .with_client_software_version(text(version))
}

/// An ApiVersions request of any version, with these bytes after the header's client id.
fn raw(version: i16, rest: &[u8]) -> Vec<u8> {
    let mut payload =
        [&18_i16.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 77, 0xff, 0xff]].concat();
    payload.extend(rest);
    [&u32::try_from(payload.len()).unwrap().to_be_bytes()[..], &payload].concat()
}

fn ranges(response: &ApiVersionsResponse) -> BTreeMap<i16, (i16, i16)> {
    response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect()
}

/// Reads an answer that must have correlation id 77 and a body of `version`.
fn read(client: &mut Client, version: i16) -> ApiVersionsResponse {
    let mut body = client.read_frame().expect("an answer");
    assert_eq!(body[..4], [0, 0, 0, 77]);
    let mut body = body.split_off(4);
    let response = ApiVersionsResponse::decode(&mut body, version).unwrap();
    assert!(body.is_empty(), "bytes after the body");
    response
}

#[test]
fn the_response_header_has_no_tagged_fields_in_any_version() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for version in 0..=4 {
        let rest: &[u8] = if version < 3 { &[] } else { &[0, 2, b'a', 2, b'1', 0] };
        client.stream.write_all(&raw(version, rest)).unwrap();
        let response = read(&mut client, version);
        assert_eq!(response.error_code, 0, "version {version}");
        assert!(ranges(&response).contains_key(&18), "version {version}");
    }
}

#[test]
fn an_unknown_version_is_answered_in_version_0_with_the_whole_table_whatever_its_body() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let table = ranges(&client.call(&request("a", "1"), 4));
    for version in [6, 99, i16::MAX] {
        client.stream.write_all(&raw(version, &[&[0], &[0xff; 100][..]].concat())).unwrap();
        let response = read(&mut client, 0);
        assert_eq!(response.error_code, 35, "version {version}");
        let answered = ranges(&response);
        assert_eq!(answered.get(&18), table.get(&18), "version {version}");
        if !tests_kafka() {
            assert_eq!(answered, table, "version {version}");
        }
    }
    // The connection goes on: clients retry on it.
    assert_eq!(client.call(&request("a", "1"), 4).error_code, 0);
}

#[test]
fn what_is_served_is_advertised_and_nothing_else() {
    let broker = Broker::shared();
    let advertised = ranges(&broker.connect().call(&request("a", "1"), 4));
    let mut served: BTreeMap<i16, (i16, i16)> = BTreeMap::new();
    for (api, version) in frames::every_version_of_every_api().iter().map(|f| key_and_version(&f.bytes())) {
        let range = served.entry(api as i16).or_insert((version, version));
        *range = (range.0.min(version), range.1.max(version));
    }
    // Older clients look for low versions of Produce to learn which message formats there are.
    served.entry(0).and_modify(|range| range.0 = 0);
    if tests_kafka() {
        for (key, (low, high)) in served {
            let (least, most) = advertised[&key];
            assert!(least <= low && high <= most, "{key}: {low}-{high} within {least}-{most}");
        }
    } else {
        assert_eq!(advertised, served);
    }
}

#[test]
fn client_names_and_versions_are_words() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for bad in ["", "-a", "a-", "a b", "a_b", "é", ".a"] {
        assert_eq!(client.call(&request(bad, "1"), 3).error_code, 42, "name {bad:?}");
        assert_eq!(client.call(&request("a", bad), 4).error_code, 42, "version {bad:?}");
    }
    for good in ["a", "apache-kafka-java", "4.3.1", "A-.9"] {
        assert_eq!(client.call(&request(good, good), 3).error_code, 0, "{good:?}");
    }
}

#[test]
fn features_have_levels_and_an_epoch() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let [v3, v4] = [3, 4].map(|version| client.call(&request("a", "1"), version));
    assert!(v4.finalized_features_epoch >= 0);
    assert_eq!(v3.finalized_features_epoch, v4.finalized_features_epoch);
    let finalized: BTreeMap<&str, i16> =
        v4.finalized_features.iter().map(|f| (f.name.as_str(), f.max_version_level)).collect();
    assert!(finalized["metadata.version"] >= 7);
    assert!(finalized.values().all(|level| *level > 0), "level 0 is not listed: {finalized:?}");
    for (name, level) in &finalized {
        let supported = v4.supported_features.iter().find(|f| f.name.as_str() == *name).unwrap();
        assert!((supported.min_version..=supported.max_version).contains(level), "{name}");
    }
    // Clients of version 3 reject a minimum of 0.
    assert!(v3.supported_features.iter().all(|f| f.min_version > 0));
    let names = |r: &ApiVersionsResponse| -> BTreeSet<String> {
        r.supported_features.iter().filter(|f| f.min_version > 0).map(|f| f.name.to_string()).collect()
    };
    assert_eq!(names(&v3), names(&v4));
}

fn key_and_version(frame: &[u8]) -> (ApiKey, i16) {
    let number = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
    (ApiKey::try_from(number(4)).unwrap(), number(6))
}

/// Versions that only the broker's own codecs know; the tests of groups and transactions look into these answers.
fn is_beyond_the_crate(api: ApiKey, version: i16) -> bool {
    let own = [
        (ApiKey::ListOffsets, 11),
        (ApiKey::OffsetCommit, 10),
        (ApiKey::OffsetFetch, 10),
        (ApiKey::WriteTxnMarkers, 2),
        (ApiKey::TxnOffsetCommit, 6),
        (ApiKey::DescribeLogDirs, 5),
        (ApiKey::DeleteGroups, 3),
    ];
    own.contains(&(api, version))
}

#[test]
fn every_version_of_every_api_is_answered_with_a_body_of_that_version() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    for honest in frames::every_version_of_every_api() {
        let frame = honest.bytes();
        let (api, version) = key_and_version(&frame);
        client.stream.write_all(&frame).unwrap();
        let mut body = client.read_frame().unwrap_or_else(|| panic!("closed at {}", honest.name));
        let header = ResponseHeader::decode(&mut body, api.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, 1, "{}", honest.name);
        if is_beyond_the_crate(api, version) {
            continue;
        }
        ResponseKind::decode(api, &mut body, version).unwrap_or_else(|why| panic!("{}: {why}", honest.name));
        assert!(body.is_empty(), "{}: bytes after the body", honest.name);
    }
}
