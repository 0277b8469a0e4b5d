//! One private directory: everything that the store asks of a disk.
//!
//! [`Disk`] is a directory with files and one level of subdirectories, [`File`] a file read and written at offsets.
//! [`FileDisk`] is a real directory; [`crash::CrashDisk`] one in memory that loses, tears and refuses things on
//! purpose.
//!
//! What is assumed of a disk, and no more:
//!
//! * A write may be applied in any part, sector (512 bytes) by sector in any order, until [`File::sync_data`] has
//!   returned `Ok`. A sector is either old or new.
//! * `sync_data` makes all bytes written before it durable, and the length that is needed to read them.
//! * Creating, renaming and removing a name is durable once [`Disk::sync_directory`] has returned `Ok`; before
//!   that each may be lost on its own. A rename over a name leaves the old or the new file.
//! * After a `sync_data` that failed nothing is known of the bytes written before it: they may read back well and
//!   never reach the disk.
//! * After a `sync_directory` that failed the changes still wait for the next one: they are in the journal of the
//!   file system, which takes no more changes if it cannot be written.
//!
//! ```
//! use mailstore::disk::{Disk, File, crash::CrashDisk};
//! let disk = CrashDisk::new(7);
//! let file = disk.create("a")?;
//! file.write_all_at(b"hello", 0)?;
//! file.sync_data()?;
//! disk.sync_directory()?;
//! disk.crash();
//! let mut back = [0; 5];
//! disk.open("a")?.read_exact_at(&mut back, 0)?;
//! assert_eq!(&back, b"hello");
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod crash;
mod file;

pub use file::FileDisk;

use std::io;
use std::sync::Arc;

/// A private directory, owned by one process.
///
/// Names are single path components out of `[A-Za-z0-9._-]`, at most 64 bytes, not beginning with a dot:
/// anything else is refused with [`io::ErrorKind::InvalidInput`]. No name ever comes from a peer.
pub trait Disk: Send + Sync + 'static {
    /// Opens an existing file for reading and writing. A symbolic link is refused.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// Creates an empty file; one of that name must not exist.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;

    /// The names of all files in this directory, in no order. Subdirectories are not listed.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name; a file that has that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Whoever has it open can go on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all creations, renames and removals in this directory durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Opens a subdirectory, which is created if there is none.
    fn subdirectory(&self, name: &str) -> io::Result<Arc<dyn Disk>>;

    /// 64 bits that nobody can guess.
    fn random(&self) -> io::Result<u64>;
}

/// An open file.
pub trait File: Send + Sync + 'static {
    /// Reads at `offset`; how many bytes were read, 0 at the end of the file. May be short.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`, growing the file if needed; how many bytes were written. May be short.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes all bytes written so far durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the file at least `len` bytes long and reserves the space; what was never written reads as zeros.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads exactly `buffer.len()` bytes at `offset`, else [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Longest name of a file, in bytes: ours are at most 21, the rest is room.
const NAME_BYTES_MAX: usize = 64;

/// Refuses what is not a plain name, so that no caller can leave the directory.
fn check_name(name: &str) -> io::Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_up_to_the_limit_pass() {
        assert!(check_name("STORE").is_ok());
        assert!(check_name("0000000000000001.seg").is_ok());
        assert!(check_name(&"a".repeat(NAME_BYTES_MAX)).is_ok());
        for bad in ["", ".", "..", ".x", "a/b", "a\0b", "a b", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
