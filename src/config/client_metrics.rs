//! THE table of keys of a client metrics subscription (`ClientMetricsConfigs`, KIP-714).

use regex::RegexBuilder;

use super::key::Default::Text;
use super::key::{Effect, Importance, Key, Mode};
use super::valid::Emptiness::MayBeEmpty;
use super::valid::Valid::Any;
use super::valid::list;
use super::value::{Type, Value};

/// Shortest and longest push interval.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;
/// Longest pattern, most `\p{..}` in it, and most bytes that it takes compiled: a check takes tens of milliseconds at most,
/// of which `(?i)\p{Any}` costs 18 each time.
const PATTERN_BYTES_MAX: usize = 1 << 10;
const PROPERTIES_MAX: usize = 4;
const COMPILED_BYTES_MAX: usize = 1 << 18;
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

/// Whether this is `property=pattern`, with a regular expression that Java takes.
fn is_pattern(text: &str) -> bool {
    // Java drops what is empty at the end.
    let mut parts = text.trim_end_matches('=').split('=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(property), Some(pattern), None) => {
            MATCHED.contains(&property.trim())
                && pattern.len() <= PATTERN_BYTES_MAX
                && is_regex(pattern.trim())
        }
        _ => false,
    }
}

/// Whether Java and the `regex` crate both take an expression, as far as can be told: look-around, back references and
/// possessive operators, which only Java has, are refused as well as what only the crate takes.
fn is_regex(pattern: &str) -> bool {
    let pattern = &unquoted(pattern);
    if pattern.matches(r"\p").count() + pattern.matches(r"\P").count() > PROPERTIES_MAX {
        return false;
    }
    let mut before = '\0';
    let mut classes = 0_usize;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            _ => {}
        }
        // In a class there are no operators of this kind.
        let is_foreign = classes == 0
            && match c {
                '(' => ["?P", "?R", "?^"].iter().any(|start| chars.as_str().starts_with(start)),
                '*' | '+' => matches!(before, '*' | '+' | '?' | '}'),
                '{' => chars.as_str().starts_with(','),
                _ => false,
            };
        if is_foreign {
            return false;
        }
        before = c;
        if c == '\\' {
            // What is escaped is no operator.
            (before, _) = ('\0', chars.next());
        }
    }
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build().is_ok()
}

/// A pattern with what stands between `\Q` and `\E` (`Pattern.quote`) escaped, which the crate does not know.
fn unquoted(pattern: &str) -> String {
    let mut parts = pattern.split(r"\Q");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (quoted, rest) = part.split_once(r"\E").unwrap_or((part, ""));
        plain += &regex::escape(quoted);
        plain += rest;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_kafkas_do() {
        let check = |key: &str, value: &str| validate("m", [(key, value)].into_iter());
        assert_eq!(check("metrics", "a,b"), Ok(()));
        for good in [
            "client_id=x.*",
            "client_id=x=",
            "client_id= [a-z]{2}?\\*+ ",
            "client_source_port=90(?:92|93)",
            "client_id=[*+]+",
            "client_id=\\Qa.b*+\\E+",
        ] {
            assert_eq!(check("match", good), Ok(()), "{good}");
        }
        for bad in
            ["client_id=[", "client_id=*", "a=b=c", "client_id=a**", "client_id=(?P<n>a)", "client_id=(?=a)"]
        {
            let refused = Err(Invalid::Config(format!("Illegal client matching pattern: {bad}")));
            assert_eq!(check("match", bad), refused);
        }
        for slow in ["client_id=((a{100}){100}){100}", r"client_id=(?i)\pL\pL\pL\pL\pL"] {
            check("match", slow).unwrap_err();
        }
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
