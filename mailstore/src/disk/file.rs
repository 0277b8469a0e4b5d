//! A real directory.
//!
//! All access goes through the directory's descriptor (openat and friends) and follows no symbolic link, so nobody
//! can swap a path under us. The directory must belong to us and be writable by nobody else; files are made with
//! mode 0600, directories with 0700. An exclusive `flock` on the file `LOCK` keeps a second process out until the
//! last handle is dropped, leases of a log included. A network file system is not a place for a store: neither its locks nor its syncs are
//! promised to be what is assumed here.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self as sys, AtFlags, CWD, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Disk, File, check_name};

/// The directory at a path of the file system, locked for this process.
#[derive(Debug)]
pub struct FileDisk {
    directory: OwnedFd,
    /// Held, never read: closing it gives the lock back.
    lock: Arc<OwnedFd>,
}

const LOCK: &str = "LOCK";
const FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY: Mode = Mode::RWXU;

impl FileDisk {
    /// Opens the directory at `path`, which is created (its parent must exist), and locks it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`]: another owner has it. [`io::ErrorKind::PermissionDenied`]: it belongs to
    /// someone else, or others may write to it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let directory = open_directory(&CWD, path.as_ref())?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = sys::openat(&directory, LOCK, flags, FILE)?;
        sys::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { directory, lock: Arc::new(lock) })
    }
}

impl Disk for FileDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        check_name(name)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = sys::openat(&self.directory, name, flags, Mode::empty())?;
        if FileType::from_raw_mode(sys::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Box::new(OpenFile(file.into())))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        check_name(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Box::new(OpenFile(sys::openat(&self.directory, name, flags, FILE)?.into())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if check_name(name).is_ok() && entry.file_type() != FileType::Directory {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        Ok(sys::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        Ok(sys::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(sys::fsync(&self.directory)?)
    }

    fn subdirectory(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        check_name(name)?;
        let directory = open_directory(&self.directory, Path::new(name))?;
        Ok(Arc::new(Self { directory, lock: Arc::clone(&self.lock) }))
    }

    fn random(&self) -> io::Result<u64> {
        getrandom::u64().map_err(|_| io::Error::other("no randomness"))
    }
}

struct OpenFile(fs::File);

impl File for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len <= self.len()? {
            return Ok(());
        }
        match sys::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // A file system that cannot reserve space still can be written to; then a full disk is met later.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(sys::ftruncate(&self.0, len)?),
            Err(error) => Err(error.into()),
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Opens or makes a directory that is ours alone.
fn open_directory(parent: &impl std::os::fd::AsFd, path: &Path) -> io::Result<OwnedFd> {
    match sys::mkdirat(parent, path, DIRECTORY) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = sys::openat(parent, path, flags, Mode::empty())?;
    let stat = sys::fstat(&directory)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the store's directory has another owner",
        ));
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        let text = "the store's directory can be written by others: use mode 0700";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(directory)
}
