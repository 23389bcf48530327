//! The answer of DescribeConfigs, versions 1 to 4, from results that are encoded one by one: as structures, those of
//! thousands of topics take several times the memory.

use std::ops::RangeInclusive;

use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::protocol::Encodable;
use kafka_protocol::protocol::buf::ByteBufMut;

use super::lengths::{self, Output};

const VERSIONS: RangeInclusive<i16> = 1..=4;
const FIRST_FLEXIBLE: i16 = 4;

/// What is told of each resource.
#[derive(Debug)]
pub struct DescribeConfigsResponse {
    version: i16,
    error_codes: Vec<i16>,
    results: Vec<Vec<u8>>,
    failure: Option<String>,
}

impl DescribeConfigsResponse {
    /// Without results, for this version of the request.
    pub fn new(version: i16) -> Self {
        Self { version, error_codes: Vec::new(), results: Vec::new(), failure: None }
    }

    /// Adds the result of one resource. One that cannot be encoded is told when the response is.
    pub fn push(&mut self, result: &DescribeConfigsResult) {
        let mut bytes = Vec::new();
        match result.encode(&mut bytes, self.version) {
            Ok(()) => bytes.shrink_to_fit(),
            Err(why) => self.failure = Some(why.to_string()),
        }
        self.error_codes.push(result.error_code);
        self.results.push(bytes);
    }

    /// Of each resource.
    pub fn error_codes(&self) -> impl Iterator<Item = i16> {
        self.error_codes.iter().copied()
    }

    fn check(&self, version: i16) -> anyhow::Result<()> {
        anyhow::ensure!(VERSIONS.contains(&version), "version {version} is not known");
        anyhow::ensure!(version == self.version, "the results are of version {}", self.version);
        self.failure.as_ref().map_or(Ok(()), |why| Err(anyhow::anyhow!("{why}")))
    }

    fn write(&self, output: &mut Output<'_>) {
        output.i32(0); // The throttle time: nobody is throttled.
        output.array(&self.results, |output, result| output.put(result));
        output.end();
    }
}

impl Encodable for DescribeConfigsResponse {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, version: i16) -> anyhow::Result<()> {
        self.check(version)?;
        lengths::encode(buf, version >= FIRST_FLEXIBLE, |output| self.write(output));
        Ok(())
    }

    fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
        self.check(version)?;
        Ok(lengths::size(version >= FIRST_FLEXIBLE, |output| self.write(output)))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_configs_response as theirs;
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    #[test]
    fn it_is_the_message_crates_response() {
        let config = theirs::DescribeConfigsResourceResult::default().with_documentation(None);
        let result = DescribeConfigsResult::default()
            .with_error_code(3)
            .with_resource_name(StrBytes::from_static_str("t"))
            .with_configs(vec![config]);
        for version in VERSIONS {
            let whole =
                theirs::DescribeConfigsResponse::default().with_results(vec![result.clone(), result.clone()]);
            let mut expected = Vec::new();
            whole.encode(&mut expected, version).unwrap();
            let mut response = DescribeConfigsResponse::new(version);
            response.push(&result);
            response.push(&result);
            let mut bytes = Vec::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(bytes, expected, "version {version}");
            assert_eq!(response.compute_size(version).unwrap(), expected.len());
        }
    }
}
