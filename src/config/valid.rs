//! The rules a value must keep, with the texts of Kafka's validators (`ConfigDef.Range`, `ValidList`,
//! `ValidString`, `CompressionType.levelValidator`, `ThrottledReplicaListValidator`).

use std::fmt;

use super::quorum;
use super::value::{Invalid, Value};

/// Whether a list may have no items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// The empty list is a value.
    MayBeEmpty,
    /// At least one item.
    NotEmpty,
}

/// The rule of one key.
#[derive(Clone, Copy, Debug)]
pub enum Valid {
    /// Whatever parses.
    Any,
    /// Text, if there is a value at all.
    NonEmpty,
    /// A number from here on.
    AtLeast(i64),
    /// A number from here to there, both included.
    Between(i64, i64),
    /// The same for bounds that are no whole numbers.
    BetweenDouble(f64, f64),
    /// 1 to 9, or -1 for the library's own.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list without empty items, of these texts or, if there are none, of any.
    List(&'static [&'static str], Emptiness),
    /// `id@host:port` items.
    QuorumVoters,
    /// `host:port` items.
    BootstrapServers,
    /// `partition:broker` items, or `*`.
    ThrottledReplicas,
    /// `earliest`, `latest`, or `by_duration:` and a duration that is not negative.
    AutoOffsetReset,
}

/// A list of any texts (`ValidList.anyNonDuplicateValues`).
pub(super) const fn list(emptiness: Emptiness) -> Valid {
    Valid::List(&[], emptiness)
}

/// A list of these texts (`ValidList.in`).
pub(super) const fn list_of(allowed: &'static [&'static str], emptiness: Emptiness) -> Valid {
    Valid::List(allowed, emptiness)
}

impl Valid {
    /// Refuses a value that breaks the rule. Null needs no check: it can only come from the table.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), Invalid> {
        let refuse = |reason: String| Err(Invalid::value(name, value.in_message(), reason));
        match (self, value) {
            (Self::NonEmpty, Value::String(text)) if text.is_empty() => {
                refuse("String must be non-empty".into())
            }
            (Self::AtLeast(min), _) if below(value, *min) => refuse(format!("Value must be at least {min}")),
            (Self::Between(min, _), _) if below(value, *min) => {
                refuse(format!("Value must be at least {min}"))
            }
            (Self::Between(_, max), _) if above(value, *max) => {
                refuse(format!("Value must be no more than {max}"))
            }
            (Self::BetweenDouble(min, _), Value::Double(number)) if number < min => {
                refuse(format!("Value must be at least {min}"))
            }
            (Self::BetweenDouble(_, max), Value::Double(number)) if number > max => {
                refuse(format!("Value must be no more than {max}"))
            }
            (Self::GzipLevel, Value::Int(level)) if *level != -1 && !(1..=9).contains(level) => {
                refuse("Value must be between 1 and 9 or equal to -1".into())
            }
            (Self::OneOf(allowed), Value::String(text)) => one_of(name, text, allowed),
            (Self::OneOfAnyCase(allowed), Value::String(text))
                if !allowed.iter().any(|a| a.eq_ignore_ascii_case(text)) =>
            {
                refuse(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
            }
            (Self::List(allowed, emptiness), Value::List(items)) => {
                check_list(name, items, allowed, *emptiness)
            }
            (Self::QuorumVoters, Value::List(items)) => quorum::parse_voters(items).map(drop),
            (Self::BootstrapServers, Value::List(items)) => quorum::parse_bootstrap_servers(items).map(drop),
            (Self::ThrottledReplicas, Value::List(items)) if !throttled_replicas(items) => refuse(format!(
                "{name} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            )),
            (Self::AutoOffsetReset, Value::String(text)) if !is_auto_offset_reset(text) => refuse(format!(
                "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of \
                 the format 'by_duration:<PnDTnHnMn.nS>'."
            )),
            _ => Ok(()),
        }
    }

    /// Whether duplicates in a list are dropped before it is checked.
    pub(super) fn drops_duplicates(&self) -> bool {
        matches!(self, Self::List(..))
    }
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::List([], Emptiness::MayBeEmpty) => Ok(()),
            Self::NonEmpty | Self::List([], Emptiness::NotEmpty) => f.write_str("not empty"),
            Self::AtLeast(min) => write!(f, "≥ {min}"),
            Self::Between(min, max) => write!(f, "{min} to {max}"),
            Self::BetweenDouble(min, max) => write!(f, "{min} to {max}"),
            Self::GzipLevel => f.write_str("1 to 9, or -1"),
            Self::OneOf(allowed) | Self::List(allowed, _) => f.write_str(&allowed.join(", ")),
            Self::OneOfAnyCase(allowed) => write!(f, "{} (any case)", allowed.join(", ")),
            Self::QuorumVoters => f.write_str("id@host:port items"),
            Self::BootstrapServers => f.write_str("host:port items"),
            Self::ThrottledReplicas => f.write_str("`*` or partition:broker items"),
            Self::AutoOffsetReset => f.write_str("earliest, latest, by_duration:PnDTnHnMn.nS"),
        }
    }
}

