//! Broker and topic configs that change while the broker runs: what is refused, and that the rest takes effect.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use barnabas::wire::compress::Codec;

use super::bounds::is_served;
use super::group_configs::{APPEND, BROKER, DELETE, LOGGER, SET, TOPIC, await_value, change, describe};
use super::support::{
    Broker, Client, Records, eventually, fetch_request, free_port, has_come, headers_in, tests_kafka,
    values_in,
};

fn node(client: &mut Client) -> String {
    client.metadata(Some(&[])).brokers[0].node_id.0.to_string()
}

/// What the whole of the configuration would be refused for.
const UNSOUND: [(&str, &str, &str); 8] = [
    ("log.roll.ms", "0", "requirement failed: log.roll.ms must be greater than or equal to 1"),
    (
        "log.retention.ms",
        "0",
        "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    ),
    (
        "log.cleaner.dedupe.buffer.size",
        "5",
        "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    ),
    (
        "max.connections.per.ip",
        "0",
        "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides \
         property is set.",
    ),
    (
        "cordoned.log.dirs",
        "/nope",
        "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing \
         entries : /nope",
    ),
    (
        "group.consumer.assignment.interval.ms",
        "99999999",
        "group.consumer.assignment.interval.ms must be less than or equal to \
         group.consumer.max.assignment.interval.ms",
    ),
    (
        "leader.replication.throttled.rate",
        "-1",
        "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0",
    ),
    (
        "principal.builder.class",
        "x.Y",
        "Invalid value x.Y for configuration principal.builder.class: Class x.Y could not be found.",
    ),
];

/// What one part of the broker says against it.
const UNWANTED: [(&str, &str, &str); 8] = [
    (
        "num.io.threads",
        "100",
        "Dynamic thread count update validation failed for num.io.threads=100, value should not be greater than \
         double the current value 8",
    ),
    (
        "background.threads",
        "1",
        "Dynamic thread count update validation failed for background.threads=1, value should be at least half the \
         current value 10",
    ),
    (
        "num.network.threads",
        "100",
        "Dynamic thread count update validation failed for num.network.threads=100, value should not be greater \
         than double the current value 3",
    ),
    (
        "log.cleaner.threads",
        "5",
        "Log cleaner threads cannot be increased to more than double the current value 1",
    ),
    ("max.connections", "0", "Invalid max.connections 0"),
    ("listener.name.plaintext.max.connections", "0", "Invalid max.connections 0"),
    ("max.connection.creation.rate", "0", "Invalid max.connection.creation.rate 0"),
    (
        "log.local.retention.ms",
        "-1",
        "Invalid value -1 for configuration log.local.retention.ms: Value must not be -1 as log.retention.ms value \
         is set as 604800000.",
    ),
];

#[test]
fn a_change_has_to_go_with_everything_else() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let node = node(&mut client);
    for (key, value, message) in UNSOUND {
        assert_eq!(change(&mut client, BROKER, &node, key, SET, value), (42, message.to_owned()), "{key}");
    }
    for (key, value, why) in UNWANTED {
        let message = format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {why} for configuration Invalid dynamic \
             configuration"
        );
        assert_eq!(change(&mut client, BROKER, &node, key, SET, value), (42, message), "{key}");
    }
    // A list that is edited is checked as it comes out.
    let (key, class) = ("metric.reporters", "x.Y");
    let edited = change(&mut client, BROKER, &node, key, APPEND, class);
    assert_eq!(edited, change(&mut client, BROKER, &node, key, SET, class));
    assert_eq!(edited.0, 42);
    // By steps a pool grows as far as one likes.
    for threads in ["16", "32"] {
        assert_eq!(change(&mut client, BROKER, &node, "num.io.threads", SET, threads), (0, String::new()));
        await_value(&mut client, BROKER, &node, "num.io.threads", threads);
    }
}

