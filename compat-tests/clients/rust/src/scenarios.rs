//! The scenarios of compat-tests/README.md for rskafka.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use rskafka::BackoffConfig;
use rskafka::client::consumer::{StartOffset, StreamConsumer, StreamConsumerBuilder};
use rskafka::client::controller::ControllerClient;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;

type Done = Result<(), Failure>;

const BASE_TIME_MS: i64 = 1_600_000_000_000;
/// Topics with old timestamps: the default retention may delete their records at any time.
const KEEP: &str = "retention.ms=-1";

pub async fn play(bootstrap: &str, scenario: &str, suffix: &str) -> Done {
    let backoff = BackoffConfig { max_backoff: Duration::from_millis(500), ..BackoffConfig::default() };
    let client = ClientBuilder::new(vec![bootstrap.to_owned()])
        .backoff_config(backoff)
        .max_message_size(64 << 20)
        .build()
        .await?;
    let run = Run {
        admin: client.controller_client()?,
        client,
        topic: format!("{scenario}-{suffix}"),
        fast: std::env::var("COMPAT_FAST").is_ok_and(|v| v == "1"),
    };
    match scenario {
        "roundtrip-none" => run.roundtrip(Compression::NoCompression).await,
        "roundtrip-gzip" => run.roundtrip(Compression::Gzip).await,
        "roundtrip-snappy" => run.roundtrip(Compression::Snappy).await,
        "roundtrip-lz4" => run.roundtrip(Compression::Lz4).await,
        "roundtrip-zstd" => run.roundtrip(Compression::Zstd).await,
        "sizes" => run.sizes().await,
        "partitions-100" => run.partitions_100().await,
        "seek-offset" => run.seek_offset().await,
        "seek-timestamp" => run.seek_timestamp().await,
        "auto-create" => run.auto_create().await,
        "admin-topics" => run.admin_topics().await,
        "admin-records" => run.admin_records().await,
        "produce-errors" => run.produce_errors().await,
        "long-poll" => run.long_poll().await,
        "read-while-write" => run.read_while_write().await,
        "restart" => run.restart("RESTART").await,
        "restart-term" => run.restart("RESTART term").await,
        "idempotent" => Err(Failure::Skip("no idempotent producer in this client".to_owned())),
        other => Err(Failure::Skip(format!("unknown scenario {other}"))),
    }
}

struct Run {
    client: Client,
    admin: ControllerClient,
    topic: String,
    fast: bool,
}

/// Reads one partition with the client's consumer stream.
struct Reader(StreamConsumer);

impl Reader {
    fn new(partition: &Arc<PartitionClient>, from: i64, wait_ms: i32) -> Self {
        let stream = StreamConsumerBuilder::new(Arc::clone(partition), StartOffset::At(from))
            .with_max_wait_ms(wait_ms)
            .with_max_batch_size(16 << 20)
            .build();
        Self(stream)
    }

    /// The next record; `None` if nothing comes within the time.
    async fn next(&mut self, wait: Duration) -> Result<Option<RecordAndOffset>, Error> {
        match timeout(wait, self.0.next()).await {
            Err(_) | Ok(None) => Ok(None),
            Ok(Some(result)) => result.map(|(record, _high_watermark)| Some(record)),
        }
    }

    async fn expect(&mut self, number: i64, value: &[u8]) -> Done {
        let Some(got) = self.next(Duration::from_secs(50)).await? else {
            return Err(format!("nothing more, {number} expected").into());
        };
        if got.offset != number || got.record.value.as_deref() != Some(value) {
            return Err(format!(
                "expected {number} at its offset, got {}: {}",
                got.offset,
                show(&got.record.value)
            )
            .into());
        }
        Ok(())
    }

    async fn expect_silence(&mut self, wait: Duration) -> Done {
        match self.next(wait).await? {
            Some(extra) => Err(format!("unexpected record at offset {}", extra.offset).into()),
            None => Ok(()),
        }
    }
}

impl Run {
    fn count(&self, full: i64, fast: i64) -> i64 {
        if self.fast { fast } else { full }
    }

    async fn partition(&self, partition: i32) -> Result<Arc<PartitionClient>, Failure> {
        let client =
            self.client.partition_client(&self.topic, partition, UnknownTopicHandling::Retry).await?;
        Ok(Arc::new(client))
    }