fn is_auto_offset_reset(text: &str) -> bool {
    let duration = text.strip_prefix("by_duration:");
    text == "earliest" || text == "latest" || duration.is_some_and(is_duration)
}

/// Whether this is a duration without signs (`Duration.parse`): `P`, days, then `T`, hours, minutes and seconds.
fn is_duration(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some(rest) = upper.strip_prefix('P') else { return false };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let take = |text: &str, unit: char, is_fraction: bool| -> Option<String> {
        let Some((number, rest)) = text.split_once(unit) else { return Some(text.to_owned()) };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = !whole.is_empty() && is_digits(whole) && is_digits(fraction) && fraction.len() <= 9;
        (is_number && (is_fraction || !number.contains('.'))).then(|| rest.to_owned())
    };
    let is_empty_after = |text: &str, units: &[(char, bool)]| {
        let left =
            units.iter().try_fold(text.to_owned(), |text, (unit, fraction)| take(&text, *unit, *fraction));
        left.is_some_and(|left| left.is_empty())
    };
    let is_days = is_empty_after(days, &[('D', false)]);
    match time {
        None => !days.is_empty() && is_days,
        Some(time) => {
            !time.is_empty() && is_days && is_empty_after(time, &[('H', false), ('M', false), ('S', true)])
        }
    }
}

fn below(value: &Value, min: i64) -> bool {
    match value {
        Value::Int(number) => i64::from(*number) < min,
        Value::Short(number) => i64::from(*number) < min,
        Value::Long(number) => *number < min,
        Value::Double(number) => *number < min as f64,
        Value::Boolean(_) | Value::String(_) | Value::List(_) | Value::Password(_) => false,
    }
}

fn above(value: &Value, max: i64) -> bool {
    match value {
        Value::Int(number) => i64::from(*number) > max,
        Value::Short(number) => i64::from(*number) > max,
        Value::Long(number) => *number > max,
        Value::Double(number) => *number > max as f64,
        Value::Boolean(_) | Value::String(_) | Value::List(_) | Value::Password(_) => false,
    }
}

fn one_of(name: &str, text: &str, allowed: &[&str]) -> Result<(), Invalid> {
    if allowed.contains(&text) {
        return Ok(());
    }
    Err(Invalid::value(name, text, format!("String must be one of: {}", allowed.join(", "))))
}

fn check_list(name: &str, items: &[String], allowed: &[&str], emptiness: Emptiness) -> Result<(), Invalid> {
    let refuse = |reason: String| Err(Invalid::List { name: name.to_owned(), reason });
    if items.is_empty() && emptiness == Emptiness::NotEmpty {
        let valid = if allowed.is_empty() {
            "any non-empty value".into()
        } else {
            format!("[{}]", allowed.join(", "))
        };
        return refuse(format!("must not be empty. Valid values include: {valid}"));
    }
    for item in items {
        if item.is_empty() {
            return refuse("values must not be empty.".into());
        }
        if !allowed.is_empty() {
            one_of(name, item, allowed)?;
        }
    }
    Ok(())
}

fn throttled_replicas(items: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_replica = |item: &String| {
        item.is_empty() || item.split_once(':').is_some_and(|(p, b)| is_number(p) && is_number(b))
    };
    items.concat() == "*" || items.iter().all(is_replica)
}
