//! The configuration of this process: the file, the environment, and what `${env:...}`, `${file:...}` and `${dir:...}`
//! in values stand for.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::broker::Config;
use crate::config::layers::{File, Input};
use crate::config::properties;
use crate::config::providers::{Provider, Reference};

/// Reads the file and the environment, below the `overrides`.
pub fn load_config(file: Option<String>, overrides: Vec<(String, String)>) -> Result<Config, String> {
    let file = match file {
        Some(name) => {
            let bytes = fs::read(&name).map_err(|why| format!("{name}: {why}"))?;
            Some(File { name, bytes })
        }
        None => None,
    };
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let input = Input { file, environment, overrides };
    Config::load(&input, &config_lookup).map_err(|why| why.to_string())
}

/// Looks a reference up in the environment or the file system.
fn config_lookup(reference: &Reference<'_>) -> Result<Option<String>, String> {
    match reference.provider {
        Provider::Environment => Ok(std::env::var(reference.key).ok()),
        Provider::File => {
            let Some(bytes) = read(Path::new(reference.path))? else { return Ok(None) };
            let found = properties::parse(&bytes).map_err(|why| format!("{}: {why}", reference.path))?;
            Ok(found.into_iter().rev().find(|property| property.key == reference.key).map(|p| p.value))
        }
        Provider::Directory => {
            let Some(bytes) = read(&Path::new(reference.path).join(reference.key))? else { return Ok(None) };
            let text = String::from_utf8(bytes).map_err(|_| format!("{} is not text", reference.key))?;
            Ok(Some(text))
        }
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(format!("{}: {why}", path.display())),
    }
}
