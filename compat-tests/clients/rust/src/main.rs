//! The compatibility program of rskafka: `client <bootstrap> <scenario> <suffix>`.
//! The contract (exit codes, topic names, services of the harness) is in compat-tests/README.md.
//!
//! rskafka has no consumer groups, no topic configs, no idempotence, headers without repeated names or null values,
//! and one client per partition. What it cannot express is left out, as the contract says.

mod scenarios;

use std::process::exit;
use std::time::Duration;

/// Why a scenario did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The client cannot do it: exit code 77.
    Skip(String),
    Failed(String),
}

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(reason: T) -> Self {
        Self::Failed(reason.to_string())
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, scenario, suffix] = args.as_slice() else {
        eprintln!("usage: client <bootstrap> <scenario> <suffix>");
        exit(2);
    };
    let limit = Duration::from_secs(if scenario.starts_with("restart") { 115 } else { 55 });
    let outcome = tokio::time::timeout(limit, scenarios::play(bootstrap, scenario, suffix)).await;
    let (code, reason) = match outcome {
        Ok(Ok(())) => (0, "passed".to_owned()),
        Ok(Err(Failure::Skip(reason))) => (77, reason),
        Ok(Err(Failure::Failed(reason))) => (1, reason),
        Err(_) => (1, "time limit of the program exceeded".to_owned()),
    };
    println!("{}", reason.replace('\n', "; "));
    exit(code);
}
