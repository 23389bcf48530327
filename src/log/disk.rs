//! The file system as the log sees it: a real one, or one in memory that can lose what was not synced.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

mod mem_disk;
mod std_disk;

pub use mem_disk::MemDisk;
pub use std_disk::StdDisk;

/// How [`Disk::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The file must exist and is only read.
    Read,
    /// The file must exist and is read and written.
    Write,
    /// The file is made if it is missing, and is read and written.
    Create,
    /// The file must not exist.
    CreateNew,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: String,
    /// Whether it is a directory itself.
    pub is_dir: bool,
}

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What an ordinary process can still write.
    pub usable: u64,
}

/// A file system. An error of the kind `NotFound` means that there is no such name. Nothing is durable before `sync_data` of the file and `sync_dir` of its directory.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// A file's length in bytes, without opening it.
    fn file_len(&self, path: &Path) -> io::Result<u64>;
    /// When a file was last written, in ms since 1970.
    fn modified_ms(&self, path: &Path) -> io::Result<i64>;
    /// Sets when a file was last written, in ms since 1970. Durable with the file's next bytes.
    fn touch(&self, path: &Path, modified_ms: i64) -> io::Result<()>;
    /// Whether a file or directory exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes a directory and its parents.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file or directory, replacing a file at the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Opens a directory.
    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>>;
    /// Size and free bytes of the file system that holds `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;

    /// Makes the directory's entries durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.open_dir(dir)?.sync()
    }
}

/// An open directory, which takes no further descriptor to be synced.
pub trait Dir: Send + Sync {
    /// Makes the directory's entries durable.
    fn sync(&self) -> io::Result<()>;
}

/// An open file; every call names its position, so handles are shared freely.
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `parts`, one after the other, or fails.
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Sets room aside for the file to grow to `len` bytes, where the file system can; its length stays as it is.
    fn reserve(&self, len: u64) -> io::Result<()> {
        let _ = len;
        Ok(())
    }
    /// Makes the file's data and length durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// The descriptor, for `sendfile`; none in memory.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Whether the file holds no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        if self.read_at(buf, position)? == buf.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
