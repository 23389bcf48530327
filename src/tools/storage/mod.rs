//! `barnabas storage`: what `kafka-storage.sh` of Apache Kafka 4.3 does, in its words (`kafka.tools.StorageTool`).
//!
//! A node needs none of it: it formats its directories itself when it first starts.

mod format;
mod info;
mod releases;
mod scram;
#[cfg(test)]
mod tests;
mod voters;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Stop;
use super::options::{Error, Options, Spec};
use crate::base::id::uuid_to_text;
use crate::base::random::Random;
use crate::broker;
use crate::config::broker::Config;

const COMMANDS: [&Command; 5] = [&INFO, &FORMAT, &VERSION_MAPPING, &FEATURE_DEPENDENCIES, &RANDOM_UUID];

const USAGE: &str = "usage: barnabas storage [-h] \
    {info,format,version-mapping,feature-dependencies,random-uuid} ...\n";

/// One command with its options, as the usage shows them.
struct Command {
    name: &'static str,
    usage: &'static str,
    options: &'static [Spec],
    required: &'static [&'static str],
    about: &'static str,
}

const HELP: Spec = Spec::flag(&["--help", "-h"]);
const CONFIG: Spec = Spec::value(&["--config", "-c"]);
const CLUSTER_ID: Spec = Spec::value(&["--cluster-id", "-t"]);
const ADD_SCRAM: Spec = Spec::value(&["--add-scram", "-S"]);
const IGNORE_FORMATTED: Spec = Spec::flag(&["--ignore-formatted", "-g"]);
const RELEASE_VERSION: Spec = Spec::value(&["--release-version", "-r"]);
const FEATURE: Spec = Spec::value(&["--feature", "-f"]);
const STANDALONE: Spec = Spec::flag(&["--standalone", "-s"]);
const NO_INITIAL_CONTROLLERS: Spec = Spec::flag(&["--no-initial-controllers", "-N"]);
const INITIAL_CONTROLLERS: Spec = Spec::value(&["--initial-controllers", "-I"]);
/// At most one of these is given.
const QUORUM: [Spec; 3] = [STANDALONE, NO_INITIAL_CONTROLLERS, INITIAL_CONTROLLERS];

const INFO: Command = Command {
    name: "info",
    usage: "[-h] --config CONFIG",
    options: &[HELP, CONFIG],
    required: &["--config"],
    about: "say what the log directories of this node hold",
};

const FORMAT: Command = Command {
    name: "format",
    usage: "[-h] --config CONFIG --cluster-id CLUSTER_ID\n    [--add-scram ADD_SCRAM] [--ignore-formatted]\n    \
        [--release-version RELEASE_VERSION]\n    [--feature FEATURE] [--standalone |\n    \
        --no-initial-controllers |\n    --initial-controllers INITIAL_CONTROLLERS]",
    options: &[
        HELP,
        CONFIG,
        CLUSTER_ID,
        ADD_SCRAM,
        IGNORE_FORMATTED,
        RELEASE_VERSION,
        FEATURE,
        STANDALONE,
        NO_INITIAL_CONTROLLERS,
        INITIAL_CONTROLLERS,
    ],
    required: &["--config", "--cluster-id"],
    about: "prepare the log directories of this node",
};

const VERSION_MAPPING: Command = Command {
    name: "version-mapping",
    usage: "[-h]\n    [--release-version RELEASE_VERSION]",
    options: &[HELP, RELEASE_VERSION],
    required: &[],
    about: "print the feature levels of a release, of the newest one if none is named",
};

const FEATURE_DEPENDENCIES: Command = Command {
    name: "feature-dependencies",
    usage: "[-h] --feature FEATURE",
    options: &[HELP, FEATURE],
    required: &["--feature"],
    about: "print what feature levels (name=level) need",
};

const RANDOM_UUID: Command = Command {
    name: "random-uuid",
    usage: "[-h]",
    options: &[HELP],
    required: &[],
    about: "print a fresh cluster id",
};

/// Runs the command that the first word names.
pub(super) fn run(words: &[String], out: &mut dyn Write) -> Result<ExitCode, Stop> {
    let Some((name, words)) = words.split_first() else {
        return Err(Stop::Failed(format!("{USAGE}barnabas storage: error: too few arguments")));
    };
    if HELP.names.contains(&name.as_str()) {
        return help(out);
    }
    let Some(command) = COMMANDS.into_iter().find(|command| command.name == name) else {
        let known: Vec<_> = COMMANDS.iter().map(|command| format!("'{}'", command.name)).collect();
        let known = known.join(", ");
        let why = format!("{USAGE}barnabas storage: error: invalid choice: '{name}' (choose from {known})");
        return Err(Stop::Failed(why));
    };
    let options = command.parse(words)?;
    if options.has("--help") {
        write!(out, "{}\n{}\n", command.usage_line(), command.about)?;
        return Ok(ExitCode::SUCCESS);
    }
    match name.as_str() {
        "info" => return info::run(&config(&options)?, out),
        "format" => format::run(&options, &config(&options)?, out)?,
        "version-mapping" => releases::print_mapping(options.value("--release-version"), out)?,
        "feature-dependencies" => releases::print_dependencies(options.values("--feature"), out)?,
        _ => writeln!(out, "{}", uuid_to_text(Random::system().uuid()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn help(out: &mut dyn Write) -> Result<ExitCode, Stop> {
    writeln!(out, "{USAGE}")?;
    for command in COMMANDS {
        writeln!(out, "  {:<22}{}", command.name, command.about)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Command {
    fn usage_line(&self) -> String {
        format!("usage: barnabas storage {} {}\n", self.name, self.usage)
    }

    fn parse(&self, words: &[String]) -> Result<Options, Stop> {
        let wrong = |why: String| {
            let usage = self.usage_line();
            Stop::Failed(format!("{usage}barnabas storage: error: {why}"))
        };
        let options = Options::parse(words, self.options).map_err(|error| {
            wrong(match error {
                Error::Unknown(word) => format!("unrecognized arguments: '{word}'"),
                Error::MissingValue(name) => format!("argument {}: expected one argument", self.shown(name)),
                Error::UnexpectedValue(name) => {
                    format!("argument {}: ignored explicit argument", self.shown(name))
                }
            })
        })?;
        if options.has("--help") {
            return Ok(options);
        }
        if !options.rest.is_empty() {
            return Err(wrong(format!("unrecognized arguments: '{}'", options.rest.join(" "))));
        }
        if let Some(missing) = self.required.iter().find(|name| !options.has(name)) {
            return Err(wrong(format!("argument {} is required", self.shown(missing))));
        }
        let chosen: Vec<_> = QUORUM.iter().filter(|spec| options.has(spec.names[0])).collect();
        if let [first, second, ..] = chosen[..] {
            let (first, second) = (first.names.join("/"), second.names.join("/"));
            return Err(wrong(format!("argument {second}: not allowed with argument {first}")));
        }
        Ok(options)
    }

    /// An option with all its spellings.
    fn shown(&self, name: &str) -> String {
        let spec = self.options.iter().find(|spec| spec.names[0] == name);
        spec.map_or_else(|| name.to_owned(), |spec| spec.names.join("/"))
    }
}

fn config(options: &Options) -> Result<Config, Stop> {
    let file = options.value("--config").map(str::to_owned);
    broker::load_config(file, Vec::new()).map_err(Stop::Failed)
}

/// Every directory of the node, sorted.
fn directories(config: &Config) -> Vec<PathBuf> {
    let all = config.logs.dirs.iter().chain([&config.logs.metadata_dir]);
    all.cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
