//! Load generator of the benchmark: blocking sockets, hand-built Produce and Fetch frames, one line of JSON as result.
//!
//! `load <command> --bootstrap HOST:PORT [--option value]...`; run.py drives it. Produce goes out in version 13 and
//! Fetch in version 17, which is what Java clients of 4.x use; everything off the hot path goes through kafka-protocol.
#![expect(clippy::print_stdout, reason = "the result is printed")]
#![expect(clippy::disallowed_methods, reason = "a load generator reads the clock and sleeps")]

mod admin;
mod args;
mod batch;
mod connection;
mod fetch;
mod group;
mod open_loop;
mod produce;
mod report;
mod transactions;
mod wait;

use anyhow::{Result, bail};

use crate::args::Args;

fn main() -> Result<()> {
    let args = Args::parse(std::env::args().skip(1))?;
    let report = match args.command.as_str() {
        "create" => admin::create(&args)?,
        "delete" => admin::delete(&args)?,
        "served" => wait::served(&args)?,
        "first-ack" => wait::first_ack(&args)?,
        "readable" => wait::readable(&args)?,
        "idle" => wait::idle(&args)?,
        "produce" => produce::run(&args)?,
        "fetch" => fetch::run(&args)?,
        "open-loop" => open_loop::run(&args)?,
        "group-rebalance" => group::rebalance(&args)?,
        "group-many" => group::many(&args)?,
        "group-commit" => group::commit(&args)?,
        "transactions" => transactions::run(&args)?,
        other => bail!("unknown command {other}"),
    };
    println!("{report}");
    Ok(())
}
