//! Java's `.properties` syntax (`java.util.Properties.load`): `=`, `:` or white space separates, `\`
//! escapes, a trailing `\` joins lines, `#` and `!` start comments, bytes are ISO-8859-1.

/// One logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key; may be empty.
    pub key: String,
    /// The value, not trimmed at its end.
    pub value: String,
    /// Number of the line that it starts on, from 1.
    pub line: usize,
}

/// A `\u` is not followed by four hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed \\uxxxx encoding.")]
pub struct Malformed {
    /// Number of the line, from 1; 0 if the text was not a file.
    pub line: usize,
}

const BACKSLASH: u16 = b'\\' as u16;

/// Reads a whole file. The caller decides what a repeated key means (Java: the last one wins).
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, Malformed> {
    let mut lines = Lines { bytes, at: 0, number: 0 };
    let mut properties = Vec::new();
    while let Some((line, units)) = lines.next_logical() {
        let (key, value) = split(&units);
        let text = |part| unescape(part).map_err(|_| Malformed { line });
        properties.push(Property { key: text(key)?, value: text(value)?, line });
    }
    Ok(properties)
}

/// Reads the value part of one property that did not come from a file, as an environment variable does.
pub fn parse_value(raw: &str) -> Result<String, Malformed> {
    let units: Vec<u16> = raw.encode_utf16().collect();
    let start = units.iter().position(|unit| !is_space(*unit)).unwrap_or(units.len());
    unescape(units.get(start..).unwrap_or_default())
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is neither blank nor a comment, with the lines that its end joins to it.
    fn next_logical(&mut self) -> Option<(usize, Vec<u16>)> {
        let mut units = Vec::new();
        let mut first = None;
        while let Some(natural) = self.next_natural() {
            let text = without_leading_space(natural);
            let starts_nothing = units.is_empty() && matches!(text.first(), Some(b'#' | b'!'));
            if starts_nothing || (text.is_empty() && first.is_none()) {
                continue;
            }
            let first = *first.get_or_insert(self.number);
            let joins = ends_in_odd_backslashes(text);
            let kept = if joins { text.split_last().map_or(text, |(_, head)| head) } else { text };
            units.extend(kept.iter().map(|byte| u16::from(*byte)));
            if !joins {
                return Some((first, units));
            }
        }
        first.map(|first| (first, units))
    }

    /// The next line as it stands in the file, without its end.
    fn next_natural(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        self.number += 1;
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let end = if rest[length..].starts_with(b"\r\n") { 2 } else { 1 };
        self.at += length + end;
        Some(&rest[..length])
    }
}

fn without_leading_space(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_space(u16::from(*byte))).unwrap_or(line.len());
    &line[start..]
}

