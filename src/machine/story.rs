//! What the story runners of machines share: the words of a command, and a log in memory.

use std::collections::BTreeMap;

use super::{Rejected, Sink};

/// The words of a command: those with a `=` by key, and the others.
pub(crate) struct Words<'a> {
    pub(crate) plain: Vec<&'a str>,
    pub(crate) options: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        let (options, plain): (Vec<&str>, Vec<&str>) =
            line.split_whitespace().partition(|word| word.contains('='));
        Self { plain, options: options.iter().map(|word| word.split_once('=').unwrap()).collect() }
    }

    /// The option, if the command has it.
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.options.get(key).copied()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str, default: T) -> T {
        self.text(key).map_or(default, |text| text.parse().ok().unwrap())
    }
}

/// Records as they were appended.
pub(crate) struct Log<Record>(pub(crate) Vec<Record>);

impl<Record> Default for Log<Record> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Record: Clone> Sink<Record> for Log<Record> {
    type Error = std::fmt::Error;
    type Refusal = std::convert::Infallible;

    fn next_offset(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap()
    }

    fn append(&mut self, _: i64, records: &[Record]) -> Result<(), Rejected<Self::Refusal, Self::Error>> {
        self.0.extend_from_slice(records);
        Ok(())
    }
}
