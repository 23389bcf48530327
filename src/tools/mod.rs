//! Layer 11: what `barnabas` does beside running a node: `barnabas <tool> ...`, one file or folder per tool.
//!
//! A tool gets the words after its name and writes to stdout. It starts no runtime and serves nothing; what it reads
//! on disk it reads with the modules that the broker itself reads it with.

mod dump_log;
pub mod options;
mod storage;
mod topics;

use std::io::{self, Write};
use std::process::ExitCode;

/// Why a tool has not done what was asked.
#[derive(Debug)]
pub enum Stop {
    /// The user has to do something else: the text goes to stderr, and the exit code is 1.
    Failed(String),
    /// Nothing more can be written to stdout. Whoever reads it may have seen enough.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A tool's entry: the words after its name, and stdout.
pub type Run = fn(&[String], &mut dyn Write) -> Result<ExitCode, Stop>;

/// Every tool by its name.
const TOOLS: &[(&str, Run)] =
    &[("dump-log", dump_log::run), ("storage", storage::run), ("topics", topics::run)];

/// The tool that the first word of the command line names.
pub fn find(name: &str) -> Option<Run> {
    TOOLS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}

/// Runs a tool over the process's own streams.
pub fn run(tool: Run, words: &[String]) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let outcome = tool(words, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match outcome {
        Ok(code) => code,
        // As `dump | head` ends, in every tool.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stop::Output(error)) => fail(&mut out, &error.to_string()),
        Err(Stop::Failed(why)) => fail(&mut out, &why),
    }
}

/// What was said before goes out first.
fn fail(out: &mut dyn Write, why: &str) -> ExitCode {
    let _ = out.flush();
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}
