//! Log levels of the running broker, the resource type BROKER_LOGGER (`RuntimeLoggerManager`, `LoggingController`).
//!
//! A logger is a module of the broker, named as its lines are in the log, but with dots, which are all that kafka-configs
//! lets through; `root` is the rest. One without a level of its own has that of the longest name that its own begins with.
//! Levels end with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use parking_lot::Mutex;
use tracing::info;

use super::alter_resources::{Refusal, check_node, invalid};
use super::context::Context;
use super::error::Code;

/// The logger of everything that has no other.
const ROOT: &str = "root";

/// The modules that log.
const MODULES: [&str; 11] = [
    "barnabas",
    "barnabas.api",
    "barnabas.broker",
    "barnabas.controller",
    "barnabas.coordinator",
    "barnabas.group",
    "barnabas.log",
    "barnabas.net",
    "barnabas.partition",
    "barnabas.raft",
    "barnabas.txn",
];

/// From which weight on lines are logged, by Kafka's names. Nothing here is FATAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Error,
    Fatal,
    Info,
    Trace,
    Warn,
}

impl Level {
    /// In the order in which Kafka lists them.
    const ALL: [Self; 6] = [Self::Debug, Self::Error, Self::Fatal, Self::Info, Self::Trace, Self::Warn];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Info => "INFO",
            Self::Trace => "TRACE",
            Self::Warn => "WARN",
        }
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|level| level.name() == name).ok_or(())
    }
}

/// The level of everything, and of what has another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of the root.
    pub root: Level,
    /// By the beginning of a module's name, with dots.
    pub own: BTreeMap<String, Level>,
}

impl Levels {
    fn names(&self) -> BTreeSet<&str> {
        let own = self.own.keys().map(String::as_str);
        MODULES.into_iter().chain([ROOT]).chain(own).collect()
    }

    fn of(&self, name: &str) -> Level {
        let longest = self.own.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        longest.max_by_key(|(prefix, _)| prefix.len()).map_or(self.root, |(_, level)| *level)
    }

    /// None gives a logger back the level of those above it.
    fn set(&mut self, name: &str, level: Option<Level>) {
        match level {
            Some(level) if name == ROOT => self.root = level,
            Some(level) => drop(self.own.insert(name.to_owned(), level)),
            None => drop(self.own.remove(name)),
        }
    }
}

/// Tells whoever writes the log which lines to write.
pub type Apply = Box<dyn Fn(&Levels) + Send + Sync>;

/// The loggers of this process.
pub struct Loggers {
    levels: Mutex<Levels>,
    apply: Apply,
}

impl Loggers {
    /// Loggers that have `levels` already.
    pub fn new(levels: Levels, apply: Apply) -> Self {
        Self { levels: Mutex::new(levels), apply }
    }

    /// Every logger with its level.
    pub(super) fn list(&self) -> Vec<(String, &'static str)> {
        let levels = self.levels.lock();
        levels.names().into_iter().map(|name| (name.to_owned(), levels.of(name).name())).collect()
    }

    fn change(&self, changes: &[(&str, Option<Level>)]) {
        let mut levels = self.levels.lock();
        for (name, level) in changes {
            levels.set(name, *level);
            info!(logger = name, level = level.map(Level::name), "log level changed");
        }
        (self.apply)(&levels);
    }
}

/// Changes the levels, all of them or none.
pub(super) fn alter(
    context: &Context,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    check_node(context, &asked.resource_name, "Unexpected node id. Expected")?;
    let mut changes = Vec::new();
    for config in &asked.configs {
        let name = config.name.as_str();
        let check_known = || {
            let unknown = (Code::InvalidConfig, format!("Logger {name} does not exist!").into());
            if context.loggers.levels.lock().names().contains(name) { Ok(()) } else { Err(unknown) }
        };
        match config.config_operation {
            0 => {
                check_known()?;
                changes.push((name, Some(level(name, config.value.as_deref().unwrap_or_default())?)));
            }
            1 => {
                check_known()?;
                if name == ROOT {
                    let message = format!("Removing the log level of the {ROOT} logger is not allowed");
                    return Err(invalid(message));
                }
                changes.push((name, None));
            }
            2 => return Err(invalid("APPEND operation is not allowed for the BROKER_LOGGER resource")),
            3 => return Err(invalid("SUBTRACT operation is not allowed for the BROKER_LOGGER resource")),
            other => {
                let message =
                    format!("Unknown operation type {other} is not allowed for the BROKER_LOGGER resource");
                return Err(invalid(message));
            }
        }
    }
    if !validate_only {
        context.loggers.change(&changes);
    }
    Ok(())
}

fn level(logger: &str, name: &str) -> Result<Level, Refusal> {
    name.parse().map_err(|()| {
        let message = format!(
            "Cannot set the log level of {logger} to {name} as it is not a supported log level. Valid log levels are {}",
            Level::ALL.map(Level::name).join(", ")
        );
        (Code::InvalidConfig, message.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_the_list_names_exists() {
        let library = include_str!("../lib.rs");
        let is_there = |module: &str| library.contains(&format!("pub mod {module};"));
        assert!(MODULES.iter().filter_map(|name| name.strip_prefix("barnabas.")).all(is_there));
    }

    #[test]
    fn a_logger_follows_the_nearest_one_above_it_until_it_has_a_level_of_its_own() {
        let mut levels = Levels { root: Level::Info, own: BTreeMap::new() };
        levels.set("barnabas", Some(Level::Warn));
        levels.set("barnabas.log", Some(Level::Trace));
        levels.set(ROOT, Some(Level::Error));
        let of = |levels: &Levels| ["root", "barnabas.net", "barnabas.log"].map(|name| levels.of(name));
        assert_eq!(of(&levels), [Level::Error, Level::Warn, Level::Trace]);
        levels.set("barnabas.log", None);
        levels.set("barnabas", None);
        assert_eq!(of(&levels), [Level::Error; 3]);
    }
}
