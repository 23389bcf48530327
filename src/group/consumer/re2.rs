//! RE2's syntax (RE2/J, which Kafka uses) in terms of the `regex` crate's.
//!
//! They are nearly the same. RE2 quotes with `\Q` and `\E`; a brace that is no count stands for itself; in brackets
//! `[`, `&&`, `--` and `~~` mean nothing. RE2 refuses operators upon operators and large counts. What the crate
//! takes beyond RE2 (`(?x)`, `\u0041`) is taken here too: no topic's name depends on it.

use std::str::Chars;

/// Largest count that RE2 takes.
const COUNT_MAX: u32 = 1000;

pub(super) const BAD_COUNT: &str = "invalid repeat count";
pub(super) const NESTED: &str = "invalid nested repetition operator";

/// What an operator may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// Something to repeat, or nothing.
    Other,
    /// An operator, which a question mark may follow.
    Operator,
    /// An operator and its question mark.
    Reluctant,
}

/// Puts an expression in the crate's words; or what RE2 has against it that the crate has not.
pub(super) fn translated(regex: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(regex.len());
    let mut after = After::Other;
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        let before = std::mem::replace(&mut after, After::Other);
        match c {
            '\\' => escape(&mut chars, &mut out),
            '[' => class(&mut chars, &mut out),
            '{' => match count(chars.as_str())? {
                Some(_) if before != After::Other => return Err(NESTED),
                Some(len) => {
                    out.push('{');
                    out.extend(chars.by_ref().take(len));
                    after = After::Operator;
                }
                None => out.push_str(r"\{"),
            },
            '*' | '+' if before != After::Other => return Err(NESTED),
            '?' if before == After::Reluctant => return Err(NESTED),
            '*' | '+' | '?' => {
                after = if before == After::Operator { After::Reluctant } else { After::Operator };
                out.push(c);
            }
            '(' if chars.as_str().starts_with('?') => {
                out.push_str("(?");
                chars.next();
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

/// After a backslash.
fn escape(chars: &mut Chars<'_>, out: &mut String) {
    match chars.next() {
        Some('Q') => {
            let (quoted, rest) = chars.as_str().split_once(r"\E").unwrap_or((chars.as_str(), ""));
            out.push_str(&regex::escape(quoted));
            *chars = rest.chars();
        }
        next => {
            out.push('\\');
            out.extend(next);
            if matches!(next, Some('p' | 'P' | 'x')) && chars.as_str().starts_with('{') {
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
        }
    }
}

/// After a bracket, to its end.
fn class(chars: &mut Chars<'_>, out: &mut String) {
    out.push('[');
    for first in ['^', ']'] {
        if let Some(rest) = chars.as_str().strip_prefix(first) {
            out.push(first);
            *chars = rest.chars();
        }
    }
    let mut last = '[';
    while let Some(c) = chars.next() {
        match c {
            ']' => return out.push(']'),
            '\\' => escape(chars, out),
            '[' if chars.as_str().starts_with(':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            '-' if last == '-' => out.push_str(r"\-"),
            other => out.push(other),
        }
        last = c;
    }
}

/// How many characters of `rest` make a count with its closing brace; none if it is not one.
fn count(rest: &str) -> Result<Option<usize>, &'static str> {
    let Some((inner, _)) = rest.split_once('}') else { return Ok(None) };
    let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(least) || !(is_number(most) || most.is_empty()) {
        return Ok(None);
    }
    let of = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    let (from, to) = (of(least), if most.is_empty() { of(least) } else { of(most) });
    if from > to || to > COUNT_MAX { Err(BAD_COUNT) } else { Ok(Some(inner.len() + 1)) }
}
