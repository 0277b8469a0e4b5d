//! Tags: the word that ties a response to its command (RFC 3656 2, 5).
//!
//! The RFC calls a tag alphanumeric in its text and lets it be any ACAP atom in its grammar; atoms of letters, digits
//! and `-._/:` are taken. A tag is kept inline: parsing one allocates nothing, and it is safe to echo.

use std::fmt;

use mail_wire::{Decimal, InvalidMessage};

/// A command's tag.
///
/// ```
/// use mupdate_proto::Tag;
/// assert_eq!(Tag::new(b"A01")?.as_str(), "A01");
/// assert_eq!(Tag::numbered(7).as_str(), "X7");
/// assert!(Tag::new(b"*").is_err());
/// # Ok::<(), mail_wire::InvalidMessage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
}

impl Tag {
    /// Bytes of a tag. The RFC wants less than 15; twice that costs nothing.
    pub const BYTES_MAX: usize = 31;

    /// Reads a tag.
    pub fn new(tag: &[u8]) -> Result<Self, InvalidMessage> {
        let wrong = |b: &u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'/' | b':'));
        if let Some(offset) = tag.iter().position(wrong) {
            return Err(InvalidMessage::new("not in a tag", offset));
        }
        let len = u8::try_from(tag.len()).unwrap_or(u8::MAX);
        let mut bytes = [0; Self::BYTES_MAX];
        match bytes.get_mut(..tag.len()) {
            Some(space) if !tag.is_empty() => space.copy_from_slice(tag),
            _ => return Err(InvalidMessage::new("tag of 1 to 31 bytes expected", 0)),
        }
        Ok(Self { bytes, len })
    }

    /// The tag of a client's command: `X` and its number.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        let digits = Decimal::new(number);
        let (mut bytes, mut len) = ([0; Self::BYTES_MAX], 0_u8);
        for (place, byte) in bytes.iter_mut().zip(b"X".iter().chain(digits.as_bytes())) {
            *place = *byte;
            len += 1;
        }
        Self { bytes, len }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_tags_are_tags() {
        for (number, text) in [(0, "X0"), (9, "X9"), (10, "X10"), (u64::MAX, "X18446744073709551615")] {
            assert_eq!(Tag::numbered(number).as_str(), text);
            assert_eq!(Tag::new(text.as_bytes()), Ok(Tag::numbered(number)));
        }
    }

    #[test]
    fn a_tag_at_the_limit_passes_and_one_above_does_not() {
        assert!(Tag::new(&[b'a'; Tag::BYTES_MAX]).is_ok());
        assert!(Tag::new(&[b'a'; Tag::BYTES_MAX + 1]).is_err());
        assert!(Tag::new(&[b'a'; 300]).is_err());
    }

    #[test]
    fn e6_no_tag_holds_a_byte_that_means_something_else() {
        for bad in [&b""[..], b"*", b"+", b"a b", b"a\"", b"a{1}", b"a\0", b"a\r\n", b"\xc3\xa9", b"a(", b"%"]
        {
            assert!(Tag::new(bad).is_err(), "{bad:?}");
        }
    }
}
