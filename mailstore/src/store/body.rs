//! Bodies: written as they arrive, read in pieces.
//!
//! A body below [`BULK_BYTES_MIN`](crate::log::BULK_BYTES_MIN) (half a frame, where frames are smaller than usual) is held
//! in memory and becomes a record of the transaction that appends it; a larger one streams into a file beside the log, in memory of one chunk. While it
//! passes, its identity (BLAKE3) and its MIME structure are made. The structure is kept as a **record beside the
//! body**, in the same transaction and not in a cache file: it is then covered by the same checksums, recovery and
//! compaction as the mail, costs no flush and no second consistency protocol, and ENVELOPE reads it without the body.
//! It may still be lost or of an older format: then it is made again from the body.

use std::ops::Range;

use bytes::Bytes;

use super::error::{Error, Limit};
use super::machine::Machine;
use super::pending::log_error;
use super::rows::Row;
use crate::log::{BULK_BYTES_MIN, Bulk, BulkWriter, Log, Place, ReadError};
use crate::message::{Limits, Parser, Structure};

/// A larger structure is not kept but made again when it is asked for: a record of megabytes would hold up others.
const STRUCTURE_BYTES_MAX: usize = 512 * 1024;

/// What a body may come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// The largest message.
    pub(super) message_bytes_max: u32,
    /// From here on a body is kept beside the log.
    bulk_bytes_min: usize,
    structure_bytes_max: usize,
}

impl BodyLimits {
    /// The parts of a message that are records, and what goes with them, have to fit in a frame together.
    pub(super) fn new(options: &super::Options) -> Self {
        let frame_bytes = usize::try_from(options.log.frame_bytes_max).unwrap_or(usize::MAX);
        Self {
            message_bytes_max: options.message_bytes_max.min(options.log.bulk_bytes_max),
            bulk_bytes_min: BULK_BYTES_MIN.min(frame_bytes / 2),
            structure_bytes_max: STRUCTURE_BYTES_MAX.min(frame_bytes / 4),
        }
    }
}

/// How much of a body is read at a time where the whole is needed.
const READ_BYTES: u32 = 256 * 1024;

/// The identity of a message's bytes (RFC 8474 EMAILID): the first 16 bytes of their BLAKE3 digest. Equal for copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmailId(pub [u8; 16]);

impl EmailId {
    /// How many bytes it has.
    pub const BYTES: usize = 16;
}

/// Takes a body as it arrives. Dropped, it leaves nothing behind.
///
/// [`write`](Self::write) and [`finish`](Self::finish) may block on the disk for large bodies.
pub struct BodyWriter {
    log: Log<Machine>,
    hasher: blake3::Hasher,
    parser: Parser,
    memory: Vec<u8>,
    bulk: Option<BulkWriter>,
    size_bytes: u32,
    limits: BodyLimits,
}

impl BodyWriter {
    pub(super) fn new(log: Log<Machine>, limits: BodyLimits) -> Self {
        Self {
            log,
            hasher: blake3::Hasher::new(),
            parser: Parser::new(Limits::default()),
            memory: Vec::new(),
            bulk: None,
            size_bytes: 0,
            limits,
        }
    }

