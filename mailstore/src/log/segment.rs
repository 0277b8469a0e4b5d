//! Segments: files of fixed length that hold frames, and bulk files that hold one large body.
//!
//! ```text
//! header  0 magic "CorbieSg" | 8 store 8 | 16 segment 8 | 24 epoch 8 | 32 first transaction number 8
//!         40 segment before 8 | 48 where that one ends 4 | 52 length 4 | 56 format 2 | 58 kind 2 | 60 crc32c 4
//! ```
//!
//! The header stands twice, at 0 and at 4096; either is enough. Frames begin at 8192, each at a multiple of 4096, so
//! no block with an acknowledged frame is ever written again. A log segment is part of the log exactly if its
//! header is valid for the name of its file; the header names the segment before and says where that one ends.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::bulk;
use super::frame::{self, RECORD_HEADER_BYTES, Spot, u32_at, u64_at};
use super::open_files::{OpenFiles, SegmentFile};
use super::{Place, ReadError, SegmentId, TransactionNumber};
use crate::disk::File;

/// Unit of placing: no block of this many bytes is shared by two frames.
pub(crate) const BLOCK_BYTES: u32 = 4096;
/// Both copies of the header, in bytes: where the first frame is.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 2 * BLOCK_BYTES;
pub(crate) const FORMAT: u16 = 1;

const MAGIC: [u8; 8] = *b"CorbieSg";
const HEADER_BYTES: usize = 64;

/// What a segment's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    Log,
    Bulk,
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: SegmentKind,
    pub(crate) store: u64,
    pub(crate) id: SegmentId,
    pub(crate) epoch: u64,
    /// The number of the first transaction in it.
    pub(crate) first: TransactionNumber,
    /// The segment before, 0 for none.
    pub(crate) previous: SegmentId,
    /// Where the frames of the segment before end.
    pub(crate) previous_end: u32,
    /// The length of the file; for a bulk file the length of the body.
    pub(crate) len_bytes: u32,
}

impl SegmentHeader {
    /// Both copies with the space between.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let kind: u16 = match self.kind {
            SegmentKind::Log => 1,
            SegmentKind::Bulk => 2,
        };
        let mut copy = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
        copy.extend_from_slice(&MAGIC);
        for value in [self.store, self.id.value(), self.epoch, self.first.value(), self.previous.value()] {
            copy.extend_from_slice(&value.to_le_bytes());
        }
        copy.extend_from_slice(&self.previous_end.to_le_bytes());
        copy.extend_from_slice(&self.len_bytes.to_le_bytes());
        copy.extend_from_slice(&FORMAT.to_le_bytes());
        copy.extend_from_slice(&kind.to_le_bytes());
        let sum = crc32c::crc32c(&copy);
        copy.extend_from_slice(&sum.to_le_bytes());
        copy.resize(BLOCK_BYTES as usize, 0);
        copy.extend_from_within(..);
        copy
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        if !bytes.starts_with(&MAGIC) || u32_at(bytes, 60)? != crc32c::crc32c(bytes.get(..60)?) {
            return None;
        }
        let kind = match u32_at(bytes, 56)? {
            0x1_0001 => SegmentKind::Log,
            0x2_0001 => SegmentKind::Bulk,
            _ => return None,
        };
        Some(Self {
            kind,
            store: u64_at(bytes, 8)?,
            id: SegmentId::new(u64_at(bytes, 16)?),
            epoch: u64_at(bytes, 24)?,
            first: TransactionNumber::new(u64_at(bytes, 32)?),
            previous: SegmentId::new(u64_at(bytes, 40)?),
            previous_end: u32_at(bytes, 48)?,
            len_bytes: u32_at(bytes, 52)?,
        })
    }

    /// Reads the header that a file of this name has to have; `None` if neither copy is it.
    pub(crate) fn read(
        file: &dyn File,
        kind: SegmentKind,
        store: u64,
        id: SegmentId,
    ) -> io::Result<Option<Self>> {
        for offset in [0, u64::from(BLOCK_BYTES)] {
            let mut bytes = [0; HEADER_BYTES];
            match file.read_exact_at(&mut bytes, offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
            let header = Self::decode(&bytes);
            let ours = |h: &Self| h.kind == kind && h.store == store && h.id == id;
            if let Some(header) = header.filter(ours) {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// A segment that can be read.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: SegmentFile,
}

impl Segment {
    pub(crate) fn new(header: SegmentHeader, files: &Arc<OpenFiles>) -> Arc<Self> {
        Arc::new(Self { header, file: SegmentFile::new(files) })
    }

    pub(crate) fn spot(&self, offset: u32) -> Spot {
        Spot { segment: self.header.id, epoch: self.header.epoch, offset }
    }

    /// Reads `length` bytes from `from` on of the content of a place, and checks what it read.
    pub(crate) fn read(self: &Arc<Self>, place: Place, from: u32, length: u32) -> Result<Bytes, ReadError> {
        if u64::from(from) + u64::from(length) > u64::from(place.len_bytes()) {
            return Err(ReadError::OutOfRange);
        }
        if self.header.kind == SegmentKind::Bulk {
            return bulk::read(self, place, from, length);
        }
        let corrupt = ReadError::Corrupt { segment: place.segment(), offset: u64::from(place.offset()) };
        let whole = RECORD_HEADER_BYTES as u64 + u64::from(place.len_bytes());
        let end = u64::from(place.offset()) + whole;
        // Bounds the allocation by what a segment can hold before anything of the place is believed.
        if end > u64::from(self.header.len_bytes) || whole > u64::from(frame::FRAME_BYTES_MAX) {
            return Err(corrupt);
        }
        let mut record = vec![0; usize::try_from(whole).map_err(|_| corrupt)?];
        let file = self.open().map_err(|error| ReadError::Io(error.kind()))?;
        file.read_exact_at(&mut record, u64::from(place.offset())).map_err(read_error(corrupt))?;
        if !frame::verify_record(&record, self.spot(place.offset())) {
            return Err(corrupt);
        }
        let from = RECORD_HEADER_BYTES + from as usize;
        Ok(Bytes::from(record).slice(from..from + length as usize))
    }
}

/// A file that is too short is damaged, all else is the disk's trouble.
pub(crate) fn read_error(corrupt: ReadError) -> impl Fn(io::Error) -> ReadError {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => corrupt,
        kind => ReadError::Io(kind),
    }
}

/// All segments that can be read.
#[derive(Default)]
pub(crate) struct Segments(RwLock<HashMap<SegmentId, Arc<Segment>>>);

impl Segments {
    pub(crate) fn find(&self, id: SegmentId) -> Option<Arc<Segment>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(crate) fn insert(&self, segment: &Arc<Segment>) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(segment.header.id, Arc::clone(segment));
    }

    pub(crate) fn take(&self, id: SegmentId) -> Option<Arc<Segment>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    /// The numbers of all segments of a kind, in order.
    pub(crate) fn ids(&self, kind: SegmentKind) -> Vec<SegmentId> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = map.values().filter(|s| s.header.kind == kind).map(|s| s.header.id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The name of a segment's file.
pub(crate) fn file_name(id: SegmentId, kind: SegmentKind) -> String {
    match kind {
        SegmentKind::Log => format!("{id}.seg"),
        SegmentKind::Bulk => format!("{id}.blk"),
    }
}

/// The number in a name like `0000000000000001.seg`.
pub(crate) fn parse_name(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let plain =
        digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// The name of a file that waits to become a segment.
pub(crate) fn free_name(id: SegmentId) -> String {
    format!("{id}.free")
}
