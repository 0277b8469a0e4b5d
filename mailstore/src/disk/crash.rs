//! A disk in memory that loses, tears and refuses things on purpose, and the same things for the same seed.
//!
//! Each file has two halves: what its readers see, and what is on the platter. Writes go to the first half and
//! wait, sector by sector, for a sync. [`CrashDisk::crash`] keeps any of what waits: each sector by itself old or
//! in any of its newer versions, each growth and each change of a name by itself. A sync that fails drops what
//! waits, some of it written, some not, while readers go on seeing all of it: as Linux does.
//!
//! The call counter counts the calls that change something (create, write, sync, allocate, rename, remove,
//! directory sync, making a subdirectory); faults are set to one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, File, check_name};

/// Bytes that a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an input/output error. A write may have been applied in part; a sync has dropped what waited.
    Io,
    /// It fails because the disk is full, without effect.
    NoSpace,
    /// Power is lost within it: this and all later calls fail until [`CrashDisk::crash`].
    PowerLoss,
}

/// Whether writes are cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// All bytes of a write are taken.
    Whole,
    /// One write in four takes only some of its bytes, and says so.
    SometimesShort,
}

/// A directory in memory with crashes and faults. Clones are the same disk.
#[derive(Clone)]
pub struct CrashDisk {
    state: Arc<Mutex<State>>,
    /// Empty for the root, else a name and a slash.
    prefix: String,
}

impl CrashDisk {
    /// An empty disk; all that it does by chance follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State { random: Random(seed), capacity_bytes: u64::MAX, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), prefix: String::new() }
    }

    /// A disk of its own with the same content, the same waiting writes and the same chance, but no faults set.
    pub fn fork(&self) -> Self {
        let mut state = self.state().clone();
        state.faults.clear();
        state.open_files = 0;
        Self { state: Arc::new(Mutex::new(state)), prefix: self.prefix.clone() }
    }

    /// How many changing calls there have been.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Makes a changing call fail: the next is number 0.
    pub fn fail_call(&self, number_from_now: u64, fault: Fault) {
        let mut state = self.state();
        let number = state.calls.saturating_add(number_from_now);
        state.faults.insert(number, fault);
    }

    /// Forgets all faults that have not happened.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Whether a power loss has happened and [`crash`](Self::crash) is due.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Whether writes are cut short.
    pub fn set_writes(&self, writes: Writes) {
        self.state().short_writes = writes == Writes::SometimesShort;
    }

    /// How many bytes all files may hold together; more is [`io::ErrorKind::StorageFull`].
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity_bytes = bytes;
    }

    /// How many bytes all files hold.
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// Power loss and restart: of what waits for a sync, chance decides what is kept. Open files are dead.
    pub fn crash(&self) {
        let mut random = Random(self.state().random.next());
        self.crash_with(|outcomes| random.below(outcomes));
    }

    /// As [`crash`](Self::crash), but `choose` decides: it is called with the number of possible outcomes of each
    /// thing that waits, in a fixed order, and answers with one of them; 0 means that nothing of it was written,
    /// the largest that all was.
    pub fn crash_with(&self, mut choose: impl FnMut(usize) -> usize) {
        self.state().crash(&mut choose);
    }

    /// Flips one bit on the platter and in the cache. Whether there was such a byte.
    pub fn flip_bit(&self, path: &str, offset: u64, bit: u8) -> bool {
        let mut state = self.state();
        let Some(id) = state.names.get(path).copied() else { return false };
        let Some(inode) = state.inodes.get_mut(&id) else { return false };
        let Ok(at) = usize::try_from(offset) else { return false };
        let mut found = false;
        for half in [&mut inode.seen, &mut inode.durable] {
            if let Some(byte) = half.get_mut(at) {
                *byte ^= 1 << (bit % 8);
                found = true;
            }
        }
        found
    }

    /// Cuts a file, on the platter and in the cache. Whether there was one.
    pub fn truncate(&self, path: &str, len_bytes: usize) -> bool {
        let mut state = self.state();
        let Some(id) = state.names.get(path).copied() else { return false };
        let Some(inode) = state.inodes.get_mut(&id) else { return false };
        inode.seen.truncate(len_bytes);
        inode.durable.truncate(len_bytes);
        true
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.state().open_files
    }

    /// The paths of all files, sorted; those in a subdirectory as `directory/name`.
    pub fn paths(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What readers see of a file.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.inodes.get(state.names.get(path)?).map(|inode| inode.seen.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str) -> io::Result<String> {
        check_name(name)?;
        Ok(format!("{}{name}", self.prefix))
    }

    fn handle(&self, inode: u64, generation: u64) -> Box<dyn File> {
        self.state().open_files += 1;
        Box::new(CrashFile { state: Arc::clone(&self.state), inode, generation })
    }
}

