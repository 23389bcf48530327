//! `barnabas dump-log`: what `kafka-dump-log.sh` prints (`org.apache.kafka.tools.DumpLogSegments`), line by line.
//!
//! Nothing is changed on disk. What damage does to the dump is as in Kafka: what can be read is printed, and what
//! ends the dump is said with the text of Kafka's exception, without its class and its stack.

mod batches;
mod decoder;
mod indexes;
mod options;
mod producers;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::options::Request;
use super::Stop;
use crate::log::disk::StdDisk;

/// Dumps the files that the options name.
pub(super) fn run(words: &[String], out: &mut dyn Write) -> Result<ExitCode, Stop> {
    match options::read(words).map_err(Stop::Failed)? {
        Request::Help => out.write_all(options::USAGE.as_bytes())?,
        Request::Dump(options) => {
            Dump { options: &options, disk: &StdDisk, out, complaints: &mut io::stderr() }.all()?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One run of the tool.
struct Dump<'a> {
    options: &'a options::Options,
    disk: &'a StdDisk,
    out: &'a mut dyn Write,
    /// What goes to stderr.
    complaints: &'a mut dyn Write,
}

/// What is wrong with the files, told after all of them, in the order in which files came first.
#[derive(Default)]
struct Findings {
    index_mismatches: PerFile<BTreeMap<std::cmp::Reverse<i64>, i64>>,
    times: TimeFindings,
    gaps: PerFile<BTreeMap<i64, i64>>,
}

/// What is wrong with time indexes, as pairs of what the index and the log say.
#[derive(Default)]
struct TimeFindings {
    mismatches: PerFile<Vec<(i64, i64)>>,
    out_of_order: PerFile<Vec<(i64, i64)>>,
    not_found: PerFile<Vec<(i64, i64)>>,
}

/// Findings by the absolute path of the file.
struct PerFile<T>(Vec<(PathBuf, T)>);

impl<T> Default for PerFile<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerFile<T> {
    fn of(&mut self, file: &Path) -> &mut T {
        let path = absolute_path(file);
        let at = self.0.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
            self.0.push((path, T::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl Dump<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        let mut findings = Findings::default();
        for name in self.options.files.split(',') {
            self.file(Path::new(name), &mut findings)?;
        }
        self.tell(&findings)?;
        Ok(())
    }

    fn file(&mut self, path: &Path, findings: &mut Findings) -> Result<(), Stop> {
        writeln!(self.out, "Dumping {}", path.display())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
            "log" | "checkpoint" => self.segment(path, &name, &mut findings.gaps),
            "index" => self.offset_index(path, &name, &mut findings.index_mismatches),
            "timeindex" => self.time_index(path, &name, &mut findings.times),
            "snapshot" => self.producer_snapshot(path),
            "txnindex" => self.transaction_index(path),
            _ => {
                // Order across the two streams is nobody's concern, order within one is.
                let _ = writeln!(self.complaints, "Ignoring unknown file {}", path.display());
                Ok(())
            }
        }
    }

    fn tell(&mut self, findings: &Findings) -> io::Result<()> {
        let err = &mut *self.complaints;
        for (path, mismatches) in &findings.index_mismatches.0 {
            writeln!(err, "Mismatches in :{}", path.display())?;
            for (index, log) in mismatches {
                writeln!(err, "  Index offset: {}, log offset: {log}", index.0)?;
            }
        }
        let TimeFindings { mismatches, out_of_order, not_found } = &findings.times;
        for (path, pairs) in &mismatches.0 {
            writeln!(err, "Found timestamp mismatch in :{}", path.display())?;
            for (index, log) in pairs {
                writeln!(err, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (path, pairs) in &out_of_order.0 {
            writeln!(err, "Found out of order timestamp in :{}", path.display())?;
            for (index, before) in pairs {
                writeln!(err, "  Index timestamp: {index}, Previously indexed timestamp: {before}")?;
            }
        }
        for (path, pairs) in &not_found.0 {
            writeln!(err, "The following indexed offsets are not found in :{}", path.display())?;
            for (index, log) in pairs {
                writeln!(err, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        for (path, gaps) in &findings.gaps.0 {
            writeln!(err, "Non-consecutive offsets in {}", path.display())?;
            for (before, after) in gaps {
                writeln!(err, "  {before} is followed by {after}")?;
            }
        }
        Ok(())
    }
}

/// As `File.getAbsolutePath`.
fn absolute_path(path: &Path) -> PathBuf {
    std::env::current_dir().unwrap_or_default().join(path)
}

/// The offset in a file's name, before its first dot.
fn base_offset(name: &str) -> Result<i64, Stop> {
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| Stop::Failed(format!("For input string: \"{digits}\"")))
}

/// What goes wrong with a file, beside its content.
fn failed(path: &Path, error: &io::Error) -> Stop {
    Stop::Failed(format!("{}: {error}", path.display()))
}
