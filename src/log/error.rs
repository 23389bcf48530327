//! Why an operation on a log failed.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::checkpoint;
use super::producers::{MarkerError, ProducerError};
use super::scan::Flaw;

/// Why a log could not be made, opened, cut or closed. It is then offline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk's fault; the other logs of the directory are in danger too.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// Bytes that were flushed are no longer what they were. Only this log is affected.
    #[error("{} is damaged at byte {position} (offset {offset}, recovery point {recovery_point}): {flaw}", path.display())]
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// Where the first bad batch starts.
        position: u64,
        /// The offset expected there.
        offset: i64,
        /// What was known to be flushed.
        recovery_point: i64,
        /// What is wrong.
        flaw: Flaw,
    },
    /// The log ends before the recovery point: flushed records are gone. Only this log is affected.
    #[error("{} ends at offset {end_offset}, below its recovery point {recovery_point}", path.display())]
    Short {
        /// The log's directory.
        path: PathBuf,
        /// Where it ends.
        end_offset: i64,
        /// What was known to be flushed.
        recovery_point: i64,
    },
    /// The directory to be made exists.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
}

impl Error {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether the disk failed, so that the whole log directory has to go offline, and not only this log.
    pub fn is_disk_failure(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_disk_failure(source),
            Self::Damaged { .. } | Self::Short { .. } | Self::Exists(_) => false,
        }
    }
}

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        match error {
            checkpoint::Error::Io { file, source } => Self::Io { path: file, source },
            checkpoint::Error::Corrupt { file, line, reason } => {
                let what = format!("line {line}: {reason}");
                Self::Io { path: file, source: io::Error::new(io::ErrorKind::InvalidData, what) }
            }
        }
    }
}

/// Bytes of one log that make no sense are no failure of the disk, nor is a lack of file descriptors.
pub fn is_disk_failure(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        && !is_out_of_descriptors(error)
}

/// Whether no file could be opened because too many are open: nothing was written then, and later it may work.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].into_iter().any(|e| code == Some(e.raw_os_error()))
}

/// Whether the process lacks descriptors or memory, which says nothing of the disk. Only for what is written anew as a
/// whole when it is tried again: after a failed sync nobody knows which bytes are on the device.
pub(super) fn is_want_of_resources(error: &io::Error) -> bool {
    is_out_of_descriptors(error) || error.kind() == io::ErrorKind::OutOfMemory
}

impl AppendError {
    /// Whether the disk failed, so that the whole log directory has to go offline, and not only this log.
    pub fn is_disk_failure(&self) -> bool {
        match self {
            Self::Storage(e) => is_disk_failure(e),
            Self::Producer(_)
            | Self::Marker(_)
            | Self::TooLarge { .. }
            | Self::UnexpectedOffset { .. }
            | Self::OffsetsExhausted { .. } => false,
        }
    }
}

/// Why a batch was not appended. After a `Storage` error that is a disk failure nothing more can be.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The producer's sequence, epoch or transaction forbids it.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// A control batch with a producer id that is no transaction marker.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// The batch is larger than a segment may be (RECORD_LIST_TOO_LARGE).
    #[error("batch of {len} bytes does not fit a segment of {segment_bytes}")]
    TooLarge {
        /// The batch's length in bytes.
        len: usize,
        /// `segment.bytes`.
        segment_bytes: u32,
    },
    /// A replicated batch starts below the log's end, or its offsets make no sense.
    #[error("replicated batch with offsets {base_offset} to {last_offset} does not follow {end_offset}")]
    UnexpectedOffset {
        /// Its first offset.
        base_offset: i64,
        /// Its last one.
        last_offset: i64,
        /// The log's end.
        end_offset: i64,
    },
    /// Offsets have run out.
    #[error("no offsets are left after {end_offset}")]
    OffsetsExhausted {
        /// The log's end.
        end_offset: i64,
    },
    /// The disk's fault, now or earlier; the log takes no more.
    #[error("log storage failed: {0}")]
    Storage(#[source] io::Error),
}

/// Why there is nothing to read at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Below the log's start or above its end (OFFSET_OUT_OF_RANGE).
    #[error("offset {offset} is not within {start_offset} to {end_offset}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: i64,
        /// Where the log starts.
        start_offset: i64,
        /// Where it ends.
        end_offset: i64,
    },
}
