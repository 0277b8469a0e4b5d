//! Checkpoints: the whole state at one transaction, in a file of its own outside the log.
//!
//! ```text
//! header  0 magic "CorbieCk" | 8 store 8 | 16 last transaction applied 8 | 24 segment 8 | 32 time 8
//!         40 next segment number 8 | 48 offset 4 | 52 format 2 | 54 zero 6 | 60 crc32c 4
//! chunk   0 length 4 | 4 crc32c 4 | 8 content, up to 256 KiB
//! end     0 zero 4 | 4 crc32c 4 | 8 length of all content 8
//! ```
//!
//! It is written under another name, synced, renamed, and the directory synced: under its own name it is whole.
//! The two newest are kept, and the log back to the older, so that one damaged checkpoint costs time and not mail.
//! Each sum begins with the store, the transaction and the number of the chunk.

use std::io::{self, Read, Write};

use super::frame::{u32_at, u64_at};
use super::segment::FORMAT;
use super::{SegmentId, TransactionNumber};
use crate::clock::Timestamp;
use crate::disk::{Disk, File};

const MAGIC: [u8; 8] = *b"CorbieCk";
const HEADER_BYTES: usize = 64;
const CHUNK_HEADER_BYTES: usize = 8;
/// Most content of one chunk: the memory that saving and loading take.
const CHUNK_BYTES: usize = 256 * 1024;
/// While it is being written.
pub(crate) const UNFINISHED: &str = "checkpoint.new";

/// What a checkpoint reaches and where the replay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) store: u64,
    pub(crate) number: TransactionNumber,
    pub(crate) time: Timestamp,
    pub(crate) segment: SegmentId,
    pub(crate) offset: u32,
    pub(crate) next_segment: u64,
}

impl Checkpoint {
    pub(crate) fn file_name(&self) -> String {
        format!("{:016x}.chk", self.number.value())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        let (number, segment, time) = (self.number.value(), self.segment.value(), self.time.as_millis());
        for value in [self.store, number, segment, time, self.next_segment] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.resize(HEADER_BYTES - 4, 0);
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (covered, _) = bytes.split_at(HEADER_BYTES - 4);
        let format = u32_at(bytes, 52)?;
        if !bytes.starts_with(&MAGIC)
            || u32_at(bytes, 60)? != crc32c::crc32c(covered)
            || format != u32::from(FORMAT)
        {
            return None;
        }
        let number = TransactionNumber::new(u64_at(bytes, 16)?);
        (number <= TransactionNumber::MAX).then_some(Self {
            store: u64_at(bytes, 8)?,
            number,
            segment: SegmentId::new(u64_at(bytes, 24)?),
            time: Timestamp::from_millis(u64_at(bytes, 32)?),
            next_segment: u64_at(bytes, 40)?,
            offset: u32_at(bytes, 48)?,
        })
    }

    /// Writes the checkpoint, durable under its name when this returns.
    pub(crate) fn write(
        &self,
        disk: &dyn Disk,
        save: impl FnOnce(&mut SnapshotWriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if disk.list()?.iter().any(|name| name == UNFINISHED) {
            disk.remove(UNFINISHED)?;
        }
        let file = disk.create(UNFINISHED)?;
        file.write_all_at(&self.encode(), 0)?;
        let mut out = SnapshotWriter {
            file: file.as_ref(),
            sums: Sums::new(self),
            offset: HEADER_BYTES as u64,
            chunk: Vec::with_capacity(CHUNK_HEADER_BYTES + CHUNK_BYTES),
            total_bytes: 0,
        };
        out.chunk.resize(CHUNK_HEADER_BYTES, 0);
        save(&mut out)?;
        out.finish()?;
        file.sync_data()?;
        disk.rename(UNFINISHED, &self.file_name())?;
        disk.sync_directory()
    }

    /// Reads and checks a whole checkpoint; `None` if it is not what was written.
    pub(crate) fn verify(file: &dyn File, store: u64) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(checkpoint) = Self::decode(&header).filter(|c| c.store == store) else { return Ok(None) };
        match io::copy(&mut checkpoint.reader(file), &mut io::sink()) {
            Ok(_) => Ok(Some(checkpoint)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn reader<'a>(&self, file: &'a dyn File) -> SnapshotReader<'a> {
        SnapshotReader {
            file,
            sums: Sums::new(self),
            offset: HEADER_BYTES as u64,
            chunk: Vec::new(),
            at: 0,
            total_bytes: 0,
            ended: false,
        }
    }
}

/// Takes a saved state as a stream of bytes, in memory of one chunk.
pub struct SnapshotWriter<'a> {
    file: &'a dyn File,
    sums: Sums,
    offset: u64,
    chunk: Vec<u8>,
    total_bytes: u64,
}

