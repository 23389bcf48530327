//! The types of config values, and how Kafka reads and prints them (`ConfigDef.parseType`,
//! `ConfigDef.convertToString`).

use std::fmt;

use crate::base::java::double_text;

/// Type of a key's value (`ConfigDef.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean,
    /// Any text.
    String,
    /// A 32-bit number.
    Int,
    /// A 16-bit number.
    Short,
    /// A 64-bit number.
    Long,
    /// A floating point number.
    Double,
    /// Texts separated by commas.
    List,
    /// Name of a Java class; barnabas knows a few of them and loads none.
    Class,
    /// Text that is never shown.
    Password,
}

impl Type {
    /// `config_type` in DescribeConfigs, from version 3 on.
    pub fn wire_id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        })
    }
}

/// Text that prints as `[hidden]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A parsed value; null is `Option::None` around it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// See [`Type::Boolean`].
    Boolean(bool),
    /// A [`Type::String`] or a [`Type::Class`].
    String(String),
    /// See [`Type::Int`].
    Int(i32),
    /// See [`Type::Short`].
    Short(i16),
    /// See [`Type::Long`].
    Long(i64),
    /// See [`Type::Double`].
    Double(f64),
    /// See [`Type::List`].
    List(Vec<String>),
    /// See [`Type::Password`].
    Password(Password),
}

/// Why a value is refused; the text is Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The value does not parse, or its validator says no.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Value {
        /// The key.
        name: String,
        /// The value as Java would print it.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list is empty, or one of its items is.
    #[error("Configuration '{name}' {reason}")]
    List {
        /// The key.
        name: String,
        /// What is wrong with the list.
        reason: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Invalid {
    /// Kafka's `ConfigException(name, value, message)`.
    pub(super) fn value(name: &str, value: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self::Value { name: name.to_owned(), value: value.to_string(), reason: reason.into() }
    }
}

impl Value {
    /// Reads `raw` as a `kind`; `name` is for the message only.
    pub fn parse(name: &str, raw: &str, kind: Type) -> Result<Self, Invalid> {
        let text = trim(raw);
        let not_a_number = || Invalid::value(name, raw, format!("Not a number of type {kind}"));
        match kind {
            Type::Boolean if text.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            Type::Boolean if text.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            Type::Boolean => Err(Invalid::value(name, raw, "Expected value to be either true or false")),
            Type::String | Type::Class => Ok(Self::String(text.to_owned())),
            Type::Password => Ok(Self::Password(Password(text.to_owned()))),
            Type::Int => text.parse().map(Self::Int).map_err(|_| not_a_number()),
            Type::Short => text.parse().map(Self::Short).map_err(|_| not_a_number()),
            Type::Long => text.parse().map(Self::Long).map_err(|_| not_a_number()),
            Type::Double => parse_double(text).map(Self::Double).ok_or_else(not_a_number),
            Type::List => Ok(Self::List(split(text))),
        }
    }

    /// The text that DescribeConfigs shows for a value that is no secret.
    pub fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::String(value) => value.clone(),
            Self::Int(value) => value.to_string(),
            Self::Short(value) => value.to_string(),
            Self::Long(value) => value.to_string(),
            Self::Double(value) => double_text(*value),
            Self::List(items) => items.join(","),
            Self::Password(_) => "[hidden]".to_owned(),
        }
    }

    /// The value as Java prints it in a message: lists have brackets there.
    pub(super) fn in_message(&self) -> String {
        match self {
            Self::List(items) => format!("[{}]", items.join(", ")),
            Self::Boolean(_)
            | Self::String(_)
            | Self::Int(_)
            | Self::Short(_)
            | Self::Long(_)
            | Self::Double(_)
            | Self::Password(_) => self.text(),
        }
    }
}

/// Java's `String.trim`: everything up to U+0020 goes.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

fn split(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim_matches(is_java_space).to_owned()).collect()
}

/// What `\s` matches in a Java pattern.
fn is_java_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// Java's `Double.parseDouble` without hexadecimal and without NaN, which no key has a use for.
fn parse_double(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let decimal = digits.chars().all(|c| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
    match digits {
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if decimal => digits.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(raw: &str) -> String {
        Value::parse("k", raw, Type::Double).map_or_else(|e| e.to_string(), |v| v.text())
    }

    #[test]
    fn doubles_read_and_print_as_in_java() {
        assert_eq!(double(" .5d "), "0.5");
        assert_eq!(double("2"), "2.0");
        assert_eq!(double("1e9"), "1.0E9");
        assert_eq!(double("123456789"), "1.23456789E8");
        assert_eq!(double("0.0001"), "1.0E-4");
        assert_eq!(double("9999999"), "9999999.0");
        assert_eq!(double("1.7976931348623157E308"), "1.7976931348623157E308");
        assert_eq!(double("inf"), "Invalid value inf for configuration k: Not a number of type DOUBLE");
        assert_eq!(double("NaN"), "Invalid value NaN for configuration k: Not a number of type DOUBLE");
    }

    #[test]
    fn the_message_shows_the_value_untrimmed_as_kafka_does() {
        let error = Value::parse("num.partitions", " abc", Type::Int).unwrap_err().to_string();
        assert_eq!(error, "Invalid value  abc for configuration num.partitions: Not a number of type INT");
    }

    #[test]
    fn a_list_keeps_its_empty_items_for_the_validator_to_see() {
        let list = |raw| Value::parse("k", raw, Type::List).unwrap();
        assert_eq!(list(" a , b c,"), Value::List(vec!["a".into(), "b c".into(), String::new()]));
        assert_eq!(list("  "), Value::List(vec![]));
    }

    #[test]
    fn a_password_never_prints() {
        let secret = Value::parse("k", "hunter2", Type::Password).unwrap();
        assert!(!format!("{secret:?} {} {}", secret.text(), secret.in_message()).contains("hunter2"));
    }
}
