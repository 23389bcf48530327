//! `barnabas topics`: deleted topics that can be brought back (`barnabas.topic.trash.ms`). Apache Kafka has no such tool.
//!
//! What is in the trash is read from the log directories, which the words of the node's own command line name, whether the
//! node runs or not. A restore is the running node's work: it is asked with a CreateTopics request.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use super::Stop;
use super::options::{Error as OptionError, Options, Spec};
use crate::api::restore_topic::{PURGE, RESTORE};
use crate::base::id::{TopicId, uuid_from_text};
use crate::base::reader::{ReadError, Reader};
use crate::broker;
use crate::config::broker::Config;
use crate::log::disk::{Disk, StdDisk};
use crate::log::trash::{self, Trashed};

const USAGE: &str = "\
Usage: barnabas topics list-trash [server.properties] [--override key=value]...
       barnabas topics restore NAME [--id ID] [--bootstrap-server HOST:PORT]
       barnabas topics purge NAME [--id ID] [--bootstrap-server HOST:PORT]
       barnabas topics purge --all [server.properties] [--override key=value]... [--bootstrap-server HOST:PORT]

With barnabas.topic.trash.ms above 0 a deleted topic is kept for that time.

  list-trash          show what is in the log directories' trash; ExpiresMs goes by barnabas.topic.trash.ms as the
                      command line says it, not as it was changed in the running node
  restore             have the running node bring a topic back, with its id, configuration and data
  purge               have the running node remove topics from the trash for good
  --all               all that are in the log directories' trash
  --id                which topic of that name; if not given, the newest is restored, and all are removed
  --bootstrap-server  the node, if not localhost:9092
";

const SPECS: &[Spec] = &[
    Spec::value(&["--override"]),
    Spec::value(&["--id"]),
    Spec::value(&["--bootstrap-server"]),
    Spec::flag(&["--all"]),
    Spec::flag(&["--help"]),
];

/// How long the node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const CREATE_TOPICS: i16 = 19;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// Without tagged fields.
const VERSION: i16 = 4;

pub(super) fn run(words: &[String], out: &mut dyn Write) -> Result<ExitCode, Stop> {
    let options = Options::parse(words, SPECS).map_err(|error| {
        let said = match error {
            OptionError::Unknown(word) => format!("{word} is not a recognized option"),
            OptionError::MissingValue(name) => format!("{name} requires an argument"),
            OptionError::UnexpectedValue(name) => format!("{name} takes no argument"),
        };
        Stop::Failed(format!("topics: {said}\n\n{USAGE}"))
    })?;
    let rest: Vec<&str> = options.rest.iter().map(String::as_str).collect();
    let address = options.value("--bootstrap-server").unwrap_or("localhost:9092");
    let id = options.value("--id").unwrap_or_default();
    match rest[..] {
        _ if options.has("--help") => out.write_all(USAGE.as_bytes())?,
        ["list-trash"] => list(&load(&options, None)?, out)?,
        ["list-trash", file] => list(&load(&options, Some(file))?, out)?,
        ["restore", name] => {
            Named { name, id }.ask(RESTORE, address).and_then(done).map_err(Stop::Failed)?;
            writeln!(out, "Restored topic {name}.")?;
        }
        ["purge"] if options.has("--all") => purge_all(&load(&options, None)?, address, out)?,
        ["purge", file] if options.has("--all") => purge_all(&load(&options, Some(file))?, address, out)?,
        ["purge", name] => {
            Named { name, id }.ask(PURGE, address).and_then(done).map_err(Stop::Failed)?;
            writeln!(out, "Purged topic {name}.")?;
        }
        _ => return Err(Stop::Failed(format!("topics: too few or too many arguments\n\n{USAGE}"))),
    }
    Ok(ExitCode::SUCCESS)
}

fn load(options: &Options, file: Option<&str>) -> Result<Config, Stop> {
    let pairs = options.values("--override").map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let overrides = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    broker::load_config(file.map(str::to_owned), overrides)
        .map_err(|why| Stop::Failed(format!("topics: {why}")))
}

/// What is shown of a topic.
#[derive(Default)]
struct Row {
    name: String,
    partitions: i32,
    found: i32,
    bytes: u64,
    deleted_ms: i64,
}

fn rows(config: &Config) -> Result<BTreeMap<TopicId, Row>, Stop> {
    let mut rows: BTreeMap<TopicId, Row> = BTreeMap::new();
    for dir in &config.logs.dirs {
        let failed = |error: io::Error| Stop::Failed(format!("{}: {error}", dir.display()));
        if !StdDisk.exists(dir).map_err(failed)? {
            continue;
        }
        for (path, Trashed { topic, topic_id, partitions, deleted_ms, .. }) in
            trash::list(&StdDisk, dir).map_err(failed)?
        {
            let row = rows.entry(topic_id).or_default();
            row.bytes += bytes_in(&path).map_err(failed)?;
            row.found += 1;
            (row.name, row.partitions, row.deleted_ms) = (topic.to_string(), partitions, deleted_ms);
        }
    }
    Ok(rows)
}