/// Kafka looks them up, with providers that the same change may name, and shows what it found.
#[test]
fn a_reference_that_comes_over_the_network_is_not_looked_up() {
    let class = "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider";
    let Some(broker) = Broker::barnabas(&["config.providers=env", class]) else { return };
    let mut client = broker.connect();
    let node = node(&mut client);
    assert_eq!(change(&mut client, BROKER, &node, "config.providers", SET, "env").0, 0);
    for (key, why) in [
        (
            "log.cleaner.threads",
            "Invalid value ${env:PATH} for configuration log.cleaner.threads: Not a number of type INT",
        ),
        ("max.connections.per.ip.overrides", "${env is no address"),
    ] {
        let answer = change(&mut client, BROKER, &node, key, SET, "${env:PATH}");
        assert_eq!(answer, (42, why.to_owned()), "{key}");
    }
}

/// Opens so many connections that are served, and that the next one is not.
fn has_room_for(broker: &Broker, room: usize) {
    let mut clients = Vec::new();
    has_come("as many are served as may be", || {
        clients.clear();
        clients.extend((0..room).map(|_| broker.connect()));
        clients.iter_mut().all(is_served) && !is_served(&mut broker.connect())
    });
}

#[test]
fn connection_limits_change_while_it_runs_and_hold_after_a_restart() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut first = broker.connect();
    let node = node(&mut first);
    let limit = "max.connections.per.ip.overrides";
    assert_eq!(change(&mut first, BROKER, &node, limit, SET, "127.0.0.1:4"), (0, String::new()));
    has_room_for(&broker, 3);
    assert!(is_served(&mut first), "who is there stays");
    drop(first);
    broker.stop();
    broker.restart();
    has_room_for(&broker, 4);
    let mut first = eventually("there is room for one", || {
        let mut client = broker.connect();
        is_served(&mut client).then_some(client)
    });
    assert_eq!(change(&mut first, BROKER, &node, limit, SET, "127.0.0.1:3"), (0, String::new()));
    has_room_for(&broker, 2);
    assert_eq!(change(&mut first, BROKER, &node, limit, DELETE, ""), (0, String::new()));
    has_come("it is lifted", || {
        let mut clients: Vec<Client> = (0..5).map(|_| broker.connect()).collect();
        clients.iter_mut().all(is_served)
    });
}

#[test]
fn a_lowered_limit_closes_the_connections_that_were_used_longest_ago() {
    // Each of Kafka's network threads looks at its own connections only.
    let Some(broker) = Broker::start(&["num.network.threads=1"]) else { return };
    let mut idle: Vec<Client> = (0..3).map(|_| broker.connect()).collect();
    assert!(idle.iter_mut().all(is_served));
    let mut client = broker.connect();
    let node = node(&mut client);
    let mut last = idle.pop().unwrap();
    assert!(is_served(&mut last));
    assert_eq!(change(&mut client, BROKER, &node, "max.connections", SET, "2"), (0, String::new()));
    assert!(idle.iter_mut().all(|client| client.read_frame().is_none()));
    assert!(is_served(&mut last) && is_served(&mut client));
}

