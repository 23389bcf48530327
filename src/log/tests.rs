//! The log as its users see it, on a disk in memory.

mod append;
