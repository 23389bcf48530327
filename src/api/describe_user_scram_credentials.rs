//! DescribeUserScramCredentials, version 0 (`ScramImage.describe`).
//!
//! Shows who has which credentials, never the credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::messages::describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest;
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};
use kafka_protocol::protocol::StrBytes;

use super::context::Context;
use super::dispatch::Request;
use super::error::Code;

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<DescribeUserScramCredentialsRequest>,
) -> DescribeUserScramCredentialsResponse {
    let image = context.quorum.image();
    let mut known: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for ((user, mechanism), credential) in &image.security.scram {
        let info =
            CredentialInfo::default().with_mechanism(*mechanism).with_iterations(credential.iterations);
        known.entry(user).or_default().push(info);
    }
    let asked: Vec<&str> = request.body.users.iter().flatten().map(|user| user.name.as_str()).collect();
    if asked.is_empty() {
        let all = known.into_iter().map(|(user, infos)| result(user).with_credential_infos(infos));
        return DescribeUserScramCredentialsResponse::default().with_results(all.collect());
    }
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = asked.iter().copied().filter(|user| !seen.insert(*user)).collect();
    let results = seen.into_iter().map(|user| {
        if twice.contains(user) {
            let text = "Cannot describe SCRAM credentials for the same user twice in a single request: ";
            return refused(user, Code::DuplicateResource, text);
        }
        match known.remove(user) {
            Some(infos) => result(user).with_credential_infos(infos),
            None => {
                let text = "Attempt to describe a user credential that does not exist: ";
                refused(user, Code::ResourceNotFound, text)
            }
        }
    });
    DescribeUserScramCredentialsResponse::default().with_results(results.collect())
}

fn result(user: &str) -> DescribeUserScramCredentialsResult {
    let user = StrBytes::from_string(user.to_owned());
    DescribeUserScramCredentialsResult::default().with_user(user).with_error_message(None)
}

fn refused(user: &str, code: Code, text: &str) -> DescribeUserScramCredentialsResult {
    let message = StrBytes::from_string(format!("{text}{user}"));
    result(user).with_error_code(code.code()).with_error_message(Some(message))
}
