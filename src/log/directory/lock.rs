//! The `.lock` file that keeps a second broker out of a log directory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;

use crate::log::disk::{Disk, File, Mode};

const FILE: &str = ".lock";

/// Holds a directory's lock; dropping it lets go. A disk without descriptors, in memory, has no second user and
/// takes no lock.
pub struct Lock {
    _file: Arc<dyn File>,
}

impl Lock {
    /// Takes the lock, or fails with `WouldBlock` if another broker has it.
    pub fn acquire(disk: &dyn Disk, dir: &Path) -> io::Result<Self> {
        let file = disk.open(&dir.join(FILE), Mode::Create)?;
        if let Some(fd) = file.as_fd() {
            // Two kinds of lock that do not see each other: flock keeps out another barnabas, even in this process;
            // a record lock is what Apache Kafka takes, and what it sees of ours.
            let taken = flock(fd, FlockOperation::NonBlockingLockExclusive)
                .and_then(|()| fcntl_lock(fd, FlockOperation::NonBlockingLockExclusive));
            taken.map_err(|errno| match errno {
                Errno::WOULDBLOCK | Errno::ACCESS => io::ErrorKind::WouldBlock.into(),
                other => io::Error::from(other),
            })?;
        }
        Ok(Self { _file: file })
    }
}
