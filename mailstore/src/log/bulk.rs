//! Large bodies beside the log: a file of its own for each.
//!
//! A body of megabytes written as a record would hold up everybody in its frame, so it is written here first, as it
//! arrives, in a file with a sync of its own; the commit record then names its [`Place`]. One file a body means that
//! its space comes back by removing it, without copying others; at these sizes the two syncs more do not count.
//!
//! ```text
//! bulk    two copies of the segment header as in segment.rs, kind 2; then chunks
//! chunk   0 crc32c 4 | 4 content, 65536 bytes but in the last
//! ```
//!
//! A chunk's sum begins like a record's, so a range can be read and checked without the rest. A file that no
//! committed record names (its writer was dropped, or its commit refused) is removed at the next checkpoint or
//! opening.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::frame::Spot;
use super::handle::Common;
use super::segment::{SEGMENT_HEADER_BYTES, Segment, SegmentHeader, SegmentKind, file_name, read_error};
use super::{LogError, Place, ReadError, SegmentId, TransactionNumber};
use crate::disk::File;

const CHUNK_BYTES: usize = 64 * 1024;
const SUM_BYTES: usize = 4;

/// Writes one large body as it arrives, in memory of one chunk. Dropped before [`finish`](Self::finish), it leaves
/// nothing behind.
pub struct BulkWriter {
    common: Arc<Common>,
    id: SegmentId,
    epoch: u64,
    /// `None` once it is finished or has failed.
    file: Option<Box<dyn File>>,
    chunk: Vec<u8>,
    offset: u32,
    len_bytes: u32,
    created: bool,
}

impl BulkWriter {
    pub(crate) fn new(common: &Arc<Common>) -> Result<Self, LogError> {
        common.alive()?;
        let id = common.take_segment_id();
        let mut writer = Self {
            common: Arc::clone(common),
            id,
            epoch: 0,
            file: None,
            chunk: Vec::with_capacity(SUM_BYTES + CHUNK_BYTES),
            offset: SEGMENT_HEADER_BYTES,
            len_bytes: 0,
            created: false,
        };
        let made = common.disk.random().and_then(|epoch| {
            writer.epoch = epoch;
            common.disk.create(&file_name(id, SegmentKind::Bulk))
        });
        writer.file = Some(made.map_err(|error| common.failed(&error))?);
        writer.created = true;
        writer.chunk.resize(SUM_BYTES, 0);
        Ok(writer)
    }

