//! THE table of keys of a client metrics subscription (`ClientMetricsConfigs`, KIP-714).

use super::key::Default::Text;
use super::key::{Effect, Importance, Key, Mode};
use super::valid::Emptiness::MayBeEmpty;
use super::valid::Valid::Any;
use super::valid::list;
use super::value::{Type, Value};

/// Shortest and longest push interval.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;
/// What a client can be matched by.
const MATCHED: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

const fn key(name: &'static str, kind: Type, default: &'static str, documentation: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Text(default),
        valid: if matches!(kind, Type::List) { list(MayBeEmpty) } else { Any },
        importance: Importance::Medium,
        mode: Mode::Group,
        effect: Effect::Accepted,
        documentation,
    }
}

/// Every key.
pub const ALL: &[Key] = &[
    key("interval.ms", Type::Int, "300000", "Milliseconds between two pushes."),
    key("match", Type::List, "", "Which clients push, as `property=pattern`."),
    key("metrics", Type::List, "", "Prefixes of the names of the metrics to push."),
];

/// Why a subscription is refused, in Kafka's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Invalid {
    /// INVALID_REQUEST.
    #[error("{0}")]
    Request(String),
    /// INVALID_CONFIG.
    #[error("{0}")]
    Config(String),
}

/// The key `name`.
pub fn find(name: &str) -> Option<&'static Key> {
    ALL.iter().find(|key| key.name == name)
}

/// Whether the subscription `name` may have these.
pub fn validate<'a>(name: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid::Request("Subscription name can't be empty".into()));
    }
    for (name, raw) in entries {
        let unknown = || Invalid::Request(format!("Unknown client metrics configuration: {name}"));
        let key = find(name).ok_or_else(unknown)?;
        match key.parse(raw).map_err(|error| Invalid::Config(error.to_string()))? {
            Value::Int(interval) if !INTERVAL_MS.contains(&interval) => {
                return Err(Invalid::Request(format!(
                    "Invalid value {interval} for {name}, interval must be between 100 and 3600000 (1 hour)"
                )));
            }
            Value::List(patterns) if name == "match" => {
                if let Some(bad) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
                    return Err(Invalid::Config(format!("Illegal client matching pattern: {bad}")));
                }
            }
            Value::Boolean(_)
            | Value::String(_)
            | Value::Int(_)
            | Value::Short(_)
            | Value::Long(_)
            | Value::Double(_)
            | Value::List(_)
            | Value::Password(_) => {}
        }
    }
    Ok(())
}

/// Whether this is `property=pattern`. What is a regular expression, only Java knows.
fn is_pattern(text: &str) -> bool {
    let mut parts = text.split('=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(property), Some(pattern), None) => MATCHED.contains(&property.trim()) && !pattern.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_kafkas_do() {
        let check = |key: &str, value: &str| validate("m", [(key, value)].into_iter());
        assert_eq!(check("metrics", "a,b"), Ok(()));
        assert_eq!(check("match", "client_id=x.*"), Ok(()));
        let request = |text: &str| Err(Invalid::Request(text.into()));
        assert_eq!(check("nope", "1"), request("Unknown client metrics configuration: nope"));
        assert_eq!(
            check("interval.ms", "1"),
            request("Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)")
        );
        let pattern = Err(Invalid::Config("Illegal client matching pattern: no=x".into()));
        assert_eq!(check("match", "no=x"), pattern);
        assert_eq!(validate("", std::iter::empty()), request("Subscription name can't be empty"));
    }
}
