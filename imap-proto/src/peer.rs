//! What the nodes of a Cyrus murder say to each other over IMAP: LOCALAPPEND, LOCALCREATE, LOCALDELETE, XFER,
//! MUPDATEPUSH.
//!
//! Front-ends log in at back-ends in the name of their users, and back-ends hand mailboxes to each other, with these
//! verbs and a few more. [`Verb::is_internal`](crate::Verb::is_internal) names them all: a connection to a user knows
//! none of them.
//!
//! ```
//! use imap_proto::{Command, Parser, Verb};
//! let mut parser = Parser::new();
//! let Command::Xfer(transfer) = parser.command(b"t2 XFER \"user/alice2\" be2.murder.test default")?.command else {
//!     panic!()
//! };
//! assert_eq!(transfer.mailbox.to_utf8(), "user/alice2");
//! assert_eq!(transfer.server, "be2.murder.test");
//! assert_eq!(transfer.partition.unwrap(), "default");
//! assert!(Verb::Xfer.is_internal() && !Verb::Rename.is_internal());
//! # Ok::<(), imap_proto::InvalidMessage>(())
//! ```

use mail_wire::{InvalidMessage, PeerIncompatible};

use crate::append::Append;
use crate::encode::{Encode, Encoder, Sink};
use crate::mailbox::MailboxName;
use crate::quirks::Check;
use crate::string::IString;
use crate::tape::Cursor;

/// `XFER mailbox server [partition]`: the mailbox, and what is below it, moves to another back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xfer<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The host name of the back-end.
    pub server: IString<'a>,
    /// The partition there; its default, if there is none here.
    pub partition: Option<IString<'a>>,
}

/// `LOCALCREATE mailbox [partition]`: create it here without a word to the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCreate<'a> {
    /// The mailbox.
    pub mailbox: MailboxName<'a>,
    /// The partition; the default, if there is none here.
    pub partition: Option<IString<'a>>,
}

/// `LOCALAPPEND mailbox selected message [message ...]`: what a front-end makes of APPEND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAppend<'a> {
    /// The mailbox that the client has selected, whose new messages shall be told; empty if it has none there.
    pub selected: MailboxName<'a>,
    /// The rest.
    pub append: Append<'a>,
}

fn optional<'a>(cursor: &mut Cursor<'a>) -> Result<Option<IString<'a>>, InvalidMessage> {
    if cursor.is_empty() { Ok(None) } else { cursor.spaced()?.astring().map(Some) }
}

fn encode_optional<S: Sink>(
    string: &Option<IString<'_>>,
    out: &mut Encoder<'_, S>,
) -> Result<(), PeerIncompatible> {
    string.as_ref().map_or(Ok(()), |string| {
        out.raw(b" ");
        out.astring(string)
    })
}

impl<'a> Xfer<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        Ok(Self { mailbox, server: cursor.spaced()?.astring()?, partition: optional(cursor)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)
    }
}

impl<'a> LocalCreate<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        Ok(Self { mailbox: MailboxName::argument(cursor)?, partition: optional(cursor)? })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.mailbox.check(check)
    }
}

impl<'a> LocalAppend<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, InvalidMessage> {
        let mailbox = MailboxName::argument(cursor)?;
        let selected = MailboxName::of_node(&cursor.spaced()?)?;
        Ok(Self { selected, append: Append { mailbox, messages: cursor.spaced_rest()? } })
    }

    pub(crate) fn check(&self, check: &Check<'_>) -> Result<(), InvalidMessage> {
        self.selected.check(check)?;
        self.append.check(check)
    }
}

impl Encode for LocalAppend<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        for mailbox in [self.append.mailbox, self.selected] {
            out.raw(b" ");
            mailbox.encode(out)?;
        }
        out.raw(b" ");
        self.append.messages.encode_some(out)
    }
}

impl Encode for Xfer<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        out.raw(b" ");
        out.astring(&self.server)?;
        encode_optional(&self.partition, out)
    }
}

impl Encode for LocalCreate<'_> {
    fn encode<S: Sink>(&self, out: &mut Encoder<'_, S>) -> Result<(), PeerIncompatible> {
        out.raw(b" ");
        self.mailbox.encode(out)?;
        encode_optional(&self.partition, out)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Command, Parser};

    #[test]
    fn partitions_are_optional_and_nothing_follows_them() {
        let mut parser = Parser::new();
        let Command::LocalCreate(create) =
            parser.command(b"LC1 LOCALCREATE {10+}\r\nuser/alice default").unwrap().command
        else {
            panic!()
        };
        assert_eq!(create.partition.unwrap(), "default");
        for (line, good) in [
            ("XFER a b", true),
            ("XFER a b c", true),
            ("XFER a", false),
            ("XFER a b c d", false),
            ("LOCALCREATE a", true),
            ("LOCALCREATE a b c", false),
            ("LOCALDELETE a", true),
            ("MUPDATEPUSH a", true),
            ("MUPDATEPUSH", false),
        ] {
            assert_eq!(parser.command(format!("a {line}").as_bytes()).is_ok(), good, "{line}");
        }
    }
}
