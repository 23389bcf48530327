//! AlterUserScramCredentials and DescribeUserScramCredentials: who has which credentials.

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};

use super::support::{Broker, Client, eventually, text, unique};

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn upsert(user: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(Bytes::from_static(b"some salt"))
        .with_salted_password(Bytes::from_static(b"salted password"))
}

fn delete(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism)
}

/// User, code and message, by user.
fn alter(
    client: &mut Client,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(String, i16, Option<String>)> {
    let request =
        AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions);
    let results = client.call(&request, 0).results.into_iter();
    let mut results: Vec<_> =
        results.map(|r| (r.user.to_string(), r.error_code, r.error_message.map(|m| m.to_string()))).collect();
    results.sort();
    results
}

/// User, code, message, mechanisms and iterations.
type Described = (String, i16, Option<String>, Vec<(i8, i32)>);

fn describe(client: &mut Client, users: Option<&[&str]>) -> Vec<Described> {
    let named =
        users.map(|users| users.iter().map(|user| UserName::default().with_name(text(user))).collect());
    let answer = client.call(&DescribeUserScramCredentialsRequest::default().with_users(named), 0);
    assert_eq!(answer.error_code, 0);
    let results = answer.results.into_iter().map(|r| {
        let mut infos: Vec<_> = r.credential_infos.iter().map(|i| (i.mechanism, i.iterations)).collect();
        infos.sort_unstable();
        (r.user.to_string(), r.error_code, r.error_message.map(|m| m.to_string()), infos)
    });
    let mut results: Vec<_> = results.collect();
    results.sort();
    results
}

fn has_become(client: &mut Client, user: &str, infos: &[(i8, i32)]) {
    eventually("the credentials are told", || {
        let described = describe(client, Some(&[user]));
        let expected = if infos.is_empty() { 91 } else { 0 };
        (described[0].1 == expected && described[0].3 == infos).then_some(())
    });
}

/// Gives the user a credential.
pub fn give(client: &mut Client, user: &str) {
    assert_eq!(alter(client, vec![], vec![upsert(user, SHA_256, 4096)]), [(user.to_owned(), 0, None)]);
}

/// Waits until the user has the credential.
pub fn await_given(client: &mut Client, user: &str) {
    has_become(client, user, &[(SHA_256, 4096)]);
}

#[test]
fn credentials_are_set_changed_and_removed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let user = unique("user");
    let done = [(user.clone(), 0, None)];
    assert_eq!(alter(&mut client, vec![], vec![upsert(&user, SHA_256, 4096)]), done);
    assert_eq!(alter(&mut client, vec![], vec![upsert(&user, SHA_512, 16_384)]), done);
    has_become(&mut client, &user, &[(SHA_256, 4096), (SHA_512, 16_384)]);
    for all in [None, Some(&[][..])] {
        let described = describe(&mut client, all);
        assert!(described.iter().any(|(name, code, ..)| (name, *code) == (&user, 0)), "{described:?}");
    }
    assert_eq!(alter(&mut client, vec![], vec![upsert(&user, SHA_256, 5000)]), done);
    has_become(&mut client, &user, &[(SHA_256, 5000), (SHA_512, 16_384)]);
    assert_eq!(alter(&mut client, vec![delete(&user, SHA_256)], vec![]), done);
    has_become(&mut client, &user, &[(SHA_512, 16_384)]);
    assert_eq!(alter(&mut client, vec![delete(&user, SHA_512)], vec![]), done);
    has_become(&mut client, &user, &[]);
}

#[test]
fn credentials_that_make_no_sense_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("user");
    let refused =
        |user: &str, code: i16, message: &str| vec![(user.to_owned(), code, Some(message.to_owned()))];
    let cases = [
        (upsert("", SHA_256, 4096), 93, "Username must not be empty"),
        (upsert(&name, 0, 4096), 33, "Unknown SCRAM mechanism"),
        (upsert(&name, 3, 4096), 33, "Unknown SCRAM mechanism"),
        (upsert(&name, SHA_256, 4095), 93, "Too few iterations"),
        (upsert(&name, SHA_256, 16_385), 93, "Too many iterations"),
        (upsert(&name, SHA_256, 4096).with_salt(vec![7; 1025].into()), 93, "Salt is too long"),
    ];
    for (upsertion, code, message) in cases {
        let user = upsertion.name.to_string();
        assert_eq!(alter(&mut client, vec![], vec![upsertion]), refused(&user, code, message));
    }
    // Nothing can be made of no password at all.
    let no_password = upsert(&name, SHA_256, 4096).with_salted_password(Bytes::new());
    assert_eq!(alter(&mut client, vec![], vec![no_password]), [(name.clone(), -1, None)]);
    let cases = [
        (delete("", SHA_256), 93, "Username must not be empty"),
        (delete(&name, 7), 33, "Unknown SCRAM mechanism"),
        (delete(&name, SHA_256), 91, "Attempt to delete a user credential that does not exist"),
    ];
    for (deletion, code, message) in cases {
        let user = deletion.name.to_string();
        assert_eq!(alter(&mut client, vec![deletion], vec![]), refused(&user, code, message));
    }
}

#[test]
fn a_user_is_altered_and_described_once_in_a_request() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (user, other) = (unique("user"), unique("user"));
    let message = "A user credential cannot be altered twice in the same request";
    let both =
        vec![upsert(&user, SHA_256, 4096), upsert(&other, SHA_256, 4096), upsert(&user, SHA_512, 4096)];
    let mut expected = vec![(user.clone(), 92, Some(message.to_owned())), (other.clone(), 0, None)];
    expected.sort();
    assert_eq!(alter(&mut client, vec![], both), expected);
    has_become(&mut client, &other, &[(SHA_256, 4096)]);
    let message = format!("Attempt to describe a user credential that does not exist: {user}");
    assert_eq!(describe(&mut client, Some(&[&user])), [(user.clone(), 91, Some(message), vec![])]);
    let message =
        format!("Cannot describe SCRAM credentials for the same user twice in a single request: {other}");
    assert_eq!(describe(&mut client, Some(&[&other, &other])), [(other.clone(), 92, Some(message), vec![])]);
    let again = alter(&mut client, vec![delete(&other, SHA_256)], vec![upsert(&other, SHA_256, 4096)]);
    assert_eq!(again[0].1, 92);
    // What is wrong with the first goes before that there are two.
    let missing = alter(&mut client, vec![delete(&user, SHA_256)], vec![upsert(&user, SHA_256, 4096)]);
    assert_eq!(missing[0].1, 91);
}

#[test]
fn credentials_outlive_the_process() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    assert_eq!(alter(&mut broker.connect(), vec![], vec![upsert("alice", SHA_256, 4096)])[0].1, 0);
    broker.kill();
    broker.restart();
    let mut client = broker.connect();
    has_become(&mut client, "alice", &[(SHA_256, 4096)]);
}
