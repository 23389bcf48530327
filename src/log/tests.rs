//! The log as its users see it, on a disk in memory.

mod append;
mod damage;
mod dump_log;
mod power_cut;
mod read;
mod retention;
mod truncate;
