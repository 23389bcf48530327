//! DescribeClientQuotas and AlterClientQuotas: quotas are checked, kept and found again.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};

use super::support::{Broker, Client, eventually, text, unique};

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn entry(entity: Entity<'_>, ops: &[(&str, Option<f64>)]) -> EntryData {
    let part = |(kind, name): &(&str, Option<&str>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        OpData::default()
            .with_key(text(key))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    };
    EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
}

/// Code and message of each entry.
fn alter(client: &mut Client, entries: Vec<EntryData>, version: i16) -> Vec<(i16, Option<String>)> {
    let request = AlterClientQuotasRequest::default().with_entries(entries);
    let answered = client.call(&request, version).entries;
    answered.into_iter().map(|e| (e.error_code, e.error_message.map(|m| m.to_string()))).collect()
}

fn component(kind: &str, match_type: i8, name: Option<&str>) -> ComponentData {
    ComponentData::default()
        .with_entity_type(text(kind))
        .with_match_type(match_type)
        .with_match(name.map(text))
}

fn describe(client: &mut Client, components: &[ComponentData], strict: bool) -> DescribeClientQuotasResponse {
    let request =
        DescribeClientQuotasRequest::default().with_components(components.to_vec()).with_strict(strict);
    client.call(&request, 1)
}

/// What is found, as `type=name,... key=value,...` lines in order.
fn found(client: &mut Client, components: &[ComponentData], strict: bool) -> Vec<String> {
    let answer = describe(client, components, strict);
    assert_eq!(answer.error_code, 0, "{answer:?}");
    let line = |entry: &kafka_protocol::messages::describe_client_quotas_response::EntryData| {
        let name = |name: &Option<_>| name.as_ref().map_or("<default>".to_owned(), ToString::to_string);
        let mut parts: Vec<String> = entry
            .entity
            .iter()
            .map(|part| format!("{}={}", part.entity_type.as_str(), name(&part.entity_name)))
            .collect();
        parts.sort();
        let mut values: Vec<String> =
            entry.values.iter().map(|value| format!("{}={}", value.key.as_str(), value.value)).collect();
        values.sort();
        format!("{} {}", parts.join(","), values.join(","))
    };
    let mut lines: Vec<String> = answer.entries.unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

/// Gives the user a quota.
pub fn give(client: &mut Client, user: &str) {
    assert_eq!(alter(client, vec![entry(&[("user", Some(user))], &[RATE])], 1), [(0, None)]);
}

/// Waits until the user has the quota.
pub fn await_given(client: &mut Client, user: &str) {
    let line = format!("user={user} producer_byte_rate=1024");
    has_become(client, &[component("user", 0, Some(user))], &[line]);
}

const RATE: (&str, Option<f64>) = ("producer_byte_rate", Some(1024.0));

#[test]
fn quotas_are_set_changed_and_removed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let user = unique("user");
    let entity = [("user", Some(user.as_str()))];
    let filter = [component("user", 0, Some(&user))];
    for version in 0..=1 {
        let ops = [RATE, ("request_percentage", Some(12.5))];
        assert_eq!(alter(&mut client, vec![entry(&entity, &ops)], version), [(0, None)]);
        let line = format!("user={user} producer_byte_rate=1024,request_percentage=12.5");
        has_become(&mut client, &filter, &[line]);
        let ops = [("producer_byte_rate", Some(2048.0)), ("request_percentage", None)];
        assert_eq!(alter(&mut client, vec![entry(&entity, &ops)], version), [(0, None)]);
        has_become(&mut client, &filter, &[format!("user={user} producer_byte_rate=2048")]);
        // What is not there can be removed, too.
        let ops = [("producer_byte_rate", None), ("consumer_byte_rate", None)];
        assert_eq!(alter(&mut client, vec![entry(&entity, &ops)], version), [(0, None)]);
        has_become(&mut client, &filter, &[]);
    }
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry(&entity, &[RATE])]);
    assert_eq!(client.call(&request.with_validate_only(true), 1).entries[0].error_code, 0);
    assert!(found(&mut client, &filter, false).is_empty());
}

/// Apache Kafka's brokers learn what the controller decided a little later.
fn has_become(client: &mut Client, filter: &[ComponentData], lines: &[String]) {
    eventually("the quotas are told", || (found(client, filter, true) == lines).then_some(()));
}

