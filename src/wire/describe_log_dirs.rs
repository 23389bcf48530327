//! DescribeLogDirs, versions 1 to 5. The message crate stops at 4; 5 tells whether a directory is cordoned (KIP-1066).

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;

use super::field::Malformed;
use super::lengths::{Frame, Input, Output, crate_traits};

const VERSIONS: RangeInclusive<i16> = 1..=5;

/// Which replicas to tell of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsRequest {
    /// Topics and indexes; none for all replicas.
    pub topics: Option<Vec<(StrBytes, Vec<i32>)>>,
}

/// What is in the log directories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsResponse {
    /// Zero, or why nothing is told (3+).
    pub error_code: i16,
    /// By directory.
    pub results: Vec<LogDir>,
}

/// One log directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogDir {
    /// Zero, or why nothing is known of it.
    pub error_code: i16,
    /// Its absolute path.
    pub path: StrBytes,
    /// What is in it, by topic.
    pub topics: Vec<(StrBytes, Vec<LogDirPartition>)>,
    /// Size of its file system, in bytes; -1 if unknown (4+).
    pub total_bytes: i64,
    /// What can still be written there, in bytes; -1 if unknown (4+).
    pub usable_bytes: i64,
    /// Whether it takes no new replicas (5+).
    pub is_cordoned: bool,
}

/// One replica.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogDirPartition {
    /// The index.
    pub index: i32,
    /// Bytes of its segments.
    pub size_bytes: i64,
    /// How many records it is behind; -1 if unknown.
    pub offset_lag: i64,
    /// Whether it is to take the place of the one in another directory.
    pub is_future: bool,
}

crate_traits!(VERSIONS, flexible 2, request DescribeLogDirsRequest, response DescribeLogDirsResponse);

impl DescribeLogDirsRequest {
    fn read(_: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let topics = input.nullable_array(1, |input| {
            let name = frame.text(input.string()?);
            let partitions = input.array(4, Input::i32)?;
            input.end()?;
            Ok((name, partitions))
        })?;
        input.end()?;
        Ok(Self { topics })
    }
}

impl DescribeLogDirsResponse {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        output.i32(0); // The throttle time: nobody is throttled.
        if version >= 3 {
            output.i16(self.error_code);
        }
        output.array(&self.results, |output, dir| dir.write(version, output));
        output.end();
    }
}

impl LogDir {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        output.i16(self.error_code);
        output.string(&self.path);
        output.array(&self.topics, |output, (name, partitions)| {
            output.string(name);
            output.array(partitions, |output, partition| {
                output.i32(partition.index);
                output.i64(partition.size_bytes);
                output.i64(partition.offset_lag);
                output.put(&[u8::from(partition.is_future)]);
                output.end();
            });
            output.end();
        });
        if version >= 4 {
            output.i64(self.total_bytes);
            output.i64(self.usable_bytes);
        }
        if version >= 5 {
            output.put(&[u8::from(self.is_cordoned)]);
        }
        output.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::describe_log_dirs_response as reference;
    use kafka_protocol::protocol::{Decodable, Encodable};

    fn response() -> DescribeLogDirsResponse {
        let text = StrBytes::from_static_str;
        let partition = LogDirPartition { index: 3, size_bytes: 1 << 40, offset_lag: 7, is_future: true };
        let dir = LogDir {
            error_code: 0,
            path: text("/a"),
            topics: vec![(text("t"), vec![partition])],
            total_bytes: 99,
            usable_bytes: 11,
            is_cordoned: true,
        };
        let failed = LogDir { error_code: 56, path: text("/b"), ..LogDir::default() };
        DescribeLogDirsResponse { error_code: 0, results: vec![dir, failed] }
    }

    #[test]
    fn the_crate_reads_what_it_knows() {
        for version in 1..=4 {
            let mut bytes = Vec::new();
            response().encode(&mut bytes, version).unwrap();
            assert_eq!(response().compute_size(version).unwrap(), bytes.len());
            let mut bytes = Bytes::from(bytes);
            let read = reference::DescribeLogDirsResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty(), "version {version}");
            let [dir, failed] = &read.results[..] else { panic!("{read:?}") };
            let partition = &dir.topics[0].partitions[0];
            assert_eq!((&*dir.log_dir, &**dir.topics[0].name, failed.error_code), ("/a", "t", 56));
            let told = (partition.partition_size, partition.offset_lag, partition.is_future_key);
            assert_eq!(told, (1 << 40, 7, true));
            let bytes = if version < 4 { (-1, -1) } else { (99, 11) };
            assert_eq!((dir.total_bytes, dir.usable_bytes), bytes);
        }
    }

    #[test]
    fn version_5_is_version_4_with_a_byte_for_each_directory() {
        let [four, five] = [4, 5].map(|version| {
            let mut bytes = Vec::new();
            response().encode(&mut bytes, version).unwrap();
            bytes
        });
        let first_end =
            four.windows(9).position(|window| window == [0, 0, 0, 0, 0, 0, 0, 11, 0]).unwrap() + 8;
        let mut expected = four[..first_end].to_vec();
        expected.push(1);
        expected.extend(&four[first_end..four.len() - 2]);
        // The other directory is not cordoned; then the tagged fields of both levels.
        expected.extend([0, 0, 0]);
        assert_eq!(five, expected);
    }

    #[test]
    fn a_request_is_read_as_the_crate_writes_it() {
        use kafka_protocol::messages::describe_log_dirs_request as request;
        let topic = request::DescribableLogDirTopic::default()
            .with_topic(StrBytes::from_static_str("t").into())
            .with_partitions(vec![1, 2]);
        for (version, topics) in [(1, Some(vec![topic.clone()])), (4, Some(vec![topic])), (2, None)] {
            let written = request::DescribeLogDirsRequest::default().with_topics(topics.clone());
            let mut bytes = Vec::new();
            written.encode(&mut bytes, version).unwrap();
            let read = DescribeLogDirsRequest::decode(&mut Bytes::from(bytes), version).unwrap();
            let expected = topics.map(|_| vec![(StrBytes::from_static_str("t"), vec![1, 2])]);
            assert_eq!(read.topics, expected);
        }
    }
}