#[test]
fn a_listener_is_added_while_it_runs() {
    let Some(broker) =
        Broker::start(&["listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT"])
    else {
        return;
    };
    let mut client = broker.connect();
    let node = node(&mut client);
    let before = describe(&mut client, BROKER, &node, "listeners").unwrap().value.unwrap();
    let port = free_port();
    let unknown =
        change(&mut client, BROKER, &node, "listeners", SET, &format!("{before},THIRD://127.0.0.1:{port}"));
    assert_eq!(unknown.0, 42);
    assert!(unknown.1.ends_with("No security protocol defined for listener THIRD"), "{}", unknown.1);
    let with_second = format!("{before},SECOND://127.0.0.1:{port}");
    assert_eq!(change(&mut client, BROKER, &node, "listeners", SET, &with_second), (0, String::new()));
    has_come("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(is_served(&mut Client::connect(("127.0.0.1", port))));
    let (code, why) = change(&mut client, BROKER, &node, "listeners", DELETE, "");
    assert_eq!(code, 42, "it is advertised now");
    assert!(
        why.contains("Advertised listeners 'Set(ListenerName(PLAINTEXT), ListenerName(SECOND))'"),
        "{why}"
    );
}

#[test]
fn a_listener_is_renamed_on_its_port_and_one_that_cannot_be_bound_stops_no_start() {
    let map =
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT,THIRD:PLAINTEXT,LAST:PLAINTEXT";
    let Some(mut broker) = Broker::start(&[map, "advertised.listeners=PLAINTEXT://127.0.0.1:1"]) else {
        return;
    };
    let mut client = broker.connect();
    let node = node(&mut client);
    let before = describe(&mut client, BROKER, &node, "listeners").unwrap().value.unwrap();
    let port = free_port();
    for name in ["SECOND", "THIRD", "LAST"] {
        let with = format!("{before},{name}://127.0.0.1:{port}");
        assert_eq!(change(&mut client, BROKER, &node, "listeners", SET, &with), (0, String::new()));
        has_come("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }
    broker.stop();
    broker.expect_complaint("cannot listen listener=LAST");
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    broker.restart();
    assert!(is_served(&mut broker.connect()));
    drop(taken);
}

#[test]
fn a_listener_that_is_taken_away_stays_closed_after_a_restart() {
    let port = free_port();
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:0,SECOND://127.0.0.1:{port}");
    let settings = [
        &*listeners,
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT",
        "advertised.listeners=PLAINTEXT://127.0.0.1:1",
    ];
    let Some(mut broker) = Broker::start(&settings) else { return };
    let is_open = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(is_open());
    let mut client = broker.connect();
    let node = node(&mut client);
    let topic = client.create("waited-for", 1);
    let mut waiting = Client::connect(("127.0.0.1", port));
    waiting.send(&fetch_request(&topic.name, 0, 0).with_min_bytes(1).with_max_wait_ms(i32::MAX), 12);
    let before = describe(&mut client, BROKER, &node, "listeners").unwrap().value.unwrap();
    let without = before.replace(&format!(",SECOND://127.0.0.1:{port}"), "");
    assert_eq!(change(&mut client, BROKER, &node, "listeners", SET, &without), (0, String::new()));
    has_come("it is closed", || !is_open());
    assert!(waiting.read_frame().is_none(), "so are its connections");
    assert!(is_served(&mut client));
    broker.stop();
    broker.restart();
    assert!(!is_open());
}

/// Changes what a topic is stored as again and again while a producer writes; nothing is lost, doubled or refused.
#[test]
fn a_topic_is_reconfigured_under_traffic() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create("under-traffic", 1);
    let done = AtomicBool::new(false);
    let mut producer = broker.connect();
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                let values: Vec<String> = (written..written + 10).map(|n| format!("value {n}")).collect();
                assert_eq!(producer.append(&topic.name, 0, &Records::of(values)), written);
                written += 10;
            }
            written
        });
        for (key, value) in [
            ("compression.type", "zstd"),
            ("segment.bytes", "1048576"),
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "lz4"),
            ("max.message.bytes", "2000000"),
            ("retention.ms", "-1"),
            ("compression.lz4.level", "12"),
            ("index.interval.bytes", "100"),
            ("compression.type", "gzip"),
            ("flush.messages", "1"),
        ] {
            assert_eq!(change(&mut client, TOPIC, topic.name(), key, SET, value), (0, String::new()));
            await_value(&mut client, TOPIC, topic.name(), key, value);
            if key == "compression.type" {
                await_codec(&mut client, &topic.name, value);
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let mut next = 0;
    while next < written {
        let read = client.fetch(&topic.name, 0, next).records.unwrap();
        let from = next;
        for (offset, value) in values_in(&read).into_iter().filter(|(offset, _)| *offset >= from) {
            assert_eq!((offset, value), (next, format!("value {next}")));
            next += 1;
        }
    }
}

/// Waits until the last batch is stored in a codec.
fn await_codec(client: &mut Client, topic: &kafka_protocol::messages::TopicName, codec: &str) {
    has_come("what is written is in the new codec", || {
        let end = client.list_offset(topic, 0, -1).offset;
        end > 0 && {
            let read = client.fetch(topic, 0, end - 1).records.unwrap();
            let id = headers_in(&read).last().unwrap().codec();
            Codec::from_id(id).unwrap().to_string() == codec
        }
    });
}

#[test]
fn a_level_says_how_hard_a_topic_is_compressed() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let mut state = 1_u32;
    let values: Vec<String> = (0..4000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{{\"user\":{},\"page\":\"/item/{}\",\"ok\":true}}", state >> 12, (state >> 8) % 1000)
        })
        .collect();
    for (codec, low, high) in [("gzip", "1", "9"), ("lz4", "1", "17"), ("zstd", "-50", "19")] {
        let [fast, small] = [low, high].map(|level| {
            let key = format!("compression.{codec}.level");
            let topic = client.create_with(codec, 1, &[("compression.type", codec), (&key, level)]);
            client.append(&topic.name, 0, &Records::of(&values));
            let read = client.fetch(&topic.name, 0, 0).records.unwrap();
            assert_eq!(values_in(&read).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
            headers_in(&read)[0].total_len()
        });
        assert!(small < fast, "{codec}: {small} at level {high}, {fast} at {low}");
    }
}

#[test]
fn all_brokers_and_one_broker_stand_in_for_a_topic() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let (node, topic) = (node(&mut client), client.create("follows", 1));
    let stored = |client: &mut Client| {
        let base = client.append(&topic.name, 0, &Records::of(["a", "b", "c"]));
        let read = client.fetch(&topic.name, 0, base).records.unwrap();
        Codec::from_id(headers_in(&read)[0].codec()).unwrap()
    };
    let key = "compression.type";
    for (kind, name, op, value, codec) in [
        (BROKER, "", SET, "gzip", Codec::Gzip),
        (BROKER, node.as_str(), SET, "snappy", Codec::Snappy),
        (TOPIC, topic.name(), SET, "zstd", Codec::Zstd),
        (TOPIC, topic.name(), DELETE, "", Codec::Snappy),
        (BROKER, node.as_str(), DELETE, "", Codec::Gzip),
        (BROKER, "", DELETE, "", Codec::None),
    ] {
        assert_eq!(change(&mut client, kind, name, key, op, value), (0, String::new()));
        has_come("it is stored so", || stored(&mut client) == codec);
    }
}

