//! `kill -9` at any moment: what was acknowledged is there afterwards, once and in order.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::Decodable;

use super::support::{Broker, Client, Created, Records, eventually, frame, produce_request, text, values_in};

/// Batches that one writer has on their way at once.
const IN_FLIGHT: usize = 5;

/// Base offset and value of a record that was acknowledged.
type Acked = (i64, String);

/// One idempotent producer of one partition, over as many lives of the broker as it takes.
struct Writer {
    topic: TopicName,
    partition: i32,
    producer_id: i64,
    /// The next sequence that nobody has acknowledged.
    next: i32,
}

impl Writer {
    fn request(&self, sequence: i32) -> Bytes {
        let records =
            Records::of([format!("{}:{sequence}", self.partition)]).producer(self.producer_id, 0, sequence);
        frame(&produce_request(&self.topic, self.partition, records.bytes()), 9, sequence)
    }

    /// Sends, several at a time, until the broker is gone; tells of every acknowledgement.
    fn write(&mut self, mut client: Client, acked: &Sender<(i32, Acked)>) {
        let mut sent = self.next;
        loop {
            while usize::try_from(sent - self.next).unwrap() < IN_FLIGHT {
                if client.stream.write_all(&self.request(sent)).is_err() {
                    return;
                }
                sent += 1;
            }
            let Some(mut answer) = client.read_frame() else { return };
            let response = ProduceResponse::decode(&mut answer.split_off(5), 9).unwrap();
            let produced = &response.responses[0].partition_responses[0];
            if [3, 6].contains(&produced.error_code) {
                // Not led yet after a start; what is on its way fails alike, and is sent again.
                sent = self.drain(&mut client, sent);
                continue;
            }
            assert_eq!(produced.error_code, 0, "{produced:?}");
            let value = format!("{}:{}", self.partition, self.next);
            let _ = acked.send((self.partition, (produced.base_offset, value)));
            self.next += 1;
        }
    }

    fn drain(&self, client: &mut Client, sent: i32) -> i32 {
        for _ in self.next + 1..sent {
            let _ = client.read_frame();
        }
        self.next
    }
}

/// Everything in a partition.
fn read_all(client: &mut Client, topic: &TopicName, partition: i32) -> Vec<Acked> {
    let end = eventually("it is led", || {
        Some(client.list_offset(topic, partition, -1)).filter(|answer| answer.error_code == 0)
    });
    let mut found: Vec<Acked> = Vec::new();
    while i64::try_from(found.len()).unwrap() < end.offset {
        let answer = client.fetch(topic, partition, i64::try_from(found.len()).unwrap());
        assert_eq!(answer.error_code, 0);
        found.extend(values_in(&answer.records.unwrap()));
    }
    found
}

fn new_producer(client: &mut Client) -> i64 {
    client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).producer_id.0
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_over_several_kills() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    let partitions = 3;
    let topic = broker.connect().create("killed", partitions);
    let mut writers: Vec<Writer> = (0..partitions)
        .map(|partition| Writer {
            topic: topic.name.clone(),
            partition,
            producer_id: eventually("an id", || {
                Some(new_producer(&mut broker.connect())).filter(|id| *id >= 0)
            }),
            next: 0,
        })
        .collect();
    let mut acked: BTreeMap<i32, Vec<Acked>> = BTreeMap::new();
    for round in 0..5 {
        let (to, from) = channel();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (client, to) = (broker.connect(), to.clone());
                scope.spawn(move || writer.write(client, &to));
            }
            drop(to);
            // At another moment of the work in every round.
            for _ in 0..150 + 37 * round {
                let (partition, record) = from.recv().expect("the writers go on");
                acked.entry(partition).or_default().push(record);
            }
            broker.kill();
            for (partition, record) in &from {
                acked.entry(partition).or_default().push(record);
            }
        });
        broker.restart();
        let mut client = broker.connect();
        for partition in 0..partitions {
            check(&read_all(&mut client, &topic.name, partition), &acked[&partition], partition);
        }
    }
}

/// Every value once and in order, each acknowledged one at the offset that the producer was told.
fn check(found: &[Acked], acked: &[Acked], partition: i32) {
    for (index, (offset, value)) in found.iter().enumerate() {
        assert_eq!((*offset, value), (i64::try_from(index).unwrap(), &format!("{partition}:{index}")));
    }
    assert!(found.len() >= acked.len(), "{} acknowledged, {} there", acked.len(), found.len());
    for (acknowledged, there) in acked.iter().zip(found) {
        assert_eq!(acknowledged, there);
    }
    assert!(found.len() <= acked.len() + IN_FLIGHT);
}

#[test]
fn topics_that_were_made_or_deleted_stay_so() {
    let Some(mut broker) = Broker::start(&[]) else { return };
    for round in 0..3 {
        let mut client = broker.connect();
        let doomed = client.create("doomed", 1);
        let delete = DeleteTopicsRequest::default()
            .with_topic_names(vec![doomed.name.clone()])
            .with_timeout_ms(10_000);
        assert_eq!(client.call(&delete, 5).responses[0].error_code, 0);
        let kept = make(&mut client, &format!("kept-{round}"));
        broker.kill();
        broker.restart();
        let mut client = broker.connect();
        let found = client.describe(&kept.name);
        assert_eq!((found.error_code, found.topic_id, found.partitions.len()), (0, kept.id, 2));
        assert_eq!(client.describe(&doomed.name).error_code, 3);
        eventually("it can be written to", || {
            let produced = client.produce(&kept.name, 1, Records::of(["x"]).bytes());
            (produced.error_code == 0).then_some(())
        });
    }
}

/// Makes a topic without looking at it: the process dies right after the answer.
fn make(client: &mut Client, name: &str) -> Created {
    let name = TopicName(text(name));
    let topic =
        CreatableTopic::default().with_name(name.clone()).with_num_partitions(2).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    let id = client.call(&request, 7).topics[0].topic_id;
    assert!(!id.is_nil());
    Created { name, id }
}

#[test]
fn a_kill_while_starting_is_survived_too() {
    let Some(mut broker) = Broker::barnabas(&[]) else { return };
    let mut client = broker.connect();
    let topic = client.create_with("restless", 1, &[("segment.bytes", "1048576")]);
    for _ in 0..60 {
        client.append(&topic.name, 0, &Records::of_size(50_000));
    }
    broker.kill();
    for line in ["new cluster", "starting", "metadata log", "logs loaded", "listening"].repeat(2) {
        broker.start_until(line);
        broker.kill();
    }
    broker.restart();
    assert_eq!(read_all(&mut broker.connect(), &topic.name, 0).len(), 60);
}
