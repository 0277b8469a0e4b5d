//! REPLACE (RFC 8508): a message is stored, and another goes, in one step.
//!
//! ```
//! use imap_proto::{Command, Parser};
//! let mut parser = Parser::new();
//! let frame = b"a UID REPLACE 4827313 Drafts (\\Seen \\Draft) {2+}\r\nhi";
//! let Command::Replace(replace) = parser.command(frame)?.command else { panic!() };
//! assert_eq!(replace.mailbox.to_utf8(), "Drafts");
//! assert_eq!(replace.replacement.flags.iter().count(), 2);
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::append::NewMessage;
use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::sequence::{SequenceNumber, SequenceSet};
use crate::tape::{Cursor, Item};

/// `REPLACE 4 Drafts (\Seen) {n}` or `UID REPLACE ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replace<'a> {
    /// How the message is numbered.
    pub numbering: Numbering,
    /// Which message goes.
    pub message: SequenceNumber,
    /// Where the new one is stored.
    pub mailbox: MailboxName<'a>,
    /// The new one.
    pub replacement: NewMessage<'a>,
}

impl<'a> Replace<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let node = cursor.spaced()?;
        let Some(message) = SequenceSet::number(node.word()?) else {
            return node.fail("expected one message number");
        };
        let mailbox = MailboxName::argument(cursor)?;
        if cursor.peek().is_some_and(|token| !token.is_spaced()) {
            return cursor.fail("expected a space");
        }
        Ok(Self { numbering, message, mailbox, replacement: NewMessage::read(cursor)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)?;
        self.replacement.check(check)
    }
}

impl Encode for Replace<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.message.encode(out)?;
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        self.replacement.encode(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Command, Numbering, Parser, SequenceNumber};

    #[test]
    fn replace_takes_one_message_and_one_message() {
        let mut parser = Parser::new();
        let Command::Replace(replace) = parser.command(b"a REPLACE * x {1}\r\na").unwrap().command else {
            panic!()
        };
        assert_eq!((replace.numbering, replace.message), (Numbering::Sequence, SequenceNumber::Largest));
        for bad in [
            "a REPLACE 1:2 x {1}\r\na",
            "a REPLACE 1,2 x {1}\r\na",
            "a REPLACE 0 x {1}\r\na",
            "a REPLACE x {1}\r\na",
            "a REPLACE 1 x",
            "a REPLACE 1 x {1}\r\na {1}\r\nb",
            "a REPLACE 1 \"x\"(\\Seen) {1}\r\na",
            "a REPLACE 1 x (\\Recent) {1}\r\na",
        ] {
            assert!(parser.command(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
