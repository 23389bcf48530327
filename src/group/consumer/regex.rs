//! Subscriptions by regular expression: their syntax, and which topics they stand for (`TopicRegexResolver`).
//!
//! Kafka takes RE2's syntax. What the `regex` crate takes is the same but for quoting with `\Q` and `\E`, which is
//! put in its words here, and for what it has beyond RE2. Matching takes time linear in the name; the size of what
//! an expression compiles to is bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::Refused;
use crate::group::Code;
use crate::meta::Image;

/// Most bytes that a compiled expression takes.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Longest expression, in bytes.
const REGEX_BYTES_MAX: usize = 16 << 10;

/// What an expression was resolved to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::group) struct Resolved {
    /// The topics that match.
    pub topics: BTreeSet<Arc<str>>,
    /// Offset of the image that it was resolved against.
    pub version: i64,
    /// When, in ms.
    pub timestamp_ms: i64,
}

impl Resolved {
    /// The topics of `image` whose whole name matches; none match an expression that is none.
    pub(super) fn of(regex: &str, image: &Image, now_ms: i64) -> Self {
        let topics = match compiled(regex) {
            Ok(regex) => {
                let names = image.topics.iter().map(|topic| &topic.name);
                names.filter(|name| regex.is_match(name)).cloned().collect()
            }
            Err(_) => BTreeSet::new(),
        };
        Self { topics, version: image.provenance.offset, timestamp_ms: now_ms }
    }
}

/// Refuses what is no expression, with Kafka's words.
pub(super) fn validate(regex: &str) -> Result<(), Refused> {
    compiled(regex).map(drop).map_err(|what| {
        let text = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {what}.");
        Refused::new(Code::InvalidRegularExpression, text)
    })
}

fn compiled(regex: &str) -> Result<Regex, String> {
    if regex.len() > REGEX_BYTES_MAX {
        return Err("expression is too long".to_owned());
    }
    let regex = unquoted(regex);
    let build = |regex: &str| {
        RegexBuilder::new(regex).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build()
    };
    // On its own first: in a group, parentheses that do not match could.
    build(&regex).and_then(|_| build(&format!(r"\A(?:{regex})\z"))).map_err(|error| in_words_of_re2(&error))
}

/// Puts `\Q...\E` in terms of escapes.
fn unquoted(regex: &str) -> String {
    let mut plain = String::with_capacity(regex.len());
    let mut rest = regex;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        if let Some(quoted) = escape.strip_prefix(r"\Q") {
            let (text, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            plain.push_str(&regex::escape(text));
            rest = after;
        } else {
            let len = escape.chars().take(2).map(char::len_utf8).sum();
            plain.push_str(&escape[..len]);
            rest = &escape[len..];
        }
    }
    plain.push_str(rest);
    plain
}

/// The texts of RE2/J, as far as they say the same.
fn in_words_of_re2(error: &regex::Error) -> String {
    const WORDS: [(&str, &str); 11] = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "unexpected )"),
        ("unclosed character class", "missing closing ]"),
        ("invalid character class range", "invalid character class range"),
        ("repetition operator missing expression", "missing argument to repetition operator"),
        ("incomplete escape sequence", "trailing backslash at end of expression"),
        ("unrecognized escape sequence", "invalid escape sequence"),
        ("backreferences are not supported", "invalid escape sequence"),
        ("look-around", "invalid or unsupported Perl syntax"),
        ("unrecognized flag", "invalid or unsupported Perl syntax"),
        ("duplicate capture group name", "duplicate capture group name"),
    ];
    if let regex::Error::CompiledTooBig(_) = error {
        return "expression is too large".to_owned();
    }
    let text = error.to_string();
    match WORDS.iter().find(|(ours, _)| text.contains(ours)) {
        Some((_, theirs)) => (*theirs).to_owned(),
        None => text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}
