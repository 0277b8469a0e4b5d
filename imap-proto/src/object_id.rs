//! Object identifiers (RFC 8474 4, 5, 7): names of mailboxes, messages and threads that never change.
//!
//! ```
//! use imap_proto::{Code, ObjectId, Parser, Response};
//! let mut parser = Parser::new();
//! let line = b"3 OK [MAILBOXID (F2212ea87-6097-4256-9d51-71338625)] Completed";
//! let Response::Tagged { status, .. } = parser.response(line)? else { panic!() };
//! assert_eq!(status.code, Some(Code::MailboxId(ObjectId::new("F2212ea87-6097-4256-9d51-71338625")?)));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use std::fmt;

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::encode::{Encode, Encoder, Sink};
use crate::tape::{Cursor, Node};

/// `objectid`: 1 to 255 letters, digits, `_` and `-`, compared with regard to case.
///
/// ```
/// use imap_proto::ObjectId;
/// assert_eq!(ObjectId::new("M6d99ac3275bb4e")?.as_str(), "M6d99ac3275bb4e");
/// assert!(ObjectId::new("two words").is_err());
/// # Ok::<(), imap_proto::InvalidMessage>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId<'a>(&'a str);

impl<'a> ObjectId<'a> {
    /// The longest one, in bytes (RFC 8474 7).
    pub const BYTES_MAX: usize = 255;

    /// The identifier spelled like this.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(id: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidMessage> {
        Self::of_bytes(id.as_ref()).ok_or(InvalidMessage::new("expected an object identifier", 0))
    }

    fn of_bytes(id: &'a [u8]) -> Option<Self> {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let good = (1..=Self::BYTES_MAX).contains(&id.len()) && id.iter().all(legal);
        good.then(|| std::str::from_utf8(id).ok().map(Self)).flatten()
    }

    /// Its spelling.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    pub(crate) fn of_node(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        Self::of_bytes(node.word()?).map_or_else(|| node.fail("expected an object identifier"), Ok)
    }

    /// The identifier that a list in parentheses holds.
    pub(crate) fn of_list(node: &Node<'a>) -> Result<Self, InvalidMessage> {
        let mut inside: Cursor<'a> = node.inside()?;
        let id = Self::of_node(&inside.next()?)?;
        inside.end()?;
        Ok(id)
    }
}

impl fmt::Debug for ObjectId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Encode for ObjectId<'_> {
    /// Without parentheses.
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(self.0.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_identifier_has_1_to_255_plain_characters() {
        assert!(ObjectId::new(&"x".repeat(255)).is_ok());
        for bad in ["", "a b", "a.b", "é", "a)", &"x".repeat(256)] {
            assert!(ObjectId::new(bad).is_err(), "{bad}");
        }
        assert_ne!(ObjectId::new("a"), ObjectId::new("A"));
    }
}