impl SnapshotWriter<'_> {
    fn write_chunk(&mut self) -> io::Result<()> {
        let content_bytes = self.chunk.len().saturating_sub(CHUNK_HEADER_BYTES);
        let length = u32::try_from(content_bytes).unwrap_or(0).to_le_bytes();
        let sum = self.sums.next(&length, self.chunk.get(CHUNK_HEADER_BYTES..).unwrap_or_default());
        let header: Vec<u8> = length.into_iter().chain(sum.to_le_bytes()).collect();
        if let Some(target) = self.chunk.get_mut(..CHUNK_HEADER_BYTES) {
            target.copy_from_slice(&header);
        }
        self.file.write_all_at(&self.chunk, self.offset)?;
        self.offset += self.chunk.len() as u64;
        self.total_bytes += content_bytes as u64;
        self.chunk.truncate(CHUNK_HEADER_BYTES);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.chunk.len() > CHUNK_HEADER_BYTES {
            self.write_chunk()?;
        }
        let total = self.total_bytes.to_le_bytes();
        let sum = self.sums.next(&[0; 4], &total);
        let end: Vec<u8> = [0; 4].into_iter().chain(sum.to_le_bytes()).chain(total).collect();
        self.file.write_all_at(&end, self.offset)
    }
}

impl Write for SnapshotWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (CHUNK_HEADER_BYTES + CHUNK_BYTES).saturating_sub(self.chunk.len());
        let count = room.min(bytes.len());
        self.chunk.extend_from_slice(bytes.get(..count).unwrap_or_default());
        if self.chunk.len() == CHUNK_HEADER_BYTES + CHUNK_BYTES {
            self.write_chunk()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for SnapshotWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").field("total_bytes", &self.total_bytes).finish_non_exhaustive()
    }
}

/// Gives a saved state back as a stream of bytes, each checked before it is given, in memory of one chunk.
pub struct SnapshotReader<'a> {
    file: &'a dyn File,
    sums: Sums,
    offset: u64,
    chunk: Vec<u8>,
    at: usize,
    total_bytes: u64,
    ended: bool,
}

impl SnapshotReader<'_> {
    fn read_chunk(&mut self) -> io::Result<()> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "damaged checkpoint");
        let mut header = [0; CHUNK_HEADER_BYTES];
        self.file.read_exact_at(&mut header, self.offset)?;
        let (length, sum) = (u32_at(&header, 0).unwrap_or(0), u32_at(&header, 4).unwrap_or(0));
        let content_bytes = if length == 0 { 8 } else { length as usize };
        if content_bytes > CHUNK_BYTES {
            return Err(bad());
        }
        self.chunk.resize(content_bytes, 0);
        self.file.read_exact_at(&mut self.chunk, self.offset + CHUNK_HEADER_BYTES as u64)?;
        if sum != self.sums.next(&length.to_le_bytes(), &self.chunk) {
            return Err(bad());
        }
        self.at = 0;
        self.offset += (CHUNK_HEADER_BYTES + content_bytes) as u64;
        if length == 0 {
            self.ended = true;
            let total = u64_at(&self.chunk, 0);
            self.chunk.clear();
            return if total == Some(self.total_bytes) { Ok(()) } else { Err(bad()) };
        }
        self.total_bytes += content_bytes as u64;
        Ok(())
    }
}

impl Read for SnapshotReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() && !self.ended {
            self.read_chunk()?;
        }
        let source = self.chunk.get(self.at..).unwrap_or_default();
        let count = source.len().min(buffer.len());
        if let (Some(to), Some(bytes)) = (buffer.get_mut(..count), source.get(..count)) {
            to.copy_from_slice(bytes);
        }
        self.at += count;
        Ok(count)
    }
}

impl std::fmt::Debug for SnapshotReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotReader").field("total_bytes", &self.total_bytes).finish_non_exhaustive()
    }
}

/// The sums of the chunks of one checkpoint, in order.
struct Sums {
    store: u64,
    number: u64,
    index: u64,
}

impl Sums {
    fn new(checkpoint: &Checkpoint) -> Self {
        Self { store: checkpoint.store, number: checkpoint.number.value(), index: 0 }
    }

    fn next(&mut self, length: &[u8; 4], content: &[u8]) -> u32 {
        let mut sum = 0;
        for value in [self.store, self.number, self.index] {
            sum = crc32c::crc32c_append(sum, &value.to_le_bytes());
        }
        self.index += 1;
        crc32c::crc32c_append(crc32c::crc32c_append(sum, length), content)
    }
}
