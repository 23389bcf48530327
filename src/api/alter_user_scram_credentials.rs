//! AlterUserScramCredentials, version 0 (`ControllerApis.handleAlterUserScramCredentials`).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::AlterUserScramCredentialsRequest;
use kafka_protocol::messages::alter_user_scram_credentials_response::{
    AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
};
use kafka_protocol::protocol::StrBytes;

use super::alter_resources::text;
use super::context::Context;
use super::dispatch::Request;
use super::error;
use crate::controller;
use crate::controller::request::{AlterUserScramCredentials, ScramUpsertion};

pub(super) async fn handle(
    context: Arc<Context>,
    request: Request<AlterUserScramCredentialsRequest>,
) -> AlterUserScramCredentialsResponse {
    let body = request.body;
    let deletions: Vec<_> = body.deletions.iter().map(|d| (text(&d.name), d.mechanism)).collect();
    let upsertions = body.upsertions.into_iter().map(|u| ScramUpsertion {
        user: text(&u.name),
        mechanism: u.mechanism,
        iterations: u.iterations,
        // What is kept must not hold the whole request in memory.
        salt: Bytes::copy_from_slice(&u.salt),
        salted_password: u.salted_password,
    });
    let upsertions: Vec<_> = upsertions.collect();
    let deleted = deletions.iter().map(|(user, _)| Arc::clone(user));
    let users: BTreeSet<Arc<str>> = deleted.chain(upsertions.iter().map(|u| Arc::clone(&u.user))).collect();
    let results = match context.ask(AlterUserScramCredentials { deletions, upsertions }).await {
        Ok(answers) => {
            answers.into_iter().map(|(user, result)| answer(&user, result.err().as_ref())).collect()
        }
        Err(error) => users.iter().map(|user| answer(user, Some(&error))).collect(),
    };
    AlterUserScramCredentialsResponse::default().with_results(results)
}

fn answer(user: &str, error: Option<&controller::Error>) -> AlterUserScramCredentialsResult {
    let (error_code, message) = error::outcome(error);
    AlterUserScramCredentialsResult::default()
        .with_user(StrBytes::from_string(user.to_owned()))
        .with_error_code(error_code)
        .with_error_message(message)
}
