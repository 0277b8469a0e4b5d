//! Bodies in.

use bytes::Bytes;

use super::lines::{BareLineEnd, Dots, Lines, Step};
use crate::{Error, Input, InvalidMessage, PeerMisbehaved};

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPart {
    /// The next bytes, unstuffed, never empty.
    Chunk(Bytes),
    /// The body, or the chunk, has ended; what follows in the input is the next command.
    End,
}

/// A piece of a body that borrows from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySlice<'a> {
    /// The next bytes, unstuffed, never empty.
    Text(&'a [u8]),
    /// The body has ended; what follows is the next command.
    End,
}

/// Reads one dot-ended body. The body's final CRLF, which is also the first half of its end, belongs to it.
///
/// ```
/// use mail_wire::{BareLineEnd, BodyPart, DotReader, Input};
/// let mut input = Input::new();
/// input.buffer().extend_from_slice(b"one\r\n..two\r\n.\r\nQUIT\r\n");
/// let mut reader = DotReader::new(BareLineEnd::Refuse);
/// let mut body = Vec::new();
/// while let Some(BodyPart::Chunk(chunk)) = reader.poll(&mut input)? {
///     body.extend_from_slice(&chunk);
/// }
/// assert_eq!(body, b"one\r\n.two\r\n");
/// assert_eq!(input.waiting(), b"QUIT\r\n");
/// # Ok::<(), mail_wire::Error>(())
/// ```
#[derive(Debug)]
pub struct DotReader(Lines);

impl DotReader {
    /// A reader at the start of a body.
    #[must_use]
    pub fn new(bare: BareLineEnd) -> Self {
        Self(Lines::new(bare, Dots::Stuffed))
    }

    /// The next piece, if enough bytes are there to tell. An error is final: the end can no longer be found.
    pub fn poll(&mut self, input: &mut Input) -> Result<Option<BodyPart>, Error> {
        match self.0.step(input.waiting())? {
            Step::End { skip } => {
                input.discard(skip);
                Ok(Some(BodyPart::End))
            }
            step => take(input, &step),
        }
    }

    /// Reads from bytes that stay the caller's, and takes what was read off their front. `None` when they are used up.
    /// An error is final.
    ///
    /// ```
    /// use mail_wire::{BareLineEnd, BodySlice, DotReader};
    /// let mut reader = DotReader::new(BareLineEnd::Refuse);
    /// let mut bytes = &b"..one\r\n.\r\nQUIT\r\n"[..];
    /// assert_eq!(reader.read(&mut bytes), Ok(Some(BodySlice::Text(b".one\r\n"))));
    /// assert_eq!(reader.read(&mut bytes), Ok(Some(BodySlice::End)));
    /// assert_eq!(bytes, b"QUIT\r\n");
    /// ```
    pub fn read<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<BodySlice<'a>>, InvalidMessage> {
        let (skip, run, piece) = match self.0.step(bytes)? {
            Step::Run { skip, bytes } => (skip, bytes, None),
            Step::Made { skip, text } => (skip, 0, Some(BodySlice::Text(text))),
            Step::End { skip } => (skip, 0, Some(BodySlice::End)),
            Step::Wait { skip } => (skip, 0, None),
        };
        let (text, rest) = bytes.get(skip..).and_then(|rest| rest.split_at_checked(run)).unwrap_or_default();
        *bytes = rest;
        Ok(if run > 0 { Some(BodySlice::Text(text)) } else { piece })
    }
}

/// Reads a body that comes in chunks of a stated size (RFC 3030). Its line ends obey the same policy, across chunks;
/// dots are text. A binary body wants [`BareLineEnd::DangerKeep`].
///
/// ```
/// use mail_wire::{BareLineEnd, BodyPart, ChunkReader, Input};
/// let mut input = Input::new();
/// input.buffer().extend_from_slice(b".\r\nQUIT\r\n");
/// let mut reader = ChunkReader::new(BareLineEnd::Refuse);
/// reader.begin(3);
/// assert_eq!(reader.poll(&mut input), Ok(Some(BodyPart::Chunk(".\r\n".into()))));
/// assert_eq!(reader.poll(&mut input), Ok(Some(BodyPart::End)));
/// assert_eq!((reader.finish(), input.waiting()), (Ok(None), &b"QUIT\r\n"[..]));
/// ```
#[derive(Debug)]
pub struct ChunkReader {
    lines: Lines,
    left: u64,
}

impl ChunkReader {
    /// A reader at the start of a body, with no chunk.
    #[must_use]
    pub fn new(bare: BareLineEnd) -> Self {
        Self { lines: Lines::new(bare, Dots::Text), left: 0 }
    }

    /// Announces the next chunk. Nothing is reserved for it.
    pub fn begin(&mut self, bytes: u64) {
        self.left = bytes;
    }

    /// Bytes of the chunk that have not come yet.
    #[must_use]
    pub fn left_bytes(&self) -> u64 {
        self.left
    }

    /// The next piece of the chunk, or its end. An error is final.
    pub fn poll(&mut self, input: &mut Input) -> Result<Option<BodyPart>, Error> {
        if self.left == 0 {
            return Ok(Some(BodyPart::End));
        }
        let waiting = input.waiting();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(waiting.len());
        let step = self.lines.step(waiting.get(..most).unwrap_or_default())?;
        let used = match step {
            Step::Run { skip, bytes } => skip + bytes,
            Step::Made { skip, .. } | Step::End { skip } | Step::Wait { skip } => skip,
        };
        self.left -= used as u64;
        if self.left == 0 && matches!(step, Step::Wait { .. }) {
            input.discard(used);
            return Ok(Some(BodyPart::End));
        }
        take(input, &step)
    }

    /// Says that the body ends behind this chunk; the text, if any, is its last.
    pub fn finish(&mut self) -> Result<Option<BodyPart>, InvalidMessage> {
        let text = self.lines.finish()?;
        Ok(text.map(|text| BodyPart::Chunk(Bytes::from_static(text))))
    }
}

/// Takes out of the input what a step names.
fn take(input: &mut Input, step: &Step) -> Result<Option<BodyPart>, Error> {
    match *step {
        Step::Run { skip, bytes } => {
            input.discard(skip);
            Ok(Some(BodyPart::Chunk(input.take(bytes))))
        }
        Step::Made { skip, text } => {
            input.discard(skip);
            Ok(Some(BodyPart::Chunk(Bytes::from_static(text))))
        }
        Step::End { skip } | Step::Wait { skip } => {
            input.discard(skip);
            if input.has_ended() { Err(PeerMisbehaved::ClosedMidMessage.into()) } else { Ok(None) }
        }
    }
}
