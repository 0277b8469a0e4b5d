//! COPY (RFC 3501 6.4.7) and MOVE (RFC 6851).
//!
//! ```
//! use imap_proto::{Command, Numbering, Parser};
//! let mut parser = Parser::new();
//! let Command::Move(copying) = parser.command(b"a UID MOVE 42:69 foo")?.command else { panic!() };
//! assert_eq!((copying.numbering, copying.mailbox.to_utf8().as_ref()), (Numbering::Uid, "foo"));
//! assert!(copying.messages.resolve(100).eq([42..=69]));
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::command::Numbering;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::sequence::SequenceSet;
use crate::tape::Cursor;

/// `COPY 2:4 MEETING`; the arguments of MOVE are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copying<'a> {
    /// How the messages are numbered.
    pub numbering: Numbering,
    /// Which messages.
    pub messages: SequenceSet<'a>,
    /// Where to.
    pub mailbox: MailboxName<'a>,
}

impl<'a> Copying<'a> {
    pub(crate) fn read(numbering: Numbering, cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let messages = SequenceSet::unchecked(&cursor.spaced()?)?;
        Ok(Self { numbering, messages, mailbox: MailboxName::argument(cursor)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.messages.check(check, 0)?;
        self.mailbox.check(check)
    }
}

impl Encode for Copying<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.messages.encode(out)?;
        out.raw(b" ");
        self.mailbox.encode(out)
    }
}
