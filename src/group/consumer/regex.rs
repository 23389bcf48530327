//! Subscriptions by regular expression: their syntax, and which topics they stand for (`TopicRegexResolver`).
//!
//! Kafka takes RE2's syntax, see [`re2`]. Matching takes time linear in the name; the size of what an expression
//! compiles to is bounded, and so is the time, since it is compiled in the group's shard: `docs/decisions.md` has the figures.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::{Refused, re2};
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

/// An expression that stands for whole names.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether the whole `name` matches. Characters that are not ASCII are all alike.
    pub fn is_match(&self, name: &str) -> bool {
        if name.is_ascii() {
            return self.0.is_match(name.as_bytes());
        }
        let alike = |c: char| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(re2::BEYOND_ASCII);
        self.0.is_match(&name.chars().map(alike).collect::<Vec<u8>>())
    }
}

/// An expression in RE2's syntax; what is wrong with it otherwise, in RE2/J's words.
pub fn compiled(regex: &str) -> Result<Pattern, String> {
    if regex.len() > REGEX_BYTES_MAX {
        return Err("expression is too long".to_owned());
    }
    let regex = re2::translated(regex)?;
    let build = |regex: &str| {
        RegexBuilder::new(regex)
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
    };
    // On its own first: in a group, parentheses that do not match could.
    build(&regex)
        .and_then(|_| build(&format!(r"\A(?:{regex})\z")))
        .map(Pattern)
        .map_err(|error| in_words_of_re2(&error))
}

/// The texts of RE2/J, as far as they say the same.
fn in_words_of_re2(error: &regex::Error) -> String {
    const WORDS: [(&str, &str); 15] = [
        ("unclosed group", "missing closing )"),
        ("unopened group", "regexp/syntax: internal error"),
        ("invalid repetition count range", re2::BAD_COUNT),
        ("Unicode property not found", "invalid character class range"),
        ("unclosed capture group name", "invalid named capture"),
        ("invalid capture group character", "invalid named capture"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(regex: &str, name: &str) -> bool {
        compiled(regex).unwrap().is_match(name)
    }

    #[test]
    fn what_re2j_refuses_is_refused_in_its_words() {
        for (regex, words) in [
            ("(", "missing closing )"),
            ("t[", "missing closing ]"),
            ("*", "missing argument to repetition operator"),
            ("a**", "invalid nested repetition operator"),
            ("a++", "invalid nested repetition operator"),
            ("a{2}{3}", "invalid nested repetition operator"),
            ("a+??", "invalid nested repetition operator"),
            (r"t\1", "invalid escape sequence"),
            ("a|b)", "regexp/syntax: internal error"),
            ("\\", "trailing backslash at end of expression"),
            ("[b-a]", "invalid character class range"),
            ("(?=a)", "invalid or unsupported Perl syntax"),
            ("(?P<n>a)(?P<n>b)", "duplicate capture group name"),
            ("a{1001}", "invalid repeat count"),
            ("a{2,1}", "invalid repeat count"),
            (r"\Z", "invalid escape sequence"),
            (r"\h", "invalid escape sequence"),
            ("(?z)", "invalid or unsupported Perl syntax"),
            (r"\p{Foo}", "invalid character class range"),
            ("(?P<n", "invalid named capture"),
            (r"\k<n>", "invalid escape sequence"),
            (r"\u0041", "invalid escape sequence"),
            (r"\x{110000}", "invalid escape sequence"),
            ("(?x) a", "invalid or unsupported Perl syntax"),
            ("(?i-u)a", "invalid or unsupported Perl syntax"),
            (r"\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL\pL", "invalid character class range"),
        ] {
            assert_eq!(compiled(regex).unwrap_err(), words, "{regex}");
        }
        compiled("((a{100}){100}){100}").unwrap_err();
    }

    #[test]
    fn an_expression_must_match_the_whole_name_and_means_what_it_means_in_re2j() {
        for (regex, name) in [
            ("a|ab", "ab"),
            ("^a$", "a"),
            ("", ""),
            ("(?i)A", "a"),
            (r"\Qa.b\E-.*", "a.b-c"),
            (r"\Qa.b", "a.b"),
            ("[a&&b]+", "a&b"),
            ("[[a]+", "[a"),
            ("[]a]+", "]a"),
            ("[^]a]", "b"),
            ("[+--]+", "+,-"),
            ("x{,2}", "x{,2}"),
            ("x{2}?", "xx"),
            (r"\pL\x{41}", "bA"),
            (r"(?i)\p{Lu}\x6c[\P{Greek}]", "alx"),
            (r"[^\p{Greek}é-ü]+", "a1"),
            (r"é|\Qü\E|\x{e9}|a", "a"),
            ("[a-é]{3}", "abz"),
            ("é.", "éà"),
            (r"(?s:.)\w\d", "-_7"),
            ("[[:alpha:]_]+", "a_b"),
            ("a+?", "aa"),
            ("(?:a|b)*", "abab"),
            ("(?P<n>a)", "a"),
            ("(?<n>a)", "a"),
        ] {
            assert!(matches(regex, name), "{regex} {name}");
        }
        for (regex, name) in [
            ("a", "ab"),
            ("b", "ab"),
            (r"\Qa.b\E", "axb"),
            ("[a&&a]", "b"),
            ("(?m)^a$", "a\nb"),
            (r"\p{Greek}", "a"),
            ("[é]", "e"),
            (r"\P{L}", "a"),
            ("a|b", "ab"),
        ] {
            assert!(!matches(regex, name), "{regex} {name}");
        }
    }
}
