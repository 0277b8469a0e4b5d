//! A message that waits until every destination has it: small ones in memory, large ones in a file without a name.
//!
//! The file is made in the node's own directory and unlinked at once (safety row O3): nobody else sees it, and it is
//! gone with the process.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::delivery::MessageSource;

/// Bytes of a message that are kept in memory.
const MEMORY_BYTES_MAX: usize = 256 << 10;

/// Numbers the files of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A message being written, then read.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
}

impl Spool {
    /// An empty one; a file of it would stand in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), memory: Vec::new(), file: None }
    }

    /// Appends to it. May block on the disk.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES_MAX {
            let mut file = nameless(&self.folder)?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl MessageSource for Spool {
    fn read(&self, offset: u64, bytes_max: usize) -> io::Result<Bytes> {
        let Some(file) = &self.file else {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.memory.len());
            let end = start.saturating_add(bytes_max).min(self.memory.len());
            return Ok(Bytes::copy_from_slice(self.memory.get(start..end).unwrap_or_default()));
        };
        let mut bytes = vec![0; bytes_max];
        let n = file.read_at(&mut bytes, offset)?;
        bytes.truncate(n);
        Ok(bytes.into())
    }
}

fn nameless(folder: &Path) -> io::Result<File> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("spool-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_from_memory_and_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 10, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, 3 * MEMORY_BYTES_MAX] {
            let mut spool = Spool::new(folder.path());
            let text: Vec<u8> = (0..=255).cycle().take(size).collect();
            text.chunks(1000).for_each(|piece| spool.write(piece).unwrap());
            assert_eq!(spool.file.is_some(), size > MEMORY_BYTES_MAX);
            let mut read = Vec::new();
            loop {
                let piece = spool.read(read.len() as u64, 70_000).unwrap();
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            assert!(read == text, "{size} bytes");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