impl Disk for CrashDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let path = self.path(name)?;
        let state = self.state();
        state.alive()?;
        let id = *state.names.get(&path).ok_or(io::ErrorKind::NotFound)?;
        let generation = state.generation;
        drop(state);
        Ok(self.handle(id, generation))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let path = self.path(name)?;
        let mut state = self.state();
        state.call()?;
        if state.names.contains_key(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.inode_last += 1;
        let id = state.inode_last;
        state.inodes.insert(id, Inode::default());
        state.names.insert(path.clone(), id);
        state.waiting.push(NameChange::Set(path, id));
        let generation = state.generation;
        drop(state);
        Ok(self.handle(id, generation))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let here = |path: &String| {
            path.strip_prefix(&self.prefix).filter(|name| !name.contains('/')).map(str::to_owned)
        };
        Ok(state.names.keys().filter_map(here).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        let mut state = self.state();
        state.call()?;
        let id = state.names.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.clone(), id);
        state.waiting.push(NameChange::Move(from, to, id));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        let mut state = self.state();
        state.call()?;
        state.names.remove(&path).ok_or(io::ErrorKind::NotFound)?;
        state.waiting.push(NameChange::Remove(path));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        let prefix = &self.prefix;
        let here = |path: &str| path.strip_prefix(prefix.as_str()).is_some_and(|name| !name.contains('/'));
        let called = state.call();
        let (mine, others) = std::mem::take(&mut state.waiting).into_iter().partition(|c| here(c.path()));
        state.waiting = others;
        let mine: Vec<NameChange> = mine;
        match called {
            Ok(()) => {
                mine.into_iter().for_each(|change| state.settle_name(change));
                Ok(())
            }
            // Still any of them may be kept.
            Err(error) => {
                state.waiting.splice(0..0, mine);
                Err(error)
            }
        }
    }

    fn subdirectory(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let prefix = format!("{}/", self.path(name)?);
        let mut state = self.state();
        state.alive()?;
        if !state.directories.contains(&prefix) {
            state.call()?;
            state.directories.insert(prefix.clone());
            state.waiting.push(NameChange::Directory(prefix.clone()));
        }
        drop(state);
        Ok(Arc::new(Self { state: Arc::clone(&self.state), prefix }))
    }

    fn random(&self) -> io::Result<u64> {
        Ok(self.state().random.next())
    }
}

struct CrashFile {
    state: Arc<Mutex<State>>,
    inode: u64,
    generation: u64,
}

impl CrashFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation != self.generation {
            return Err(power_is_lost());
        }
        state.alive()?;
        Ok(state)
    }
}

impl Drop for CrashFile {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open_files = state.open_files.saturating_sub(1);
    }
}