    /// Creates the scenario's topic with one partition and these configs.
    async fn new_topic(&self, configs: &str) -> Result<Arc<PartitionClient>, Failure> {
        if configs.is_empty() {
            self.admin.create_topic(&self.topic, 1, 1, 10_000).await?;
        } else {
            create_by_harness(&format!("{} 1 {configs}", self.topic)).await?;
        }
        self.partition(0).await
    }

    async fn roundtrip(&self, codec: Compression) -> Done {
        let partition = self.new_topic(KEEP).await?;
        let sent: Vec<Record> = (0..300).map(roundtrip_record).collect();
        expect_offsets(&partition.produce(sent.clone(), codec).await?, 0, sent.len())?;
        read_back(&partition, &sent).await
    }

    async fn sizes(&self) -> Done {
        let partition = self.new_topic(&format!("max.message.bytes=16777216 {KEEP}")).await?;
        let mut sent = Vec::new();
        for size in [1, 2, 100, 1024, 65535, 65536, 1_048_576, 1_048_577, 5_242_880, 8_388_608_usize] {
            let value = (0..size).map(|j| u8::try_from((j * 31 + size) % 251).unwrap_or(0)).collect();
            let record = Record { timestamp: at(BASE_TIME_MS + i64::try_from(size)?), ..plain_bytes(value) };
            let offsets = partition.produce(vec![record.clone()], Compression::NoCompression).await?;
            expect_offsets(&offsets, i64::try_from(sent.len())?, 1)?;
            sent.push(record);
        }
        read_back(&partition, &sent).await
    }

    async fn partitions_100(&self) -> Done {
        self.admin.create_topic(&self.topic, 100, 1, 10_000).await?;
        let mut partitions = Vec::new();
        for p in 0..100 {
            partitions.push(self.partition(p).await?);
        }
        for n in 0..10 {
            let sends = partitions.iter().enumerate().map(|(p, partition)| {
                partition.produce(vec![plain(format!("{p}-{n}"))], Compression::NoCompression)
            });
            for offsets in futures::future::join_all(sends).await {
                expect_offsets(&offsets?, n, 1)?;
            }
        }
        // rskafka has one reader per partition.
        for (p, partition) in partitions.iter().enumerate() {
            let latest = partition.get_offset(OffsetAt::Latest).await?;
            if latest != 10 {
                return Err(format!("latest offset of partition {p} is {latest}").into());
            }
            let mut reader = Reader::new(partition, 0, 500);
            for n in 0..10 {
                reader.expect(n, format!("{p}-{n}").as_bytes()).await?;
            }
        }
        Reader::new(&partitions[99], 10, 500).expect_silence(Duration::from_secs(1)).await
    }

    async fn seek_offset(&self) -> Done {
        let partition = self.new_topic("").await?;
        for batch in 0..20 {
            let records = (0..50).map(|i| plain((batch * 50 + i).to_string())).collect();
            expect_offsets(&partition.produce(records, Compression::NoCompression).await?, batch * 50, 50)?;
        }
        let ends =
            (partition.get_offset(OffsetAt::Earliest).await?, partition.get_offset(OffsetAt::Latest).await?);
        if ends != (0, 1000) {
            return Err(format!("earliest and latest offset are {ends:?}").into());
        }
        for from in [0, 1, 499, 500, 999] {
            Reader::new(&partition, from, 500).expect(from, from.to_string().as_bytes()).await?;
        }
        Reader::new(&partition, 1000, 500).expect_silence(Duration::from_secs(1)).await?;
        let beyond = Reader::new(&partition, 5000, 500).next(Duration::from_secs(10)).await;
        expect_error("read at 5000", beyond, ProtocolError::OffsetOutOfRange)
    }

