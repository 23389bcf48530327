//! DeleteGroups, versions 0 to 3. The message crate stops at 2; 3 adds a message to each result.

use std::ops::RangeInclusive;

use kafka_protocol::protocol::StrBytes;

use super::field::Malformed;
use super::lengths::{Frame, Input, Output, crate_traits};

const VERSIONS: RangeInclusive<i16> = 0..=3;

/// Groups to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteGroupsRequest {
    /// Their ids.
    pub group_ids: Vec<StrBytes>,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteGroupsResponse {
    /// By group.
    pub results: Vec<DeletedGroup>,
}

/// One group that is deleted, or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeletedGroup {
    /// Its id.
    pub group_id: StrBytes,
    /// Zero if it is deleted.
    pub error_code: i16,
    /// Why it is not (3+).
    pub error_message: Option<StrBytes>,
}

crate_traits!(VERSIONS, flexible 2, request DeleteGroupsRequest, response DeleteGroupsResponse);

impl DeleteGroupsRequest {
    fn read(_: i16, input: &mut Input<'_>, frame: &Frame) -> Result<Self, Malformed> {
        let group_ids = input.array(1, |input| Ok(frame.text(input.string()?)))?;
        input.end()?;
        Ok(Self { group_ids })
    }
}

impl DeleteGroupsResponse {
    fn write(&self, version: i16, output: &mut Output<'_>) {
        output.i32(0); // The throttle time: nobody is throttled.
        output.array(&self.results, |output, group| {
            output.string(&group.group_id);
            output.i16(group.error_code);
            if version >= 3 {
                output.nullable_string(group.error_message.as_deref());
            }
            output.end();
        });
        output.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::reference;
    use bytes::Bytes;
    use kafka_protocol::protocol::{Decodable, Encodable};

    #[test]
    fn every_version_reads_and_writes_as_kafkas_classes_do() {
        let text = StrBytes::from_static_str;
        let deleted = DeletedGroup { group_id: text("g"), error_code: 0, error_message: None };
        let failed =
            DeletedGroup { group_id: text("h"), error_code: 68, error_message: Some(text("not empty")) };
        let response = DeleteGroupsResponse { results: vec![deleted, failed] };
        for version in VERSIONS {
            let mut request = Bytes::from(reference(&format!("delete_groups_request_{version}")));
            let read = DeleteGroupsRequest::decode(&mut request, version).unwrap();
            assert_eq!(read.group_ids, [text("g"), text("h")]);
            assert!(request.is_empty());
            let mut bytes = Vec::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(bytes, reference(&format!("delete_groups_response_{version}")), "version {version}");
            assert_eq!(response.compute_size(version).unwrap(), bytes.len());
        }
    }
}