impl File for CrashFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state()?;
        let seen = state.inodes.get(&self.inode).map_or(&[][..], |inode| &inode.seen);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(seen.len());
        let source = seen.get(from..).unwrap_or_default();
        let count = source.len().min(buffer.len());
        if let (Some(to), Some(bytes)) = (buffer.get_mut(..count), source.get(..count)) {
            to.copy_from_slice(bytes);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let called = state.call();
        if matches!(&called, Err(error) if error.kind() == io::ErrorKind::StorageFull) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut count = bytes.len();
        let cut = state.short_writes && state.random.below(4) == 0;
        if (cut || (called.is_err() && !state.dead)) && count > 1 {
            count = 1 + state.random.below(count - 1);
        }
        let bytes = bytes.get(..count).unwrap_or_default();
        let end = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(count);
        state.grow(self.inode, end)?;
        if let Some(inode) = state.inodes.get_mut(&self.inode) {
            inode.write(bytes, end - count);
        }
        called.map(|()| count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.state()?;
        let called = guard.call();
        let state = &mut *guard;
        let Some(inode) = state.inodes.get_mut(&self.inode) else { return called };
        match called {
            Ok(()) => {
                inode.durable.clone_from(&inode.seen);
                inode.waiting.clear();
                inode.grown = false;
                Ok(())
            }
            Err(error) => {
                if !state.dead {
                    let random = &mut state.random;
                    inode.settle(&mut |outcomes| random.below(outcomes));
                }
                Err(error)
            }
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.call()?;
        state.grow(self.inode, usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.inodes.get(&self.inode).map_or(0, |inode| inode.seen.len() as u64))
    }
}

#[derive(Clone, Default)]
struct State {
    random: Random,
    inodes: HashMap<u64, Inode>,
    inode_last: u64,
    names: BTreeMap<String, u64>,
    names_durable: BTreeMap<String, u64>,
    directories: BTreeSet<String>,
    directories_durable: BTreeSet<String>,
    waiting: Vec<NameChange>,
    faults: BTreeMap<u64, Fault>,
    calls: u64,
    open_files: usize,
    generation: u64,
    capacity_bytes: u64,
    short_writes: bool,
    dead: bool,
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(power_is_lost()) } else { Ok(()) }
    }

    /// Counts a changing call and meets the fault that is set for it.
    fn call(&mut self) -> io::Result<()> {
        self.alive()?;
        let number = self.calls;
        self.calls += 1;
        match self.faults.remove(&number) {
            None => Ok(()),
            Some(Fault::Io) => Err(io::Error::other("injected input/output error")),
            Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::PowerLoss) => {
                self.dead = true;
                Err(power_is_lost())
            }
        }
    }

    fn used_bytes(&self) -> u64 {
        let size = |id: &u64| self.inodes.get(id).map_or(0, |inode| inode.seen.len() as u64);
        self.names.values().map(size).sum()
    }

    fn grow(&mut self, inode: u64, len: usize) -> io::Result<()> {
        let used = self.used_bytes();
        let Some(inode) = self.inodes.get_mut(&inode) else { return Ok(()) };
        let more = len.saturating_sub(inode.seen.len());
        if more == 0 {
            return Ok(());
        }
        if used.saturating_add(more as u64) > self.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inode.seen.resize(len, 0);
        inode.grown = true;
        Ok(())
    }

    fn settle_name(&mut self, change: NameChange) {
        let names = &mut self.names_durable;
        match change {
            NameChange::Set(path, id) => drop(names.insert(path, id)),
            NameChange::Move(from, to, id) => {
                // The old name is gone only if it still means this file.
                if names.get(&from) == Some(&id) {
                    names.remove(&from);
                }
                names.insert(to, id);
            }
            NameChange::Remove(path) => drop(names.remove(&path)),
            NameChange::Directory(prefix) => drop(self.directories_durable.insert(prefix)),
        }
    }

    fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        for change in std::mem::take(&mut self.waiting) {
            if choose(2) == 1 {
                self.settle_name(change);
            }
        }
        // Files of a directory whose own name was lost are lost with it.
        let directories = &self.directories_durable;
        self.names_durable.retain(|path, _| match path.find('/') {
            Some(slash) => directories.contains(path.get(..=slash).unwrap_or_default()),
            None => true,
        });
        let mut ids: Vec<u64> = self.names_durable.values().copied().collect();
        ids.sort_unstable();
        for id in &ids {
            if let Some(inode) = self.inodes.get_mut(id) {
                inode.settle(choose);
                inode.seen.clone_from(&inode.durable);
            }
        }
        self.inodes.retain(|id, _| ids.binary_search(id).is_ok());
        self.names = self.names_durable.clone();
        self.directories = self.directories_durable.clone();
        self.generation += 1;
        self.dead = false;
        self.faults.clear();
    }
}

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// For each sector that waits: its versions, oldest first.
    waiting: BTreeMap<usize, Vec<[u8; SECTOR_BYTES]>>,
    grown: bool,
}

