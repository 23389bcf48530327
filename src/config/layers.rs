//! Where settings come from: Kafka's defaults, below a file, below the environment, below the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::environment;
use super::properties::{self, Malformed};

/// What the process was started with. Reading the file and the environment is the caller's part.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The properties file, if one was named.
    pub file: Option<File>,
    /// All environment variables; those that set no key are skipped.
    pub environment: Vec<(String, String)>,
    /// `--override` pairs in their order.
    pub overrides: Vec<(String, String)>,
}

/// A properties file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path as the user wrote it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where one setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the properties file.
    File {
        /// Its path.
        name: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The command line.
    Override,
    /// A default of barnabas for a node that was started without any configuration.
    Standalone,
    /// A change while the broker ran.
    Dynamic,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Override => f.write_str("command line, --override"),
            Self::Standalone => f.write_str("built-in default"),
            Self::Dynamic => f.write_str("dynamic configuration"),
        }
    }
}

/// One value as it was written, after escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The raw value.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// What every layer together sets, by key.
pub type Settings = BTreeMap<String, Setting>;

/// A layer that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {reason}")]
pub struct Unreadable {
    /// Where it happened.
    pub origin: Origin,
    /// The syntax error.
    pub reason: Malformed,
}

/// What a node is started with that is given neither a file nor `process.roles`: a whole cluster of one.
/// The CONTROLLER listener is not among it, since nobody else has to reach this controller.
const STANDALONE: [(&str, &str); 9] = [
    ("process.roles", "broker,controller"),
    ("listeners", "PLAINTEXT://localhost:9092"),
    ("log.dir", "./data"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// Lays the layers over each other. The flag is whether this is a node without configuration.
pub(super) fn merge(input: &Input) -> Result<(Settings, bool), Unreadable> {
    let mut settings = Settings::new();
    if let Some(file) = &input.file {
        read_file(file, &mut settings)?;
    }
    read_environment(&input.environment, &mut settings)?;
    for (key, value) in &input.overrides {
        settings.insert(key.clone(), Setting { value: value.clone(), origin: Origin::Override });
    }
    let standalone = input.file.is_none() && !settings.contains_key("process.roles");
    fill_node_id(&mut settings, standalone);
    if standalone {
        for (key, value) in STANDALONE {
            settings.entry(key.to_owned()).or_insert_with(|| built_in(value));
        }
    }
    Ok((settings, standalone))
}

fn built_in(value: &str) -> Setting {
    Setting { value: value.to_owned(), origin: Origin::Standalone }
}

fn read_file(file: &File, settings: &mut Settings) -> Result<(), Unreadable> {
    let name: Arc<str> = file.name.as_str().into();
    let origin = |line| Origin::File { name: name.clone(), line };
    let properties = properties::parse(&file.bytes)
        .map_err(|reason| Unreadable { origin: origin(reason.line), reason })?;
    for property in properties {
        let setting = Setting { value: property.value, origin: origin(property.line) };
        settings.insert(property.key, setting);
    }
    Ok(())
}

fn read_environment(environment: &[(String, String)], settings: &mut Settings) -> Result<(), Unreadable> {
    let mut variables: Vec<_> = environment.iter().collect();
    // Two variables may stand for one key; the order must not depend on the process's environment block.
    variables.sort();
    for (variable, raw) in variables {
        let Some(key) = environment::key_of(variable) else { continue };
        let origin = Origin::Environment { variable: variable.clone() };
        let value =
            properties::parse_value(raw).map_err(|reason| Unreadable { origin: origin.clone(), reason })?;
        settings.insert(key, Setting { value, origin });
    }
    Ok(())
}

/// `node.id` and `broker.id` stand in for each other (`AbstractKafkaConfig.populateSynonyms`).
fn fill_node_id(settings: &mut Settings, standalone: bool) {
    let (node_id, broker_id) = (settings.get("node.id").cloned(), settings.get("broker.id").cloned());
    match (node_id, broker_id) {
        (Some(_), Some(_)) => {}
        (Some(id), None) => drop(settings.insert("broker.id".to_owned(), id)),
        (None, Some(id)) => drop(settings.insert("node.id".to_owned(), id)),
        (None, None) if standalone => {
            settings.insert("node.id".to_owned(), built_in("1"));
            settings.insert("broker.id".to_owned(), built_in("1"));
        }
        (None, None) => {}
    }
}
