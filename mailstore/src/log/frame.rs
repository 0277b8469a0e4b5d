//! Frames: what one write and one sync make durable.
//!
//! ```text
//! frame   0 magic "CFrm" | 4 payload length | 8 epoch 8 | 16 first transaction number 8 | 24 transactions 4
//!         28 kind 2 | 30 zero 2 | 32 time 8 | 40 zero 4 | 44 crc32c 4 | 48 payload | zeros up to 4096
//! record  0 length 4, its top bit set in the last record of a transaction | 4 crc32c 4 | 8 content
//! ```
//!
//! All numbers are little-endian. A record's sum covers its length and content, the frame's sum the frame header and
//! all record headers, so each byte is covered once, and one record can be checked without its frame. Both sums
//! begin with the segment's number and epoch and with the offset: a piece of another life, another file or
//! another place does not pass. The epoch is 64 random bits that never leave the disk, so a mail that is shaped
//! like a frame cannot carry the right one.

use super::{Place, Record, SegmentId, TransactionNumber};
use crate::clock::Timestamp;

/// Largest frame, header included, in bytes: no reader allocates more.
pub(crate) const FRAME_BYTES_MAX: u32 = 4 << 20;
pub(crate) const FRAME_HEADER_BYTES: usize = 48;
pub(crate) const RECORD_HEADER_BYTES: usize = 8;
/// Set in the length of the last record of a transaction.
pub(crate) const LAST: u32 = 1 << 31;

const MAGIC: [u8; 4] = *b"CFrm";

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Transactions.
    Commit,
    /// The copy that recovery made of the last frame of the segment before.
    Recovered,
    /// No transactions: all before is durable, the owner has closed the log. The next owner writes over it.
    Close,
}

/// Where a frame is, which goes into its sums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) segment: SegmentId,
    pub(crate) epoch: u64,
    pub(crate) offset: u32,
}

impl Spot {
    pub(crate) fn seed(self, further: usize) -> u32 {
        let mut bytes = [0; 24];
        let (segment, rest) = bytes.split_at_mut(8);
        let (epoch, offset) = rest.split_at_mut(8);
        segment.copy_from_slice(&self.segment.value().to_le_bytes());
        epoch.copy_from_slice(&self.epoch.to_le_bytes());
        offset.copy_from_slice(&(u64::from(self.offset) + further as u64).to_le_bytes());
        crc32c::crc32c(&bytes)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) payload_bytes: u32,
    pub(crate) epoch: u64,
    pub(crate) first: TransactionNumber,
    pub(crate) count: u32,
    pub(crate) time: Timestamp,
}

impl Header {
    /// Reads a header as far as it can be judged without its payload.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        if !bytes.starts_with(&MAGIC) {
            return None;
        }
        let kind = match u32_at(bytes, 28)? {
            1 => Kind::Commit,
            2 => Kind::Recovered,
            3 => Kind::Close,
            _ => return None,
        };
        let header = Self {
            kind,
            payload_bytes: u32_at(bytes, 4)?,
            epoch: u64_at(bytes, 8)?,
            first: TransactionNumber::new(u64_at(bytes, 16)?),
            count: u32_at(bytes, 24)?,
            time: Timestamp::from_millis(u64_at(bytes, 32)?),
        };
        let fits = header.payload_bytes as usize <= FRAME_BYTES_MAX as usize - FRAME_HEADER_BYTES;
        let empty = header.count == 0 && header.payload_bytes == 0;
        let shaped = if kind == Kind::Close { empty } else { header.count > 0 };
        let sane = header.first.plus(u64::from(header.count)) <= TransactionNumber::MAX;
        (fits && shaped && sane && header.first > TransactionNumber::ZERO).then_some(header)
    }

    /// Header and payload together, in bytes.
    pub(crate) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_bytes as usize
    }

    /// The number after the last in this frame.
    pub(crate) fn after(&self) -> TransactionNumber {
        self.first.plus(u64::from(self.count))
    }
}