    async fn seek_timestamp(&self) -> Done {
        let partition = self.new_topic(KEEP).await?;
        let records =
            (0..100).map(|i| Record { timestamp: at(BASE_TIME_MS + 1000 * i), ..plain(i.to_string()) });
        partition.produce(records.collect(), Compression::NoCompression).await?;
        let last = BASE_TIME_MS + 99_000;
        let asks = [
            (1, 0),
            (BASE_TIME_MS - 1, 0),
            (BASE_TIME_MS, 0),
            (BASE_TIME_MS + 50_000, 50),
            (BASE_TIME_MS + 50_001, 51),
            (last, 99),
            (last + 1, -1),
        ];
        for (time_ms, expected) in asks {
            let got = partition.get_offset(OffsetAt::Timestamp(at(time_ms))).await?;
            if got != expected {
                return Err(format!("offset for time {time_ms} is {got}, expected {expected}").into());
            }
        }
        Ok(())
    }

    async fn auto_create(&self) -> Done {
        let partition = timeout(Duration::from_secs(20), self.partition(0)).await;
        let Ok(partition) = partition else {
            return Err("not created by a metadata request".into());
        };
        let partition = partition?;
        let sent: Vec<Record> =
            (0..10).map(|i| Record { timestamp: now(), ..plain(i.to_string()) }).collect();
        partition.produce(sent.clone(), Compression::NoCompression).await?;
        read_back(&partition, &sent).await?;
        self.expect_listed(Some(1)).await
    }

    /// Without topic configs and without growing, for which rskafka has no calls.
    async fn admin_topics(&self) -> Done {
        self.admin.create_topic(&self.topic, 3, 1, 10_000).await?;
        let again = self.admin.create_topic(&self.topic, 3, 1, 10_000).await;
        expect_error("second creation", again, ProtocolError::TopicAlreadyExists)?;
        self.expect_listed(Some(3)).await?;
        let spaced = self.admin.create_topic(format!("{}-a b", self.topic), 1, 1, 10_000).await;
        expect_error("name with a space", spaced, ProtocolError::InvalidTopicException)?;
        let empty = self.admin.create_topic(format!("{}-zero", self.topic), 0, 1, 10_000).await;
        expect_error("0 partitions", empty, ProtocolError::InvalidPartitions)?;
        self.admin.delete_topic(&self.topic, 10_000).await?;
        self.expect_listed(None).await?;
        // rskafka retries UNKNOWN_TOPIC_OR_PARTITION of a deletion without end.
        match timeout(Duration::from_secs(2), self.admin.delete_topic(&self.topic, 10_000)).await {
            Err(_) => Ok(()),
            Ok(second) => expect_error("second deletion", second, ProtocolError::UnknownTopicOrPartition),
        }
    }

    async fn admin_records(&self) -> Done {
        let partition = self.new_topic("").await?;
        for i in 0..10 {
            let record = Record { timestamp: now(), ..plain(i.to_string()) };
            partition.produce(vec![record], Compression::NoCompression).await?;
        }
        for (before, low) in [(4, 4), (2, 4), (10, 10)] {
            partition.delete_records(before, 10_000).await?;
            let bounds = (
                partition.get_offset(OffsetAt::Earliest).await?,
                partition.get_offset(OffsetAt::Latest).await?,
            );
            if bounds != (low, 10) {
                return Err(format!("the log is {bounds:?} after a deletion before {before}").into());
            }
        }
        expect_error(
            "delete beyond the end",
            partition.delete_records(11, 10_000).await,
            ProtocolError::OffsetOutOfRange,
        )
    }

