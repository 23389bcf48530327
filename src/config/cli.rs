//! The command line: `barnabas [server.properties] [--override key=value]... [--version] [--help]`, as
//! `kafka-server-start.sh` takes it, except that the file may be left out. The tools read their own words.

/// Shown for `--help`, and after a wrong command line.
pub const USAGE: &str = "\
Usage: barnabas [server.properties] [--override key=value]...
       barnabas --version | --help
       barnabas storage | dump-log | topics ...

Without a file and without process.roles, a whole cluster of one starts: it listens on localhost:9092,
keeps its data in ./data and serves metrics on localhost:9404.

  --override key=value  set a key, over the file and the environment
  --version             print the version and exit
  --help                print this text and exit

  storage               what kafka-storage.sh does; a node needs none of it to start
  dump-log              what kafka-dump-log.sh does: shows what is in the files of a log
  topics                shows deleted topics that are kept, and brings them back

KAFKA_* environment variables set keys as in Apache Kafka's image: KAFKA_NUM_PARTITIONS=3 sets
num.partitions. docs/configuration.md lists every key.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start a node.
    Run {
        /// Path of the properties file.
        file: Option<String>,
        /// `--override` pairs in their order.
        overrides: Vec<(String, String)>,
    },
    /// Print the version.
    Version,
    /// Print [`USAGE`].
    Help,
}

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option that does not exist.
    #[error("{0} is not a recognized option")]
    UnknownOption(String),
    /// `--override` is the last word.
    #[error("Option override requires an argument")]
    MissingArgument,
    /// An override without a key.
    #[error("--override {0}: no key before '='")]
    MissingKey(String),
    /// More than one file.
    #[error("Found non argument parameters: {0}")]
    TooManyFiles(String),
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, Error> {
    let words: Vec<String> = words.into_iter().collect();
    if words.iter().any(|word| word == "--help") {
        return Ok(Command::Help);
    }
    if words.iter().any(|word| word == "--version") {
        return Ok(Command::Version);
    }
    let (mut files, mut overrides) = (Vec::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--override" {
            overrides.push(parse_override(&words.next().ok_or(Error::MissingArgument)?)?);
        } else if let Some(pair) = word.strip_prefix("--override=") {
            overrides.push(parse_override(pair)?);
        } else if word.starts_with('-') {
            return Err(Error::UnknownOption(word));
        } else {
            files.push(word);
        }
    }
    if files.len() > 1 {
        return Err(Error::TooManyFiles(files.split_off(1).join(",")));
    }
    Ok(Command::Run { file: files.pop(), overrides })
}

/// A pair without `=` sets the key to the empty text, as in Kafka.
fn parse_override(pair: &str) -> Result<(String, String), Error> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if key.is_empty() {
        return Err(Error::MissingKey(pair.to_owned()));
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Error> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_file_and_overrides_in_any_order() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            words("--override a=b=c s.properties --override=d --override a="),
            Ok(Command::Run {
                file: Some("s.properties".into()),
                overrides: vec![pair("a", "b=c"), pair("d", ""), pair("a", "")],
            })
        );
        assert_eq!(words(""), Ok(Command::Run { file: None, overrides: vec![] }));
    }

    #[test]
    fn help_and_version_win_over_mistakes() {
        assert_eq!(words("a b --version"), Ok(Command::Version));
        assert_eq!(words("--nope --version --help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_told_apart() {
        assert_eq!(words("a b c"), Err(Error::TooManyFiles("b,c".into())));
        assert_eq!(words("-daemon"), Err(Error::UnknownOption("-daemon".into())));
        assert_eq!(words("--override"), Err(Error::MissingArgument));
        assert_eq!(words("--override =b"), Err(Error::MissingKey("=b".into())));
    }
}