/// Completes a frame whose payload stands behind [`FRAME_HEADER_BYTES`] of room: all sums and the header.
pub(crate) fn seal(frame: &mut [u8], spot: Spot, header: &Header) {
    let mut sums = Vec::new();
    let mut at = FRAME_HEADER_BYTES;
    while let Some((length, content)) = record_at(frame, at) {
        let sum = record_sum(spot, at, length, content);
        let next = at + RECORD_HEADER_BYTES + content.len();
        if let Some(target) = frame.get_mut(at + 4..at + 8) {
            target.copy_from_slice(&sum.to_le_bytes());
        }
        sums.push(at);
        at = next;
    }
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(target) = frame.get_mut(at..at + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    };
    let kind: u32 = match header.kind {
        Kind::Commit => 1,
        Kind::Recovered => 2,
        Kind::Close => 3,
    };
    put(0, &MAGIC);
    put(4, &header.payload_bytes.to_le_bytes());
    put(8, &spot.epoch.to_le_bytes());
    put(16, &header.first.value().to_le_bytes());
    put(24, &header.count.to_le_bytes());
    put(28, &kind.to_le_bytes());
    put(32, &header.time.as_millis().to_le_bytes());
    put(40, &[0; 4]);
    let mut sum = crc32c::crc32c_append(spot.seed(0), frame.get(..44).unwrap_or_default());
    for at in sums {
        sum = crc32c::crc32c_append(sum, frame.get(at..at + RECORD_HEADER_BYTES).unwrap_or_default());
    }
    if let Some(target) = frame.get_mut(44..48) {
        target.copy_from_slice(&sum.to_le_bytes());
    }
}

/// Whether `frame`, cut to its length, is a whole frame that was written for this spot.
pub(crate) fn verify(frame: &[u8], spot: Spot, header: &Header) -> bool {
    if header.epoch != spot.epoch || frame.len() != header.frame_bytes() {
        return false;
    }
    let mut sum = crc32c::crc32c_append(spot.seed(0), frame.get(..44).unwrap_or_default());
    let (mut at, mut transactions, mut open) = (FRAME_HEADER_BYTES, 0_u32, false);
    while at < frame.len() {
        let Some((length, content)) = record_at(frame, at) else { return false };
        if u32_at(frame, at + 4) != Some(record_sum(spot, at, length, content)) {
            return false;
        }
        sum = crc32c::crc32c_append(sum, frame.get(at..at + RECORD_HEADER_BYTES).unwrap_or_default());
        open = length & LAST == 0;
        transactions += u32::from(!open);
        at += RECORD_HEADER_BYTES + content.len();
    }
    !open && transactions == header.count && u32_at(frame, 44) == Some(sum)
}

/// Checks one record, header and content, that was read by itself.
pub(crate) fn verify_record(record: &[u8], spot: Spot) -> bool {
    let Some((length, content)) = record_at(record, 0) else { return false };
    record.len() == RECORD_HEADER_BYTES + content.len()
        && u32_at(record, 4) == Some(record_sum(spot, 0, length, content))
}

/// The records of one transaction: an iterator.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    segment: SegmentId,
    offset: u32,
}

impl<'a> Records<'a> {
    /// The records of the first transaction of a verified frame.
    pub(crate) fn of_frame(frame: &'a [u8], spot: Spot) -> Self {
        let offset = spot.offset + u32::try_from(FRAME_HEADER_BYTES).unwrap_or(0);
        Self { rest: frame.get(FRAME_HEADER_BYTES..).unwrap_or_default(), segment: spot.segment, offset }
    }

    /// The records of the transaction after this one.
    pub(crate) fn next_transaction(&self) -> Self {
        let (mut rest, mut offset) = (self.rest, self.offset);
        while let Some((length, content)) = record_at(rest, 0) {
            let whole = RECORD_HEADER_BYTES + content.len();
            rest = rest.get(whole..).unwrap_or_default();
            offset += u32::try_from(whole).unwrap_or(0);
            if length & LAST != 0 {
                break;
            }
        }
        Self { rest, segment: self.segment, offset }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (length, content) = record_at(self.rest, 0)?;
        let len_bytes = length & !LAST;
        let record = Record { place: Place::new(self.segment, self.offset, len_bytes), bytes: content };
        let whole = RECORD_HEADER_BYTES + content.len();
        self.rest = if length & LAST != 0 { &[] } else { self.rest.get(whole..).unwrap_or_default() };
        self.offset += u32::try_from(whole).unwrap_or(0);
        Some(record)
    }
}

fn record_at(frame: &[u8], at: usize) -> Option<(u32, &[u8])> {
    let length = u32_at(frame, at)?;
    let from = at + RECORD_HEADER_BYTES;
    Some((length, frame.get(from..from + (length & !LAST) as usize)?))
}

fn record_sum(spot: Spot, at: usize, length: u32, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(spot.seed(at), &length.to_le_bytes()), content)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