    /// Waits at most 10 s until the list of topics shows this number of partitions, or no such topic.
    async fn expect_listed(&self, partitions: Option<usize>) -> Done {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let topics = self.client.list_topics().await?;
            let listed = topics.iter().find(|t| t.name == self.topic).map(|t| t.partitions.len());
            if listed == partitions {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("listed with {listed:?} partitions, expected {partitions:?}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn produce_errors(&self) -> Done {
        let compacted = format!("{}-compacted", self.topic);
        let partition = self.new_topic("").await?;
        create_by_harness(&format!("{compacted} 1 cleanup.policy=compact")).await?;
        let keyed = self.client.partition_client(&compacted, 0, UnknownTopicHandling::Retry).await?;
        let keyed = Arc::new(keyed);
        let codec = Compression::NoCompression;
        let large = partition.produce(vec![plain_bytes(vec![7; 2 << 20])], codec).await;
        expect_error("2 MiB record", large, ProtocolError::MessageTooLarge)?;
        let keyless = keyed.produce(vec![plain("v".to_owned())], codec).await;
        expect_error("record without key", keyless, ProtocolError::InvalidRecord)?;
        for (topic, index) in [("bad name!", 0), (self.topic.as_str(), 7)] {
            let refused = async {
                let bad = self.client.partition_client(topic, index, UnknownTopicHandling::Error).await?;
                bad.produce(vec![plain("v".to_owned())], codec).await
            };
            if let Ok(Ok(_)) = timeout(Duration::from_secs(5), refused).await {
                return Err(format!("a record to {topic} partition {index} was accepted").into());
            }
        }
        for target in [&partition, &keyed] {
            let good = Record { key: Some(b"k".to_vec()), timestamp: now(), ..plain("good".to_owned()) };
            target.produce(vec![good.clone()], codec).await?;
            read_back(target, &[good]).await?;
        }
        Ok(())
    }

    async fn long_poll(&self) -> Done {
        let partition = self.new_topic("").await?;
        let writer = self.partition(0).await?;
        writer.produce(vec![plain("first".to_owned())], Compression::NoCompression).await?;
        let mut reader = Reader::new(&partition, 1, 10_000);
        for round in 0..3 {
            reader.expect_silence(Duration::from_millis(1500)).await?;
            let value = round.to_string();
            writer.produce(vec![plain(value.clone())], Compression::NoCompression).await?;
            let got = reader.next(Duration::from_secs(1)).await?;
            let value = Some(value.into_bytes());
            if got.is_none_or(|r| r.record.value != value) {
                return Err(format!("round {round}: not there within a second").into());
            }
        }
        Ok(())
    }

    async fn read_while_write(&self) -> Done {
        let n = self.count(50_000, 10_000);
        let partition = self.new_topic("").await?;
        let writer = self.partition(0).await?;
        let write = async {
            for first in (0..n).step_by(500) {
                let records = (first..first + 500).map(|i| plain(format!("{i:<100}"))).collect();
                writer.produce(records, Compression::NoCompression).await?;
            }
            Ok::<(), Failure>(())
        };
        let read = async {
            let mut reader = Reader::new(&partition, 0, 500);
            for i in 0..n {
                reader.expect(i, format!("{i:<100}").as_bytes()).await?;
            }
            Ok(())
        };
        futures::future::try_join(write, read).await.map(|_| ())
    }

    /// One request in flight, retried by the client without idempotence: doubles are allowed, losses are not.
    async fn restart(&self, request: &str) -> Done {
        let n = self.count(3000, 1000);
        let partition = self.new_topic("").await?;
        let writer = self.partition(0).await?;
        let (acked, end) = (AtomicI64::new(0), AtomicI64::new(i64::MAX));
        let write = async {
            let mut sent = 0;
            while sent < end.load(Ordering::Relaxed) {
                let burst = (sent..sent + 10).map(|i| plain(i.to_string())).collect();
                writer.produce(burst, Compression::NoCompression).await?;
                sent += 10;
                acked.store(sent, Ordering::Relaxed);
                sleep(Duration::from_millis(8)).await;
            }
            Ok::<(), Failure>(())
        };
        let read = async {
            let mut reader = Reader::new(&partition, 0, 500);
            let mut next = read_numbers(&partition, &mut reader, 0, 100).await?;
            while acked.load(Ordering::Relaxed) < n {
                sleep(Duration::from_millis(5)).await;
            }
            ask(request, "RESTARTED").await?;
            let last = (acked.load(Ordering::Relaxed) + n) / 10 * 10 + 10;
            end.store(last, Ordering::Relaxed);
            while next < last {
                next = read_numbers(&partition, &mut reader, next, last).await?;
            }
            Ok(())
        };
        futures::future::try_join(write, read).await.map(|_| ())
    }
}

/// Reads until `end` numbers were seen in order; repeated ones are passed over.
async fn read_numbers(
    partition: &Arc<PartitionClient>,
    reader: &mut Reader,
    mut next: i64,
    end: i64,
) -> Result<i64, Failure> {
    let mut offset = 0;
    while next < end {
        let got = match reader.next(Duration::from_secs(60)).await {
            Ok(Some(got)) => got,
            Ok(None) => return Err(format!("nothing more, {next} expected").into()),
            // The stream ends with a lost connection: its user opens another one.
            Err(Error::Connection(_) | Error::Request(_)) => {
                *reader = Reader::new(partition, offset, 500);
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        offset = got.offset + 1;
        let value = got.record.value.unwrap_or_default();
        let number: i64 = String::from_utf8_lossy(&value).parse()?;
        if number > next {
            return Err(format!("number {next} lost: {number} follows at offset {}", got.offset).into());
        }
        next = next.max(number + 1);
    }
    Ok(next)
}

async fn read_back(partition: &Arc<PartitionClient>, sent: &[Record]) -> Done {
    let mut reader = Reader::new(partition, 0, 500);
    for (offset, want) in (0..).zip(sent) {
        let Some(got) = reader.next(Duration::from_secs(50)).await? else {
            return Err(format!("nothing more after {offset} records").into());
        };
        if got.offset != offset {
            return Err(format!("offset {}, expected {offset}", got.offset).into());
        }
        if &got.record != want {
            let (a, b) = (&got.record, want);
            return Err(format!(
                "offset {offset}: key {} value {} headers {:?} time {}, expected key {} value {} headers {:?} time {}",
                show(&a.key), show(&a.value), a.headers, a.timestamp, show(&b.key), show(&b.value), b.headers, b.timestamp,
            )
            .into());
        }
    }
    reader.expect_silence(Duration::from_secs(1)).await
}

fn expect_offsets(got: &[i64], first: i64, count: usize) -> Done {
    let expected: Vec<i64> = (first..).take(count).collect();
    if got != expected {
        return Err(format!("acknowledged at offsets {:?}.., expected {first}..", got.first()).into());
    }
    Ok(())
}

fn expect_error<T>(what: &str, result: Result<T, Error>, expected: ProtocolError) -> Done {
    match result {
        Err(Error::ServerError { protocol_error, .. }) if protocol_error == expected => Ok(()),
        Err(other) => Err(format!("{what}: {other}, expected {expected}").into()),
        Ok(_) => Err(format!("{what}: succeeded, expected {expected}").into()),
    }
}

fn roundtrip_record(i: i64) -> Record {
    let bytes = |text: String| Some(text.into_bytes());
    let key = match i % 4 {
        0 => None,
        1 => Some(Vec::new()),
        _ => bytes(format!("key-{i}")),
    };
    let value = match i % 5 {
        0 => None,
        1 => Some(Vec::new()),
        _ => bytes(format!("value-{i}-").repeat(usize::try_from(i).unwrap_or(0))),
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    // A map: no name twice, no null values.
    let headers = match i % 3 {
        0 => BTreeMap::new(),
        1 => BTreeMap::from([header("h", &i.to_string())]),
        _ => BTreeMap::from([header("h", "1"), header("other", "x"), header("empty", "")]),
    };
    Record { key, value, headers, timestamp: at(BASE_TIME_MS + i) }
}

fn plain(value: String) -> Record {
    plain_bytes(value.into_bytes())
}

fn plain_bytes(value: Vec<u8>) -> Record {
    Record { key: None, value: Some(value), headers: BTreeMap::new(), timestamp: now() }
}

/// Whole milliseconds, which is what a record can hold.
fn now() -> DateTime<Utc> {
    at(Utc::now().timestamp_millis())
}

fn at(time_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time_ms).unwrap_or_default()
}

fn show(bytes: &Option<Vec<u8>>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() > 40 => format!("{} bytes", bytes.len()),
        Some(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}

async fn create_by_harness(arguments: &str) -> Done {
    ask(&format!("CREATE {arguments}"), "CREATED").await
}

/// Prints a request to the harness and waits for its answer.
async fn ask(request: &str, expected: &str) -> Done {
    println!("{request}");
    std::io::stdout().flush()?;
    // One line at a time is asked for and answered: nothing is lost in a buffer of this reader.
    let mut answer = String::new();
    BufReader::new(stdin()).read_line(&mut answer).await?;
    if answer.trim() != expected {
        return Err(format!("{request}: harness answered {:?}", answer.trim()).into());
    }
    Ok(())
}