    /// Appends to the body.
    ///
    /// # Errors
    /// [`Limit::MessageBytes`], or the disk; the body cannot be finished afterwards.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let size = u32::try_from(bytes.len()).ok().and_then(|len| self.size_bytes.checked_add(len));
        let max = self.limits.message_bytes_max;
        self.size_bytes = size
            .filter(|size| *size <= max)
            .ok_or(Error::LimitExceeded { limit: Limit::MessageBytes, max: u64::from(max) })?;
        self.hasher.update(bytes);
        self.parser.feed(bytes);
        if self.bulk.is_none() && self.memory.len() + bytes.len() >= self.limits.bulk_bytes_min {
            let mut bulk = self.log.bulk().map_err(log_error)?;
            bulk.write(&std::mem::take(&mut self.memory)).map_err(log_error)?;
            self.bulk = Some(bulk);
        }
        match &mut self.bulk {
            Some(bulk) => bulk.write(bytes).map_err(log_error),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The body, to be appended or delivered. A large one is durable now, a small one is not yet.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(self) -> Result<NewBody, Error> {
        let mut email_id = EmailId([0; EmailId::BYTES]);
        self.hasher.finalize_xof().fill(&mut email_id.0);
        let structure = self.parser.finish().encoded().clone();
        let data = match self.bulk {
            Some(bulk) => Data::Bulk(bulk.finish().map_err(log_error)?),
            None => Data::Inline(self.memory.into()),
        };
        let kept = structure.len() <= self.limits.structure_bytes_max;
        let structure = if kept { structure } else { Bytes::new() };
        Ok(NewBody { email_id, structure, size_bytes: self.size_bytes, data })
    }
}

impl std::fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// A body that is not in a mailbox yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct NewBody {
    pub(super) email_id: EmailId,
    pub(super) structure: Bytes,
    pub(super) size_bytes: u32,
    pub(super) data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Inline(Bytes),
    Bulk(Bulk),
}

impl NewBody {
    /// Its identity.
    #[must_use]
    pub fn email_id(&self) -> EmailId {
        self.email_id
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let inline = match &self.data {
            Data::Inline(bytes) => bytes.len(),
            Data::Bulk(_) => 0,
        };
        inline + self.structure.len()
    }
}

/// The body of a message in a mailbox, for reading. Every read is checked.
#[derive(Clone, Debug)]
pub struct Body {
    log: Log<Machine>,
    place: Place,
    structure: Place,
    /// Bytes of the record before the body.
    before: u32,
    size_bytes: u32,
}

impl Body {
    pub(super) fn new(log: Log<Machine>, row: &Row) -> Self {
        let place = row.body_place();
        let before = place.len_bytes().saturating_sub(row.size_bytes);
        Self { log, place, structure: row.structure.place(), before, size_bytes: row.size_bytes }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// The bytes of a range; what lies beyond the end is left out, as for IMAP's partial FETCH.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Expunged`], or the disk; never bytes other than those stored.
    pub fn read(&self, range: Range<u32>) -> Result<Bytes, Error> {
        let (start, end) = (range.start.min(self.size_bytes), range.end.min(self.size_bytes));
        if start >= end {
            return Ok(Bytes::new());
        }
        self.log.read_range(self.place, self.before + start..self.before + end).map_err(read_error)
    }

    /// All of it. For a large body [`read`](Self::read) in pieces costs less memory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_all(&self) -> Result<Bytes, Error> {
        self.read(0..self.size_bytes)
    }

    /// Its identity.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn email_id(&self) -> Result<EmailId, Error> {
        let record = self.log.read(self.structure).map_err(read_error)?;
        let id = record.get(1..).and_then(|rest| rest.first_chunk::<{ EmailId::BYTES }>());
        id.copied().map(EmailId).ok_or(Error::Damaged)
    }

    /// Its MIME structure and envelope: those kept since the delivery, or made again from the body.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn structure(&self) -> Result<Structure, Error> {
        let kept = self.log.read(self.structure).ok().and_then(|record| {
            let encoded = (record.len() > 1 + EmailId::BYTES).then(|| record.slice(1 + EmailId::BYTES..))?;
            Structure::decode(encoded).ok()
        });
        kept.map_or_else(|| self.parse(), Ok)
    }

    fn parse(&self) -> Result<Structure, Error> {
        let mut parser = Parser::new(Limits::default());
        let mut start = 0;
        while start < self.size_bytes {
            let end = start.saturating_add(READ_BYTES).min(self.size_bytes);
            parser.feed(&self.read(start..end)?);
            start = end;
        }
        Ok(parser.finish())
    }
}

fn read_error(error: ReadError) -> Error {
    match error {
        // A segment goes when nothing refers to it any more: the message was expunged while it was being looked at.
        ReadError::Gone { .. } => Error::Expunged,
        ReadError::Corrupt { .. } | ReadError::OutOfRange => Error::Damaged,
        ReadError::Io(kind) => Error::Io(kind.to_string().into()),
        ReadError::PreviousIo => Error::PreviousIo,
        ReadError::Closed => Error::Closed,
    }
}