#[test]
fn room_is_set_aside_for_the_next_segment() {
    let Some(broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("preallocated", 1, &[("segment.bytes", "3000000")]);
    let dir = broker.dir.join(format!("{}-0", topic.name()));
    let bytes_of = |base: i64| {
        let file = std::fs::metadata(dir.join(format!("{base:020}.log"))).unwrap();
        (file.len(), file.blocks() * 512)
    };
    let append = |client: &mut Client| client.append(&topic.name, 0, &Records::of_size(900_000));
    assert!((0..3).map(|_| append(&mut client)).eq(0..3));
    assert_eq!(change(&mut client, TOPIC, topic.name(), "preallocate", SET, "true").0, 0);
    await_value(&mut client, TOPIC, topic.name(), "preallocate", "true");
    append(&mut client);
    let (len, reserved) = bytes_of(3);
    assert!(len < 1_000_000 && reserved >= 3_000_000, "{len} of {reserved}");
    assert!((0..3).map(|_| append(&mut client)).eq(4..7));
    let (len, kept) = bytes_of(3);
    assert!(kept < 3_000_000, "{kept} for {len}: a segment that is full gives the rest back");
}

#[test]
fn log_levels_change_while_it_runs() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let mut client = broker.connect();
    let node = node(&mut client);
    for level in ["WARN", "INFO"] {
        assert_eq!(change(&mut client, LOGGER, &node, "root", SET, level), (0, String::new()));
        assert_eq!(await_value(&mut client, LOGGER, &node, "root", level), 6);
    }
    let message = "Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are \
                   DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
    assert_eq!(change(&mut client, LOGGER, &node, "root", SET, "LOUD"), (40, message.to_owned()));
    let message = "Removing the log level of the root logger is not allowed";
    assert_eq!(change(&mut client, LOGGER, &node, "root", DELETE, ""), (42, message.to_owned()));
    if tests_kafka() {
        return;
    }
    let name = "barnabas.net";
    assert_eq!(change(&mut client, LOGGER, &node, name, SET, "DEBUG"), (0, String::new()));
    await_value(&mut client, LOGGER, &node, name, "DEBUG");
    broker.connect().stream.write_all(&[0xff; 8]).unwrap();
    assert!(broker.await_log("connection closed").contains("DEBUG"));
    assert_eq!(change(&mut client, LOGGER, &node, name, DELETE, ""), (0, String::new()));
    await_value(&mut client, LOGGER, &node, name, "INFO");
}
