//! Bytes that bring brokers down: each is closed or answered, and the next client is served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::support::{Broker, Client, PATIENCE, tests_kafka, text};

#[path = "../hostile/frames.rs"]
#[expect(
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "foreign enum, test bytes"
)]
pub mod frames;

use frames::Outcome;

/// Far above what an idle broker needs, far below what any of these attacks would cost without bounds.
const RESIDENT_BYTES_MAX: u64 = 512 << 20;

/// What the broker does with the bytes of a client that sends nothing more.
fn outcome_of(mut client: Client, bytes: &[u8]) -> Outcome {
    let stream = &mut client.stream;
    // An error here is the broker closing while it is sent to.
    let _ = stream.write_all(bytes);
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {
            let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut answer).unwrap();
            Outcome::Answered
        }
        Err(why) => {
            assert_ne!(why.kind(), std::io::ErrorKind::WouldBlock, "neither answered nor closed");
            Outcome::Closed
        }
    }
}

fn serves_the_next_client(broker: &mut Broker, after: &str) {
    assert!(broker.is_running(), "died of {after}");
    assert_eq!(broker.connect().metadata(Some(&[])).brokers.len(), 1, "after {after}");
}

/// Apache Kafka takes some of them (a million topics is a valid request there), so this is about barnabas.
#[test]
fn every_hostile_frame_is_closed_or_answered_and_the_next_client_is_served() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    for hostile in frames::all() {
        let name = hostile.name.clone();
        assert_eq!(outcome_of(broker.connect(), &hostile.bytes()), hostile.outcome, "{name}");
        serves_the_next_client(&mut broker, &name);
        let resident = broker.resident_bytes().unwrap();
        assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes resident after {name}");
    }
}

#[test]
fn hostile_frames_all_at_once_are_survived() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let address = (broker.host.clone(), broker.port);
            scope.spawn(move || {
                for hostile in frames::all().into_iter().skip(worker).step_by(8) {
                    let client = Client::connect((address.0.as_str(), address.1));
                    assert_eq!(outcome_of(client, &hostile.bytes()), hostile.outcome, "{}", hostile.name);
                }
            });
        }
    });
    serves_the_next_client(&mut broker, "all of them");
    let resident = broker.resident_bytes().unwrap();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes resident");
}

#[test]
fn sizes_that_no_frame_has_close_the_connection() {
    let mut broker = Broker::shared();
    for size in [-1, i32::MIN, 0, 3, 100 * 1024 * 1024 + 1, i32::MAX] {
        let payload: &[u8] = if size == 3 { &[0; 3] } else { &[] };
        let bytes = [&size.to_be_bytes(), payload].concat();
        assert_eq!(outcome_of(broker.connect(), &bytes), Outcome::Closed, "size {size}");
        serves_the_next_client(&mut broker, "a bad size");
    }
}

#[test]
fn the_largest_frame_is_a_setting() {
    let Some(broker) = Broker::start(&["socket.request.max.bytes=1000"]) else { return };
    // An ApiVersions request of version 0 with bytes to spare is answered, as every other.
    let request = |size: i32| [&size.to_be_bytes()[..], &[0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]].concat();
    let mut fits = request(1000);
    fits.resize(1004, 0);
    assert_eq!(outcome_of(broker.connect(), &fits), Outcome::Answered);
    assert_eq!(outcome_of(broker.connect(), &request(1001)), Outcome::Closed);
}

/// Apache Kafka allocates what a frame announces: its heap dies of this.
#[test]
fn announcing_frames_costs_nothing_until_they_come() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let slow: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = broker.connect().stream;
            stream.write_all(&90_000_000_i32.to_be_bytes()).unwrap();
            stream.write_all(&[0, 0, 0]).unwrap();
            stream
        })
        .collect();
    serves_the_next_client(&mut broker, "500 announcements");
    let name = broker.connect().create("meanwhile", 1).name;
    broker.connect().append(&name, 0, &super::support::Records::of(["served"]));
    let resident = broker.resident_bytes().unwrap();
    assert!(resident < 100 << 20, "{resident} bytes resident");
    drop(slow);
}

#[test]
fn a_frame_that_comes_in_pieces_is_whole_in_the_end() {
    let broker = Broker::shared();
    let mut client = broker.connect();
    let request = kafka_protocol::messages::ApiVersionsRequest::default()
        .with_client_software_name(text("a"))
        .with_client_software_version(text("1"));
    for byte in super::support::frame(&request, 3, 9) {
        client.stream.write_all(&[byte]).unwrap();
    }
    let answer = client.read_frame().unwrap();
    assert_eq!(answer[..6], [0, 0, 0, 9, 0, 0]);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_frame_is_forgotten() {
    let mut broker = Broker::shared();
    for cut in [1, 4, 7, 12] {
        let mut stream = broker.connect().stream;
        stream.write_all(&[0, 0, 0, 40, 0, 3, 0, 12, 0, 0, 0, 1][..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0, "closed");
    }
    serves_the_next_client(&mut broker, "clients that left");
}

#[test]
fn an_answer_that_nobody_reads_does_not_hold_up_others() {
    let mut broker = Broker::shared();
    let mut deaf = broker.connect();
    let topic = deaf.create("deaf", 1);
    deaf.append(&topic.name, 0, &super::support::Records::of_size(900_000));
    let request = super::support::frame(&super::support::fetch_request(&topic.name, 0, 0), 12, 1);
    // More answers than socket buffers hold; how many requests get through is the broker's choice.
    deaf.stream.set_nonblocking(true).unwrap();
    for _ in 0..1000 {
        if deaf.stream.write_all(&request).is_err() {
            break;
        }
    }
    serves_the_next_client(&mut broker, "a reader that does not read");
    if !tests_kafka() {
        let resident = broker.resident_bytes().unwrap();
        assert!(resident < 200 << 20, "{resident} bytes resident");
    }
}
