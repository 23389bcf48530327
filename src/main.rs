//! The `barnabas` command.

use std::io::Write;
use std::process::ExitCode;

use barnabas::config::broker::Config;
use barnabas::config::cli::{self, Command};
use barnabas::{broker, tools};
use tracing::{error, info, warn};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(tool) = words.first().and_then(|name| tools::find(name)) {
        return tools::run(tool, &words[1..]);
    }
    match cli::parse(words) {
        Ok(Command::Help) => say(cli::USAGE),
        Ok(Command::Version) => say(&format!("{} (barnabas)\n", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Run { file, overrides }) => match broker::load_config(file, overrides) {
            Ok(config) => run(config),
            Err(why) => fail(&why),
        },
        Err(why) => fail(&format!("{why}\n\n{}", cli::USAGE)),
    }
}

fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What stops a start goes to stderr: there is no log yet, and people look there.
fn fail(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "barnabas: {why}");
    ExitCode::FAILURE
}

fn run(config: Config) -> ExitCode {
    let loggers = broker::logging::start();
    if !config.unknown_keys.is_empty() {
        let keys = config.unknown_keys.join(", ");
        info!("These configurations '[{keys}]' were supplied but are not used yet.");
    }
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return fail(&format!("cannot start threads: {why}")),
    };
    match runtime.block_on(broker::run(config, loggers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            error!("{why:#}");
            // What hangs on a disk that has failed is not waited for.
            runtime.shutdown_background();
            fail(&format!("{why:#}"))
        }
    }
}
