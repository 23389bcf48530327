//! The options of a tool's command line: `--name value`, `--name=value`, flags, and names with several spellings.
//!
//! Kafka's tools use two parsers that word their errors differently, so wording them is left to each tool.

/// One option that a tool knows.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its spellings with their dashes; the first is its name.
    pub names: &'static [&'static str],
    /// Whether a value follows.
    pub takes_value: bool,
}

impl Spec {
    /// An option that is there or not.
    pub const fn flag(names: &'static [&'static str]) -> Self {
        Self { names, takes_value: false }
    }

    /// An option with a value.
    pub const fn value(names: &'static [&'static str]) -> Self {
        Self { names, takes_value: true }
    }
}

/// Why the words make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No option is spelled so.
    Unknown(String),
    /// A value is missing; holds the option's name.
    MissingValue(&'static str),
    /// A flag was given a value; holds the option's name.
    UnexpectedValue(&'static str),
}

/// What was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    given: Vec<(&'static str, String)>,
    /// Words that are neither an option nor the value of one.
    pub rest: Vec<String>,
}

impl Options {
    /// Reads `words`; what follows `--` is no option.
    pub fn parse(words: &[String], specs: &[Spec]) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                options.rest.extend(words.by_ref().cloned());
            } else if !word.starts_with('-') || word == "-" {
                options.rest.push(word.clone());
            } else {
                options.take(word, &mut words, specs)?;
            }
        }
        Ok(options)
    }

    fn take<'a>(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = &'a String>,
        specs: &[Spec],
    ) -> Result<(), Error> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let spec = find(name, specs).ok_or_else(|| Error::Unknown(word.to_owned()))?;
        let known = spec.names[0];
        let value = match (spec.takes_value, attached) {
            (true, Some(value)) => value,
            (true, None) => words.next().cloned().ok_or(Error::MissingValue(known))?,
            (false, Some(_)) => return Err(Error::UnexpectedValue(known)),
            (false, None) => String::new(),
        };
        self.given.push((known, value));
        Ok(())
    }

    /// Whether the option of that name was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Its last value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    /// All its values in their order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

/// The option that is spelled so, or the only one whose long name begins so: both parsers take abbreviations.
fn find<'a>(name: &str, specs: &'a [Spec]) -> Option<&'a Spec> {
    let begins =
        |spec: &&Spec| spec.names.iter().any(|full| full.starts_with("--") && full.starts_with(name));
    let exact = specs.iter().find(|spec| spec.names.contains(&name));
    let only = || match specs.iter().filter(begins).collect::<Vec<_>>()[..] {
        [only] => Some(only),
        [] | [_, ..] => None,
    };
    exact.or_else(|| only().filter(|_| name.len() > 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[Spec::value(&["--config", "-c"]), Spec::flag(&["--deep"])];

    fn parse(line: &str) -> Result<Options, Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words, SPECS)
    }

    #[test]
    fn all_spellings_of_an_option_count_under_its_name() {
        let options = parse("-c a x --de --config=b=c -- --deep").unwrap();
        assert_eq!(options.values("--config").collect::<Vec<_>>(), ["a", "b=c"]);
        assert_eq!(options.value("--config"), Some("b=c"));
        assert!(options.has("--deep") && !options.has("-c"));
        assert_eq!(options.rest, ["x", "--deep"]);
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(parse("--"), Ok(Options::default()));
        assert_eq!(parse("-d"), Err(Error::Unknown("-d".into())));
        assert_eq!(parse("--nope=1"), Err(Error::Unknown("--nope=1".into())));
        assert_eq!(parse("x -c"), Err(Error::MissingValue("--config")));
        assert_eq!(parse("--deep=1"), Err(Error::UnexpectedValue("--deep")));
    }
}
