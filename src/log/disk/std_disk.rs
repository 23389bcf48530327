//! The machine's file system.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv, preadv2, pwritev};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::{Dir, Disk, Entry, File, Mode, Space};

/// Most slices that one call takes (`IOV_MAX` of Linux).
const SLICES_MAX: usize = 1024;

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdDisk;

impl Disk for StdDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            Mode::Read => &mut options,
            Mode::Write => options.write(true),
            Mode::Create => options.write(true).create(true).truncate(false),
            Mode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(StdFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            entries.push(Entry { name, is_dir: entry.file_type()?.is_dir() });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|m| m.len())
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let modified = fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(modified.as_millis()).unwrap_or(i64::MAX))
    }

    fn touch(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let since = Duration::from_millis(u64::try_from(modified_ms).unwrap_or(0));
        fs::OpenOptions::new().write(true).open(path)?.set_modified(UNIX_EPOCH + since)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>> {
        Ok(Arc::new(StdDir(fs::File::open(dir)?)))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space { total: stat.f_blocks * stat.f_frsize, usable: stat.f_bavail * stat.f_frsize })
    }
}

struct StdDir(fs::File);

impl Dir for StdDir {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

struct StdFile(fs::File);

/// Reads once. A worker of the runtime that would have to wait for the disk hands its other tasks on first: one cold
/// reader must not hold up every other client (KAFKA-7504).
fn pread(file: &fs::File, buf: &mut [u8], at: u64) -> Result<usize, Errno> {
    let is_worker = Handle::try_current().is_ok_and(|h| h.runtime_flavor() == RuntimeFlavor::MultiThread);
    if !is_worker {
        return preadv(file, &mut [IoSliceMut::new(buf)], at);
    }
    match preadv2(file, &mut [IoSliceMut::new(buf)], at, ReadWriteFlags::NOWAIT) {
        Err(Errno::AGAIN) => tokio::task::block_in_place(|| preadv(file, &mut [IoSliceMut::new(buf)], at)),
        // The file system, or the kernel, cannot tell what is in the page cache.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => preadv(file, &mut [IoSliceMut::new(buf)], at),
        result => result,
    }
}

impl File for StdFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let at = position + u64::try_from(done).unwrap_or(u64::MAX);
            match pread(&self.0, &mut buf[done..], at) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(done)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        // Nearly always one call takes all.
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let written = match pwritev(&self.0, &parts[..parts.len().min(SLICES_MAX)], position) {
            Ok(written) if written == len => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(Errno::INTR) => 0,
            Err(e) => return Err(e.into()),
        };
        let mut parts = parts.to_vec();
        let mut rest = &mut parts[..];
        let mut at = position + u64::try_from(written).unwrap_or(u64::MAX);
        IoSlice::advance_slices(&mut rest, written);
        while !rest.is_empty() {
            match pwritev(&self.0, &rest[..rest.len().min(SLICES_MAX)], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += u64::try_from(written).unwrap_or(u64::MAX);
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|m| m.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, len) {
            Err(Errno::OPNOTSUPP) => Ok(()),
            reserved => Ok(reserved?),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_land_where_they_are_told_and_reads_end_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = StdDisk.open(&path, Mode::CreateNew).unwrap();
        file.write_at(&[IoSlice::new(b""), IoSlice::new(b"abc"), IoSlice::new(b"def")], 2).unwrap();
        file.write_at(&[], 0).unwrap();
        let many: Vec<_> = (0..3000).map(|_| IoSlice::new(b"xy")).collect();
        file.write_at(&many, 8).unwrap();
        assert_eq!(StdDisk.file_len(&path).unwrap(), 6008);
        let mut buf = [9; 10];
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 10);
        assert_eq!(&buf, b"\0\0abcdefxy");
        assert_eq!(file.read_at(&mut buf, 6005).unwrap(), 3);
        assert_eq!(file.read_exact_at(&mut buf, 6005).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(StdDisk.open(&path, Mode::CreateNew).is_err());
        StdDisk.sync_dir(dir.path()).unwrap();
        assert!(StdDisk.space(dir.path()).unwrap().usable > 0);
    }
}
