//! SCRAM credentials are changed (`ScramControlManager`). A password never comes here, only its salted form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{Error, Kind};
use super::isr::too_large;
use super::request::{AlterUserScramCredentials, ByUser, ScramUpsertion};
use super::{Controller, Outcome, REQUEST_RECORDS_MAX};
use crate::base::scram::{Keys, Mechanism};
use crate::wire::kraft::{Record, RemoveUserScramCredentialRecord, UserScramCredentialRecord};

/// Longest salt; Kafka has no limit, and its tools make 26 bytes.
const SALT_LEN_MAX: usize = 1 << 10;

impl Controller {
    pub(super) fn alter_scram_credentials(
        &mut self,
        request: &AlterUserScramCredentials,
    ) -> Outcome<Result<ByUser, Error>> {
        let deleted = request.deletions.iter().map(|(user, _)| user);
        let named = deleted.chain(request.upsertions.iter().map(|upsertion| &upsertion.user));
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<&Arc<str>> = named.filter(|user| !seen.insert(*user)).collect();
        let deletions =
            request.deletions.iter().map(|(user, mechanism)| (user, self.deletion(user, *mechanism)));
        let upsertions =
            request.upsertions.iter().map(|upsertion| (&upsertion.user, self.upsertion(upsertion)));
        let mut records = Vec::new();
        let mut answers: BTreeMap<Arc<str>, Result<(), Error>> = BTreeMap::new();
        for (user, result) in deletions.chain(upsertions) {
            if answers.contains_key(user) {
                continue;
            }
            // What is wrong with the first of them goes before that there are two.
            let result = if twice.contains(user) { result.and(Err(duplicate())) } else { result };
            answers.insert(Arc::clone(user), result.map(|record| records.push(record)));
        }
        if records.len() > REQUEST_RECORDS_MAX {
            return (vec![], Err(too_large()));
        }
        (records, Ok(answers.into_iter().collect()))
    }

    fn deletion(&self, user: &Arc<str>, mechanism: i8) -> Result<Record, Error> {
        let mechanism = self.check(user, mechanism)?.number();
        if !self.image().security.scram.contains_key(&(Arc::clone(user), mechanism)) {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(Error::new(Kind::ResourceNotFound, message));
        }
        Ok(RemoveUserScramCredentialRecord { name: Arc::clone(user), mechanism }.into())
    }

    fn upsertion(&self, upsertion: &ScramUpsertion) -> Result<Record, Error> {
        let mechanism = self.check(&upsertion.user, upsertion.mechanism)?;
        let refuse = |message| Err(Error::new(Kind::UnacceptableCredential, message));
        if upsertion.iterations < Mechanism::ITERATIONS_MIN {
            return refuse("Too few iterations");
        }
        if upsertion.iterations > Mechanism::ITERATIONS_MAX {
            return refuse("Too many iterations");
        }
        if upsertion.salt.len() > SALT_LEN_MAX {
            return refuse("Salt is too long");
        }
        if upsertion.salted_password.is_empty() {
            // Java's HMAC takes no empty key.
            return Err(Kind::UnknownServerError.into());
        }
        let Keys { stored_key, server_key } = mechanism.keys(&upsertion.salted_password);
        let record = UserScramCredentialRecord {
            name: Arc::clone(&upsertion.user),
            mechanism: mechanism.number(),
            salt: upsertion.salt.clone(),
            stored_key: stored_key.into(),
            server_key: server_key.into(),
            iterations: upsertion.iterations,
        };
        Ok(record.into())
    }

    fn check(&self, user: &str, mechanism: i8) -> Result<Mechanism, Error> {
        if !self.image().features.has_scram() {
            let message = "The current metadata.version does not support SCRAM";
            return Err(Error::new(Kind::UnsupportedVersion, message));
        }
        if user.is_empty() {
            return Err(Error::new(Kind::UnacceptableCredential, "Username must not be empty"));
        }
        let unknown = || Error::new(Kind::UnsupportedSaslMechanism, "Unknown SCRAM mechanism");
        Mechanism::from_number(mechanism).ok_or_else(unknown)
    }
}

fn duplicate() -> Error {
    Error::new(Kind::DuplicateResource, "A user credential cannot be altered twice in the same request")
}
