//! `--name value` options.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};

pub(crate) struct Args {
    pub(crate) command: String,
    values: HashMap<String, String>,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let command =
            words.next().context("usage: load <command> --bootstrap HOST:PORT [--option value]...")?;
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else { bail!("unexpected argument {word}") };
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self { command, values })
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        self.values.get(name).map(String::as_str).with_context(|| format!("--{name} is needed"))
    }

    pub(crate) fn text_or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.values.get(name).map_or(default, String::as_str)
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.values.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| anyhow!("--{name} {text} is no number in range")),
        }
    }

    /// The address of the broker under test.
    pub(crate) fn bootstrap(&self) -> Result<&str> {
        self.text("bootstrap")
    }
}
