//! The bytes of a cached structure: how numbers and strings are written, and read back with every step checked.
//!
//! ```text
//! number   LEB128: seven bits a byte, lowest first, at most 5 bytes, below 2^32
//! bytes    number n, n bytes
//! string   number 0 for absent, else n + 1, then n bytes
//! list     number of items, items
//!
//! version  1 byte
//! flags    1 byte: 1 = truncated, 2 = has a sent date
//! size     number
//! sent     only with flag 2: i64 little endian (UTC seconds), i16 little endian (zone, minutes)
//! envelope of the message itself
//! count    number of parts, at least 1
//! table    for each part: u32 little endian, offset of its record from the first record
//! records  in order of the tree (a parent before its children), without gaps
//!
//! record   flags (1 byte: 0 leaf, 1 multipart, 2 message; 4 = opaque), end of the subtree (part index, exclusive),
//!          header start, header length, body length, lines (numbers),
//!          type (bytes), subtype (bytes), parameters (list of name, value as bytes),
//!          id, description, encoding, md5, location (strings), disposition (string; if present: parameters),
//!          languages (list of bytes), and for a message/rfc822 the envelope of the message in it
//! envelope date, subject (strings), from, sender, reply-to, to, cc, bcc (lists of addresses: name, route, mailbox,
//!          host as strings), in-reply-to, message-id (strings)
//! ```
//!
//! A subtree is named by its end, so that no bytes can describe a cycle.

/// The version of the encoding that this crate writes, and the only one it reads: a structure can always be read
/// again from its message.
pub const FORMAT_VERSION: u8 = 1;

pub(super) const FLAG_TRUNCATED: u8 = 1;
pub(super) const FLAG_SENT: u8 = 2;
pub(super) const RECORD_KIND: u8 = 3;
pub(super) const RECORD_OPAQUE: u8 = 4;

/// Why bytes are not an encoded structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cached structure: {kind} at offset {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where, in bytes from the start of the encoding.
    pub offset: usize,
}

/// What can be wrong with the bytes of a cached structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Written by another version of this crate.
    #[error("unknown version")]
    Version,
    /// The bytes end too early.
    #[error("unexpected end")]
    Truncated,
    /// A number, flag or length that cannot stand here.
    #[error("malformed value")]
    Malformed,
    /// The tree of parts is not one, or a part lies outside its parent.
    #[error("inconsistent tree")]
    Tree,
    /// Bytes are left over.
    #[error("trailing bytes")]
    Trailing,
}

pub(super) fn put_number(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Lengths are bounded by [`super::Limits`] far below 2^32; a longer value would be written as its first 2^32 - 2 bytes.
fn clamp(value: &[u8]) -> (&[u8], u32) {
    const MAX: u32 = u32::MAX - 1;
    match u32::try_from(value.len()) {
        Ok(length) if length <= MAX => (value, length),
        _ => (value.get(..MAX as usize).unwrap_or_default(), MAX),
    }
}

pub(super) fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    let (value, length) = clamp(value);
    put_number(out, length);
    out.extend_from_slice(value);
}

pub(super) fn put_string(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.push(0),
        Some(value) => {
            let (value, length) = clamp(value);
            put_number(out, length + 1);
            out.extend_from_slice(value);
        }
    }
}

/// A cursor over encoded bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

pub(super) type Read<T> = Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn fail<T>(&self, kind: DecodeErrorKind) -> Read<T> {
        Err(DecodeError { kind, offset: self.at })
    }

    pub(super) fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => self.fail(DecodeErrorKind::Truncated),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| DecodeError { kind: DecodeErrorKind::Truncated, offset: at })
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Read<u32> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return match u32::try_from(value) {
                    Ok(value) => Ok(value),
                    Err(_) => self.fail(DecodeErrorKind::Malformed),
                };
            }
        }
        self.fail(DecodeErrorKind::Malformed)
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    pub(super) fn string(&mut self) -> Read<Option<&'a [u8]>> {
        match self.number()?.checked_sub(1) {
            None => Ok(None),
            Some(length) => self.take(length as usize).map(Some),
        }
    }

    /// Reads a list and gives its count and a cursor at its first item; `self` ends behind it.
    pub(super) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<(u32, Reader<'a>)> {
        let count = self.number()?;
        let first = *self;
        for _ in 0..count {
            item(self)?;
        }
        Ok((count, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u32::MAX - 1, u32::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            let mut reader = Reader::new(&out, 0);
            assert_eq!(reader.number(), Ok(number));
            assert_eq!(reader.at(), out.len());
        }
        for value in [None, Some(&b""[..]), Some(&b"x"[..]), Some(&[7; 300][..])] {
            let mut out = Vec::new();
            put_string(&mut out, value);
            assert_eq!(Reader::new(&out, 0).string(), Ok(value));
        }
    }

    #[test]
    fn a_number_above_32_bits_is_malformed() {
        for bytes in [&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F][..], &[0x80; 6][..]] {
            let error = Reader::new(bytes, 0).number().err().map(|e| e.kind);
            assert_eq!(error, Some(DecodeErrorKind::Malformed));
        }
        let error = Reader::new(&[0x80], 0).number().err().map(|e| e.kind);
        assert_eq!(error, Some(DecodeErrorKind::Truncated));
    }
}
