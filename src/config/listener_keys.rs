//! `listener.name.<listener>.<key>`: values of a key for one listener
//! (`AbstractConfig.valuesWithPrefixOverride`).

use std::collections::BTreeMap;

use super::broker_keys;
use super::key::Key;
use super::layers::Settings;
use super::value::Value;

const PREFIX: &str = "listener.name.";

/// Keys that may stand behind a SASL mechanism as well: `listener.name.<listener>.<mechanism>.<key>`.
const PER_MECHANISM: [&str; 5] = [
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
];

/// Values by listener (in upper case) and by what follows the listener's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerOverrides(BTreeMap<String, BTreeMap<String, Value>>);

impl ListenerOverrides {
    /// The value of `key` on `listener`, if it has one of its own.
    pub fn get(&self, listener: &str, key: &str) -> Option<&Value> {
        self.0.get(&listener.to_uppercase())?.get(key)
    }

    /// The value of `key` for one SASL mechanism on `listener`, if it has one of its own.
    pub fn get_for_mechanism(&self, listener: &str, mechanism: &str, key: &str) -> Option<&Value> {
        self.get(listener, &format!("{}.{key}", mechanism.to_lowercase()))
    }
}

/// The key that a listener's key stands for, or `None` if it stands for none.
pub(super) fn base_key(name: &str) -> Option<&'static Key> {
    let (_, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
    if let Some(key) = broker_keys::find(rest) {
        return Some(key);
    }
    let key = PER_MECHANISM.iter().find(|key| rest.strip_suffix(*key).is_some_and(|m| m.ends_with('.')))?;
    broker_keys::find(key)
}

/// Reads them all; an error names the key.
pub(super) fn parse(settings: &Settings) -> Result<ListenerOverrides, (String, String)> {
    let mut overrides = ListenerOverrides::default();
    for (name, setting) in settings {
        let Some(key) = base_key(name) else { continue };
        let value = key.parse(&setting.value).map_err(|invalid| (name.clone(), invalid.to_string()))?;
        let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
        let (listener, rest) = rest.expect("base_key found a listener and a key");
        overrides.0.entry(listener.to_uppercase()).or_default().insert(rest.to_owned(), value);
    }
    Ok(overrides)
}
