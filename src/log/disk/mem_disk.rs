//! A file system in memory that forgets what was not synced, for tests of crashes and of failing disks.
//!
//! Each inode has what a reader sees and what is on the device; changes since the last sync are kept one by one.
//! [`MemDisk::power_cut`] applies some of them to the device: any of a file's writes, each whole, torn or not at
//! all, but of a directory's changes only the first few, for file systems journal those in order.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::{Dir, Disk, Entry, File, Mode, Space};
use crate::base::random::Random;

/// Size of a [`MemDisk`] unless [`MemDisk::set_space`] says otherwise, in bytes.
const SPACE: u64 = 1 << 40;
/// What a device writes atomically, in bytes.
const SECTOR: u64 = 512;

type Ino = usize;
type Names = BTreeMap<String, Ino>;

const ROOT: Ino = 0;

/// A file system in memory; clones share it.
#[derive(Clone, Debug)]
pub struct MemDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    inodes: Vec<Inode>,
    changes: u64,
    changes_max: u64,
    syncs_to_fail: u64,
    opens_to_fail: u64,
    space: u64,
    modified_ms: i64,
    /// Of the files that were touched.
    touched: BTreeMap<Ino, i64>,
}

#[derive(Clone, Debug)]
enum Inode {
    File { seen: Vec<u8>, device: Vec<u8>, unsynced: Vec<Change> },
    Dir { seen: Names, device: Names, unsynced: Vec<Vec<(String, Option<Ino>)>> },
}

#[derive(Clone, Debug)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Default for MemDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl MemDisk {
    /// An empty file system.
    pub fn new() -> Self {
        let inodes = vec![Inode::dir()];
        let state = State {
            inodes,
            changes: 0,
            changes_max: u64::MAX,
            syncs_to_fail: 0,
            opens_to_fail: 0,
            space: SPACE,
            modified_ms: 0,
            touched: BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// What is left after a power cut: all that was synced, and of the rest each change with a chance of
    /// `keep_percent`, 100 being a process that was killed. The disk itself goes on, and shares nothing with the result.
    pub fn power_cut(&self, random: &Random, keep_percent: u32) -> Self {
        let mut state = self.0.lock().clone();
        for inode in &mut state.inodes {
            inode.lose_power(random, keep_percent);
        }
        (state.changes, state.changes_max, state.syncs_to_fail) = (0, u64::MAX, 0);
        Self(Arc::new(Mutex::new(state)))
    }

    /// How many calls have changed or synced something.
    pub fn changes(&self) -> u64 {
        self.0.lock().changes
    }

    /// Lets every call fail after `changes` more changing ones have succeeded.
    pub fn fail_after(&self, changes: u64) {
        let mut state = self.0.lock();
        state.changes_max = state.changes.saturating_add(changes);
    }

    /// Lets the next `syncs` syncs of files fail, and the kernel take their data for clean: a later sync succeeds
    /// without writing it.
    pub fn fail_syncs(&self, syncs: u64) {
        self.0.lock().syncs_to_fail = syncs;
    }

    /// Lets the next `opens` openings of files and directories fail because too many are open.
    pub fn fail_opens(&self, opens: u64) {
        self.0.lock().opens_to_fail = opens;
    }

    /// Sets when all files were last written that are not [touched](Disk::touch).
    pub fn set_modified_ms(&self, modified_ms: i64) {
        self.0.lock().modified_ms = modified_ms;
    }

    /// Sets how many bytes all files may have together.
    pub fn set_space(&self, bytes: u64) {
        self.0.lock().space = bytes;
    }
}

impl Inode {
    fn dir() -> Self {
        Self::Dir { seen: Names::new(), device: Names::new(), unsynced: Vec::new() }
    }

    fn lose_power(&mut self, random: &Random, keep_percent: u32) {
        let keeps = || random.below(100) < keep_percent;
        match self {
            Self::File { seen, device, unsynced } => {
                for change in unsynced.drain(..) {
                    match (keeps(), change) {
                        (true, change) => change.apply(device),
                        (false, change) => {
                            if let Some(torn) = change.torn(random).filter(|_| keeps()) {
                                torn.apply(device);
                            }
                        }
                    }
                }
                seen.clone_from(device);
            }
            Self::Dir { seen, device, unsynced } => {
                for change in unsynced.drain(..) {
                    if !keeps() {
                        break;
                    }
                    apply_names(device, change);
                }
                unsynced.clear();
                seen.clone_from(device);
            }
        }
    }
}

impl Change {
    fn apply(self, data: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => {
                let from = usize::try_from(position).expect("a position in memory");
                let to = from + bytes.len();
                if data.len() < to {
                    data.resize(to, 0);
                }
                data[from..to].copy_from_slice(&bytes);
            }
            Self::SetLen(len) => data.resize(usize::try_from(len).expect("a length in memory"), 0),
        }
    }

    /// One run of sectors out of a write.
    fn torn(&self, random: &Random) -> Option<Self> {
        let Self::Write { position, bytes } = self else { return None };
        let end = position + u64::try_from(bytes.len()).ok()?;
        let sectors = u32::try_from(end.div_ceil(SECTOR) - position / SECTOR).ok()?;
        let first = position / SECTOR + u64::from(random.below(sectors.max(1)));
        let count = 1 + u64::from(random.below(sectors.max(1)));
        let from = (first * SECTOR).max(*position);
        let to = ((first + count) * SECTOR).min(end);
        let cut = |at: u64| usize::try_from(at - position).ok();
        Some(Self::Write { position: from, bytes: bytes.get(cut(from)?..cut(to)?)?.to_vec() })
    }
}

