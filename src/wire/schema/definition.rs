//! The text form of the schemas of requests and of records, read once at first use.
//!
//! ```text
//! api 3 Metadata 0-13 flexible 9          key, name, versions, first flexible version if there is one
//!   topics []struct null 1+               the fields of a struct follow, indented by two more spaces
//!     topic_id uuid 10+                   only from version 10; without a range: in every version
//!     name string null 10+                null allowed from version 10; without a range: always
//!   rack_id string 12+ tag 0              a tagged field
//!   epoch int32 tag 1 default -1          one whose default, in JSON, is said
//! ```
//! Types: bool, int8, int16, uint16, int32, int64, float64, uuid, string, bytes, records, struct, and `[]` of them.
//! The first word is another one where no request is described: what a record's `key`, `value` and so on are.
//! The texts state the facts of Kafka's message definitions (`clients/.../common/message/*.json`) up to
//! the versions that the crate decodes. They are our own input, so a mistake in them is a panic, which
//! the tests of this module would meet first.

use std::ops::RangeInclusive;

/// One message, such as the request of one API, in all its versions.
pub(super) struct Definition {
    /// What it is: `api`, or what a text of records says.
    pub(super) role: &'static str,
    /// Kafka's API key, or the record's type.
    pub(super) key: i16,
    /// Kafka's name.
    pub(super) name: &'static str,
    /// The versions described.
    pub(super) versions: RangeInclusive<i16>,
    /// From here on lengths are varints and structs end in tagged fields; `i16::MAX` for never.
    pub(super) flexible_from: i16,
    /// The body.
    pub(super) fields: Vec<Field>,
}

/// One line of a definition.
pub(super) struct Field {
    /// In Kafka's words, snake case.
    pub(super) name: &'static str,
    /// What it holds, or what each element holds.
    pub(super) kind: Kind,
    /// Whether there are any number of them.
    pub(super) array: bool,
    /// The versions that have it.
    pub(super) versions: RangeInclusive<i16>,
    /// The versions in which it may be null.
    pub(super) nullable: Option<RangeInclusive<i16>>,
    /// The tag, when it is not at a fixed place.
    pub(super) tag: Option<u32>,
    /// What a tagged field is when it is missing, in JSON; empty where nobody asks.
    pub(super) default: &'static str,
}

/// A type of the wire.
pub(super) enum Kind {
    /// A value whose size its type says.
    Fixed(Fixed),
    /// Up to 32767 bytes of UTF-8.
    String,
    /// Bytes, or record batches.
    Bytes,
    /// Fields one after the other.
    Struct(Vec<Field>),
}

/// A number, a truth value or a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
}

impl Fixed {
    /// Bytes on the wire.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Bool | Self::Int8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 => 4,
            Self::Int64 | Self::Float64 => 8,
            Self::Uuid => 16,
        }
    }
}

/// Reads every definition of `text`.
pub(super) fn parse(text: &'static str) -> Vec<Definition> {
    let mut lines =
        Lines { lines: text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect(), at: 0 };
    let mut found = Vec::new();
    while let Some(words) = lines.next_at(0) {
        found.push(definition(&words, &mut lines));
    }
    assert!(lines.at == lines.lines.len(), "badly indented: {}", lines.lines[lines.at]);
    found
}

struct Lines {
    lines: Vec<&'static str>,
    at: usize,
}

impl Lines {
    /// The words of the next line if it is indented exactly `depth` times.
    fn next_at(&mut self, depth: usize) -> Option<Vec<&'static str>> {
        let line = *self.lines.get(self.at)?;
        let words = line.trim_start();
        if line.len() - words.len() != 2 * depth {
            return None;
        }
        self.at += 1;
        Some(words.split(' ').collect())
    }
}

fn definition(words: &[&'static str], lines: &mut Lines) -> Definition {
    let [role, key, name, versions, rest @ ..] = words else {
        panic!("not the start of a message: {words:?}")
    };
    let flexible_from = match rest {
        [] => i16::MAX,
        ["flexible", from] => number(from),
        _ => panic!("not understood: {words:?}"),
    };
    Definition {
        role,
        key: number(key),
        name,
        versions: range(versions),
        flexible_from,
        fields: fields(lines, 1),
    }
}

fn fields(lines: &mut Lines, depth: usize) -> Vec<Field> {
    let mut found = Vec::new();
    while let Some(words) = lines.next_at(depth) {
        found.push(field(&words, lines, depth));
    }
    found
}

fn field(words: &[&'static str], lines: &mut Lines, depth: usize) -> Field {
    let [name, type_name, rest @ ..] = words else { panic!("a field needs a name and a type: {words:?}") };
    let element = type_name.strip_prefix("[]");
    let (versions, rest) = optional_range(rest);
    let (nullable, rest) = match rest {
        ["null", rest @ ..] => {
            let (range, rest) = optional_range(rest);
            (Some(range), rest)
        }
        _ => (None, rest),
    };
    let (tag, default) = match *rest {
        ["tag", tag] => (Some(number(tag)), ""),
        ["tag", tag, "default", default] => (Some(number(tag)), default),
        [] => (None, ""),
        _ => panic!("not understood: {words:?}"),
    };
    let kind = match element.unwrap_or(type_name) {
        "bool" => Kind::Fixed(Fixed::Bool),
        "int8" => Kind::Fixed(Fixed::Int8),
        "int16" => Kind::Fixed(Fixed::Int16),
        "uint16" => Kind::Fixed(Fixed::Uint16),
        "int32" => Kind::Fixed(Fixed::Int32),
        "int64" => Kind::Fixed(Fixed::Int64),
        "float64" => Kind::Fixed(Fixed::Float64),
        "uuid" => Kind::Fixed(Fixed::Uuid),
        "string" => Kind::String,
        "bytes" | "records" => Kind::Bytes,
        "struct" => Kind::Struct(fields(lines, depth + 1)),
        other => panic!("unknown type {other}"),
    };
    Field { name, kind, array: element.is_some(), versions, nullable, tag, default }
}

fn optional_range<'a>(words: &'a [&'static str]) -> (RangeInclusive<i16>, &'a [&'static str]) {
    match words {
        [first, rest @ ..] if first.starts_with(|c: char| c.is_ascii_digit()) => (range(first), rest),
        _ => (0..=i16::MAX, words),
    }
}

fn range(text: &str) -> RangeInclusive<i16> {
    match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(from), _) => number(from)..=i16::MAX,
        (None, Some((from, to))) => number(from)..=number(to),
        (None, None) => panic!("not a range of versions: {text}"),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}
