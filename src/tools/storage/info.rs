//! `info`: what the log directories hold.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::Stop;
use crate::config::broker::Config;
use crate::log::disk::StdDisk;
use crate::log::meta_properties::{self, MetaProperties};

/// What was found.
#[derive(Default)]
struct Found {
    directories: Vec<String>,
    problems: Vec<String>,
    /// Of the first directory that has a readable file.
    properties: Option<MetaProperties>,
}

/// Exit code 1 means that there is a problem.
pub(super) fn run(config: &Config, out: &mut dyn Write) -> Result<ExitCode, Stop> {
    let mut found = Found::default();
    for directory in super::directories(config) {
        found.look(&directory);
    }
    if found.properties.as_ref().is_some_and(|properties| properties.version == 0) {
        let problem = "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories \
            are formatted for legacy mode.";
        found.problems.push(problem.to_owned());
    }
    let Found { directories, problems, properties } = found;
    print_list(["Found log directory:", "Found log directories:"], &directories, out)?;
    if let Some(properties) = properties {
        let fields: Vec<_> =
            properties.fields().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(out, "Found metadata: {{{}}}\n", fields.join(", "))?;
    }
    print_list(["Found problem:", "Found problems:"], &problems, out)?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_list([one, many]: [&str; 2], items: &[String], out: &mut dyn Write) -> Result<(), Stop> {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", if items.len() == 1 { one } else { many })?;
    for item in items {
        writeln!(out, "  {item}")?;
    }
    writeln!(out)?;
    Ok(())
}

impl Found {
    fn look(&mut self, directory: &Path) {
        let shown = directory.display().to_string();
        if !directory.is_dir() {
            let what = if directory.exists() { "is not a directory" } else { "does not exist" };
            self.problems.push(format!("{shown} {what}"));
            return;
        }
        match MetaProperties::read(&StdDisk, directory) {
            Ok(None) => self.problems.push(format!("{shown} is not formatted.")),
            Ok(Some(properties)) => self.compare(properties),
            Err(why) => {
                self.problems.push(format!("Error loading {shown}/{}: {why}", meta_properties::FILE));
            }
        }
        self.directories.push(shown);
    }

    fn compare(&mut self, properties: MetaProperties) {
        let Some(first) = &self.properties else {
            self.properties = Some(properties);
            return;
        };
        if first.cluster_id != properties.cluster_id {
            self.problems.push("Mismatched cluster IDs between storage directories.".to_owned());
        } else if first.node_id != properties.node_id {
            self.problems.push("Mismatched node IDs between storage directories.".to_owned());
        }
    }
}