fn apply_names(names: &mut Names, change: Vec<(String, Option<Ino>)>) {
    for (name, ino) in change {
        match ino {
            Some(ino) => names.insert(name, ino),
            None => names.remove(&name),
        };
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn split(path: &Path) -> io::Result<(Vec<&str>, &str)> {
    let mut names = names(path)?;
    let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((names, last))
}

fn names(path: &Path) -> io::Result<Vec<&str>> {
    let named = path.components().filter_map(|c| match c {
        Component::Normal(name) => Some(name.to_str().ok_or(io::ErrorKind::InvalidInput.into())),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        Component::ParentDir => Some(Err(io::ErrorKind::InvalidInput.into())),
    });
    named.collect()
}

impl State {
    fn changing(&mut self) -> io::Result<()> {
        self.alive()?;
        self.changes += 1;
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self.changes > self.changes_max {
            Err(io::Error::other("the disk was told to fail"))
        } else {
            Ok(())
        }
    }

    fn opening(&mut self) -> io::Result<()> {
        match self.opens_to_fail.checked_sub(1) {
            Some(rest) => {
                self.opens_to_fail = rest;
                Err(Errno::MFILE.into())
            }
            None => Ok(()),
        }
    }

    fn entries(&self, dir: Ino) -> io::Result<&Names> {
        match &self.inodes[dir] {
            Inode::Dir { seen, .. } => Ok(seen),
            Inode::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn walk(&self, names: &[&str]) -> io::Result<Ino> {
        let mut at = ROOT;
        for name in names {
            at = *self.entries(at)?.get(*name).ok_or_else(not_found)?;
        }
        Ok(at)
    }

    fn find(&self, path: &Path) -> io::Result<Ino> {
        self.alive()?;
        self.walk(&names(path)?)
    }

    fn rename_in(&mut self, dir: Ino, change: Vec<(String, Option<Ino>)>) -> io::Result<()> {
        let Inode::Dir { seen, unsynced, .. } = &mut self.inodes[dir] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        apply_names(seen, change.clone());
        unsynced.push(change);
        Ok(())
    }

    fn add(&mut self, dir: Ino, name: &str, inode: Inode) -> io::Result<Ino> {
        self.inodes.push(inode);
        let ino = self.inodes.len() - 1;
        self.rename_in(dir, vec![(name.to_owned(), Some(ino))])?;
        Ok(ino)
    }

    fn data(&self, ino: Ino) -> io::Result<&Vec<u8>> {
        self.alive()?;
        match &self.inodes[ino] {
            Inode::File { seen, .. } => Ok(seen),
            Inode::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn change(&mut self, ino: Ino, change: Change) -> io::Result<()> {
        self.changing()?;
        if let Inode::File { seen, unsynced, .. } = &mut self.inodes[ino] {
            change.clone().apply(seen);
            unsynced.push(change);
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        let lens = self.inodes.iter().map(|inode| match inode {
            Inode::File { seen, .. } => u64::try_from(seen.len()).unwrap_or(u64::MAX),
            Inode::Dir { .. } => 0,
        });
        lens.sum()
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.lock();
        state.alive()?;
        state.opening()?;
        let (parents, name) = split(path)?;
        let dir = state.walk(&parents)?;
        let found = state.entries(dir)?.get(name).copied();
        let ino = match (found, mode) {
            (Some(_), Mode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(ino), Mode::Read | Mode::Write | Mode::Create) => ino,
            (None, Mode::Read | Mode::Write) => return Err(not_found()),
            (None, Mode::Create | Mode::CreateNew) => {
                state.changing()?;
                let file = Inode::File { seen: Vec::new(), device: Vec::new(), unsynced: Vec::new() };
                state.add(dir, name, file)?
            }
        };
        Ok(Arc::new(MemFile { disk: self.clone(), ino, writable: mode != Mode::Read }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.0.lock();
        let entries = state.entries(state.find(dir)?)?;
        let is_dir = |ino: &Ino| matches!(state.inodes[*ino], Inode::Dir { .. });
        Ok(entries.iter().map(|(name, ino)| Entry { name: name.clone(), is_dir: is_dir(ino) }).collect())
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        let state = self.0.lock();
        let len = state.data(state.find(path)?)?.len();
        Ok(u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let state = self.0.lock();
        state.find(path).map(|ino| state.touched.get(&ino).copied().unwrap_or(state.modified_ms))
    }

    fn touch(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let mut state = self.0.lock();
        let ino = state.find(path)?;
        state.touched.insert(ino, modified_ms);
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.0.lock().find(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let mut at = ROOT;
        for name in names(dir)? {
            at = match state.entries(at)?.get(name) {
                Some(ino) => *ino,
                None => {
                    state.changing()?;
                    state.add(at, name, Inode::dir())?
                }
            };
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let ino = state.find(from)?;
        let ((from_dir, from_name), (to_dir, to_name)) = (split(from)?, split(to)?);
        let (from_dir, to_dir) = (state.walk(&from_dir)?, state.walk(&to_dir)?);
        state.changing()?;
        let (removed, added) = ((from_name.to_owned(), None), (to_name.to_owned(), Some(ino)));
        if from_dir == to_dir {
            state.rename_in(from_dir, vec![removed, added])
        } else {
            state.rename_in(to_dir, vec![added])?;
            state.rename_in(from_dir, vec![removed])
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let ino = state.find(path)?;
        state.data(ino)?;
        let (parents, name) = split(path)?;
        let dir = state.walk(&parents)?;
        state.changing()?;
        state.rename_in(dir, vec![(name.to_owned(), None)])
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let ino = state.find(dir)?;
        state.entries(ino)?;
        let (parents, name) = split(dir)?;
        let parent = state.walk(&parents)?;
        state.changing()?;
        state.rename_in(parent, vec![(name.to_owned(), None)])
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>> {
        let mut state = self.0.lock();
        let ino = state.find(dir)?;
        state.entries(ino)?;
        state.opening()?;
        Ok(Arc::new(MemDir { disk: self.clone(), ino }))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let state = self.0.lock();
        state.find(dir)?;
        Ok(Space { total: state.space, usable: state.space.saturating_sub(state.used()) })
    }
}

struct MemDir {
    disk: MemDisk,
    ino: Ino,
}

impl Dir for MemDir {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.changing()?;
        if let Inode::Dir { seen, device, unsynced } = &mut state.inodes[self.ino] {
            device.clone_from(seen);
            unsynced.clear();
        }
        Ok(())
    }
}

struct MemFile {
    disk: MemDisk,
    ino: Ino,
    writable: bool,
}

impl MemFile {
    fn writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl File for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let state = self.disk.0.lock();
        let data = state.data(self.ino)?;
        let rest = usize::try_from(position).ok().and_then(|from| data.get(from..)).unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.writable()?;
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut state = self.disk.0.lock();
        let usable = state.space.saturating_sub(state.used());
        let end = position + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let grows = end.saturating_sub(u64::try_from(state.data(self.ino)?.len()).unwrap_or(u64::MAX));
        if grows <= usable {
            return state.change(self.ino, Change::Write { position, bytes });
        }
        // A full disk takes what fits.
        let fits = bytes.len() - usize::try_from(grows - usable).unwrap_or(bytes.len());
        state.change(self.ino, Change::Write { position, bytes: bytes[..fits].to_vec() })?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn len(&self) -> io::Result<u64> {
        let len = self.disk.0.lock().data(self.ino)?.len();
        Ok(u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.0.lock().change(self.ino, Change::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.changing()?;
        let fails = state.syncs_to_fail > 0;
        state.syncs_to_fail = state.syncs_to_fail.saturating_sub(1);
        let Inode::File { device, unsynced, .. } = &mut state.inodes[self.ino] else { return Ok(()) };
        if fails {
            unsynced.clear();
            return Err(io::Error::other("the disk was told to fail a sync"));
        }
        // Change by change, so that what a failed sync has dropped stays dropped.
        for change in unsynced.drain(..) {
            change.apply(device);
        }
        Ok(())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &MemDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(path), Mode::Read).ok()?;
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        let disk = MemDisk::new();
        let random = Random::seeded(1);
        disk.create_dir_all(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/a"), Mode::CreateNew).unwrap();
        file.write_at(&[IoSlice::new(b"one")], 0).unwrap();
        file.sync_data().unwrap();
        assert!(!disk.power_cut(&random, 0).exists(Path::new("/d")).unwrap(), "no directory was synced");
        disk.sync_dir(Path::new("/")).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(&[IoSlice::new(b"two")], 3).unwrap();
        disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        assert_eq!(read(&disk.power_cut(&random, 0), "/d/a").unwrap(), b"one");
        let killed = disk.power_cut(&random, 100);
        assert_eq!((read(&killed, "/d/a"), read(&killed, "/d/b")), (None, Some(b"onetwo".to_vec())));
    }

    #[test]
    fn an_unsynced_write_may_be_torn_and_reordered() {
        let disk = MemDisk::new();
        let file = disk.open(Path::new("/a"), Mode::CreateNew).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[IoSlice::new(&[1; 1024])], 0).unwrap();
        file.write_at(&[IoSlice::new(&[2; 1024])], 1024).unwrap();
        let random = Random::seeded(7);
        let left: Vec<_> = (0..200).map(|_| read(&disk.power_cut(&random, 50), "/a").unwrap()).collect();
        assert!(left.iter().any(|l| l.len() == 2048 && l[0] == 0 && l[2000] == 2), "only the later one");
        assert!(
            left.iter().any(|l| l.len() > 512 && l[0] == 0 && l[512] == 1),
            "the first one's second half"
        );
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_a_failed_sync_is_not_made_good_by_the_next() {
        let disk = MemDisk::new();
        disk.set_space(4);
        let file = disk.open(Path::new("/a"), Mode::CreateNew).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let full = file.write_at(&[IoSlice::new(b"abcdef")], 0).unwrap_err();
        assert_eq!((full.kind(), file.len().unwrap()), (io::ErrorKind::StorageFull, 4));
        disk.fail_syncs(1);
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok());
        assert_eq!(read(&disk.power_cut(&Random::seeded(1), 0), "/a").unwrap(), b"");
    }
}
