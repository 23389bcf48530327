//! Values as Java prints them.

/// `Double.toString`: at least one digit after the point, and an exponent outside of 10^-3 to 10^7.
pub fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return with_fraction(&value.to_string());
    }
    let scientific = format!("{value:E}");
    match scientific.split_once('E') {
        Some((mantissa, exponent)) => format!("{}E{exponent}", with_fraction(mantissa)),
        None => scientific,
    }
}

fn with_fraction(digits: &str) -> String {
    if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") }
}

/// The text that `new String(bytes, UTF_8)` makes of any bytes. Java takes a surrogate's bytes for one mistake, Rust
/// for three.
pub fn utf8_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut of_surrogate = 0;
    for chunk in bytes.utf8_chunks() {
        let invalid = chunk.invalid();
        let continues = of_surrogate > 0 && chunk.valid().is_empty() && matches!(invalid, [0x80..=0xbf]);
        if continues {
            of_surrogate -= 1;
            continue;
        }
        text.push_str(chunk.valid());
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        of_surrogate = if invalid == [0xed] { 2 } else { 0 };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_a_fraction_and_an_exponent_where_java_has_one() {
        let texts = [(0.0, "0.0"), (1e7, "1.0E7"), (0.001, "0.001"), (1.5e-4, "1.5E-4"), (f64::NAN, "NaN")];
        for (value, text) in texts {
            assert_eq!(double_text(value), text);
        }
    }

    #[test]
    fn a_surrogate_is_one_mistake_however_much_of_it_is_there() {
        for (bytes, text) in [
            (&b"\xed\xa5\x80a"[..], "\u{fffd}a"),
            (b"\xed\xa5a", "\u{fffd}a"),
            (b"\xed\xa5\x80\x80", "\u{fffd}\u{fffd}"),
            (b"\xed\xedz", "\u{fffd}\u{fffd}z"),
            (b"\xedz\x80", "\u{fffd}z\u{fffd}"),
            (b"\xe2\x82\xf0\x90\x80z", "\u{fffd}\u{fffd}z"),
        ] {
            assert_eq!(utf8_text(bytes), text, "{bytes:?}");
        }
    }
}
