//! What the stories of machines share. A story is a file with a command per line, and below it, behind `>`, what came of
//! it; a line that is empty or begins with `#` is no command.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Rejected, Sink};

/// Asserts that the story reads as it is played; `play` runs one command and tells what came of it, a line each.
pub(crate) fn check(file: &str, story: &str, mut play: impl FnMut(&str) -> String) {
    let mut played = String::new();
    for line in story.lines().filter(|line| !line.starts_with('>')) {
        writeln!(played, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for line in play(line).lines() {
            writeln!(played, "> {}", line.trim_end()).unwrap();
        }
    }
    assert!(played == story, "{file} should read\n{played}");
}

/// One test per story in the folder `testdata`; each has a player of its own.
macro_rules! stories {
    ($player:expr; $($name:ident: $file:literal,)*) => {$(
        #[test]
        fn $name() {
            $crate::machine::story::check($file, include_str!(concat!("testdata/", $file)), $player);
        }
    )*};
}
pub(crate) use stories;

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
