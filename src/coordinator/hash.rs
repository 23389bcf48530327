//! From a key to its partition.

/// `Utils.abs(key.hashCode()) % partitions`: Java's hash, over UTF-16 code units.
pub(super) fn partition_of(key: &str, partitions: i32) -> i32 {
    let hash =
        key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_like_java() {
        for (key, partition) in [
            ("", 0),
            ("a", 47),
            // "hello".hashCode() is 99162322.
            ("hello", 22),
            // "polygenelubricants".hashCode() is Integer.MIN_VALUE.
            ("polygenelubricants", 0),
            // "gruppé".hashCode() is -1237458513; "😀".hashCode() is 1772899, from two code units.
            ("😀", 49),
        ] {
            assert_eq!(partition_of(key, 50), partition, "{key}");
        }
    }
}