#[test]
fn filters_choose_by_type_by_name_by_default_and_strictly() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (user, id) = (unique("user"), unique("id"));
    let (user, id) = (user.as_str(), id.as_str());
    let both = [("user", Some(user)), ("client-id", Some(id))];
    let with_default = [("user", Some(user)), ("client-id", None)];
    let ip = [("ip", Some("192.0.2.7"))];
    let entries = vec![
        entry(&[("user", Some(user))], &[RATE]),
        entry(&both, &[RATE]),
        entry(&with_default, &[RATE]),
        entry(&ip, &[("connection_creation_rate", Some(3.0))]),
    ];
    assert_eq!(alter(&mut client, entries, 1), vec![(0, None); 4]);
    let exact = component("user", 0, Some(user));
    eventually("all are there", || {
        (found(&mut client, std::slice::from_ref(&exact), false).len() == 3).then_some(())
    });
    let line = |who: String| format!("{who} producer_byte_rate=1024");
    let alone = line(format!("user={user}"));
    let named = line(format!("client-id={id},user={user}"));
    let default = line(format!("client-id=<default>,user={user}"));
    let any = component("client-id", 2, None);
    assert_eq!(found(&mut client, std::slice::from_ref(&exact), true), [alone]);
    assert_eq!(
        found(&mut client, &[exact.clone(), component("client-id", 0, Some(id))], true),
        std::slice::from_ref(&named)
    );
    assert_eq!(
        found(&mut client, &[exact.clone(), component("client-id", 1, None)], true),
        std::slice::from_ref(&default)
    );
    assert_eq!(found(&mut client, &[exact, any], true), [default, named]);
    let address = found(&mut client, &[component("ip", 0, Some("192.0.2.7"))], true);
    assert_eq!(address, ["ip=192.0.2.7 connection_creation_rate=3"]);
    assert!(found(&mut client, &[], false).len() >= 4);
    assert!(found(&mut client, &[], true).is_empty());
}

#[test]
fn filters_that_make_no_sense_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let cases: [(&[ComponentData], i16, &str); 8] = [
        (&[component("", 0, Some("x"))], 42, "Invalid empty entity type."),
        (&[component("group", 0, Some("x"))], 35, "Unsupported entity type group"),
        (
            &[component("user", 1, None), component("user", 2, None)],
            42,
            "Entity type user cannot appear more than once in the filter.",
        ),
        (
            &[component("user", 0, None)],
            42,
            "Request specified MATCH_TYPE_EXACT, but set match string to null.",
        ),
        (
            &[component("user", 1, Some("x"))],
            42,
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
        ),
        (
            &[component("user", 2, Some("x"))],
            42,
            "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
        ),
        (&[component("user", 3, None)], 42, "Unknown match type 3"),
        (
            &[component("user", 1, None), component("ip", 1, None)],
            42,
            "Invalid entity filter component combination. IP filter component should not be used with user or \
             clientId filter component.",
        ),
    ];
    for (components, code, message) in cases {
        let answer = describe(&mut client, components, false);
        assert_eq!((answer.error_code, answer.error_message.as_deref()), (code, Some(message)));
        assert_eq!(answer.entries, None);
    }
}

#[test]
fn quotas_that_make_no_sense_are_refused() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let name = unique("user");
    let user = [("user", Some(name.as_str()))];
    let rate = |value| [("producer_byte_rate", Some(value))];
    let address = [("connection_creation_rate", Some(2_147_483_648.0))];
    let cases: [(EntryData, &str); 11] = [
        (entry(&[], &[RATE]), "Invalid empty client quota entity"),
        (entry(&[("group", Some("g"))], &[RATE]), "Unhandled client quota entity type: group"),
        (entry(&[("user", Some(""))], &[RATE]), "Empty user not supported"),
        (
            entry(&[("user", Some("u")), ("ip", Some("192.0.2.1"))], &[RATE]),
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ),
        (
            entry(&[("ip", Some("no host.invalid"))], &address),
            "no host.invalid is not a valid IP or resolvable host.",
        ),
        (entry(&user, &[("bytes", Some(1.0))]), "Invalid configuration key bytes"),
        (entry(&user, &address), "Invalid configuration key connection_creation_rate"),
        (entry(&user, &rate(0.0)), "Quota producer_byte_rate must be greater than 0"),
        (entry(&user, &rate(1.5)), "producer_byte_rate cannot be a fractional value."),
        (entry(&user, &rate(1e19)), "Proposed value for producer_byte_rate is too large for a LONG."),
        (
            entry(&[("ip", None)], &address),
            "Proposed value for connection_creation_rate is too large for an INT.",
        ),
    ];
    for (entry, message) in cases {
        assert_eq!(alter(&mut client, vec![entry], 1), [(42, Some(message.to_owned()))]);
    }
    assert!(found(&mut client, &[component("user", 0, Some(&name))], false).is_empty());
}

#[test]
fn an_entity_is_altered_once_in_a_request() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let (user, id) = (unique("user"), unique("id"));
    let both = [("user", Some(user.as_str())), ("client-id", Some(id.as_str()))];
    let message =
        format!("Ignoring duplicate entity ClientQuotaEntity(entries={{client-id={id}, user={user}}})");
    let refused = [(42, Some(message))];
    assert_eq!(alter(&mut client, vec![entry(&both, &[RATE, RATE])], 1), refused);
    let filter = [component("user", 0, Some(&user))];
    assert!(found(&mut client, &filter, false).is_empty());
    // The first of two is done, although the answer is that of the second.
    assert_eq!(alter(&mut client, vec![entry(&both, &[RATE]), entry(&both, &[RATE])], 1), refused);
    eventually("the first one is done", || (found(&mut client, &filter, false).len() == 1).then_some(()));
}

#[test]
fn quotas_outlive_the_process() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let all = [("client-id", None)];
    assert_eq!(alter(&mut broker.connect(), vec![entry(&all, &[RATE])], 1), [(0, None)]);
    broker.kill();
    broker.restart();
    let filter = [component("client-id", 1, None)];
    let kept = ["client-id=<default> producer_byte_rate=1024".to_owned()];
    let mut client = broker.connect();
    has_become(&mut client, &filter, &kept);
}
