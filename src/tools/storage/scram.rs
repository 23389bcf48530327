//! `--add-scram`: credentials that a cluster begins with (`ScramParser`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::releases::Release;
use crate::base::random::Random;
use crate::base::scram::Mechanism;
use crate::wire::kraft::{Record, UserScramCredentialRecord};

/// Rounds of the hash where none are given.
const ITERATIONS_DEFAULT: i32 = 4096;

/// The records of all arguments.
pub(super) fn records<'a>(
    arguments: impl Iterator<Item = &'a str>,
    release: Release,
    random: &Random,
) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    for argument in arguments {
        if !release.has_scram() {
            return Err("SCRAM is only supported in metadata.version 3.5-IV2 or later.".to_owned());
        }
        records.push(record(argument.trim(), random)?.into());
    }
    Ok(records)
}

fn record(argument: &str, random: &Random) -> Result<UserScramCredentialRecord, String> {
    let (mechanism, parts) = argument
        .split_once('=')
        .ok_or_else(|| format!("Failed to find equals sign in SCRAM argument '{argument}'"))?;
    let (number, named) = match mechanism {
        "SCRAM-SHA-256" => (1, "SCRAM_SHA_256"),
        "SCRAM-SHA-512" => (2, "SCRAM_SHA_512"),
        _ => return Err(format!("The add-scram mechanism {mechanism} is not supported.")),
    };
    let mechanism = Mechanism::from_number(number).expect("both numbers have a mechanism");
    let parts = parts.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let parts = parts.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let mut given = split(parts)?;
    let name = given.remove("name").ok_or("You must supply 'name' to add-scram")?;
    let salt = given.remove("salt").map(|text| decode("salt", text)).transpose()?;
    let iterations: Option<i32> = given
        .remove("iterations")
        .map(|text| text.parse().map_err(|_| format!("Failed to parse iterations count: {text}")))
        .transpose()?;
    let secret = secret(&mut given, salt.is_some())?;
    if !given.is_empty() {
        let unknown = given.into_keys().collect::<Vec<_>>().join(", ");
        return Err(format!("Unknown SCRAM configurations: {unknown}"));
    }
    let iterations = iterations.unwrap_or(ITERATIONS_DEFAULT);
    let (min, max) = (Mechanism::ITERATIONS_MIN, Mechanism::ITERATIONS_MAX);
    if iterations < min {
        return Err(format!("The 'iterations' value must be >= {min} for add-scram using {named}"));
    }
    if iterations > max {
        return Err(format!("The 'iterations' value must be <= {max} for add-scram using {named}"));
    }
    let salt = salt.unwrap_or_else(|| random.uuid().as_bytes().to_vec());
    let salted_password = match secret {
        Secret::Password(password) => mechanism.salted(password.as_bytes(), &salt, iterations),
        Secret::Salted(salted) => salted,
    };
    let keys = mechanism.keys(&salted_password);
    Ok(UserScramCredentialRecord {
        name: name.into(),
        mechanism: number,
        salt: salt.into(),
        stored_key: keys.stored_key.into(),
        server_key: keys.server_key.into(),
        iterations,
    })
}

/// What the keys follow from.
enum Secret {
    Password(String),
    Salted(Vec<u8>),
}

fn secret(given: &mut BTreeMap<&str, &str>, has_salt: bool) -> Result<Secret, String> {
    match (given.remove("password"), given.remove("saltedpassword")) {
        (Some(password), _) => Ok(Secret::Password(password.to_owned())),
        (None, Some(_)) if !has_salt => {
            Err("You must supply 'salt' with 'saltedpassword' to add-scram".to_owned())
        }
        (None, Some(salted)) => decode("saltedPassword", salted).map(Secret::Salted),
        (None, None) => Err("You must supply one of 'password' or 'saltedpassword' to add-scram".to_owned()),
    }
}

fn split(parts: &str) -> Result<BTreeMap<&str, &str>, String> {
    let pair = |part| -> Result<(&str, &str), String> {
        let (name, value) = str::split_once(part, '=')
            .ok_or_else(|| format!("No equals sign found in SCRAM component: {part}"))?;
        let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Ok((name, unquoted.unwrap_or(value)))
    };
    parts.split(',').map(pair).collect()
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| format!("Failed to decode given {what}: {text}"))
}