impl Inode {
    /// Writes into space that is there, and notes each sector touched as waiting.
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        let Some(target) = self.seen.get_mut(at..end) else { return };
        target.copy_from_slice(bytes);
        for sector in at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.seen.len());
            let mut version = [0; SECTOR_BYTES];
            if let (Some(source), Some(target)) = (self.seen.get(from..to), version.get_mut(..to - from)) {
                target.copy_from_slice(source);
            }
            self.waiting.entry(sector).or_default().push(version);
        }
    }

    /// Decides what of the waiting sectors and growth reaches the platter.
    fn settle(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        if std::mem::take(&mut self.grown) && choose(2) == 1 {
            self.durable.resize(self.seen.len(), 0);
        }
        for (sector, versions) in std::mem::take(&mut self.waiting) {
            let Some(version) = choose(versions.len() + 1).checked_sub(1).and_then(|n| versions.get(n))
            else {
                continue;
            };
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(self.durable.len());
            if let Some(target) = self.durable.get_mut(from..to) {
                target.copy_from_slice(version.get(..to - from).unwrap_or_default());
            }
        }
    }
}

#[derive(Clone)]
enum NameChange {
    Set(String, u64),
    Move(String, String, u64),
    Remove(String),
    Directory(String),
}

impl NameChange {
    /// The path whose directory has to be synced.
    fn path(&self) -> &str {
        match self {
            Self::Set(path, _) | Self::Move(_, path, _) | Self::Remove(path) => path,
            Self::Directory(prefix) => prefix.trim_end_matches('/'),
        }
    }
}

/// SplitMix64: enough for chance in a test, and the same everywhere.
#[derive(Clone, Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

fn power_is_lost() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "power is lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsynced_sectors_survive_in_some_crashes_and_not_in_others() {
        let disk = CrashDisk::new(1);
        let file = disk.create("f").unwrap();
        file.write_all_at(&[1; 1024], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory().unwrap();
        file.write_all_at(&[2; 1024], 0).unwrap();
        let mut seen = BTreeSet::new();
        for choices in 0..4_usize {
            let fork = disk.fork();
            let mut at = 0;
            fork.crash_with(|_| {
                at += 1;
                choices >> (at - 1) & 1
            });
            assert_eq!(at, 2);
            let content = fork.content("f").unwrap();
            seen.insert((content[0], content[512]));
        }
        assert_eq!(seen, BTreeSet::from([(1, 1), (1, 2), (2, 1), (2, 2)]));
    }

    #[test]
    fn a_failed_sync_leaves_clean_looking_pages_that_a_later_sync_does_not_write() {
        let disk = CrashDisk::new(3);
        let file = disk.create("f").unwrap();
        file.write_all_at(&[1; 8192], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory().unwrap();
        file.write_all_at(&[2; 8192], 0).unwrap();
        disk.fail_call(0, Fault::Io);
        assert!(file.sync_data().is_err());
        assert_eq!(disk.content("f").unwrap(), [2; 8192]);
        disk.crash();
        let content = disk.content("f").unwrap();
        assert!(content.contains(&1) && content.contains(&2));
    }

    #[test]
    fn a_name_is_lost_until_its_directory_is_synced() {
        let disk = CrashDisk::new(4);
        let sub = disk.subdirectory("log").unwrap();
        sub.create("f").unwrap();
        sub.sync_directory().unwrap();
        let fork = disk.fork();
        fork.crash_with(|_| 0);
        assert!(fork.paths().is_empty());
        disk.sync_directory().unwrap();
        disk.crash_with(|_| 0);
        // Syncing a directory says nothing of its own name: both syncs are needed.
        assert_eq!(disk.paths(), ["log/f"]);
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_not_a_byte_more() {
        let disk = CrashDisk::new(5);
        disk.set_capacity(1000);
        let file = disk.create("f").unwrap();
        file.allocate(1000).unwrap();
        assert_eq!(file.allocate(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.len().unwrap(), 1000);
    }
}
