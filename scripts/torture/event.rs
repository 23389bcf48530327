//! One line of a history, as the client programs write it.
//!
//! Every line has `p`, the process (a new name for each life of a program), `at`, the machine's monotonic clock in
//! nanoseconds, and `do`:
//!
//! | do | further fields | meaning |
//! |---|---|---|
//! | `send` | `tp` `value` `txn`? `from`? `group`? | is about to be sent; `from` is the input that a loop of `group` transforms |
//! | `ack` | `value` `offset` | the broker has it (offset -1: it does not say where) |
//! | `fail` | `value` | was never sent |
//! | `offsets` | `txn` `group` `offsets` | goes into the transaction |
//! | `commit` | `txn` | is about to be asked for |
//! | `committed`, `aborted` | `txn` | is acknowledged |
//! | `assign` | `tps` | the process may read these from anywhere now |
//! | `poll` | `level` `records` `txn`? | came back at `at`; `level` is `rc` or `ru`, a record is `[tp, offset, value]` |
//! | `position` | `since` `group` `offsets` `last`? | the group's stable offsets, asked for at `since`; `last`: after everything else |
//! | `final` | `level` `ends` | the process has read these partitions from the beginning up to these positions |

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

/// What a reader gets to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    Committed,
    Uncommitted,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) process: String,
    pub(crate) at: i64,
    pub(crate) what: What,
}

pub(crate) type Offsets = Vec<(String, i64)>;

#[derive(Debug)]
pub(crate) enum What {
    Send { tp: String, value: String, txn: Option<String>, from: Option<(String, String)> },
    Ack { value: String, offset: i64 },
    Fail { value: String },
    Offsets { txn: String, group: String, offsets: Offsets },
    Commit { txn: String },
    Committed { txn: String },
    Aborted { txn: String },
    Assign { tps: Vec<String> },
    Poll { level: Level, txn: Option<String>, records: Vec<(String, i64, String)> },
    Position { since: i64, group: String, offsets: Offsets, last: bool },
    Final { level: Level, ends: Offsets },
}

/// The lines of one file. Its process may have been killed while it wrote the last one, which then does not count.
pub(crate) fn parse(text: &str) -> impl Iterator<Item = Result<Event>> + '_ {
    text.split_inclusive('\n').enumerate().filter(|(_, line)| line.ends_with('\n')).map(|(number, line)| {
        event(line).with_context(|| format!("line {}: {}", number + 1, line.trim_end()))
    })
}

fn event(line: &str) -> Result<Event> {
    let line: Json = serde_json::from_str(line)?;
    let what = match text(&line, "do")?.as_str() {
        "send" => {
            let from =
                optional(&line, "from").map(|from| Ok::<_, anyhow::Error>((text(&line, "group")?, from)));
            let (tp, value) = (text(&line, "tp")?, text(&line, "value")?);
            What::Send { tp, value, txn: optional(&line, "txn"), from: from.transpose()? }
        }
        "ack" => What::Ack { value: text(&line, "value")?, offset: number(&line, "offset")? },
        "fail" => What::Fail { value: text(&line, "value")? },
        "offsets" => {
            let (txn, group) = (text(&line, "txn")?, text(&line, "group")?);
            What::Offsets { txn, group, offsets: offsets(&line, "offsets")? }
        }
        "commit" => What::Commit { txn: text(&line, "txn")? },
        "committed" => What::Committed { txn: text(&line, "txn")? },
        "aborted" => What::Aborted { txn: text(&line, "txn")? },
        "assign" => What::Assign { tps: list(&line, "tps")?.iter().map(string).collect::<Result<_>>()? },
        "poll" => {
            let records = list(&line, "records")?.iter().map(record).collect::<Result<_>>()?;
            What::Poll { level: level(&line)?, txn: optional(&line, "txn"), records }
        }
        "position" => What::Position {
            since: number(&line, "since")?,
            group: text(&line, "group")?,
            offsets: offsets(&line, "offsets")?,
            last: line["last"].as_bool().unwrap_or(false),
        },
        "final" => What::Final { level: level(&line)?, ends: offsets(&line, "ends")? },
        other => bail!("nobody does {other}"),
    };
    Ok(Event { process: text(&line, "p")?, at: number(&line, "at")?, what })
}

fn string(json: &Json) -> Result<String> {
    Ok(json.as_str().context("a string is needed")?.to_owned())
}

fn text(line: &Json, name: &str) -> Result<String> {
    string(&line[name]).with_context(|| name.to_owned())
}

fn optional(line: &Json, name: &str) -> Option<String> {
    line[name].as_str().map(str::to_owned)
}

fn number(line: &Json, name: &str) -> Result<i64> {
    line[name].as_i64().with_context(|| format!("{name} is no number"))
}

fn list<'a>(line: &'a Json, name: &str) -> Result<&'a Vec<Json>> {
    line[name].as_array().with_context(|| format!("{name} is no list"))
}

fn offsets(line: &Json, name: &str) -> Result<Offsets> {
    let object = line[name].as_object().with_context(|| format!("{name} is no object"))?;
    object
        .iter()
        .map(|(tp, offset)| Ok((tp.clone(), offset.as_i64().context("an offset is needed")?)))
        .collect()
}

fn level(line: &Json) -> Result<Level> {
    match text(line, "level")?.as_str() {
        "rc" => Ok(Level::Committed),
        "ru" => Ok(Level::Uncommitted),
        other => bail!("no level {other}"),
    }
}

fn record(json: &Json) -> Result<(String, i64, String)> {
    let fields = json.as_array().filter(|fields| fields.len() == 3).context("a record has three fields")?;
    Ok((string(&fields[0])?, fields[1].as_i64().context("a record has an offset")?, string(&fields[2])?))
}