    /// Appends to the body.
    ///
    /// # Errors
    ///
    /// [`LogError::BodyTooLarge`], [`LogError::DiskFull`]: this body is lost, the log goes on. [`LogError::Io`]: the
    /// log is closed as after any failed write.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), LogError> {
        self.common.alive()?;
        let max_bytes = self.common.options.bulk_bytes_max;
        let len = u64::from(self.len_bytes) + bytes.len() as u64;
        let fitting = u32::try_from(len).ok().filter(|len| *len <= max_bytes);
        self.len_bytes = fitting.ok_or(LogError::BodyTooLarge { max_bytes })?;
        while !bytes.is_empty() {
            let room = (SUM_BYTES + CHUNK_BYTES).saturating_sub(self.chunk.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == SUM_BYTES + CHUNK_BYTES {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    /// Makes the body durable. The request that commits it should carry the [`Bulk`], which keeps the file.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn finish(mut self) -> Result<Bulk, LogError> {
        self.common.alive()?;
        if self.chunk.len() > SUM_BYTES {
            self.write_chunk()?;
        }
        let header = SegmentHeader {
            kind: SegmentKind::Bulk,
            store: self.common.store,
            id: self.id,
            epoch: self.epoch,
            first: TransactionNumber::ZERO,
            previous: SegmentId::new(0),
            previous_end: 0,
            len_bytes: self.len_bytes,
        };
        self.with_file(|file| {
            file.write_all_at(&header.encode(), 0)?;
            file.sync_data()
        })?;
        self.common.disk.sync_directory().map_err(|error| self.common.failed(&error))?;
        self.file = None;
        let segment = Segment::new(header, &self.common.files);
        self.common.segments.insert(&segment);
        Ok(Bulk { place: Place::new(self.id, SEGMENT_HEADER_BYTES, self.len_bytes), segment })
    }

    fn write_chunk(&mut self) -> Result<(), LogError> {
        let spot = Spot { segment: self.id, epoch: self.epoch, offset: self.offset };
        let sum = chunk_sum(spot, self.chunk.get(SUM_BYTES..).unwrap_or_default());
        if let Some(target) = self.chunk.get_mut(..SUM_BYTES) {
            target.copy_from_slice(&sum.to_le_bytes());
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.with_file(|file| file.write_all_at(&chunk, u64::from(spot.offset)))?;
        self.offset = spot.offset.saturating_add(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        self.chunk = chunk;
        self.chunk.truncate(SUM_BYTES);
        Ok(())
    }

    /// Does something with the file; after an error there is none any more.
    fn with_file(&mut self, act: impl FnOnce(&dyn File) -> io::Result<()>) -> Result<(), LogError> {
        let Some(file) = self.file.take() else { return Err(LogError::PreviousIo) };
        act(file.as_ref()).map_err(|error| self.common.failed(&error))?;
        self.file = Some(file);
        Ok(())
    }
}

impl Drop for BulkWriter {
    fn drop(&mut self) {
        let finished = self.common.segments.find(self.id).is_some();
        if self.created && !finished && self.common.alive().is_ok() {
            // If this fails the file stays until the next opening, which removes what nobody refers to.
            let _ = self.common.disk.remove(&file_name(self.id, SegmentKind::Bulk));
        }
    }
}

/// A durable large body that no record names yet. While it lives, its file is kept.
#[derive(Clone)]
pub struct Bulk {
    place: Place,
    #[expect(dead_code, reason = "held to keep the file")]
    segment: Arc<Segment>,
}

impl Bulk {
    /// Where the body is.
    pub fn place(&self) -> Place {
        self.place
    }
}

impl std::fmt::Debug for Bulk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bulk").field(&self.place).finish()
    }
}

/// Reads a range of a body, chunk by chunk.
pub(crate) fn read(segment: &Arc<Segment>, place: Place, from: u32, length: u32) -> Result<Bytes, ReadError> {
    let corrupt = |offset: u64| ReadError::Corrupt { segment: place.segment(), offset };
    if place.offset() != SEGMENT_HEADER_BYTES || place.len_bytes() != segment.header.len_bytes {
        return Err(corrupt(0));
    }
    let (total, from, end) = (place.len_bytes() as usize, from as usize, from as usize + length as usize);
    let file = segment.open().map_err(|error| ReadError::Io(error.kind()))?;
    let mut out = BytesMut::new();
    let mut index = from / CHUNK_BYTES;
    let mut chunk = Vec::new();
    while index * CHUNK_BYTES < end {
        let start = index * CHUNK_BYTES;
        let content_bytes = CHUNK_BYTES.min(total - start);
        let offset = u64::from(SEGMENT_HEADER_BYTES) + (index * (SUM_BYTES + CHUNK_BYTES)) as u64;
        chunk.resize(SUM_BYTES + content_bytes, 0);
        file.read_exact_at(&mut chunk, offset).map_err(read_error(corrupt(offset)))?;
        let spot = segment.spot(u32::try_from(offset).unwrap_or(u32::MAX));
        let Some((sum, content)) = chunk.split_first_chunk::<SUM_BYTES>() else {
            return Err(corrupt(offset));
        };
        if u32::from_le_bytes(*sum) != chunk_sum(spot, content) {
            return Err(corrupt(offset));
        }
        let wanted = from.saturating_sub(start)..end.saturating_sub(start).min(content_bytes);
        out.extend_from_slice(content.get(wanted).unwrap_or_default());
        index += 1;
    }
    Ok(out.freeze())
}

fn chunk_sum(spot: Spot, content: &[u8]) -> u32 {
    crc32c::crc32c_append(spot.seed(0), content)
}
