//! Tags: what a client calls a command (RFC 3501 2.2.1).

use std::fmt;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::chars;
use crate::encode::{Encode, Encoder, Sink};
use crate::string::IString;
use crate::tape::{Cursor, Item};

/// A tag: ASTRING-CHARs without `+`, up to [`BYTES_MAX`](Self::BYTES_MAX) of them.
///
/// ```
/// use imap_proto::{Parser, Tag};
/// let frame = b"a7 SELECT (";
/// assert!(Parser::new().command(frame).is_err());
/// assert_eq!(Tag::of_frame(frame), Some(Tag::new("a7")?)); // to answer: a7 BAD
/// assert_eq!(Tag::of_frame(b"* SELECT INBOX"), None);
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag<'a>(&'a [u8]);

impl<'a> Tag<'a> {
    /// Clients use up to ten characters; a tag is echoed, so it has a limit.
    pub const BYTES_MAX: usize = 128;

    pub(crate) const UNKNOWN: Tag<'static> = Tag(b"?");

    /// The tag spelled like this.
    pub fn new(tag: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        let tag = tag.as_ref();
        if tag.len() <= Self::BYTES_MAX && chars::is_tag(tag) {
            Ok(Self(tag))
        } else {
            Err(InvalidMessage::new("expected a tag", 0))
        }
    }

    /// The tag that a frame begins with, for whoever must answer a command that could not be parsed.
    #[must_use]
    pub fn of_frame(frame: &'a [u8]) -> Option<Self> {
        let end = frame.iter().take(Self::BYTES_MAX + 1).position(|&b| b == b' ').unwrap_or(frame.len());
        Self::new(frame.get(..end)?).ok()
    }

    /// Its spelling; tags are compared byte for byte.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.0).unwrap_or("?"))
    }
}

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<'a> Item<'a> for Tag<'a> {
    /// A tag that is an argument: a string.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.next()?;
        let tag = node.astring()?.as_plain().and_then(|tag| Self::new(tag).ok());
        tag.map_or_else(|| node.fail("expected a tag"), Ok)
    }
}

impl Encode for Tag<'_> {
    /// A tag that is an argument: a string.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.string(&IString::plain(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_and_plain() {
        for (tag, good) in [
            ("a001", true),
            ("A]", true),
            ("", false),
            ("a+", false),
            ("a b", false),
            ("*", false),
            ("a\"", false),
        ] {
            assert_eq!(Tag::new(tag).is_ok(), good, "{tag}");
        }
        assert!(Tag::new(&[b'a'; Tag::BYTES_MAX]).is_ok());
        assert!(Tag::new(&[b'a'; Tag::BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_tag_of_a_bad_command_is_still_found() {
        assert_eq!(Tag::of_frame(b"a7 (((").map(|t| t.as_bytes()), Some(&b"a7"[..]));
        assert_eq!(Tag::of_frame(b"a7").map(|t| t.as_bytes()), Some(&b"a7"[..]));
        assert_eq!(Tag::of_frame(b"\"x\" NOOP"), None);
        assert_eq!(Tag::of_frame(&[b'a'; 500]), None);
    }
}
