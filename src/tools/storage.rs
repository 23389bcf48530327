//! `barnabas storage`: what `kafka-storage.sh` does (`kafka.tools.StorageTool`).

use std::io::Write;
use std::process::ExitCode;

use super::Stop;
use crate::base::id::uuid_to_text;
use crate::base::random::Random;

/// Runs the command that the first word names.
pub(super) fn run(words: &[String], out: &mut dyn Write) -> Result<ExitCode, Stop> {
    match words.first().map(String::as_str) {
        Some("random-uuid") => {
            writeln!(out, "{}", uuid_to_text(Random::system().uuid()))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(_) | None => Err(Stop::Failed("storage: too few arguments".to_owned())),
    }
}
