//! ApiVersions, versions 0 to 4 (`KafkaApis.handleApiVersionsRequest`).
//!
//! 3     the client names its software; features in tagged fields. The response header stays v0 (KIP-511).
//! 4     supported features whose minimum is 0 (KAFKA-17011).
//! A version above the maximum is answered in version 0 with UNSUPPORTED_VERSION and the full table, and its
//! body is never looked at.

use std::sync::Arc;

use kafka_protocol::messages::api_versions_request::ApiVersionsRequest;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::{Request, encode};
use super::error::{Code, NONE};
use super::response::Outcome;
use crate::meta::features;
use crate::wire::header::RequestHeader;
use crate::wire::versions::ApiKey;

/// The longest client software name or version that is kept.
const SOFTWARE_BYTES_MAX: usize = 256;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<ApiVersionsRequest>,
) -> ApiVersionsResponse {
    let version = request.version();
    if version >= 3 {
        let (name, software) = (&request.body.client_software_name, &request.body.client_software_version);
        if !is_software_word(name) || !is_software_word(software) {
            return table(&context, version, Code::InvalidRequest.code()).with_api_keys(Vec::new());
        }
        // Copies: the strings are slices of the whole frame.
        let _ = request.peer.software.set((name.to_string(), software.to_string()));
    }
    table(&context, version, NONE)
}

/// The answer to a version that is not served.
pub(super) fn unsupported(context: &Context, header: &RequestHeader) -> Outcome {
    let response = table(context, 0, Code::UnsupportedVersion.code());
    context.requests.answer(header.api_key, &response);
    encode(header, 0, &response)
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_software_word(word: &str) -> bool {
    let ends = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let bytes = word.as_bytes();
    bytes.len() <= SOFTWARE_BYTES_MAX
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-' || *c == b'.')
}

fn table(context: &Context, version: i16, error_code: i16) -> ApiVersionsResponse {
    let api = |key: &ApiKey| {
        let range = key.advertised();
        ApiVersion::default()
            .with_api_key(key.number())
            .with_min_version(*range.start())
            .with_max_version(*range.end())
    };
    let mut response = ApiVersionsResponse::default()
        .with_error_code(error_code)
        .with_api_keys(ApiKey::ALL.iter().map(api).collect());
    if version >= 3 && error_code == NONE {
        add_features(context, version, &mut response);
    }
    response
}

fn add_features(context: &Context, version: i16, response: &mut ApiVersionsResponse) {
    let image = context.quorum.image();
    let supported = features::KNOWN.iter().filter(|f| version >= 4 || *f.accepted.start() > 0);
    response.supported_features = supported
        .map(|f| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(f.name))
                .with_min_version(*f.accepted.start())
                .with_max_version(f.served)
        })
        .collect();
    response.finalized_features_epoch = image.provenance.offset;
    response.finalized_features = image
        .features
        .advertised()
        .map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_static_str(name))
                .with_min_version_level(level)
                .with_max_version_level(level)
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_words_are_those_of_kip_511() {
        for good in ["a", "apache-kafka-java", "4.3.1", "a-.b"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "a_b", "\u{e9}"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