fn purge_all(config: &Config, address: &str, out: &mut dyn Write) -> Result<(), Stop> {
    for (id, Row { name, .. }) in rows(config)? {
        let answer = Named { name: &name, id: &id.to_string() }.ask(PURGE, address).map_err(Stop::Failed)?;
        // Its time was over meanwhile, or somebody else was faster.
        if answer.0 == UNKNOWN_TOPIC_OR_PARTITION {
            writeln!(out, "Topic {name} ({id}) is not in the node's trash.")?;
            continue;
        }
        done(answer).map_err(Stop::Failed)?;
        writeln!(out, "Purged topic {name} ({id}).")?;
    }
    Ok(())
}

fn list(config: &Config, out: &mut dyn Write) -> Result<(), Stop> {
    let kept_ms = config.values.long("barnabas.topic.trash.ms");
    let mut rows: Vec<_> = rows(config)?.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| (&a.name, a.deleted_ms).cmp(&(&b.name, b.deleted_ms)));
    for (id, row) in rows {
        let expires_ms = row.deleted_ms.saturating_add(kept_ms);
        let missing = if row.found < row.partitions { "\tIncomplete: true" } else { "" };
        writeln!(
            out,
            "Topic: {}\tTopicId: {id}\tPartitionCount: {}\tBytes: {}\tDeletedMs: {}\tExpiresMs: {expires_ms}{missing}",
            row.name, row.partitions, row.bytes, row.deleted_ms
        )?;
    }
    Ok(())
}

fn bytes_in(dir: &std::path::Path) -> io::Result<u64> {
    let files = StdDisk.list(dir)?.into_iter().filter(|entry| !entry.is_dir);
    files.map(|entry| StdDisk.file_len(&dir.join(entry.name))).sum()
}

/// A topic in the trash.
struct Named<'a> {
    name: &'a str,
    /// Empty if it is not said.
    id: &'a str,
}

impl Named<'_> {
    /// Asks the node at `address` for what the configuration `key` means; gives the answer's error code and message.
    fn ask(&self, key: &str, address: &str) -> Result<(i16, String), String> {
        if !self.id.is_empty() {
            uuid_from_text(self.id).map_err(|why| why.to_string())?;
        }
        let answer =
            exchange(address, &self.request(key)?).map_err(|why| format!("topics: {address}: {why}"))?;
        read_answer(&answer).map_err(|why| format!("topics: {address} answers what is no answer: {why}"))
    }

    /// The frame of the request, without its length.
    fn request(&self, key: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let text = |out: &mut Vec<u8>, text: &str| -> Result<(), String> {
            let len = i16::try_from(text.len()).map_err(|_| "the name is too long".to_owned())?;
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
            Ok(())
        };
        out.extend_from_slice(&CREATE_TOPICS.to_be_bytes());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&0_i32.to_be_bytes());
        text(&mut out, "barnabas-topics")?;
        out.extend_from_slice(&1_i32.to_be_bytes());
        text(&mut out, self.name)?;
        // The broker's defaults for partitions and replicas, no assignments, one configuration.
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&(-1_i16).to_be_bytes());
        out.extend_from_slice(&0_i32.to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
        text(&mut out, key)?;
        text(&mut out, self.id)?;
        out.extend_from_slice(&i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
        out.push(0);
        Ok(out)
    }
}

fn done((code, message): (i16, String)) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("topics: {message} (error code {code})")) }
}

fn exchange(address: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in address.to_socket_addrs()? {
        stream = TcpStream::connect_timeout(&address, TIMEOUT);
        if stream.is_ok() {
            break;
        }
    }
    let mut stream = stream?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let len = u32::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes()[..], request].concat())?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
    if len > ANSWER_BYTES_MAX {
        return Err(io::Error::other(format!("an answer of {len} bytes")));
    }
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Error code and message of the one topic.
fn read_answer(answer: &[u8]) -> Result<(i16, String), ReadError> {
    let mut reader = Reader::new(answer);
    let (_correlation, _throttle, _count) = (reader.i32()?, reader.i32()?, reader.i32()?);
    let text = |reader: &mut Reader<'_>| -> Result<String, ReadError> {
        let len = usize::try_from(reader.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(reader.take(len)?).into_owned())
    };
    text(&mut reader)?;
    let code = reader.i16()?;
    Ok((code, text(&mut reader)?))
}
