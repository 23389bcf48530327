//! RE2's syntax (RE2/J, which Kafka uses) in terms of the `regex` crate's, for names of topics, which are ASCII.
//!
//! They are nearly the same. RE2 quotes with `\Q` and `\E`; a brace that is no count stands for itself; in brackets
//! `[`, `&&`, `--` and `~~` mean nothing. RE2 refuses operators upon operators and large counts.
//!
//! What is made here is for the crate without Unicode: `(?i)\p{Any}` costs it 18 ms each time. Properties become what they
//! have of ASCII, and every other character one that no name has.

use std::str::Chars;

/// Largest count that RE2 takes.
const COUNT_MAX: u32 = 1000;

/// Properties that one expression may name: each is compiled, for some 100 µs.
const PROPERTIES_MAX: usize = 16;
/// Stands for every character that is not ASCII, in ranges too.
pub(super) const BEYOND_ASCII: u8 = 0x7F;

const BAD_CLASS: &str = "invalid character class range";
const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_FLAG: &str = "invalid or unsupported Perl syntax";
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
    if regex.matches(r"\p").count() + regex.matches(r"\P").count() > PROPERTIES_MAX {
        return Err(BAD_CLASS);
    }
    let mut out = String::with_capacity(regex.len());
    let mut after = After::Other;
    let mut chars = regex.chars();
    while let Some(c) = chars.next() {
        let before = std::mem::replace(&mut after, After::Other);
        match c {
            '\\' => escape(&mut chars, &mut out, Place::Outside)?,
            '[' => class(&mut chars, &mut out)?,
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
                let mut flags = chars.as_str().chars().take_while(|c| !matches!(c, ':' | ')'));
                let is_name = ["P<", "<"].iter().any(|start| chars.as_str().starts_with(start));
                if !is_name && flags.any(|flag| !matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
                    return Err(BAD_FLAG);
                }
            }
            // Thousands of groups that capture take a tenth of a second.
            '(' => out.push_str("(?:"),
            other => literal(other, &mut out),
        }
    }
    Ok(out)
}

/// Whether an escape is in brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Class,
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii() { out.push(c) } else { code(BEYOND_ASCII, out) }
}

fn code(byte: u8, out: &mut String) {
    out.push_str(&format!(r"\x{byte:02X}"));
}

/// After a backslash.
fn escape(chars: &mut Chars<'_>, out: &mut String, place: Place) -> Result<(), &'static str> {
    match chars.next() {
        Some('Q') => {
            let (quoted, rest) = chars.as_str().split_once(r"\E").unwrap_or((chars.as_str(), ""));
            regex::escape(quoted).chars().for_each(|c| literal(c, out));
            *chars = rest.chars();
        }
        Some(kind @ ('p' | 'P')) => {
            let members = property(&format!(r"\{kind}{}", argument(chars)))?;
            let (open, close) = if place == Place::Class { ("", "") } else { ("[", "]") };
            out.extend([open, &members, close]);
        }
        Some('x') => {
            let digits = match argument(chars) {
                braced if braced.starts_with('{') => braced,
                first => format!("{first}{}", chars.next().unwrap_or_default()),
            };
            let number = u32::from_str_radix(digits.trim_matches(['{', '}']), 16).map_err(|_| BAD_ESCAPE)?;
            let c = char::from_u32(number).ok_or(BAD_ESCAPE)?;
            code(u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(BEYOND_ASCII), out);
        }
        Some('u' | 'U') => return Err(BAD_ESCAPE),
        Some(next) if !next.is_ascii() => literal(next, out),
        next => {
            out.push('\\');
            out.extend(next);
        }
    }
    Ok(())
}

/// A character, or all in braces, which are part of it.
fn argument(chars: &mut Chars<'_>) -> String {
    let mut argument = String::new();
    for c in chars.by_ref() {
        argument.push(c);
        if c == '}' || !argument.starts_with('{') {
            break;
        }
    }
    argument
}

/// The members of a property in ASCII, and [`BEYOND_ASCII`].
fn property(property: &str) -> Result<String, &'static str> {
    let regex = regex::Regex::new(property).map_err(|_| BAD_CLASS)?;
    let mut members = String::new();
    code(BEYOND_ASCII, &mut members);
    for byte in 0..BEYOND_ASCII {
        if regex.is_match(char::from(byte).encode_utf8(&mut [0; 4])) {
            code(byte, &mut members);
        }
    }
    Ok(members)
}

/// After a bracket, to its end.
fn class(chars: &mut Chars<'_>, out: &mut String) -> Result<(), &'static str> {
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
            ']' => {
                out.push(']');
                break;
            }
            '\\' => escape(chars, out, Place::Class)?,
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
            other => literal(other, out),
        }
        last = c;
    }
    Ok(())
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
