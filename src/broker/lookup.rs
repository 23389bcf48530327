//! What `${env:...}`, `${file:...}` and `${dir:...}` in configuration values stand for.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::properties;
use crate::config::providers::{Provider, Reference};

/// Looks a reference up in the environment or the file system.
pub fn config_lookup(reference: &Reference<'_>) -> Result<Option<String>, String> {
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
