//! What tests of several messages share.

use uuid::Uuid;

/// The topic id in the reference bytes.
pub(super) const TOPIC_ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_1112_1314_1516_1718);

/// Bytes that Kafka's own classes wrote (`reference.txt`).
pub(super) fn reference(name: &str) -> Vec<u8> {
    let lines = include_str!("reference.txt").lines();
    let found = lines.filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == name);
    unhex(found.unwrap_or_else(|| panic!("no reference bytes for {name}")).1)
}

pub(super) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