fn ends_in_odd_backslashes(line: &[u8]) -> bool {
    line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn is_space(unit: u16) -> bool {
    matches!(u8::try_from(unit), Ok(b' ' | b'\t' | b'\x0c'))
}

fn is_separator(unit: u16) -> bool {
    matches!(u8::try_from(unit), Ok(b'=' | b':'))
}

/// Key and value, still escaped: the key ends at the first separator or space that no backslash precedes.
fn split(line: &[u16]) -> (&[u16], &[u16]) {
    let mut escaped = false;
    let key_end = line.iter().position(|unit| {
        let ends = !escaped && (is_separator(*unit) || is_space(*unit));
        escaped = *unit == BACKSLASH && !escaped;
        ends
    });
    let (key, rest) = line.split_at(key_end.unwrap_or(line.len()));
    let mut separated = false;
    let value_start = rest.iter().position(|unit| {
        let separator = !separated && is_separator(*unit);
        separated |= separator;
        !separator && !is_space(*unit)
    });
    (key, &rest[value_start.unwrap_or(rest.len())..])
}

/// Resolves `\t`, `\n`, `\r`, `\f`, `\uXXXX`; before any other character the backslash just goes, and before
/// the end of a line it takes that and the next line's indentation with it.
fn unescape(units: &[u16]) -> Result<String, Malformed> {
    let mut out = Vec::with_capacity(units.len());
    let mut rest = units;
    while let Some((unit, tail)) = rest.split_first() {
        rest = tail;
        if *unit != BACKSLASH {
            out.push(*unit);
            continue;
        }
        let Some((escaped, tail)) = rest.split_first() else { break };
        rest = tail;
        match u8::try_from(*escaped) {
            Ok(b't') => out.push(u16::from(b'\t')),
            Ok(b'n') => out.push(u16::from(b'\n')),
            Ok(b'r') => out.push(u16::from(b'\r')),
            Ok(b'f') => out.push(0x0c),
            Ok(b'u') => {
                let (digits, tail) = rest.split_at_checked(4).ok_or(Malformed { line: 0 })?;
                out.push(hexadecimal(digits)?);
                rest = tail;
            }
            Ok(b'\n') => {
                let start = rest.iter().position(|unit| !is_space(*unit)).unwrap_or(rest.len());
                rest = &rest[start..];
            }
            Ok(_) | Err(_) => out.push(*escaped),
        }
    }
    Ok(String::from_utf16_lossy(&out))
}

fn hexadecimal(digits: &[u16]) -> Result<u16, Malformed> {
    digits.iter().try_fold(0u16, |value, digit| {
        let digit = char::from_u32(u32::from(*digit)).and_then(|c| c.to_digit(16));
        let digit = digit.and_then(|digit| u16::try_from(digit).ok()).ok_or(Malformed { line: 0 })?;
        Ok((value << 4) | digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &[u8]) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().map(|p| (p.key, p.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = pairs(text.as_bytes());
        assert_eq!(all.len(), 1, "{text:?}");
        all.remove(0)
    }

    /// What `java.util.Properties` makes of the same lines.
    #[test]
    fn lines_read_as_in_java() {
        for (text, key, value) in [
            ("a\\ b=c\\tx\\\n   y", "a b", "c\txy"),
            ("h:i", "h", "i"),
            ("j   k", "j", "k"),
            ("l = m  ", "l", "m  "),
            ("n\\=o=p", "n=o", "p"),
            ("q", "q", ""),
            ("=r", "", "r"),
            ("\\u0041b=\\u00e9", "Ab", "é"),
            ("z=\\z\\\\", "z", "z\\"),
            ("w=a#b", "w", "a#b"),
            ("  \t v =1", "v", "1"),
            ("end=\\", "end", ""),
            ("a==b", "a", "=b"),
            ("a = = b", "a", "= b"),
            ("a=1\\\n\nb", "a", "1"),
            ("smile=\\ud83d\\ude00", "smile", "😀"),
        ] {
            let all = pairs(text.as_bytes());
            assert_eq!(all.first(), Some(&(key.to_owned(), value.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn comments_are_not_continued_and_continuations_are_not_comments() {
        assert_eq!(pairs(b"#a\\\nb=1\n  ! c=2\n"), [("b".to_owned(), "1".to_owned())]);
        assert_eq!(one("a=1\\\n#2"), ("a".into(), "1#2".into()));
    }

    #[test]
    fn every_line_end_counts_one_line() {
        let lines: Vec<_> =
            parse(b"a=1\rb=2\r\n\n#\nc=\\\r\n  3\nd=4").unwrap().into_iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2, 5, 7]);
        assert_eq!(pairs(b"c=\\\r\n  3"), [("c".to_owned(), "3".to_owned())]);
    }

    #[test]
    fn bytes_are_latin_1() {
        assert_eq!(pairs(b"k=\xe9"), [("k".to_owned(), "é".to_owned())]);
    }

    #[test]
    fn a_malformed_escape_names_its_line() {
        for text in ["a=1\nb=\\u12", "a=1\nb=\\u12g4x", "a=1\nb=\\u"] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed { line: 2 }), "{text:?}");
        }
    }

    #[test]
    fn a_value_by_itself_is_unescaped_and_keeps_bare_newlines() {
        assert_eq!(parse_value("  a\\tb\nc\\").unwrap(), "a\tb\nc");
        assert_eq!(parse_value("pem\\n\\\n  line").unwrap(), "pem\nline");
        assert_eq!(parse_value("").unwrap(), "");
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in ".{0,60}") {
            let _ = parse(&bytes);
            let _ = parse_value(&text);
        }

        #[test]
        fn whatever_is_escaped_comes_back(
            key in "[ -~\\t\\n]{1,20}",
            value in "[ -~\\t\\né]{0,40}",
        ) {
            let escape = |text: &str| text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect::<String>();
            let line = format!("{}={}\n", escape(&key), escape(&value));
            prop_assert_eq!(pairs(line.as_bytes()), vec![(key, value)]);
        }
    }
}
