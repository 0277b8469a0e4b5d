//! What Outlook needs of a message: no NUL, and an empty line behind the header.
//!
//! Dovecot knows the two as `outlook-no-nuls` and `oe-ns-eoh`. Here they are
//! [`Quirk::OutlookNul`](crate::Quirk::OutlookNul) and [`Quirk::OutlookEndOfHeader`](crate::Quirk::OutlookEndOfHeader).

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// Finds the empty line behind a header, in pieces that are cut anywhere. Past it, it looks at nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderEnd {
    /// In a line that is not empty.
    InLine,
    /// At the beginning of a line, or behind a CR there.
    AtLineStart,
    Found,
}

impl Default for HeaderEnd {
    /// At the beginning of a message.
    fn default() -> Self {
        Self::AtLineStart
    }
}

impl HeaderEnd {
    pub(super) fn look(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Found, _) => return,
                (Self::AtLineStart, b'\n') => Self::Found,
                (Self::InLine, b'\n') => Self::AtLineStart,
                (state, b'\r') => state,
                (_, _) => Self::InLine,
            };
        }
    }

    /// What a message lacks that ends here.
    pub(super) fn missing(self) -> Option<&'static [u8]> {
        match self {
            Self::InLine => Some(b"\r\n\r\n"),
            Self::AtLineStart => Some(b"\r\n"),
            Self::Found => None,
        }
    }
}

/// The bytes with 0x80 for every NUL, if there is one.
pub(super) fn without_nul(bytes: &[u8]) -> Option<Bytes> {
    memchr(0, bytes)?;
    let mut copy = BytesMut::from(bytes);
    copy.iter_mut().filter(|b| **b == 0).for_each(|b| *b = 0x80);
    Some(copy.freeze())
}

#[cfg(test)]
mod tests {
    use mail_wire::testing::every_split;

    use super::*;

    #[test]
    fn the_end_of_a_header_is_found_wherever_it_is_cut() {
        let missing = |text: &[u8]| {
            every_split(text, |pieces| {
                let mut end = HeaderEnd::default();
                pieces.iter().for_each(|piece| end.look(piece));
                end.missing()
            })
        };
        for whole in [&b"A: b\r\n\r\n"[..], b"A: b\n\nx", b"\r\n", b"A: b\r\n\r\nbody"] {
            assert_eq!(missing(whole), None, "{whole:?}");
        }
        assert_eq!(missing(b"A: b\r\n"), Some(&b"\r\n"[..]));
        assert_eq!(missing(b"A: b"), Some(&b"\r\n\r\n"[..]));
        assert_eq!(missing(b""), Some(&b"\r\n"[..]));
    }

    #[test]
    fn nul_becomes_0x80_and_nothing_else_changes() {
        assert_eq!(without_nul(b"ab"), None);
        assert_eq!(without_nul(b"a\0\0b"), Some(Bytes::from_static(b"a\x80\x80b")));
    }
}
