//! The quorum on a disk in memory: starts, stops, power cuts, failing disks, damaged files.

mod damage;
mod durability;
mod files;
mod support;
