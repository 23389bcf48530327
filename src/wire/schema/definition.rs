//! The text form of request schemas, read once at first use.
//!
//! ```text
//! api 3 Metadata 0-13 flexible 9          key, name, versions, first flexible version if there is one
//!   topics []struct null 1+               the fields of a struct follow, indented by two more spaces
//!     topic_id uuid 10+                   only from version 10; without a range: in every version
//!     name string null 10+                null allowed from version 10; without a range: always
//!   rack_id string 12+ tag 0              a tagged field
//! ```
//! Types: bool, int8, int16, int32, int64, float64, uuid, string, bytes, records, struct, and `[]` of them.
//! The texts state the facts of Kafka's message definitions (`clients/.../common/message/*.json`) up to
//! the versions that the crate decodes. They are our own input, so a mistake in them is a panic, which
//! the tests of this module would meet first.

use std::ops::RangeInclusive;

/// The request of one API in all its versions.
pub(super) struct Definition {
    /// Kafka's API key.
    pub(super) key: i16,
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
}

/// A type of the wire.
pub(super) enum Kind {
    /// A number, a truth value or a UUID, of so many bytes.
    Fixed(usize),
    /// Up to 32767 bytes of UTF-8.
    String,
    /// Bytes, or record batches.
    Bytes,
    /// Fields one after the other.
    Struct(Vec<Field>),
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
    let (key, versions, flexible_from) = match words {
        ["api", key, _name, versions] => (key, versions, i16::MAX),
        ["api", key, _name, versions, "flexible", from] => (key, versions, number(from)),
        _ => panic!("not the start of an api: {words:?}"),
    };
    Definition { key: number(key), versions: range(versions), flexible_from, fields: fields(lines, 1) }
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
    let tag = match rest {
        ["tag", tag] => Some(number(tag)),
        [] => None,
        _ => panic!("not understood: {words:?}"),
    };
    let kind = match element.unwrap_or(type_name) {
        "bool" | "int8" => Kind::Fixed(1),
        "int16" => Kind::Fixed(2),
        "int32" => Kind::Fixed(4),
        "int64" | "float64" => Kind::Fixed(8),
        "uuid" => Kind::Fixed(16),
        "string" => Kind::String,
        "bytes" | "records" => Kind::Bytes,
        "struct" => Kind::Struct(fields(lines, depth + 1)),
        other => panic!("unknown type {other}"),
    };
    Field { name, kind, array: element.is_some(), versions, nullable, tag }
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
